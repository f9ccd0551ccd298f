"""The laws that can be read from the source alone: what may import what."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# From the ground up. A module imports from lower floors only, not from its own; a
# package (such as "sources") stands for all that is in it, and is free inside.
FLOORS: list[set[str]] = [
    {"camd"},
    # What is known of formats and rights; counters, clocks, ports.
    {"formats", "listening", "periodic", "rights", "stats", "token_bucket"},
    {"config", "frame"},
    # Where frames come from, where they go, and what the log says of both.
    {"delivery", "logs", "sources"},
    {"capture", "watch"},
    {"hooks"},
    {"cameras"},
    # What is answered, and to whom; what the system is asked for and told.
    {"fleet", "process", "web"},
    {"commands", "daemon"},
    {"cli", "tap"},
    {"__main__"},
]

_MODULES = sorted(ROOT.glob("camd/**/*.py"))
_SOURCES = [*_MODULES, *sorted(ROOT.glob("twisted/plugins/*.py"))]

# A module is a room, and so is a package.
_ROOMS = {
    path.relative_to(ROOT / "camd").parts[0].removesuffix(".py") for path in _MODULES
}
_ROOMS = _ROOMS - {"__init__"} | {"camd"}

every_module = pytest.mark.parametrize(
    "path", _MODULES, ids=lambda path: str(path.relative_to(ROOT))
)
every_source = pytest.mark.parametrize(
    "path", _SOURCES, ids=lambda path: str(path.relative_to(ROOT))
)


def room(dotted: str, rooms: set[str]) -> str:
    """The room that a dotted name belongs to: `camd.sources.pace` to `sources`, and
    `camd.__version__` to `camd`.
    """
    second = dotted.partition(".")[2].partition(".")[0]
    return second if second in rooms else "camd"


def dotted_name(path: Path) -> str:
    """The dotted name under which a module of camd is imported."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def package_of(path: Path) -> str:
    """The package that a relative import in this module starts from."""
    return ".".join(path.relative_to(ROOT).parts[:-1])


def imported(tree: ast.AST, package: str) -> Iterator[str]:
    """Everything that a module imports, wherever in it, as dotted names; `from a import
    b` gives `a.b`, be b a module or not.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = _origin(node, package)
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def _origin(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parents = package.split(".")
    kept = parents[: len(parents) - node.level + 1]
    return ".".join(kept + ([node.module] if node.module else []))


def rooms_imported(tree: ast.AST, package: str, rooms: set[str]) -> set[str]:
    """The rooms of camd that a module imports from."""
    names = imported(tree, package)
    return {room(name, rooms) for name in names if name.split(".")[0] == "camd"}


def floor_of(name: str) -> int:
    """The floor of a room; fails for one that the table does not name."""
    floors = [number for number, rooms in enumerate(FLOORS) if name in rooms]
    assert len(floors) == 1, f"FLOORS names {name} {len(floors)} times"
    return floors[0]


def too_high(name: str, rooms: set[str]) -> set[str]:
    """Those of the rooms that the room of this name may not import from."""
    return {other for other in rooms - {name} if floor_of(other) >= floor_of(name)}


def parsed(path: Path) -> ast.Module:
    """The module's syntax tree."""
    return ast.parse(path.read_text(), str(path))


@every_module
def test_imports_only_from_lower_floors(path):
    """A module imports from the floors below its own and from nowhere else in camd."""
    rooms = rooms_imported(parsed(path), package_of(path), _ROOMS)
    assert too_high(room(dotted_name(path), _ROOMS), rooms) == set()


def test_the_table_names_what_there_is():
    """Every room in the table of floors exists."""
    assert set().union(*FLOORS) == _ROOMS


@every_module
def test_only_sources_know_opencv(path):
    """cv2 and numpy are imported inside camd/sources and nowhere else."""
    names = {name.split(".")[0] for name in imported(parsed(path), package_of(path))}
    inside = room(dotted_name(path), _ROOMS) == "sources"
    assert inside or not names & {"cv2", "numpy"}


@every_source
def test_only_tap_names_the_global_reactor(path):
    """The one module that imports the global reactor is camd.tap."""
    names = set(imported(parsed(path), package_of(path)))
    reactor = {name for name in names if name.startswith("twisted.internet.reactor")}
    assert path == ROOT / "camd" / "tap.py" or not reactor


def test_the_plugin_imports_almost_nothing():
    """The plugin, loaded by every twistd command, imports ServiceMaker only."""
    plugin = ROOT / "twisted" / "plugins" / "camd.py"
    assert set(imported(parsed(plugin), "twisted.plugins")) == {
        "twisted.application.service.ServiceMaker"
    }


def test_twisted_is_no_package_here():
    """No __init__.py in twisted/: installed, it would overwrite Twisted's own."""
    assert list(ROOT.glob("twisted/**/__init__.py")) == []


@every_source
def test_every_module_says_what_lives_there(path):
    """Every module begins with a docstring."""
    assert ast.get_docstring(parsed(path))


@pytest.mark.parametrize(
    ("line", "package", "expected"),
    [
        ("import camd.jpeg", "camd", {"jpeg"}),
        ("from camd.jpeg import whole", "camd", {"jpeg"}),
        ("from camd import jpeg, frame", "camd", {"jpeg", "frame"}),
        ("from camd import __version__", "camd", {"camd"}),
        ("from . import jpeg", "camd", {"jpeg"}),
        ("from .jpeg import whole", "camd", {"jpeg"}),
        ("from .. import jpeg", "camd.sources", {"jpeg"}),
        ("from .pace import Pace", "camd.sources", {"sources"}),
        ("def f():\n    import camd.web.site", "camd", {"web"}),
        ("import camdenlock, twisted.camd", "camd", set()),
    ],
)
def test_imports_are_seen(line, package, expected):
    """An import is seen in each of the forms that Python has for it."""
    rooms = {"jpeg", "frame", "sources", "web"}
    assert rooms_imported(ast.parse(line), package, rooms) == expected


def test_an_import_of_the_same_floor_is_too_high():
    """What stands on the same floor or above may not be imported, what is below may."""
    assert too_high("capture", {"cameras", "web", "frame", "capture"}) == {
        "cameras",
        "web",
    }
