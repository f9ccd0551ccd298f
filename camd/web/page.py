"""The page for people at ``/``: a wall of all cameras, live.

What it looks like and does stands in the folder ``page``: ``index.html``, one style
sheet, ES modules, icons. Here it gets the cameras' names, and the files are answered.
Without JavaScript the page is a list of pictures, which stand in the HTML itself.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.resources import files
from urllib.parse import quote

from twisted.web.http import CACHED, Request
from twisted.web.resource import Resource

from camd.rights import EVERY_RIGHT
from camd.web.answers import Answer, Tree
from camd.web.modules import joined

KINDS = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "png": "image/png",
    "svg": "image/svg+xml",
    "webmanifest": "application/manifest+json",
}
"""What is answered of the folder, by the end of a file's name, and as what."""

FIRST = ("app", "embed", "sign-in")
"""The modules that the pages begin with; each is answered with all that it imports."""

TITLE = "camd"
"""What the page is called where the settings say nothing."""


@dataclass(frozen=True, slots=True)
class PageSettings:
    """What the settings say of the page.

    :ivar title: what it is called.
    :ivar frame_ancestors: whose pages may show it in a frame, as a
        Content-Security-Policy has it.
    """

    title: str = TITLE
    frame_ancestors: Sequence[str] = ("'self'",)


DEFAULTS = PageSettings()
"""What holds where the settings say nothing."""

_PLACE = re.compile(r"\{\{(\w+)\}\}")

Escape = Callable[[str], str]


@cache
def _contents() -> Mapping[str, bytes]:
    """Return the files of the page as they are answered; they are read once."""
    folder = files("camd.web").joinpath("page")
    found = {
        file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()
    }
    modules = {
        name.removesuffix(".js"): found.pop(name).decode()
        for name in list(found)
        if name.endswith(".js")
    }
    return found | {f"{each}.js": joined(each, modules).encode() for each in FIRST}


@cache
def version() -> str:
    """Return what stands for the contents of all files in their addresses."""
    digest = hashlib.sha256()
    for name, content in sorted(_contents().items()):
        digest.update(b"%b %d\n%b" % (name.encode(), len(content), content))
    return digest.hexdigest()[:12]


def _places(base: str, title: str) -> dict[str, str]:
    """Return what every page has a place for."""
    return {"base": base, "files": f"{base}/page/{version()}", "title": title}


def _fill(text: str, values: Mapping[str, str], escaped: Escape = escape) -> str:
    """Put the values, escaped, into their ``{{places}}``.

    :raises KeyError: the text has a place for which there is no value.
    """
    # One pass: a value that looks like a place itself stays what it is.
    return _PLACE.sub(lambda place: escaped(values[place[1]]), text)


_CAMERA = re.compile(r"<!-- camera -->\n(.*)<!-- /camera -->\n", re.DOTALL)
"""What of ``index.html`` is there once for each camera."""


def render(cameras: Mapping[str, str], base: str = "", title: str = TITLE) -> bytes:
    """Return the page as HTML in UTF-8.

    :param cameras: name -> title, in their order. Any text will do.
    :param base: the path under which a proxy shows the daemon, such as ``/cams``,
        without a slash at its end; empty when the daemon has the whole host to itself.
    :param title: what the page is called.
    """
    head, item, tail = _CAMERA.split(_contents()["index.html"].decode())
    values = _places(base, title)
    items = [
        _fill(item, {"title": label, "address": f"{base}/api/{quote(name, safe='')}"})
        for name, label in cameras.items()
    ]
    return "".join([_fill(head, values), *items, _fill(tail, values)]).encode()


@cache
def sign_in(base: str = "", why: str = "") -> bytes:
    """Return the page for somebody without a key, which asks for one.

    :param why: what is wrong with what they came with; empty for nothing.
    """
    text = _contents()["sign-in.html"].decode()
    sentence = f"{why[0].upper()}{why[1:]}." if why else ""
    return _fill(text, {**_places(base, TITLE), "why": sentence}).encode()


