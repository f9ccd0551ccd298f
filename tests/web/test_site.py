"""The door and the tree behind it: keys, what is missing, the page, the logs."""

from __future__ import annotations

import base64

import pytest
from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.interfaces import ISSLTransport
from twisted.logger import LogLevel, capturedLogs
from twisted.web import http
from twisted.web.http import Request
from zope.interface import alsoProvides

from camd.rights import EVERY_RIGHT
from camd.web.access.session import LONGEST, SESSION
from camd.web.answers import Answer
from camd.web.client import NO_PROXIES, Proxies
from tests.fakes_camera import KEY, FakeDaemon, said

BASIC = base64.b64encode(f"anybody:{KEY}".encode()).decode()

CLOSED = [
    "/",
    "/api",
    "/api/",
    "/api/cameras",
    "/api/robot",
    "/api/robot/stream",
    "/api/robot/stream/stats",
    "/api/robot/snapshot",
    "/api/nobody/stream",
    "/readyz",
    "/metrics",
    "/no/such/page",
    "//healthz",
    "/healthz/more",
    "/%68ealthz",
    "/healthz/../",
    "/page",
    "/pages/app.js",
]


def test_a_site_that_nobody_asks_has_one_timer() -> None:
    """That of all periodic calls: none wakes the process for the access log."""
    clock = FakeDaemon(source="push").environment.clock
    assert len(clock.getDelayedCalls()) == 1


# ---- The door


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        ("/api/cameras", [f"X-API-Key: {KEY}"]),
        ("/api/cameras", [f"x-api-key: {KEY}"]),
        ("/api/cameras", [f"Authorization: Bearer {KEY}"]),
        ("/api/cameras", [f"Authorization: Basic {BASIC}"]),
        (f"/api/cameras?api_key={KEY}", []),
        (f"/api/cameras?a=b&api_key={KEY}", []),
    ],
)
def test_every_way_in(target: str, headers: list[str]) -> None:
    """A key opens in each of the ways it may come."""
    assert FakeDaemon().ask(target, *headers, key=None).status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", "BREW"])
@pytest.mark.parametrize("target", CLOSED)
def test_no_way_in(target: str, method: str) -> None:
    """Without a key every path answers the same: 401, whether it is there or not."""
    daemon = FakeDaemon()
    line = daemon.ask(target, "Content-Length: 0", method=method, key=None)
    assert line.status == 401
    assert line.headers["www-authenticate"] == 'Basic realm="camd"'
    assert line.headers["cache-control"] == "no-store"
    if method != "HEAD":
        assert line.json == {"error": "a key is needed"}
    assert daemon.viewer_count.ever == 0


NEEDED, UNKNOWN = "a key is needed", "this key is not known"
ENDED = "this session has ended"


@pytest.mark.parametrize(
    ("target", "headers", "error"),
    [
        ("/", ["X-API-Key: wrong"], UNKNOWN),
        ("/", ["Authorization: Bearer wrong"], UNKNOWN),
        ("/", ["Authorization: Basic d3Jvbmc6d3Jvbmc="], UNKNOWN),
        ("/", ["Authorization: Basic wrong"], NEEDED),
        ("/", ["Cookie: camd_session=1.00"], ENDED),
        ("/", ["Cookie: camd_session"], NEEDED),
        ("/?api_key=wrong", [], UNKNOWN),
        ("/?api_key=", [], NEEDED),
        (f"/?API_KEY={KEY}", [], NEEDED),
        (f"/?key={KEY}", [], NEEDED),
        ("/?api_key=wrong", ["X-API-Key: wrong"], UNKNOWN),
        ("/?api_key=wrong", ["Cookie: camd_session=1.00"], f"{UNKNOWN}; {ENDED}"),
    ],
)
def test_a_wrong_key(target: str, headers: list[str], error: str) -> None:
    """It opens no more than none, and its sender is told that it is not known."""
    line = FakeDaemon().ask(target, *headers, key=None)
    assert (line.status, line.json) == (401, {"error": error})
    assert "set-cookie" not in line.headers


@pytest.mark.parametrize("key", [KEY[:-1], KEY + "x", KEY.upper(), "wrong", "a" * 5000])
def test_all_wrong_keys_are_alike(key: str) -> None:
    """How near one is shows in no byte of the answer, which does not repeat it."""
    daemon = FakeDaemon()
    line, other = daemon.ask("/", key=key), daemon.ask("/", key="x")
    told = [{**each.headers, "date": "now"} for each in (line, other)]
    assert (line.status, told[0], line.raw) == (other.status, told[1], other.raw)
    assert key.encode() not in line.transport.value()


