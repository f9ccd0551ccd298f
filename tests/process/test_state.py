"""What is kept between two runs: the signing key, for its owner alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from twisted.logger import capturedLogs

from camd.process.state import NoState, kept_key, kept_or_new_key, state_folder
from tests.fakes_camera import said


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"STATE_DIRECTORY": "/var/lib/camd", "HOME": "/h"}, "/var/lib/camd"),
        ({"STATE_DIRECTORY": "/var/lib/camd:/var/lib/x"}, "/var/lib/camd"),
        ({"XDG_STATE_HOME": "/x", "HOME": "/h"}, "/x/camd"),
        ({"HOME": "/h"}, "/h/.local/state/camd"),
    ],
)
def test_where_it_is_kept(environ: dict[str, str], folder: str) -> None:
    """Where systemd says, else where the user's other programs keep theirs."""
    assert state_folder(environ) == Path(folder)


def test_it_is_made_once(tmp_path: Path) -> None:
    """The first run makes it, and the next one reads it."""
    environ = {"STATE_DIRECTORY": str(tmp_path / "new")}
    with pytest.raises(NoState, match="No such file"):
        kept_key(environ)
    with capturedLogs() as events:
        made = kept_or_new_key(environ)
        assert kept_or_new_key(environ) == kept_key(environ) == made
    assert len(made) == 32
    assert said(events) == []


def test_it_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Nobody else may read it, nor list the folder; nothing else is left there."""
    kept_or_new_key({"HOME": str(tmp_path)})
    folder = tmp_path / ".local/state/camd"
    (kept,) = folder.iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


def test_two_machines_differ(tmp_path: Path) -> None:
    """It is random."""
    one, other = (
        kept_or_new_key({"STATE_DIRECTORY": str(tmp_path / name)}) for name in "ab"
    )
    assert one != other


@pytest.mark.parametrize("environ", [{}, {"STATE_DIRECTORY": "/dev/null/camd"}])
def test_it_cannot_be_kept(environ: dict[str, str]) -> None:
    """The daemon runs all the same, and says what that means."""
    with capturedLogs() as events:
        assert len(kept_or_new_key(environ)) == 32
    (line,) = said(events)
    assert "links and sessions end with this run" in line


@pytest.mark.parametrize("content", ["", "abcd", "no hexadecimal digits", "\xff" * 64])
def test_a_broken_file(tmp_path: Path, content: str) -> None:
    """It is said, and not overwritten: it may be somebody's who knows better."""
    environ = {"STATE_DIRECTORY": str(tmp_path)}
    (tmp_path / "signing_key").write_text(content)
    with pytest.raises(NoState, match="signing_key"):
        kept_key(environ)
    with capturedLogs() as events:
        kept_or_new_key(environ)
    assert len(said(events)) == 1
    assert (tmp_path / "signing_key").read_text() == content
