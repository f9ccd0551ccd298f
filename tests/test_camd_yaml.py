"""Tests that hold the shipped camd.yaml to the code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from camd.config import load
from camd.config.settings import KEYS, PRESETS, Settings

SHIPPED = Path(__file__).parents[1] / "camd.yaml"


@pytest.fixture
def text() -> str:
    """The text of the shipped file."""
    return SHIPPED.read_text("utf-8")


def uncommented(text: str) -> str:
    """The text with the # taken away in front of each key, as its user would do."""
    return re.sub(r"^#(?=[a-z_]+:)", "", text, flags=re.MULTILINE)


def examples(text: str) -> list[dict[str, Any]]:
    """The examples in comments, "#   key:" and deeper, each as its value."""
    block = r"(?:^#   [a-z]+(?:_[a-z]+)*:$\n(?:^#     .*$\n?)+)+"
    found = re.findall(block, text, flags=re.MULTILINE)
    return [yaml.safe_load(re.sub(r"^# ", "", part, flags=re.M)) for part in found]


def untitled(settings: Settings) -> Settings:
    """The settings without titles: where no camera is set, the title says so."""
    cameras = {
        name: camera.model_copy(update={"title": ""})
        for name, camera in settings.cameras.items()
    }
    return settings.model_copy(update={"cameras": cameras})


def test_shipped_file_loads(tmp_path: Path, text: str) -> None:
    """As it is shipped, the file gives what would hold without it."""
    (tmp_path / "camd.yaml").write_text(text)
    (tmp_path / "empty.yaml").write_text("")
    shipped = load(tmp_path / "camd.yaml", {}).settings
    assert shipped == untitled(load(tmp_path / "empty.yaml", {}).settings)


def test_every_key_is_shown(text: str) -> None:
    """The file shows every key there is, once, and no other."""
    assert set(yaml.safe_load(uncommented(text))) == set(KEYS)
    shown = re.findall(r"^#?([a-z_]+):", text, flags=re.MULTILINE)
    assert sorted(shown) == sorted(KEYS)


def test_shown_values_are_the_defaults(tmp_path: Path, text: str) -> None:
    """With every # taken away, the file holds exactly the defaults of the code."""
    path = tmp_path / "camd.yaml"
    path.write_text(uncommented(text))
    assert load(path, {}).settings == untitled(Settings())


def test_every_key_has_a_meaning(text: str) -> None:
    """In front of every key, or of a pair of keys, stands a line of words."""
    blocks = re.split(r"\n\s*\n", text)
    for key in KEYS:
        (block,) = (b for b in blocks if re.search(rf"^#?{key}:", b, re.MULTILINE))
        assert re.match(r"# \S+ ", block)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_explained(text: str, name: str) -> None:
    """The table of presets in the file has the values of the code."""
    (row,) = re.findall(rf"^#   {name} +(\d+) +(\d+) +(\d+)x(\d+) +(\d+) ", text, re.M)
    keys = (
        "stream_fps",
        "jpeg_quality",
        "camera_width",
        "camera_height",
        "heartbeat_interval",
    )
    assert tuple(map(int, row)) == tuple(PRESETS[name][key] for key in keys)


def test_examples_are_valid(tmp_path: Path, text: str) -> None:
    """What the comments show can be used as it stands there."""
    path = tmp_path / "camd.yaml"
    found = examples(text)
    assert [list(example) for example in found] == [
        ["listen"],
        ["api_keys"],
        ["api_rights"],
        ["cloudflare_access"],
        ["camera_controls"],
        ["door", "garden"],
    ]
    listen, keys, rights, cloudflare, controls, cameras = found
    # The certificates of the example are on no machine but the reader's.
    listen["listen"] = [kind for kind in listen["listen"] if "etc/" not in kind]
    said = {**listen, **keys, **rights, **cloudflare, **controls, "cameras": cameras}
    path.write_text(yaml.safe_dump(said, sort_keys=False))
    settings = load(path, {}).settings
    assert list(settings.cameras) == ["door", "garden"]
    assert list(settings.api_keys) == ["phone", "hallway-display"]
