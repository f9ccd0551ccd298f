"""The page at ``/``: what its HTML promises to browsers, with and without scripts."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from camd.web.page import render

HOSTILE = "\"'><script>alert(1)</script>&{{nonce}}/../ü"
VOID = {"br", "circle", "img", "link", "meta", "rect"}
ADDRESSES = {"action", "data", "href", "poster", "src", "srcset", "style"}


class Page(HTMLParser):
    """The page's elements in their order, and whether each end has its beginning."""

    def __init__(self, html: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.unbalanced: list[str] = []
        self.text: list[tuple[str, str]] = []
        self.feed(html.decode())
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data):
        self.text.append((self.open[-1] if self.open else "", data))

    def all(self, tag):
        """The attributes of every such element."""
        return [attributes for name, attributes in self.elements if name == tag]

    def inside(self, tag):
        """The text directly inside such elements, one string for each piece."""
        return [data for name, data in self.text if name == tag and data.strip()]


def test_one_picture_per_camera():
    """Each camera's stream stands in the HTML, in the order given."""
    pictures = Page(render(["robot", "door"])).all("img")
    assert [picture["src"] for picture in pictures] == [
        "/api/robot/stream?busy=text",
        "/api/door/stream?busy=text",
    ]


def test_pictures_are_named():
    """Somebody who cannot see the picture hears whose it is."""
    (picture,) = Page(render(["robot"])).all("img")
    assert picture["alt"] == "Live picture from robot"


def test_links():
    """Each card leads to its camera's stream, snapshot and stats."""
    links = [link["href"] for link in Page(render(["robot"])).all("a")]
    assert links == [
        "/api/robot/stream",
        "/api/robot/snapshot",
        "/api/robot/stream/stats",
    ]


def test_base():
    """Behind a proxy that shows the daemon under a path, all addresses have it."""
    page = Page(render(["robot"], base="/cams"))
    addresses = [link["href"] for link in page.all("a")]
    addresses += [picture["src"] for picture in page.all("img")]
    assert {address.rpartition("/robot/")[0] for address in addresses} == {"/cams/api"}


def test_hostile_name_adds_no_element():
    """A name with markup in it makes the same elements as a plain one."""
    hostile, plain = Page(render([HOSTILE])), Page(render(["robot"]))
    assert [tag for tag, _ in hostile.elements] == [tag for tag, _ in plain.elements]


def test_hostile_name_is_shown_as_it_is():
    """Markup and place holders in a name are text, and shown to the letter."""
    page = Page(render([HOSTILE], nonce="secret"))
    assert page.inside("h2") == [HOSTILE]
    assert page.all("article") == [{"data-camera": HOSTILE}]


def test_hostile_name_stays_one_path_segment():
    """What has a meaning in URLs is quoted, slashes too."""
    (picture,) = Page(render(["a b/../?#%ü"])).all("img")
    assert picture["src"] == "/api/a%20b%2F..%2F%3F%23%25%C3%BC/stream?busy=text"


@pytest.mark.parametrize("tag", ["style", "script"])
def test_nonce(tag):
    """The only style and the only script carry the nonce of this answer."""
    assert Page(render(["robot"], nonce="r4nd0m")).all(tag) == [{"nonce": "r4nd0m"}]


def test_nothing_that_the_policy_blocks():
    """No element has a style or an event handler as an attribute."""
    page = Page(render(["robot", "door"]))
    names = {name for _, attributes in page.elements for name in attributes}
    assert not {name for name in names if name == "style" or name.startswith("on")}


def test_attributes_load_nothing_from_elsewhere():
    """The addresses in the HTML are of this host, or hold their data themselves."""
    page = Page(render(["robot", "door"]))
    addresses = [
        value
        for _, attributes in page.elements
        for name, value in attributes.items()
        if name in ADDRESSES
    ]
    assert [a for a in addresses if not re.match(r"/[^/]|data:", a)] == []


def test_style_and_script_load_nothing_from_elsewhere():
    """Neither style nor script names another host or brings in a file."""
    page = Page(render(["robot"]))
    code = "".join(page.inside("style") + page.inside("script"))
    assert re.findall(r"//\w|@import|url\(|import\(|importScripts", code) == []


def test_script_puts_text_only():
    """What the stats say is put into the page as text: a user agent is hostile."""
    code = "".join(Page(render(["robot"])).inside("script"))
    assert "textContent" in code
    assert re.findall(r"\.(?:inner|outer)HTML|insertAdjacent|\bwrite\(", code) == []


def test_balanced():
    """Every element that begins ends, in the right order."""
    page = Page(render(["robot", "door", "yard"]))
    assert (page.open, page.unbalanced) == ([], [])


def test_nothing_is_left_to_fill():
    """No place holder and no mark of the template reaches the browser."""
    html = render(["robot", "door"]).decode()
    assert re.findall(r"\{\{|\}\}|<!--", html) == []


@pytest.mark.parametrize(
    ("cameras", "layout", "title", "summary"),
    [
        ([], "several", "camd", "0 cameras"),
        (["robot"], "single", "robot · camd", "1 camera"),
        (["robot", "door"], "several", "camd", "2 cameras"),
    ],
)
def test_layout(cameras, layout, title, summary):
    """One camera gets the whole window and names it; more share it."""
    page = Page(render(cameras))
    assert page.all("body") == [{"class": layout}]
    assert page.inside("title") == [title]
    assert summary in page.inside("p")


def test_without_scripts_no_empty_numbers():
    """What only the script can fill is hidden until it runs."""
    page = Page(render(["robot"]))
    assert all("hidden" in attributes for attributes in page.all("dl"))
    assert all("hidden" in attributes for attributes in page.all("details"))
    assert page.all("noscript") == [{}]


def test_small():
    """The page of four cameras fits into 24 KiB."""
    assert len(render(["robot", "door", "yard", "gate"])) < 24 * 1024