def embed(name: str, base: str, title: str, queries: Mapping[str, str]) -> bytes:
    """Return the page of one camera, for other people's pages.

    :param title: what the camera is called.
    :param queries: what opens the camera's ``live``, ``frame`` and ``stream`` for
        whoever came by a link.
    """
    text = _contents()["embed.html"].decode()
    values = {**_places(base, title), "name": name, **queries}
    return _fill(text, values).encode()


def policy(frame_ancestors: Sequence[str] = ("'none'",)) -> bytes:
    """Return the Content-Security-Policy of the page.

    It loads nothing but camd's own files and pictures.

    :param frame_ancestors: whose pages may show it in a frame.
    """
    return (
        "default-src 'none'; img-src 'self' data: blob:; connect-src 'self'; "
        "style-src 'self'; script-src 'self'; manifest-src 'self'; base-uri 'none'; "
        f"form-action 'self'; frame-ancestors {' '.join(frame_ancestors)}"
    ).encode()


FOR_EVER = "public, max-age=31536000, immutable"
"""``Cache-Control`` of what never changes at its address (RFC 8246)."""


class FilesResource(Tree):
    """``/page``: the page's files, for everybody: nothing in them is secret.

    ``/page/VERSION`` has them, too, for as long as a browser likes: other contents have
    another version, so that a page that was open before asks for none of them again.

    :param title: what the page is called, where it is installed as an application.
    """

    def __init__(self, title: str = TITLE) -> None:
        asked: dict[str, Resource] = {}
        kept: dict[str, Resource] = {}
        for name, content in _contents().items():
            kind = KINDS.get(name.rpartition(".")[2])
            if name.endswith(".webmanifest"):
                # Within a text of JSON, quotes and all.
                content = _fill(content.decode(), {"title": title}, _json).encode()
            if kind is not None:
                asked[name] = _File(content, kind)
                kept[name] = _File(content, kind, FOR_EVER)
        missing = "no such page"
        super().__init__(missing, {**asked, version(): Tree(missing, kept)})


class _File(Answer):
    """One file.

    :param caching: how long a browser may keep it, as ``Cache-Control`` has it; where
        nothing else is said, it asks at each visit whether the file is another one.
    """

    opened_by = EVERY_RIGHT

    def __init__(self, content: bytes, kind: str, caching: str = "no-cache") -> None:
        super().__init__()
        self._content = content
        self._kind = kind.encode()
        self._caching = caching.encode()
        self._gzip = _packed(content)
        self._tag = hashlib.sha256(content).hexdigest()[:16].encode()

    def answer(self, request: Request) -> bytes:
        """Answer with the file, packed for those who can unpack it; 304 to the rest."""
        packed = accepts_gzip(request) and len(self._gzip) < len(self._content)
        request.setHeader(b"Content-Type", self._kind)
        request.setHeader(b"Cache-Control", self._caching)
        request.setHeader(b"Vary", b"Accept-Encoding")
        if packed:
            request.setHeader(b"Content-Encoding", b"gzip")
        # Other bytes, and so another tag (RFC 9110 8.8.3).
        tag = self._tag + (b"-gzip" if packed else b"")
        if request.setETag(b'"%b"' % tag) is CACHED:
            return b""
        return self._gzip if packed else self._content


@cache
def _packed(content: bytes) -> bytes:
    """Pack a file, once for all of its addresses and all reloads of the settings."""
    return gzip.compress(content, mtime=0)


def accepts_gzip(request: Request) -> bool:
    """Return whether the client can unpack gzip, as far as it says so simply."""
    offered = (request.getHeader(b"Accept-Encoding") or b"").lower().split(b",")
    return any(coding.strip() in (b"gzip", b"gzip;q=1.0") for coding in offered)


def _json(text: str) -> str:
    return json.dumps(text)[1:-1]
