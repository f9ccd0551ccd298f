"""The documentation agrees with itself and with the code, as far as a test can tell."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from camd.config.settings import CAMERA_KEYS, KEYS, CameraSettings, Settings
from tests.fake_v4l2 import FakeDriver
from tests.fakes_camera import FakeDaemon
from tests.test_layers import FLOORS

ROOT = Path(__file__).parents[1]

PAGES = sorted(
    page
    for folder in (".", "docs", "bench", "e2e", "e2e_cameras", "soak")
    for page in (ROOT / folder).glob("*.md")
)

every_page = pytest.mark.parametrize(
    "page", PAGES, ids=lambda page: str(page.relative_to(ROOT))
)

README = (ROOT / "README.md").read_text("utf-8")


def prose(text: str) -> str:
    """The text without its indented blocks, which show what others read."""
    return re.sub(r"^    .*$", "", text, flags=re.M)


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """The files of the project that a page links to, and the place in each."""
    found = re.findall(r"\]\(([^)\s]+)\)", prose(page.read_text("utf-8")))
    for target in found:
        if "://" not in target:
            name, _, place = target.partition("#")
            yield (page.parent / name if name else page).resolve(), place


def places(page: Path) -> set[str]:
    """The names that a page's headings have in links."""
    headings = re.findall(r"^#+ (.+)$", prose(page.read_text("utf-8")), flags=re.M)
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in kept}


def rows(text: str) -> Iterator[list[str]]:
    """The cells of each row of the tables in a text."""
    for line in text.splitlines():
        if line.startswith("| ") and not line.startswith("|---"):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


def words(cell: str) -> list[str]:
    """What stands in backquotes in a cell."""
    return re.findall(r"`([^`]+)`", cell)


def section(text: str, heading: str) -> str:
    """What stands under a heading of the second level."""
    return text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


@every_page
def test_links_lead_somewhere(page):
    """Each link inside of the project is to a file, and to a heading in it."""
    for target, place in links(page):
        assert target.exists(), f"{target} is not there"
        if place:
            assert place in places(target), f"no #{place} in {target.name}"


@every_page
def test_files_are_there(page):
    """Each test and each file of deploy/ that a page names exists."""
    text = page.read_text("utf-8")
    named = re.findall(r"`((?:tests|e2e|e2e_cameras|deploy|docs)/[\w./-]+\.\w+)`", text)
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_page_is_found():
    """The README leads to each page of the documentation."""
    reached = {target for target, _ in links(ROOT / "README.md")}
    assert set((ROOT / "docs").glob("*.md")) <= reached


def told_defaults() -> dict[str, str]:
    """The keys of the README's tables, and the default of each as it stands there."""
    told: dict[str, str] = {}
    for cells in rows(section(README, "Settings")):
        keys = words(cells[0])
        # The default of a single key may itself be a list.
        text = cells[1].replace("`", "")
        defaults = text.split(", ", len(keys) - 1) if keys else []
        for key, default in zip(keys, defaults, strict=True):
            assert key not in told
            told[key] = default
    return told


def shown(value: Any) -> str:
    """A default in the README's words."""
    if isinstance(value, tuple | Mapping) or value in (None, ""):
        return ", ".join(value or ()) or "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_the_readme_names_every_key():
    """Its tables have each key once, with its default, and no other."""
    code: dict[str, Any] = {key: getattr(Settings(), key) for key in KEYS}
    del code["cameras"]
    own = set(CAMERA_KEYS) - set(KEYS)
    camera = CameraSettings(name="robot")
    code |= {f"cameras.NAME.{key}": getattr(camera, key) for key in own}
    assert told_defaults() == {key: shown(value) for key, value in code.items()}


ANSWERED = [
    path
    for cells in rows(section(README, "What it answers"))
    for path in words(cells[0])
]


@pytest.mark.parametrize("path", ANSWERED)
def test_the_readme_names_what_there_is(path):
    """Each address in the README is one that camd answers."""
    daemon = FakeDaemon(driver=FakeDriver())
    assert daemon.ask(path).status in (200, 405, 426, 503)


def test_the_design_has_the_floors():
    """Its table has each room on its floor, as the law about imports has it."""
    text = section((ROOT / "docs" / "design.md").read_text("utf-8"), "Floors")
    table = [set(words(cells[1])) for cells in rows(text) if cells[0].isdecimal()]
    assert table == FLOORS
