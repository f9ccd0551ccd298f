"""The page's ES modules, joined: a browser asks for one file in place of two dozen.

Each request costs a browser milliseconds, whatever its size, and has to wait for one of
six connections: the first picture of a page that is new came 100 ms later with one file
for each module (measured).

A module becomes a function that returns what others import from it. That takes modules
that import by name, in lines of their own, and rename nothing; a test holds them to it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

IMPORT = re.compile(r'^import \{([\w, ]+)\} from "\./(\w[\w-]*)\.js";\n', re.MULTILINE)
"""The one form of import that there is: its names, and the module."""

_EXPORT = re.compile(
    r"^export (?=const |class |function |async function )", re.MULTILINE
)


def joined(first: str, modules: Mapping[str, str]) -> str:
    """Return one module that does what ``first`` does, with all that it takes.

    :param first: the name of a module, without its ending.
    :param modules: name -> code, of all there are.
    :raises KeyError: one imports what there is not.
    """
    taken: dict[str, set[str]] = {}
    _sort(first, modules, taken)
    wrapped = [_wrapped(each, taken[each], modules[each]) for each in taken]
    return "".join([*wrapped[:-1], _body(modules[first])])


def _sort(first: str, modules: Mapping[str, str], taken: dict[str, set[str]]) -> None:
    """Put a module behind those that it imports, and note what it takes of each."""
    for names, module in IMPORT.findall(modules[first]):
        _sort(module, modules, taken)
        taken[module].update(names.split(", "))
    taken.setdefault(first, set())


def _wrapped(name: str, taken: set[str], code: str) -> str:
    names = ", ".join(sorted(taken))
    function = f"() => {{\n{_body(code)}return {{{names}}};\n}}"
    return f"const {_variable(name)} = ({function})();\n"


def _body(code: str) -> str:
    """Return the code of a module that has its imports from what was returned."""
    imported = IMPORT.sub(lambda m: f"const {{{m[1]}}} = {_variable(m[2])};\n", code)
    return _EXPORT.sub("", imported)


def _variable(module: str) -> str:
    return "$" + module.replace("-", "_")
