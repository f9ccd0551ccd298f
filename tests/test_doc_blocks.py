"""Every block that README and docs show to be typed or copied is one that works.

Settings are loaded, commands are parsed by the parser that they are for, other formats
by theirs. What is only shown (output, log lines, drawings) is named in ``SHOWN``.
"""

from __future__ import annotations

import ast
import configparser
import json
import re
import shlex
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from camd.cli import parser
from camd.config import load
from camd.config.settings import CAMERA_KEYS, KEYS
from camd.tap import Options

ROOT = Path(__file__).parents[1]

PAGES = [
    ROOT / "README.md",
    *sorted(ROOT.glob("docs/*.md")),
    ROOT / "deploy" / "description.md",
]

PROGRAMS = {
    *("camd", "cp", "curl", "docker", "ffplay", "git", "install", "kubectl", "make"),
    *("openssl", "sh"),
    *(
        "pip",
        "pipx",
        "python3",
        "sudo",
        "systemctl",
        "useradd",
        "usermod",
        "/opt/camd/bin/pip",
    ),
    "/opt/camd/bin/twistd",
}
"""What a line of a block of commands begins with."""

SHOWN = re.compile(
    r"\$ camd |Camera \w+[ :]|camera ─|\d{4}-\d\d-\d\dT|camd\.yaml: |net\.ipv4\.|"
    r"\$ redis-cli |robots  |save \"\"|# systemctl edit|\[Service\]|http://127"
)
"""How a block begins that nobody copies whole: output, log lines, two files at once."""

SECRETS = {
    "DOOR_PASSWORD": "p@ss/word",
    "ORIGIN_KEY": "o/k@" * 4,
    "PHONE_KEY": "k" * 16,
    "REDIS_PASSWORD": "p@ss/word",
    "SIGNING_KEY": "s" * 32,
    "WALL_KEY": "k" * 16,
}
"""What the environment says where a block refers to it."""


def blocks(page: Path) -> list[str]:
    """The indented and the fenced blocks of a page."""
    text = page.read_text("utf-8")
    fenced = re.findall(r"^```\w*\n(.*?)^```", text, flags=re.M | re.S)
    text = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    found = re.findall(r"(?:^ {4,}\S.*\n)+", text, flags=re.M)
    return fenced + [re.sub(r"^ {4}", "", block, flags=re.M) for block in found]


BLOCKS = [
    pytest.param(block, id=f"{page.name}-{number}")
    for page in PAGES
    for number, block in enumerate(blocks(page))
]


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block(block: str, tmp_path: Path) -> None:
    """It is of a kind that is known here, and right."""
    text = re.sub(r"^ *", "", block, count=1)
    if SHOWN.match(text):
        return
    if text.startswith("{"):
        check_json(text)
    elif text.startswith(("<img", "ffplay", "cv2.")):
        for line in filter(None, map(str.strip, block.splitlines())):
            check_line(line)
    elif text.startswith("#!/bin/sh"):
        check_shell(block)
    elif text.startswith("location "):
        assert block.count("{") == block.count("}")
    elif text.startswith("[webcam"):
        configparser.ConfigParser(interpolation=None).read_string(block)
    elif text.startswith("import "):
        ast.parse(block)
    elif text.startswith("const "):
        check_script(block, tmp_path)
    elif first_word(text) in PROGRAMS:
        check_commands(block)
    else:
        check_yaml(block, tmp_path)


def first_word(line: str) -> str:
    """The word that a line begins with."""
    return line.split(maxsplit=1)[0] if line.strip() else ""


def check_json(text: str) -> None:
    """One object of JSON after the other."""
    decoder, rest = json.JSONDecoder(), text.strip()
    while rest:
        _, end = decoder.raw_decode(rest)
        rest = rest[end:].strip()


def check_line(line: str) -> None:
    """A line of HTML, of Python, or for a shell."""
    if line.startswith("<"):
        HTMLParser().feed(line)
    elif line.startswith("cv2."):
        ast.parse(line)
    else:
        check_commands(line)


def check_shell(text: str) -> None:
    """A script that a shell can read."""
    done = subprocess.run(
        ["bash", "-n"], input=text, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def check_script(text: str, tmp_path: Path) -> None:
    """A script that a JavaScript engine can read."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node here")
    (tmp_path / "block.js").write_text(text)
    subprocess.run([node, "--check", tmp_path / "block.js"], check=True)


def check_commands(text: str) -> None:
    """Lines for a shell, and camd's own commands in them."""
    # What a command answers may stand behind it.
    kept = [line for line in text.splitlines() if not line.startswith(("{", "<"))]
    check_shell("\n".join(kept))
    for line in kept:
        for command in re.split(r"\s*&&\s*", line):
            check_command(shlex.split(command.replace("…", "URL"), comments=True))


def check_command(words: list[str]) -> None:
    """One command: what it names is there, and camd takes its options."""
    if not words:
        return
    assert words[0] in PROGRAMS | {"cd"}, words[0]
    if words[0] == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), flags=re.M)
        assert words[1] in targets
    for name in re.findall(r"(?<!\S)deploy/[\w./-]+", " ".join(words)):
        assert (ROOT / name).exists()
    programs = [word.rpartition("/")[2] for word in words]
    if "twistd" in programs and "camd" in programs:
        options = Options()
        options.postOptions = lambda: None  # type: ignore[method-assign]
        options.parseOptions(words[programs.index("camd") + 1 :])
    elif words[0] == "camd" or (words[0] == "sudo" and "camd" in words[4:]):
        at = len(words) - 1 - words[::-1].index("camd")
        parser().parse_args(words[at + 1 :])


def check_yaml(text: str, tmp_path: Path) -> None:
    """Settings of camd that load, or a mapping for another program."""
    if re.match("source:", text):
        # One to choose on each line.
        for line in text.splitlines():
            check_yaml(f"cameras:\n  robot:\n    {line}\n", tmp_path)
        return
    value: Any = yaml.safe_load(text)
    assert isinstance(value, dict), text
    if not set(value) <= {*KEYS, *CAMERA_KEYS}:
        others = {"scrape_configs", "ingress", "plugins"}
        assert set(value) & others, f"of no known kind: {text}"
        return
    path = tmp_path / "camd.yaml"
    path.write_text(text)
    assert load(path, SECRETS).settings
