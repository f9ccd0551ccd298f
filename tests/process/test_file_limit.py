"""The limit on open files is raised as far as it goes, and never a reason to fail."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from camd.process.file_limit import FileLimit, raise_limit

ROOT = Path(__file__).parents[2]

# In a process of its own: a limit holds for the whole of one.
SCRIPT = """
import json, resource
from camd.process.file_limit import raise_limit
from dataclasses import astuple
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 200))
raised, again = astuple(raise_limit()), astuple(raise_limit())
print(json.dumps([raised, again, resource.getrlimit(resource.RLIMIT_NOFILE)]))
"""


def test_raised_to_the_hard_limit() -> None:
    """The soft limit becomes the hard one, which stays; once more changes nothing."""
    told = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, check=True
    )
    assert json.loads(told.stdout) == [[100, 200], [200, 200], [200, 200]]


@pytest.mark.parametrize("refusal", [ValueError, OSError])
def test_refused(monkeypatch: pytest.MonkeyPatch, refusal: type[Exception]) -> None:
    """Where the system refuses, the limit is told as it was."""

    def refuse(*_: object) -> None:
        raise refusal

    monkeypatch.setattr(resource, "getrlimit", lambda _: (10, 20))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert raise_limit() == FileLimit(10, 10)


def test_already_as_high_as_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no limit, it is told as no limit, before and after."""
    endless = resource.RLIM_INFINITY
    monkeypatch.setattr(resource, "getrlimit", lambda _: (endless, endless))
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)
    assert raise_limit() == FileLimit(endless, endless)