def test_people_are_told_what_is_wrong() -> None:
    """In the form that asks them for a key; who brought nothing reads nothing there."""
    daemon = FakeDaemon()
    for key, why in (("wrong", b"This key is not known."), (None, b"")):
        html = daemon.ask("/", "Accept: text/html", key=key).body
        assert b'<body data-why="' + why + b'">' in html
        assert b'<p class="wrong">' + why + b"</p>" in html


def test_head_without_a_key() -> None:
    """HEAD is told the length of the refusal."""
    daemon = FakeDaemon()
    got, asked = (daemon.ask("/", method=m, key=None) for m in ("GET", "HEAD"))
    assert (asked.status, asked.raw) == (401, b"")
    assert asked.headers["content-length"] == str(len(got.raw))


@pytest.mark.parametrize(
    ("accept", "scheme"),
    [
        ("text/html,*/*", "Bearer"),
        ("application/xhtml+xml,text/html", "Bearer"),
        ("*/*", "Basic"),
        ("image/webp,*/*", "Bearer"),
        ("application/json", "Bearer"),
    ],
)
def test_who_is_asked_for_a_password(accept: str, scheme: str) -> None:
    """A player is; people have a form, and an <img> and a script cause no prompt."""
    line = FakeDaemon().ask("/", f"Accept: {accept}", key=None)
    assert line.headers["www-authenticate"] == f'{scheme} realm="camd"'


def test_only_http_1_1_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    """TLS clients are not offered HTTP/2, even where what it takes is installed."""
    monkeypatch.setattr(http, "H2_ENABLED", True)
    assert FakeDaemon().site.acceptableProtocols() == [b"http/1.1"]


class Forgetful(Answer):
    """A resource that does not say which right opens it."""

    def answer(self, request: Request) -> bytes:
        """Never asked for."""
        raise AssertionError


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_a_resource_that_does_not_say_what_opens_it(method: str) -> None:
    """It is closed to every key, also to one that may do everything."""
    daemon = FakeDaemon()
    daemon.root.putChild(b"forgetful", Forgetful())
    assert daemon.ask("/forgetful", "Content-Length: 0", method=method).status == 403


# ---- The tree


@pytest.mark.parametrize(
    ("target", "what"),
    [
        ("/api/nobody/stream", "no such camera"),
        ("/api/nobody", "no such camera"),
        ("/api/", "no such camera"),
        ("/api", "no such camera"),
        ("/api/robot", "no such page"),
        ("/api/robot/", "no such page"),
        ("/api/robot/other", "no such page"),
        ("/api/robot/stream/other", "no such page"),
        ("/nothing", "no such page"),
        ("/%2e%2e/etc/passwd", "no such page"),
    ],
)
def test_what_is_missing(target: str, what: str) -> None:
    """It is 404, as JSON, at whatever depth."""
    line = FakeDaemon().ask(target)
    assert (line.status, line.json) == (404, {"error": what})


def test_head_of_what_is_missing() -> None:
    """HEAD gets the 404 and its length."""
    daemon = FakeDaemon()
    got, asked = (daemon.ask("/nothing", method=m) for m in ("GET", "HEAD"))
    assert (asked.status, asked.raw) == (404, b"")
    assert asked.headers["content-length"] == str(len(got.raw))


