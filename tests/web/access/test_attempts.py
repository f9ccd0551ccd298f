"""Wrong keys: how many are too many, from whom, and for how long."""

from __future__ import annotations

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from camd.web.access.attempts import MOST, TRIES, WINDOW, Attempts
from camd.web.client import Proxies
from tests.fakes_camera import KEY, FakeDaemon, said


@pytest.fixture
def clock() -> Clock:
    """A clock."""
    return Clock()


@pytest.fixture
def attempts(clock: Clock) -> Attempts:
    """Nobody has tried yet."""
    return Attempts(clock)


def fail(attempts: Attempts, address: str, times: int = TRIES) -> None:
    """Offer so many wrong keys."""
    for _ in range(times):
        attempts.failed(address)


def test_ten_are_too_many(attempts: Attempts) -> None:
    """Nine wrong keys are a person's; ten are not."""
    fail(attempts, "192.0.2.1", TRIES - 1)
    assert not attempts.refused("192.0.2.1")
    fail(attempts, "192.0.2.1", 1)
    assert attempts.refused("192.0.2.1")
    assert not attempts.refused("192.0.2.2")


def test_a_minute_later(attempts: Attempts, clock: Clock) -> None:
    """Who was refused is heard again a minute after the tenth wrong key."""
    fail(attempts, "192.0.2.1", TRIES - 1)
    clock.advance(WINDOW - 1)
    fail(attempts, "192.0.2.1", 1)
    clock.advance(WINDOW - 1)
    assert attempts.refused("192.0.2.1")
    clock.advance(1)
    assert not attempts.refused("192.0.2.1")


def test_a_few_each_minute(attempts: Attempts, clock: Clock) -> None:
    """Wrong keys of more than a minute ago do not count."""
    for _ in range(5):
        fail(attempts, "192.0.2.1", TRIES - 1)
        assert not attempts.refused("192.0.2.1")
        clock.advance(WINDOW)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("", "192.0.2.2", False),
    ],
)
def test_one_customer(attempts: Attempts, one: str, other: str, same: bool) -> None:
    """All of an IPv6 customer's addresses are one; those of IPv4 are not."""
    fail(attempts, one)
    assert attempts.refused(other) == same


def test_it_is_said_once(attempts: Attempts) -> None:
    """However many follow, there is one line."""
    with capturedLogs() as events:
        fail(attempts, "192.0.2.1", 100)
    assert said(events) == ["10 wrong keys from 192.0.2.1: refused for 60 s"]


def test_memory_is_bounded(attempts: Attempts) -> None:
    """Of ever new addresses the oldest are forgotten."""
    fail(attempts, "192.0.2.1")
    for number in range(MOST):
        attempts.failed(f"10.0.{number // 256}.{number % 256}")
    assert not attempts.refused("192.0.2.1")
    assert len(attempts._tried) == MOST


def ask(daemon: FakeDaemon, key: str, client: str, *headers: str) -> int:
    """Come through the proxy with a key; give the answer's code."""
    line = daemon.connect(IPv4Address("TCP", "127.0.0.1", 1))
    proof = [f"X-API-Key: {key}"] if key else []
    line.ask("/api/cameras", *proof, f"X-Forwarded-For: {client}", *headers)
    return line.status


def test_at_the_door() -> None:
    """One client's wrong keys are its own trouble, also behind a proxy."""
    daemon = FakeDaemon(proxies=Proxies(["127.0.0.1"]))
    codes = [ask(daemon, "wrong", "192.0.2.1") for _ in range(TRIES + 1)]
    assert codes == [401] * TRIES + [429]
    assert ask(daemon, "wrong", "192.0.2.2") == 401
    daemon.environment.clock.advance(WINDOW)
    assert ask(daemon, "wrong", "192.0.2.1") == 401


def test_a_right_key_is_never_refused() -> None:
    """A page with ten wrong pictures locks no program at its visitor's address out."""
    daemon = FakeDaemon(proxies=Proxies(["127.0.0.1"]))
    for _ in range(2 * TRIES):
        ask(daemon, "wrong", "192.0.2.1")
    assert ask(daemon, KEY, "192.0.2.1") == 200


