"""camd as a newcomer gets it: by pipx, by pip, with its manual and completion."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
import venv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from e2e.daemon import environment
from e2e.ports import free_port, listening_on
from e2e.waiting import PATIENCE, until

ROOT = Path(__file__).parents[1]

INSTALL_TIME = 300
"""Seconds that an install may take, with all that camd needs."""

# A test may be the one for which the wheel is built and installed.
pytestmark = pytest.mark.timeout(2 * INSTALL_TIME)


def bare_environment(folder: Path, **more: str) -> dict[str, str]:
    """Return an environment in which Python finds nothing of this checkout."""
    kept = environment(folder).items()
    return {name: text for name, text in kept if not name.startswith("PYTHON")} | more


def run(
    *command: str | Path, cwd: Path, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command without anything of this checkout, and return what it said."""
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=bare_environment(cwd, **(environ or {})),
        capture_output=True,
        text=True,
        timeout=INSTALL_TIME,
        check=False,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy: building leaves files behind."""
    folder = tmp_path_factory.mktemp("wheel")
    files = run("git", "ls-files", "-z", cwd=ROOT).stdout.split("\0")
    for name in filter(None, files):
        copy = folder / "checkout" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy)
    pip = (sys.executable, "-m", "pip", "-q", "--disable-pip-version-check")
    done = run(*pip, "wheel", "--no-deps", "-w", ".", "./checkout", cwd=folder)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def pipx(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home into which pipx has installed camd; its commands are in ``bin``."""
    home = tmp_path_factory.mktemp("pipx")
    environ = {
        "PIPX_HOME": str(home / "home"),
        "PIPX_BIN_DIR": str(home / "bin"),
        "PIPX_MAN_DIR": str(home / "man"),
        "PIPX_DEFAULT_PYTHON": sys.executable,
        "USE_EMOJI": "0",
    }
    command = (sys.executable, "-m", "pipx", "install", wheel)
    done = run(*command, cwd=home, environ=environ)
    assert done.returncode == 0, done.stdout + done.stderr
    return home


@pytest.fixture(scope="module")
def virtual(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment into which pip has installed camd."""
    home = tmp_path_factory.mktemp("venv") / "camd"
    venv.create(home, with_pip=True)
    pip = (home / "bin" / "pip", "-q", "--disable-pip-version-check")
    done = run(*pip, "install", wheel, cwd=home)
    assert done.returncode == 0, done.stderr
    return home


def snapshot(address: str, key: str) -> bytes | None:
    """Return the newest picture; None while there is none."""
    asked = urllib.request.Request(
        f"{address}/api/robot/snapshot", headers={"X-API-Key": key}
    )
    try:
        with urllib.request.urlopen(asked, timeout=PATIENCE) as answer:
            picture: bytes = answer.read()
            return picture
    except OSError:
        return None


@contextmanager
def in_foreground(command: Path, folder: Path) -> Iterator[tuple[str, str]]:
    """Run camd there, and give the address and the key that it says."""
    log = folder / "output"
    listen = listening_on(free_port())
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [str(command), "run"],
            cwd=folder,
            env=bare_environment(folder, CAMD_LISTEN=listen),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            found = until(
                lambda: re.search(r"Open (\S+)/\?api_key=(\S+)", log.read_text()),
                "it says what to open",
            )
            yield found[1], found[2]
            process.terminate()
            assert process.wait(PATIENCE) == -signal.SIGTERM
        finally:
            process.kill()
    text = log.read_text()
    assert "Traceback" not in text
    assert "camd has stopped" in text


def test_by_pipx(pipx: Path, tmp_path: Path) -> None:
    """With pipx alone, ``camd init`` and ``camd run`` lead to a picture."""
    camd = pipx / "bin" / "camd"
    assert run(camd, "init", cwd=tmp_path).returncode == 0
    assert (tmp_path / "camd.yaml").stat().st_mode & 0o777 == 0o600
    with in_foreground(camd, tmp_path) as (address, key):
        picture = until(lambda: snapshot(address, key), "there is a picture")
        assert picture.startswith(b"\xff\xd8")
    assert not (tmp_path / "twistd.pid").exists()


def test_the_manual(pipx: Path) -> None:
    """Pipx links the manual page, and man shows it without a complaint."""
    page = pipx / "man" / "man1" / "camd.1"
    done = run("man", "-l", "--warnings", page, cwd=pipx)
    assert (done.returncode, done.stderr) == (0, "")
    shown = re.sub(r".\x08", "", done.stdout)
    assert "camd init" in shown


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["camd", "ch"], {"check"}),
        (["camd", "check", "--con"], {"--config"}),
        (["camd", "sign", "--"], {"--help", "--config", "--for", "--key"}),
    ],
)
def test_completion_in_bash(pipx: Path, typed: list[str], offered: set[str]) -> None:
    """A real bash offers what fits."""
    script = f"""
source <({pipx / "bin" / "camd"} --print-completion bash)
function=$(complete -p camd | sed 's/.*-F \\([^ ]*\\).*/\\1/')
COMP_WORDS=({" ".join(typed)})
COMP_CWORD={len(typed) - 1}
$function camd {typed[-1]!r} {typed[-2]!r}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = run("bash", "-c", script, cwd=pipx)
    assert set(done.stdout.split()) == offered, done.stderr


def test_as_a_daemon(virtual: Path, tmp_path: Path) -> None:
    """``twistd camd`` starts a daemon; a second one on its port is told why not."""
    twistd = virtual / "bin" / "twistd"
    listen = {"CAMD_LISTEN": listening_on(free_port())}
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    done = run(twistd, "camd", cwd=first, environ=listen)
    assert (done.returncode, done.stderr) == (0, "")
    pid = int((first / "twistd.pid").read_text())
    try:
        log = first / "twistd.log"
        assert log.stat().st_mode & 0o777 == 0o600
        assert "api_key=" in log.read_text()
        done = run(twistd, "camd", cwd=second, environ=listen)
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert line.startswith("camd: listen: ")
        assert "in use" in line
        assert {path.name for path in second.iterdir()} <= {"twistd.log", "state"}
    finally:
        os.kill(pid, signal.SIGTERM)
    until(lambda: not (first / "twistd.pid").exists(), "it has ended")