def test_other_methods() -> None:
    """The page allows GET and HEAD only."""
    line = FakeDaemon().ask("/", "Content-Length: 0", method="POST")
    assert (line.status, line.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


# ---- The page


def test_the_page() -> None:
    """It is HTML with every camera's stream in it, for nobody to keep."""
    line = FakeDaemon("robot", "door").ask("/")
    assert line.status == 200
    assert line.headers["content-type"] == "text/html; charset=utf-8"
    assert line.headers["cache-control"] == "no-store"
    assert line.headers["referrer-policy"] == "no-referrer"
    assert b'src="/api/robot/stream?busy=text"' in line.body
    assert b'src="/api/door/stream?busy=text"' in line.body


def test_head_of_the_page() -> None:
    """HEAD gets its headers and length."""
    daemon = FakeDaemon()
    got, asked = daemon.ask("/"), daemon.ask("/", method="HEAD")
    assert (asked.status, asked.raw) == (200, b"")
    assert asked.headers["content-length"] == str(len(got.raw))


def test_the_pages_policy() -> None:
    """Only camd's own files may run, and none that stands in the HTML."""
    policy = FakeDaemon().ask("/").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy


def test_somebody_without_a_key_gets_a_form() -> None:
    """A browser that has no key is asked for one, wherever it comes in."""
    for target in ("/", "/api/robot/snapshot", "/no/such/page"):
        line = FakeDaemon("arm").ask(target, "Accept: text/html", key=None)
        assert line.status == 401
        assert line.headers["content-type"] == "text/html; charset=utf-8"
        assert "default-src 'none'" in line.headers["content-security-policy"]
        assert b"sign-in.js" in line.body
        assert b"arm" not in line.body


@pytest.mark.parametrize("base", ["", "/cams"])
def test_what_the_form_is_made_of_needs_no_key(base: str) -> None:
    """The page's files are there for everybody, and nothing beside them."""
    daemon = FakeDaemon(base=base)
    assert daemon.ask(f"{base}/page/style.css", key=None).status == 200
    assert daemon.ask(f"{base}/page/app.js", key=None).status == 200
    for target in ("/page", "/page%2f../metrics", "/Page/app.js"):
        assert daemon.ask(base + target, key=None).status == 401
    for name in ("", "page.py", "package.json", "index.html", "../api/cameras"):
        assert daemon.ask(f"{base}/page/{name}", key=None).status == 404


def test_the_key_leaves_the_address() -> None:
    """Opened with the key in its address, the page leads to itself without."""
    line = FakeDaemon().ask(f"/?api_key={KEY}", key=None)
    assert (line.status, line.headers["location"]) == (302, "/")
    assert KEY not in line.transport.value().decode("latin-1")
    assert line.headers["cache-control"] == "no-store"
    assert "set-cookie" in line.headers


def test_the_cookie() -> None:
    """It is for the whole site, for a week, and out of reach for scripts."""
    line = FakeDaemon().ask("/")
    value, *flags = line.headers["set-cookie"].split("; ")
    assert value.startswith("camd_session=")
    assert {flag.lower() for flag in flags} == {
        "path=/",
        f"max-age={SESSION}",
        "httponly",
        "samesite=lax",
    }


def test_the_cookie_over_tls() -> None:
    """Got over TLS, it is never sent in the clear."""
    line = FakeDaemon().connect()
    alsoProvides(line.transport, ISSLTransport)
    line.ask("/", f"X-API-Key: {KEY}")
    assert line.headers["set-cookie"].lower().split("; ").count("secure") == 1


@pytest.mark.parametrize("proxy", ["192.0.2.1", "192.0.2.2"])
def test_the_cookie_behind_a_proxy_that_ends_tls(proxy: str) -> None:
    """It is never sent in the clear, if the proxy that says so is trusted."""
    line = FakeDaemon(proxies=Proxies(["192.0.2.1"])).connect(
        IPv4Address("TCP", proxy, 1)
    )
    line.ask("/", f"X-API-Key: {KEY}", "X-Forwarded-Proto: https")
    secure = "secure" in line.headers["set-cookie"].lower().split("; ")
    assert secure is (proxy == "192.0.2.1")


def cookie_of(daemon: FakeDaemon) -> str:
    """The header with which a browser comes back."""
    line = daemon.ask(f"/?api_key={KEY}", key=None)
    return "Cookie: other=1; " + line.headers["set-cookie"].partition(";")[0]


@pytest.mark.parametrize(
    "target", ["/", "/api/robot/stream", "/api/robot/stream/stats", "/api/cameras"]
)
def test_the_cookie_opens(target: str) -> None:
    """Whoever has opened the page once needs no key for what is in it."""
    daemon = FakeDaemon()
    assert daemon.ask(target, cookie_of(daemon), key=None).status == 200


def test_the_cookie_expires() -> None:
    """After a week the key is asked for again."""
    daemon = FakeDaemon(idle_fps=0)
    cookie = cookie_of(daemon)
    daemon.environment.clock.advance(SESSION - 1)
    assert daemon.ask("/api/cameras", cookie, key=None).status == 200
    daemon.environment.clock.advance(2)
    assert daemon.ask("/api/cameras", cookie, key=None).status == 401


def test_each_visit_renews_the_cookie() -> None:
    """A display that loads the page now and then stays in."""
    daemon = FakeDaemon(idle_fps=0)
    cookie = cookie_of(daemon)
    daemon.environment.clock.advance(SESSION - 1)
    renewed = daemon.ask("/", cookie, key=None).headers["set-cookie"].partition(";")[0]
    daemon.environment.clock.advance(SESSION - 1)
    line = daemon.ask("/api/cameras", f"Cookie: {renewed}", key=None)
    assert line.status == 200


def test_a_wrong_key_in_the_address_with_a_cookie() -> None:
    """Who is in already is led to the page; the wrong key is not kept."""
    daemon = FakeDaemon()
    line = daemon.ask("/?api_key=wrong", cookie_of(daemon), key=None)
    assert (line.status, line.headers["location"]) == (302, "/")


# ---- The logs


class Broken(Answer):
    """A resource that fails while it answers."""

    opened_by = EVERY_RIGHT

    def answer(self, request: Request) -> bytes:
        """Fail, with the request at hand as a programmer would have it."""
        raise RuntimeError(f"cannot answer {request!r}")


REQUESTS = [
    (method, f"{path}?x=1&api_key={KEY}", headers)
    for method in ("GET", "HEAD", "POST", "BREW")
    for path in ("/", "/api/robot/snapshot", "/nothing", "/broken")
    for headers in (
        (),
        (f"X-API-Key: {KEY}", f"Referer: http://camd/?api_key={KEY}"),
        (f"Authorization: Basic {BASIC}", f"Cookie: k={KEY}"),
    )
]


@pytest.mark.parametrize(("method", "target", "headers"), REQUESTS)
def test_no_key_in_any_log(method: str, target: str, headers: list[str]) -> None:
    """However a key comes and whatever fails, neither log nor answer shows it."""
    daemon = FakeDaemon()
    daemon.root.putChild(b"broken", Broken())
    with capturedLogs() as events:
        line = daemon.ask(target, *headers, method=method, key=None)
        line.lose()
    shown = "\n".join(
        [
            *said(events),
            *(e["log_failure"].getTraceback() for e in events if "log_failure" in e),
            line.transport.value().decode("latin-1"),
        ]
    )
    assert len(events) >= 1
    for secret in (KEY, KEY[:12], BASIC):
        assert secret not in shown


def test_no_wrong_key_in_any_log() -> None:
    """A key with a slip of the pen in it is not logged either."""
    daemon = FakeDaemon()
    with capturedLogs() as events:
        line = daemon.ask(f"/?api_key={KEY}x", f"X-API-Key: {KEY}y", key=None)
    assert line.status == 401
    assert KEY not in "\n".join(said(events))
    assert KEY.encode() not in line.transport.value()


def access_lines(daemon: FakeDaemon, target: str, *headers: str) -> list[str]:
    """What the logs say of one request."""
    with capturedLogs() as events:
        daemon.ask(target, *headers)
    return said(events)


def test_the_access_log() -> None:
    """It tells who asked for what and what came of it, without the query."""
    daemon = FakeDaemon()
    (line,) = access_lines(daemon, "/api/cameras?a=b", "User-Agent: curl/8.1")
    size = len(daemon.ask("/api/cameras").raw)
    assert line == f'192.168.1.1 "GET /api/cameras HTTP/1.1" 200 {size} "curl/8.1"'


@pytest.mark.parametrize(
    ("path", "status", "level"),
    [
        ("/api/cameras", 200, LogLevel.debug),
        ("/api/robot/stream/stats", 200, LogLevel.debug),
        ("/metrics", 200, LogLevel.debug),
        ("/healthz", 200, LogLevel.debug),
        ("/api/door/stream/stats", 404, LogLevel.info),
        ("/", 200, LogLevel.info),
    ],
)
def test_polling_has_no_lines(path: str, status: int, level: LogLevel) -> None:
    """What pages and monitors ask for again and again is for those who debug."""
    with capturedLogs() as events:
        assert FakeDaemon().ask(path).status == status
    assert [event["log_level"] for event in events if "protocol" in event] == [level]


def test_the_access_log_is_one_line() -> None:
    """Whatever a client calls itself, it stays one printable line."""
    agent = "User-Agent: a\x1b[31mb\tc\x7fd\xe9"
    (line,) = access_lines(FakeDaemon(), "/nothing", agent)
    assert line.isprintable()
    assert '"GET /nothing HTTP/1.1" 404' in line
    assert line.endswith('"a?[31mb?c?d?"')


def test_the_access_log_of_a_unix_socket() -> None:
    """A client of a UNIX socket has no address, and is answered and logged."""
    daemon = FakeDaemon()
    line = daemon.connect(UNIXAddress(None))
    with capturedLogs() as events:
        line.ask("/healthz")
        line.ask("/healthz")
    assert line.transport.value().count(b"200 OK") == 2
    assert [text.partition('"')[2] for text in said(events)] == [
        'GET /healthz HTTP/1.1" 200 3 ""'
    ] * 2
    assert said(events)[0].startswith('- "')


def test_an_exception_in_a_resource() -> None:
    """It is one 500 and one entry in the log; the next request is answered."""
    daemon = FakeDaemon()
    daemon.root.putChild(b"broken", Broken())
    with capturedLogs() as events:
        line = daemon.ask("/broken")
    assert line.status == 500
    assert b"Traceback" not in line.body
    failures = [event["log_failure"] for event in events if "log_failure" in event]
    assert [failure.type for failure in failures] == [RuntimeError]
    assert daemon.ask("/healthz").status == 200


# ---- What every answer has


@pytest.mark.parametrize(
    ("target", "key", "status"),
    [
        ("/", KEY, 200),
        ("/api/robot/stream", KEY, 200),
        ("/api/robot/snapshot", KEY, 200),
        ("/api/cameras", KEY, 200),
        ("/metrics", KEY, 200),
        ("/healthz", None, 200),
        ("/", None, 401),
        ("/nothing", KEY, 404),
        ("/broken", KEY, 500),
    ],
)
def test_headers_of_every_answer(target: str, key: str | None, status: int) -> None:
    """No browser takes it for something else, tells its address, or embeds it."""
    daemon = FakeDaemon()
    daemon.root.putChild(b"broken", Broken())
    with capturedLogs():
        line = daemon.ask(target, key=key)
    assert line.status == status
    assert line.headers["x-content-type-options"] == "nosniff"
    assert line.headers["referrer-policy"] == "no-referrer"
    assert line.headers["cross-origin-resource-policy"] == "same-origin"


def test_the_resource_policy_is_a_setting() -> None:
    """Where pictures are meant for other sites, they may be shown there."""
    daemon = FakeDaemon()
    daemon.site.change(daemon.root, NO_PROXIES, (), "", "cross-origin")
    line = daemon.ask("/api/robot/snapshot")
    assert line.headers["cross-origin-resource-policy"] == "cross-origin"


def test_an_address_with_a_key_or_a_link_is_made_to_be_embedded() -> None:
    """It opens wherever it stands; beside a cookie, a wrong key changes nothing."""
    daemon = FakeDaemon()
    by_key = daemon.ask(f"/api/robot/snapshot?api_key={KEY}", key=None)
    link = daemon.access.links.sign("owner", "/api/robot/snapshot", 60)
    by_link = daemon.ask(link, key=None)
    beside = daemon.ask("/api/robot/snapshot?api_key=x", cookie_of(daemon), key=None)
    assert [
        (line.status, line.headers["cross-origin-resource-policy"])
        for line in (by_key, by_link, beside)
    ] == [(200, "cross-origin"), (200, "cross-origin"), (200, "same-origin")]


# ---- The session


def test_polling_renews_the_cookie() -> None:
    """A page that is left open stays in, though it is never loaded again."""
    daemon = FakeDaemon(idle_fps=0)
    cookie = cookie_of(daemon)
    ended = daemon.environment.clock.seconds() + LONGEST
    while daemon.environment.clock.seconds() < ended - 3600:
        daemon.environment.clock.advance(3600)
        line = daemon.ask("/api/cameras", cookie, key=None)
        assert line.status == 200
        if "set-cookie" in line.headers:
            value, *flags = line.headers["set-cookie"].split("; ")
            cookie = f"Cookie: {value}"
            assert "httponly" in [flag.lower() for flag in flags]
    daemon.environment.clock.advance(3600)
    assert daemon.ask("/api/cameras", cookie, key=None).status == 401


def test_a_fresh_cookie_is_not_sent_again() -> None:
    """Only one answer in a day carries one."""
    daemon = FakeDaemon()
    assert "set-cookie" not in daemon.ask("/api/cameras", cookie_of(daemon)).headers
    assert "set-cookie" not in daemon.ask("/api/cameras").headers


@pytest.mark.parametrize("target", ["//stream", "/stream/", "//api//robot/stream/"])
def test_slashes_too_many(target: str) -> None:
    """What people make of an address opens what they meant."""
    line = FakeDaemon().ask(target)
    assert line.headers["content-type"].startswith("multipart/x-mixed-replace")
    assert FakeDaemon().ask(target, key=None).status == 401
