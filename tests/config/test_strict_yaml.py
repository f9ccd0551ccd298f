"""Tests of the strict reading of YAML."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from camd.config.strict_yaml import YamlError, parse_yaml

# The machine may be busy with the other tests; how long one example takes says
# nothing.
unhurried = settings(deadline=None)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@unhurried
@given(json_values)
def test_reads_what_was_written(value: object) -> None:
    """What PyYAML writes is read back as it was."""
    assert parse_yaml(yaml.safe_dump(value)) == value


def test_empty_text() -> None:
    """A text of nothing but comments has no value."""
    assert parse_yaml("# nothing\n") is None


TAG = "holds a value that does not fit its YAML tag; expected YAML"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: 2\na: 3\n",
         "line 3, column 1: 'a' is here a second time; expected each key once"),
        ("x:\n  - {b: 1, b: 2}\n",
         "line 2, column 12: 'b' is here a second time; expected each key once"),
        ("a: b: c",
         "line 1, column 5: mapping values are not allowed here; expected YAML"
         " (a key ends with a colon; a value with one stands in quotes)"),
        ("a:\n\tb: 1", "line 2, column 1: found character '\\t' that cannot start any"
         " token; expected YAML (indent with spaces, not with tabs)"),
        ("a: [1",
         "line 1, column 6: expected ',' or ']', but got ...; expected YAML"),
        ("a: *secret", "line 1, column 4: found undefined alias ...; expected YAML"),
        ("a: @", "line 1, column 4: found character '@' that cannot start any token;"
         " expected YAML (put the value in quotes)"),
        ("a:\n  b: 1\n c: 2\n", "line 3, column 2: expected <block end>, but found ...;"
         " expected YAML (check how far the line is indented)"),
        ("  a: 1\nb: 2\n", "line 2, column 1: expected ..., but found ...;"
         " expected YAML (check how far the line is indented)"),
        ("a: {b} c", "line 1, column 8: expected <block end>, but found ...;"
         " expected YAML (put the whole value in quotes)"),
        ("a:\n  b: \"c\nd: 1\n", "line 2, column 6: found unexpected end of stream;"
         " expected YAML (the quote that begins here has no end)"),
        ("a: 1\nb\nc: 2\n", "line 2, column 1: could not find expected ':';"
         " expected YAML (a key ends with a colon)"),
        ("a: 1\n---\nb: 1\n", "line 2, column 1: found another document;"
         " expected YAML (one document, without a second line of ---)"),
        ("a: \"\\d\"", "line 1, column 6: found unknown escape character 'd';"
         " expected YAML (in double quotes \\ is written \\\\)"),
        ("a: {b: ${C}}", "line 1, column 9: expected ',' or '}', but got '{';"
         " expected YAML (put ${...} in quotes)"),
        ("a: \0", "character 3 is not allowed; expected YAML"),
        ("a: !!int x", TAG),
        ("a: !!bool secret", TAG),
        ("a: 2001-99-99", TAG),
        ("[" * 1500, TAG),
    ],
)  # fmt: skip
def test_bad_text(text: str, problem: str) -> None:
    """The error says where and what, and quotes nothing that may be a secret."""
    with pytest.raises(YamlError) as caught:
        parse_yaml(text)
    assert str(caught.value) == problem


def test_merged_keys_are_no_duplicates() -> None:
    """A key may stand beside the one it replaces from a merged mapping."""
    text = "base: &b {x: 1}\nmid: &m {<<: *b, x: 2}\nlast: {<<: *m, x: 3}\n"
    assert parse_yaml(text) == {"base": {"x": 1}, "mid": {"x": 2}, "last": {"x": 3}}


def test_anchor_inside_itself() -> None:
    """A mapping that holds itself is read without end, not looked through without."""
    value = parse_yaml("a: &a\n  b: *a\n")
    assert isinstance(value, dict)
    assert value["a"]["b"] is value["a"]


@unhurried
@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text makes anything else happen."""
    try:
        parse_yaml(text)
    except YamlError as error:
        assert str(error).isprintable()
