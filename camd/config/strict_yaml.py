"""YAML, read more strictly: a key that stands twice is an error.

What is read may hold secrets, so the errors quote nothing but names of keys.
"""

from __future__ import annotations

import re

import yaml

from camd.config.problems import shown


class YamlError(Exception):
    """A text is not YAML that camd takes. Its text never quotes the input."""


def parse_yaml(text: str) -> object:
    """Return the value of a YAML text; None for an empty one.

    :raises YamlError: it is not YAML, or a mapping in it has the same key twice, which
        YAML forbids and PyYAML lets pass.
    """
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        _refuse_duplicates(root)
        return None if root is None else loader.construct_document(root)
    except yaml.MarkedYAMLError as error:
        mark, problem = _mark(error), _unquoted(error.problem).removeprefix("but ")
        hint = f"{problem}; expected YAML{_hint(error, text)}"
        raise YamlError(_placed(mark, hint)) from None
    except yaml.reader.ReaderError as error:
        problem = f"character {error.position} is not allowed; expected YAML"
        raise YamlError(problem) from None
    except YamlError:
        raise
    # An explicit tag on a wrong value (!!int x) ends in whatever its constructor
    # stumbles over: ValueError, KeyError, IndexError, AttributeError, RecursionError.
    except Exception:
        problem = "holds a value that does not fit its YAML tag; expected YAML"
        raise YamlError(problem) from None


_OPEN = "found unexpected end of stream"
_NO_COLON = "could not find expected ':'"

_HINTS = {
    "mapping values are": "a key ends with a colon; a value with one stands in quotes",
    "found character": "put the value in quotes",
    "found unknown escape": "in double quotes \\ is written \\\\",
    "but found another document": "one document, without a second line of ---",
    _OPEN: "the quote that begins here has no end",
    _NO_COLON: "a key ends with a colon",
}
"""How a complaint of PyYAML's begins -> what is often wrong then."""


def _mark(error: yaml.MarkedYAMLError) -> yaml.Mark | None:
    """Return where the slip is: often ahead of where PyYAML noticed it."""
    began_earlier = error.problem in (_OPEN, _NO_COLON)
    return error.context_mark if began_earlier else error.problem_mark


def _hint(error: yaml.MarkedYAMLError, text: str) -> str:
    """Return what is often wrong with such a line; empty where nothing is known."""
    problem = error.problem or ""
    lines, mark = text.splitlines(), error.problem_mark
    line = lines[mark.line] if mark and mark.line < len(lines) else ""
    if "${" in line:
        return " (put ${...} in quotes)"
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return " (indent with spaces, not with tabs)"
    if problem.startswith(("expected <block end>", "expected '<document start>'")):
        is_indent = mark is not None and not line[: mark.column].strip()
        return (
            " (check how far the line is indented)"
            if is_indent
            else " (put the whole value in quotes)"
        )
    hints = (hint for start, hint in _HINTS.items() if problem.startswith(start))
    return next((f" ({hint})" for hint in hints), "")


def _placed(mark: yaml.Mark | None, problem: str) -> str:
    if mark is None:
        return problem
    return f"line {mark.line + 1}, column {mark.column + 1}: {problem}"


# A Python literal, as PyYAML quotes what it found.
_QUOTED = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\"""")


def _unquoted(problem: str | None) -> str:
    """Return PyYAML's complaint without what it quotes: that may be part of a key.

    A single character stays; a tab at the start of a line is a frequent slip.
    """
    return _QUOTED.sub(
        # Two quotes and at most an escape of two characters.
        lambda quoted: quoted[0] if len(quoted[0]) <= 4 else "...",
        problem or "not YAML",
    )


def _refuse_duplicates(root: yaml.Node | None) -> None:
    waiting, seen = [root], set()
    while waiting:
        node = waiting.pop()
        # An anchor can make a node its own descendant.
        if not isinstance(node, yaml.CollectionNode) or id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            _refuse_duplicate_in(node)
            waiting.extend(value for _, value in node.value)
        else:
            waiting.extend(node.value)


def _refuse_duplicate_in(mapping: yaml.MappingNode) -> None:
    names = set()
    for key, _ in mapping.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        if (key.tag, key.value) in names:
            what = f"{shown(key.value)} is here a second time; expected each key once"
            raise YamlError(_placed(key.start_mark, what))
        names.add((key.tag, key.value))
