"""The soak's own parts: what it samples, sums up, and holds against the daemon."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from e2e.camera import HttpCamera, Mood
from soak.process import Sample, course, sample
from soak.report import part, report
from soak.soaked import Soaked
from soak.trouble import FAST, PASSING, SLOW, Trouble
from soak.verdict import GROWTH, OLD, POOL, problems

FLAT = Sample(rss=100.0, pss=80.0, threads=5, files=12)

READ = "Reload: the settings are in force\n"


def soaked(**other: Any) -> Soaked:
    """A soak in which all was well, but for what is said."""
    crowd = {
        "viewers": {"TLS": 2, "slow": 1},
        "frames": 1000,
        "cut": [],
        "late": {"9": 10, "20": 88, "1100": 2},
        "answers": {"/metrics": {"200": 9}, "/api/robot/snapshot": {"503": 1}},
        "slowest": 0.25,
    }
    crowd.update(other.pop("crowd", {}))
    whole: dict[str, Any] = {
        "before": FLAT,
        "during": [FLAT] * 9,
        "after": FLAT,
        "crowd": crowd,
        "oldest": 0.1,
        "reloads": 2,
        "log": READ + "Reload: nothing has changed\n",
        "secrets": ["a-key-of-some-length"],
    }
    return Soaked(**{**whole, **other})


def test_all_was_well() -> None:
    """What is flat and right is no problem; nor are threads of the pool."""
    after = replace(FLAT, threads=FLAT.threads + POOL, files=FLAT.files - 1)
    assert list(problems(soaked(after=after))) == []


def test_memory_that_grows() -> None:
    """The last third is held against the second; the first is for warming up."""
    more = replace(FLAT, rss=FLAT.rss + GROWTH + 1)
    warm = [FLAT] * 3 + [more] * 6
    assert list(problems(soaked(during=warm))) == []
    (found,) = problems(soaked(during=[FLAT] * 6 + [more] * 3))
    assert found == "memory grows: 100.0 MB, then 109.0 MB"


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (replace(FLAT, files=13), "13 open files and 5 threads at the end; 12 and 5"),
        (replace(FLAT, threads=16), "12 open files and 16 threads at the end; 12"),
    ],
)
def test_what_is_left_over(after: Sample, told: str) -> None:
    """One file more than at the start, or more threads than the pool has, is told."""
    (found,) = problems(soaked(after=after))
    assert found.startswith(told)


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"log": READ * 2 + "Unhandled Error\n"}, "the log has: Unhandled Error"),
        ({"log": READ * 2 + "x a-key-of-some-length"}, "the log has a key"),
        ({"log": READ}, "told 2 times to read its settings, it did 1 times"),
        (
            {"oldest": OLD + 1},
            "a picture was 6.0 s old when it came as new (by its number)",
        ),
        (
            {"crowd": {"late": {"7000": 1}}},
            "a picture was 7.0 s old when it came as new (by its time)",
        ),
        (
            {"crowd": {"cut": ["hall/stream: the stream ended"]}},
            "a viewer was cut off: hall/stream: the stream ended",
        ),
        (
            {"crowd": {"answers": {"/metrics": {"200": 1, "500": 1}}}},
            "/metrics was answered 500",
        ),
        (
            {"crowd": {"answers": {"wrong keys": {"200": 1, "401": 1}}}},
            "wrong keys was answered 200",
        ),
    ],
)
def test_what_is_wrong(other: dict[str, Any], told: str) -> None:
    """Each thing that must not be is told, and nothing else is."""
    assert list(problems(soaked(**other))) == [told]


def test_a_course() -> None:
    """A figure's ends and medians, and those of its thirds; the middle has the rest."""
    told = course([3, 1, 2, 9, 9, 9, 9, 5, 7, 6])
    assert (told.least, told.median, told.most) == (1, 6.5, 9)
    assert told.thirds == (2, 9, 6)
    with pytest.raises(ValueError, match="too few"):
        course([1, 2])


WAIT = "print('ready', flush=True); input()"
BUSY = f"""
import threading
threading.Thread(target=input).start()
file = open("file", "w")
{WAIT}"""


def sampled(program: str, folder: Path) -> Sample:
    """Return what a Python program holds that says ``ready`` and waits for a line."""
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        held = sample(process.pid)
        process.communicate("\n\n")
    return held


def test_a_sample_of_a_process(tmp_path: Path) -> None:
    """One more thread and one more file are seen; the memory is some megabytes."""
    idle, busy = sampled(WAIT, tmp_path), sampled(BUSY, tmp_path)
    assert busy.threads == idle.threads + 1
    assert busy.files == idle.files + 1
    assert 1 < busy.pss <= busy.rss < 1000


def test_the_share_of_late_frames() -> None:
    """The time within which a share of all frames came; 0 where there were none."""
    late = {"1100": 2, "9": 10, "20": 88}
    assert [part(late, share) for share in (0.1, 0.5, 0.98, 1)] == [
        0.009,
        0.02,
        0.02,
        1.1,
    ]
    assert part({}, 1) == 0


def test_the_report() -> None:
    """Each figure stands in the report, in words."""
    text = report(soaked())
    for told in (
        "viewers: 3 (2 TLS, 1 slow)",
        "median 0.020 s, 99 % 1.100 s, most 1.100 s",
        "/metrics: 9 x 200",
        "log: 2 lines",
    ):
        assert told in text
    (line,) = (line for line in text.splitlines() if line.startswith("open files"))
    assert line.split() == ["open", "files", *["12"] * 8]


class Told:
    """Stands for a daemon, and writes down which settings it is told to read."""

    def __init__(self, file: Path) -> None:
        self.process = self
        self.read: list[str] = []
        self._file = file

    def send_signal(self, number: signal.Signals) -> None:
        """Read the file, as at a hangup."""
        assert number is signal.SIGHUP
        self.read.append(self._file.read_text())


def test_the_troubles(tmp_path: Path) -> None:
    """In one round each thing fails and changes, and at the end all is as it was."""
    file = tmp_path / "camd.yaml"
    cameras = {"robot": {"source": "pattern", "stream_fps": FAST}}
    file.write_text(json.dumps({"api_keys": {"me": "key"}, "cameras": cameras}))
    told, camera = Told(file), HttpCamera()
    trouble = Trouble(told, tmp_path, camera, ["one", "other"])  # type: ignore[arg-type]
    moods = set()
    for _ in range(13):
        trouble.step()
        moods.add(camera.mood)
    trouble.over()
    good = [json.loads(text) for text in told.read if text.startswith("{")]
    assert len(told.read) == trouble.reloads == len(good) + 1
    assert moods == set(Mood)
    assert camera.mood is Mood.SENDING
    assert {g["cameras"]["robot"]["stream_fps"] for g in good} == {FAST, SLOW}
    assert {g["api_keys"].get("guest") for g in good} == {None, "one", "other"}
    assert {PASSING in g["cameras"] for g in good} == {True, False}
    assert list(good[-1]["cameras"]) == ["robot"]
    assert good[-1]["cameras"]["robot"]["stream_fps"] == FAST
    assert all(g["api_keys"]["me"] == "key" for g in good)
