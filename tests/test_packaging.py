"""camd as pip installs it: the plugin is found, and Twisted is left as it was.

Each test has an environment of its own, with a copy of Twisted in it and the other
requirements borrowed from the environment that runs the tests: nothing is downloaded.
"""

from __future__ import annotations

import configparser
import hashlib
import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from argparse import ArgumentParser, _SubParsersAction
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

import pytest

import camd
from camd.cli import main, parser
from camd.commands import DISTRIBUTION

ROOT = Path(__file__).parents[1]

_PAGE = {".css", ".html", ".js", ".json", ".png", ".svg", ".webmanifest"}
_IN_THE_PACKAGE = {".py", ".typed", *_PAGE}
_LITTER = shutil.ignore_patterns("__pycache__", "dropin.cache", "*.pyc")
# Its own tests are a third of Twisted, and no command needs them.
_TESTS = shutil.ignore_patterns("dropin.cache", "test")
_PIP = ("-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input")
_FROM_HERE = ("--no-deps", "--no-index", "--no-build-isolation")


@dataclass(frozen=True, slots=True)
class Scratch:
    """An environment that only one test knows, and the checkout to install from."""

    home: Path
    packages: Path
    checkout: Path

    def python(self, *words: str) -> str:
        """What Python prints when it is run with these words, far from the checkout."""
        return subprocess.run(
            [self.home / "bin" / "python", *words],
            cwd=self.home,
            env=_environment(),
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    def pip(self, *words: str) -> None:
        """Run pip with these words."""
        self.python(*_PIP, *words)

    def install(self, *options: str) -> None:
        """Install camd from the checkout, with `-e` or without."""
        self.pip("install", *_FROM_HERE, *options, str(self.checkout))

    def twistd(self, *words: str) -> str:
        """What twistd prints when it is run with these words."""
        return self.python(str(self.home / "bin" / "twistd"), *words)

    def lists_camd(self) -> bool:
        """Does twistd name camd among its commands?"""
        lines = self.twistd("--help").splitlines()
        return any(line.split()[:1] == ["camd"] for line in lines)

    def twisted_files(self) -> dict[str, str]:
        """Each file below twisted/ and its hash, but for what Python caches there."""
        return {
            str(path.relative_to(self.packages)): _hash(path)
            for path in sorted((self.packages / "twisted").rglob("*"))
            if path.is_file() and path.suffix != ".pyc" and path.name != "dropin.cache"
        }


def _environment() -> dict[str, str]:
    """The environment without what would let Python see the checkout or its modules."""
    return {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _site_packages(home: Path) -> Path:
    return home / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"


def _installed_here() -> list[Path]:
    """What lies beside Twisted in the environment that runs the tests."""
    return sorted(Path(str(distribution("Twisted").locate_file(""))).iterdir())


def _copy_twisted(packages: Path) -> None:
    """Copy Twisted and its metadata: only its own copy shows what was done to it."""
    for path in _installed_here():
        if path.name.lower().partition("-")[0] == "twisted":
            shutil.copytree(path, packages / path.name, ignore=_TESTS)


def _borrow_the_rest(packages: Path) -> None:
    """Link everything else that is installed here, but for camd and start-up files."""
    for path in _installed_here():
        if path.suffix == ".pth" or "camd" in path.name or path.name == "__pycache__":
            continue
        if not (packages / path.name).exists():
            (packages / path.name).symlink_to(path)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what pip needs of the checkout: building leaves files beside it."""
    copy = tmp_path / "checkout"
    for name in ("camd", "twisted"):
        shutil.copytree(ROOT / name, copy / name, ignore=_LITTER)
    for name in ("setup.cfg", "pyproject.toml", "camd.yaml", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    shutil.copytree(ROOT / "deploy", copy / "deploy")
    return copy


@pytest.fixture
def scratch(tmp_path: Path, checkout: Path) -> Scratch:
    """An environment with Twisted and without camd."""
    home = tmp_path / "venv"
    venv.create(home, symlinks=True)
    packages = _site_packages(home)
    _copy_twisted(packages)
    _borrow_the_rest(packages)
    (home / "bin" / "twistd").write_text(
        "from twisted.scripts.twistd import run; run()"
    )
    return Scratch(home, packages, checkout)


SHARED = {
    "share/camd/camd.yaml",
    "share/camd/camd.service",
    "share/camd/camd.socket",
    "share/man/man1/camd.1",
}
"""What is installed beside the modules."""

both_ways = pytest.mark.parametrize("options", [(), ("-e",)], ids=["copy", "editable"])


@both_ways
def test_twistd_finds_the_installed_plugin(
    scratch: Scratch, options: tuple[str, ...]
) -> None:
    """After an install of either kind twistd lists camd, from any directory."""
    scratch.install(*options)
    assert scratch.lists_camd()


def test_what_is_installed_runs(scratch: Scratch) -> None:
    """Away from the checkout `twistd camd` and `camd` find all of camd they need."""
    scratch.install()
    version = scratch.python(str(scratch.home / "bin" / "camd"), "--version")
    assert camd.__version__ in version
    assert scratch.python("-m", "camd", "--version") == version
    assert "--config" in scratch.twistd("camd", "--help")


@both_ways
def test_the_settings_that_come_with_it(
    scratch: Scratch, options: tuple[str, ...]
) -> None:
    """An install of either kind can write the settings file as it is shipped."""
    scratch.install(*options)
    scratch.python("-m", "camd", "init", "my.yaml")
    written = scratch.home / "my.yaml"
    assert written.read_bytes() == (ROOT / "camd.yaml").read_bytes()


def test_the_name_of_the_distribution() -> None:
    """It is the one that pip knows; "camd" there is another project's."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    assert config["metadata"]["name"] == DISTRIBUTION != "camd"


# What pip, pipx and uv are told to install, up to the end of the command.
_INSTALL = re.compile(
    r"\b(?:pip3?|pipx|uv|pip_?install)\b[^\n`&|;#]*?\b(?:install|add|run)\b([^\n`&|;#]*)"
)


def _texts() -> Iterator[Path]:
    """Every text of the project that could tell somebody what to install."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    for name in filter(None, listed):
        if ROOT / name != Path(__file__) and not name.endswith((".png", ".ttf")):
            yield ROOT / name


def test_nobody_is_told_to_install_another_project() -> None:
    """No file has the bare name behind ``pip install``: that is somebody else's."""
    wrong = {
        f"{path.relative_to(ROOT)}: {found[0]}"
        for path in _texts()
        for found in _INSTALL.finditer(path.read_text("utf-8", "replace"))
        if re.search(r"(?<![\w./-])camd(?![\w./-])", found[1])
    }
    assert wrong == set()


@pytest.mark.parametrize(
    "told", ["pip install camd", "x/bin/pip install -U camd", "pipx install camd # a"]
)
def test_the_bare_name_is_seen(told: str) -> None:
    """The test above sees the bare name in each of these forms."""
    found = _INSTALL.search(told)
    assert found
    assert re.search(r"(?<![\w./-])camd(?![\w./-])", found[1])


def test_the_description_stands_alone() -> None:
    """On the package's page no link leads to a file beside it."""
    text = (ROOT / "deploy" / "description.md").read_text()
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert [link for link in links if not link.startswith("https://")] == []
    assert f"pipx install {DISTRIBUTION}\n" in text


# ---- The manual page and the completion


def _commands() -> Mapping[str, ArgumentParser]:
    """The parsers of camd's commands, by their names."""
    (found,) = (
        action.choices
        for action in parser()._actions
        if isinstance(action, _SubParsersAction)
    )
    return dict(found)


def _manual() -> str:
    """The manual page, without the marks of its hyphens."""
    return (ROOT / "deploy" / "camd.1").read_text().replace("\\-", "-")


def test_the_manual_has_every_command_and_option() -> None:
    """Each of them stands in it, and the version is that of the code."""
    manual = _manual()
    for name, command in _commands().items():
        assert f"\n.B {name}\n" in manual
        for action in command._actions:
            assert all(option in manual for option in action.option_strings)
    assert all(
        option in manual
        for action in parser()._actions
        for option in action.option_strings
    )
    assert f'"camd {camd.__version__}"' in manual


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What completes the command in a shell has all of its commands."""
    with pytest.raises(SystemExit) as stop:
        main(["--print-completion", shell], {})
    assert stop.value.code == 0
    script = capsys.readouterr().out
    assert all(name in script for name in _commands())


@both_ways
def test_uninstalling_leaves_twisted_as_it_was(
    scratch: Scratch, options: tuple[str, ...]
) -> None:
    """After an uninstall the plugin is gone and Twisted's files are the same bytes."""
    before = scratch.twisted_files()
    scratch.install(*options)
    assert scratch.lists_camd()
    scratch.pip("uninstall", "--yes", DISTRIBUTION)
    assert not scratch.lists_camd()
    assert scratch.twisted_files() == before


def test_the_wheel_holds_camd_and_its_plugin(scratch: Scratch, tmp_path: Path) -> None:
    """The wheel has all of camd, the plugin, and nothing more below twisted/."""
    scratch.pip("wheel", *_FROM_HERE, "-w", str(tmp_path), str(scratch.checkout))
    (wheel,) = tmp_path.glob("*.whl")
    names = {n for n in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in n}
    assert {n for n in names if ".data/" not in n} == (
        _package_files() | {"twisted/plugins/camd.py"}
    )
    assert {n.partition(".data/data/")[2] for n in names if ".data/" in n} == SHARED


def _package_files() -> set[str]:
    return {
        str(path.relative_to(ROOT))
        for path in (ROOT / "camd").rglob("*")
        if path.suffix in _IN_THE_PACKAGE
    }
