"""The page for people: its HTML without scripts, its files, its policy."""

from __future__ import annotations

import gzip
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from camd.web import page
from camd.web.page import policy, render, sign_in
from tests.fakes_camera import FakeDaemon, HttpConnection

FOLDER = Path(page.__file__).with_name("page")
MODULES = sorted(path.name for path in FOLDER.glob("*.js"))

HOSTILE = "\"'><script>alert(1)</script>&{{base}}/../ü"
VOID = {"br", "circle", "img", "input", "link", "meta", "path", "rect"}
ADDRESSES = {"action", "data", "href", "poster", "src", "srcset", "style"}
QUERIES = {"live": "", "frame": "", "stream": ""}
"""What opens an embedded camera's pictures for somebody with a key: nothing more."""

LARGEST = 60 * 1024
"""Bytes that all of the page may have on its way to a browser."""


class Document(HTMLParser):
    """The page's elements in their order, and whether each end has its beginning."""

    def __init__(self, html: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.unbalanced: list[str] = []
        self.text: list[tuple[str, str]] = []
        self.feed(html.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element that has no end."""
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """See that it was open."""
        if not self.open or self.open.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data: str) -> None:
        """Note a text."""
        self.text.append((self.open[-1] if self.open else "", data))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of every such element."""
        return [attributes for name, attributes in self.elements if name == tag]

    def inside(self, tag: str) -> list[str]:
        """Return the text directly inside such elements, one for each piece."""
        return [data for name, data in self.text if name == tag and data.strip()]


def cameras(*names: str) -> dict[str, str]:
    """Return cameras whose titles are their names."""
    return {name: name for name in names}


# ---- Without scripts


def test_one_picture_per_camera() -> None:
    """Each camera's stream stands in the HTML, in the order given."""
    pictures = Document(render(cameras("robot", "door"))).all("img")
    assert [picture["src"] for picture in pictures] == [
        "/api/robot/stream?busy=text",
        "/api/door/stream?busy=text",
    ]


def test_pictures_load_where_there_are_no_scripts_only() -> None:
    """With scripts nothing is loaded twice: all that is for those without is apart."""
    html = render(cameras("robot")).decode()
    apart = re.search(r"<noscript>.*</noscript>", html, re.DOTALL)
    assert apart is not None
    assert "<img" in apart[0]
    assert "<img" not in html.replace(apart[0], "")


def test_pictures_are_named() -> None:
    """Somebody who cannot see the picture hears whose it is, by its title."""
    (picture,) = Document(render({"robot": "Meine Küche"})).all("img")
    assert picture["alt"] == "Live picture of Meine Küche"


def test_links() -> None:
    """Each camera has links to its stream, snapshot and stats."""
    links = [link["href"] for link in Document(render(cameras("robot"))).all("a")]
    assert links == [
        "/api/robot/stream",
        "/api/robot/snapshot",
        "/api/robot/stream/stats",
    ]


def test_base() -> None:
    """Behind a proxy that shows the daemon under a path, all addresses have it."""
    for html in (render(cameras("robot"), base="/cams"), sign_in(base="/cams")):
        document = Document(html)
        addresses = [
            str(value)
            for _, attributes in document.elements
            for name, value in attributes.items()
            if name in ADDRESSES and not str(value).startswith("#")
        ]
        assert addresses
        assert [a for a in addresses if not a.startswith("/cams/")] == []


def test_hostile_title_adds_no_element() -> None:
    """A title with markup in it makes the same elements as a plain one."""
    hostile = Document(render({"robot": HOSTILE}, title=HOSTILE))
    plain = Document(render({"robot": "robot"}, title="camd"))
    assert [tag for tag, _ in hostile.elements] == [tag for tag, _ in plain.elements]


def test_hostile_title_is_shown_as_it_is() -> None:
    """Markup and place holders in a title are text, and shown to the letter."""
    document = Document(render({"robot": HOSTILE}, title=HOSTILE))
    assert document.inside("h2") == [HOSTILE]
    assert document.inside("h1") == [HOSTILE]


def test_hostile_name_stays_one_path_segment() -> None:
    """What has a meaning in URLs is quoted, slashes too."""
    (picture,) = Document(render(cameras("a b/../?#%ü"))).all("img")
    assert picture["src"] == "/api/a%20b%2F..%2F%3F%23%25%C3%BC/stream?busy=text"


def test_the_form_without_scripts() -> None:
    """A key that is typed goes where it becomes a cookie."""
    document = Document(sign_in())
    (form,) = document.all("form")
    (field,) = document.all("input")
    assert (form["action"], form.get("method")) == ("/", None)
    assert (field["name"], field["type"]) == ("api_key", "password")


# ---- What the policy lets through


@pytest.mark.parametrize("html", [render(cameras("robot", "door")), sign_in()])
def test_nothing_that_the_policy_blocks(html: bytes) -> None:
    """No script and no style stands in the HTML, nor an event handler."""
    document = Document(html)
    names = {name for _, attributes in document.elements for name in attributes}
    assert not {name for name in names if name == "style" or name.startswith("on")}
    assert document.all("style") == []
    assert document.inside("script") == []
    assert all(script["src"] for script in document.all("script"))


@pytest.mark.parametrize("html", [render(cameras("robot", "door")), sign_in()])
def test_attributes_load_nothing_from_elsewhere(html: bytes) -> None:
    """The addresses in the HTML are of this host."""
    addresses = [
        str(value)
        for _, attributes in Document(html).elements
        for name, value in attributes.items()
        if name in ADDRESSES
    ]
    assert [a for a in addresses if not re.match(r"/[^/]|#|/$", a)] == []


@pytest.mark.parametrize("name", [*MODULES, "style.css", "icon.svg"])
def test_files_load_nothing_from_elsewhere(name: str) -> None:
    """No file names another host or brings in anything but its neighbours."""
    code = (FOLDER / name).read_text().replace("http://www.w3.org/", "")
    assert re.findall(r"https?://\w|@import|url\(|importScripts", code) == []
    imported = re.findall(r'(?:from|import) "([^"]+)"', code)
    assert {path.removeprefix("./") for path in imported} <= {*MODULES}


@pytest.mark.parametrize("name", MODULES)
def test_scripts_put_text_only(name: str) -> None:
    """What cameras and people are called is put into the page as text, never markup."""
    code = (FOLDER / name).read_text()
    assert re.findall(r"(?:inner|outer)HTML|insertAdjacent|document\.write", code) == []
    assert re.findall(r"\beval\b|new Function|setAttribute\(.style", code) == []


def test_policy() -> None:
    """The page may be framed by those that are named only."""
    assert policy().endswith(b"frame-ancestors 'none'")
    assert b"unsafe" not in policy()
    assert policy(["https://a.example", "'self'"]).endswith(
        b"frame-ancestors https://a.example 'self'"
    )


@pytest.mark.parametrize(
    ("html", "first"),
    [
        (render({}), "app.js"),
        (sign_in(), "sign-in.js"),
        (page.embed("robot", "", "", QUERIES), "embed.js"),
    ],
)
def test_a_page_has_one_file_of_code(html: bytes, first: str) -> None:
    """No module waits until another one that names it has come."""
    address = f"/page/{page.version()}/{first}"
    assert [script["src"] for script in Document(html).all("script")] == [address]
    code = FakeDaemon().ask(address, key=None).body
    assert re.findall(rb"^(?:im|ex)port\b", code, re.MULTILINE) == []


# ---- Its form


@pytest.mark.parametrize("html", [render(cameras("robot", "door")), sign_in()])
def test_balanced(html: bytes) -> None:
    """Every element that begins ends, in the right order."""
    document = Document(html)
    assert (document.open, document.unbalanced) == ([], [])


@pytest.mark.parametrize("html", [render(cameras("robot", "door")), sign_in()])
def test_nothing_is_left_to_fill(html: bytes) -> None:
    """No place holder and no mark of the template reaches the browser."""
    assert re.findall(r"\{\{|\}\}|<!--", html.decode()) == []


def test_every_icon_is_on_the_sheet() -> None:
    """No tool has an icon that index.html lacks, and none is there for nothing."""
    sheet = {s["id"] for s in Document(render({})).all("symbol")}
    code = "".join((FOLDER / name).read_text() for name in MODULES)
    used = set(re.findall(r'(?:icon|tool)\("([\w-]+)"', code))
    assert sheet == {f"icon-{name}" for name in used}


def test_small() -> None:
    """All that a browser loads of the page has less than 60 KB on its way."""
    daemon = FakeDaemon()
    names = ["app.js", "style.css", "icon.svg", "icon.png", "manifest.webmanifest"]
    sizes = {n: len(packed(daemon, n).body) for n in names}
    assert sum(sizes.values()) + len(render(cameras("robot"))) < LARGEST, sizes


# ---- Its files


def packed(daemon: FakeDaemon, name: str, *headers: str) -> HttpConnection:
    """Ask for a file as browsers do."""
    return daemon.ask(f"/page/{name}", "Accept-Encoding: gzip, br", *headers, key=None)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("app.js", "text/javascript; charset=utf-8"),
        ("style.css", "text/css; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
        ("icon.png", "image/png"),
        ("manifest.webmanifest", "application/manifest+json"),
    ],
)
def test_a_file_says_what_it_is(name: str, kind: str) -> None:
    """A file has its type, and browsers are not to guess another one."""
    line = packed(FakeDaemon(), name)
    assert (line.status, line.headers["content-type"]) == (200, kind)
    assert line.headers["x-content-type-options"] == "nosniff"


def test_files_are_packed_for_those_who_can_unpack() -> None:
    """Who offers gzip gets it, and everybody has the same bytes in the end."""
    daemon = FakeDaemon()
    plain = daemon.ask("/page/app.js").body
    line = packed(daemon, "app.js")
    assert line.headers["content-encoding"] == "gzip"
    assert len(line.body) < len(plain) / 2
    assert gzip.decompress(line.body) == plain
    for coding in ("br", "gzip;q=0", "identity"):
        line = daemon.ask("/page/app.js", f"Accept-Encoding: {coding}")
        assert "content-encoding" not in line.headers
        assert line.headers["vary"] == "Accept-Encoding"


def test_a_file_is_sent_again_only_when_it_is_another() -> None:
    """A browser that has it is told so; it asks each time, so that none is stale."""
    daemon = FakeDaemon()
    first = packed(daemon, "app.js")
    assert first.headers["cache-control"] == "no-cache"
    again = packed(daemon, "app.js", f"If-None-Match: {first.headers['etag']}")
    assert (again.status, again.body) == (304, b"")
    other = packed(daemon, "app.js", 'If-None-Match: "0123456789abcdef"')
    assert other.status == 200
    # Not packed, it is other bytes.
    plain = daemon.ask("/page/app.js", f"If-None-Match: {first.headers['etag']}")
    assert (plain.status, plain.headers["etag"] == first.headers["etag"]) == (
        200,
        False,
    )


def test_files_of_a_version_are_kept() -> None:
    """At an address that stands for the contents, a file is asked for once for ever."""
    daemon, folder = FakeDaemon(), f"/page/{page.version()}"
    html = daemon.ask("/").body
    addresses = re.findall(rb'(?:href|src)="([^"]+\.(?:js|css))"', html)
    assert addresses
    for address in map(bytes.decode, addresses):
        assert address.startswith(f"{folder}/")
        line = daemon.ask(address, "Accept-Encoding: gzip", key=None)
        assert line.status == 200
        assert line.headers["cache-control"] == "public, max-age=31536000, immutable"
        asked_for_each_time = packed(daemon, Path(address).name)
        assert line.headers["etag"] == asked_for_each_time.headers["etag"]
    assert daemon.ask(f"{folder}/index.html", key=None).status == 404
    assert daemon.ask("/page/000000000000/app.js", key=None).status == 404


def test_head_of_a_file() -> None:
    """HEAD is told the length of what GET gets."""
    daemon = FakeDaemon()
    asked = daemon.ask("/page/app.js", "Accept-Encoding: gzip", method="HEAD", key=None)
    assert (asked.status, asked.raw) == (200, b"")
    assert asked.headers["content-length"] == str(len(packed(daemon, "app.js").body))


def test_the_manifest() -> None:
    """Installed as an application, the page has its title and its icons."""
    manifest = json.loads(FakeDaemon().ask("/page/manifest.webmanifest", key=None).body)
    assert manifest["name"] == "camd"
    for icon in manifest["icons"]:
        assert (FOLDER / icon["src"]).exists()


def test_a_hostile_title_leaves_the_manifest_whole() -> None:
    """Quotes and backslashes in a title end no text of the manifest."""
    resource = page.FilesResource('The "arm" \\ {{title}}').children
    manifest = json.loads(resource[b"manifest.webmanifest"]._content)
    assert manifest["name"] == 'The "arm" \\ {{title}}'