GUESSES = {
    "header": ("/", ["X-API-Key: wrong"]),
    "bearer": ("/", ["Authorization: Bearer wrong"]),
    "basic": ("/", ["Authorization: Basic d3Jvbmc6d3Jvbmc="]),
    "query": ("/?api_key=wrong", []),
    "cookie": ("/", [f"Cookie: camd_session=1800000000.1800600000.{'0' * 64}"]),
    "cookie without a form": ("/", ["Cookie: camd_session=x"]),
    "link": (
        f"/api/robot/stream?key=owner&expires=1800000100&signature={'0' * 64}",
        [],
    ),
    "link of nobody": ("/api/robot/stream?key=x&expires=1&signature=0", []),
    "link that never ends": (f"/api/robot/stream?expires={'9' * 5000}&signature=0", []),
}


@pytest.mark.parametrize("kind", GUESSES)
def test_every_kind_of_guess_counts(kind: str) -> None:
    """However one guesses, the eleventh is refused."""
    target, headers = GUESSES[kind]
    daemon = FakeDaemon()
    codes = [daemon.ask(target, *headers, key=None).status for _ in range(TRIES + 1)]
    assert codes == [401] * TRIES + [429]


def test_several_guesses_in_one_request_count_each() -> None:
    """Three at once are three."""
    daemon = FakeDaemon()
    headers = ["X-API-Key: a", "Authorization: Bearer b", "Cookie: camd_session=c"]
    codes = [daemon.ask("/?api_key=d", *headers, key=None).status for _ in range(4)]
    assert codes == [401, 401, 401, 429]


def test_a_guess_beside_a_right_key_counts() -> None:
    """A key opens, and what comes along with it is counted all the same."""
    daemon = FakeDaemon()
    for _ in range(TRIES):
        assert daemon.ask("/?api_key=guess").status == 302
    assert daemon.ask("/", key="guess").status == 429
    assert daemon.ask("/").status == 200


def test_what_has_expired_is_no_guess() -> None:
    """A page that was left open for a month counts for nothing."""
    daemon = FakeDaemon()
    page = daemon.ask("/")
    cookie = "Cookie: " + page.headers["set-cookie"].partition(";")[0]
    daemon.environment.clock.advance(8 * 24 * 3600)
    codes = {daemon.ask("/", cookie, key=None).status for _ in range(2 * TRIES)}
    assert codes == {401}


def test_no_key_is_no_wrong_key() -> None:
    """A monitor that asks without a key is told so, as often as it asks."""
    daemon = FakeDaemon(proxies=Proxies(["127.0.0.1"]))
    codes = {ask(daemon, "", "192.0.2.1") for _ in range(2 * TRIES)}
    assert codes == {401}
    assert ask(daemon, KEY, "192.0.2.1") == 200


def test_an_open_page_goes_on() -> None:
    """Who is refused with keys is still known by the page's cookie."""
    daemon = FakeDaemon(proxies=Proxies(["127.0.0.1"]))
    page = daemon.ask(f"/?api_key={KEY}", key=None)
    cookie = page.headers["set-cookie"].partition(";")[0]
    for _ in range(TRIES):
        ask(daemon, "wrong", "192.0.2.1")
    assert ask(daemon, "", "192.0.2.1", f"Cookie: {cookie}") == 200
    assert ask(daemon, "wrong", "192.0.2.1", f"Cookie: {cookie}") == 200
    assert ask(daemon, "wrong", "192.0.2.1") == 429


def test_what_is_told() -> None:
    """The answer is one line of JSON, and says when to come again."""
    daemon = FakeDaemon()
    for _ in range(TRIES):
        daemon.ask("/", key="wrong")
    line = daemon.ask("/", key="wrong")
    assert line.head.startswith(b"HTTP/1.1 429 Too Many Requests\r\n")
    assert line.headers["retry-after"] == "60"
    assert line.json == {"error": "too many wrong keys; try again in a minute"}
    assert daemon.ask("/healthz", key="wrong").status == 200
