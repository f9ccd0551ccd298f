"""
The page at ``/``: every camera's live picture and its numbers.

What the page looks like and does stands in ``page.html``; here it gets the cameras'
names. The pictures are in the HTML itself, so that they run without JavaScript too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.resources import files
from urllib.parse import quote

_PLACE = re.compile(r"\{\{(\w+)\}\}")
_CARD = re.compile(r"<!-- card -->\n(.*)<!-- /card -->\n", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Template:
    """The template in three pieces: ``card`` is repeated, once for each camera."""

    head: str
    card: str
    tail: str


@cache
def _template() -> _Template:
    """The template that comes with the package, read on first use only."""
    text = files("camd.web").joinpath("page.html").read_text(encoding="utf-8")
    head, card, tail = _CARD.split(text)
    return _Template(head, card, tail)


def _fill(text: str, values: Mapping[str, str]) -> str:
    """
    Put the values, HTML-escaped, into their ``{{places}}``.

    :raises KeyError: The text has a place for which there is no value.
    """
    # One pass: a value that looks like a place itself stays what it is.
    return _PLACE.sub(lambda place: escape(values[place[1]]), text)


def _card(name: str, base: str) -> str:
    """One camera's card; its addresses begin with ``base``."""
    address = f"{base}/api/{quote(name, safe='')}"
    return _fill(_template().card, {"name": name, "address": address})


def _summary(count: int) -> str:
    """How many cameras there are, in words; the script adds how many are live."""
    return "1 camera" if count == 1 else f"{count} cameras"


def render(cameras: Sequence[str], base: str = "", nonce: str = "") -> bytes:
    """
    The page as HTML in UTF-8, with one card per camera.

    :param cameras: The cameras' names, in the order of their cards. Any text will do.
    :param base: The path under which a proxy shows the daemon, as ``/cams``, without
        a slash at its end; empty when the daemon has the whole host to itself.
    :param nonce: The nonce that the Content-Security-Policy of this answer allows; it
        is put on the page's only ``<style>`` and ``<script>``.
    """
    single = len(cameras) == 1
    values = {
        "layout": "single" if single else "several",
        "nonce": nonce,
        "summary": _summary(len(cameras)),
        "title": f"{cameras[0]} · camd" if single else "camd",
    }
    template = _template()
    cards = [_card(name, base) for name in cameras]
    head, tail = _fill(template.head, values), _fill(template.tail, values)
    return "".join([head, *cards, tail]).encode()
