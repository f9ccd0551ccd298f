"""Has a daemon live through years' worth of trouble in minutes: ``python -m soak``.

Prints what it held and what its viewers saw; the exit status is 1 if something is not
flat, or was wrong.
"""

from __future__ import annotations

import argparse
import json
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from e2e.camera import HttpCamera, http_camera
from e2e.client import stats, watching
from e2e.daemon import Daemon, ports_of, running
from e2e.waiting import until
from soak.crowd import PROXY, Plan
from soak.inspector import Inspector
from soak.process import Sample, sample
from soak.report import report
from soak.soaked import Soaked
from soak.trouble import FAST, PASSING, Trouble
from soak.verdict import as_before, problems

EVERY = 5
"""Seconds between two troubles: time to notice one, and to recover from some."""

STALLED = 10
"""Seconds that a viewer that takes nothing is kept; some are to be cut off."""

CALM = 45.0
"""Seconds after which all must be as at the start: requests have 30, viewers fewer."""

FPS = 10
"""Pictures a second of the camera."""

CAMERAS = ["robot", "hall"]
"""The one that makes trouble, and one beside it that has none."""


def parsed(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line. Ends the program when it makes no sense."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="how long (10)")
    parser.add_argument("--viewers", type=int, default=200, help="at once (200)")
    parser.add_argument("--log", type=Path, help="where to keep the daemon's log")
    return parser.parse_args(words)


@contextmanager
def started(folder: Path, camera: HttpCamera) -> Iterator[Daemon]:
    """Run a daemon with both cameras that listens with and without TLS."""
    cameras = {
        "robot": {"source": camera.address, "stream_fps": FAST, "offline_after": 3},
        "hall": {"source": "pattern", "stream_fps": FAST},
    }
    tls = f"ssl:0:privateKey={certificate(folder)}:interface=127.0.0.1"
    place = folder / "daemon"
    place.mkdir()
    with running(
        place,
        cameras,
        listen=["tcp:0:interface=127.0.0.1", tls],
        stream_timeout=STALLED,
        trusted_proxies=[PROXY],
    ) as daemon:
        yield daemon


def certificate(folder: Path) -> Path:
    """Make a certificate that nobody signed, in one file with its key."""
    pem = folder / "both.pem"
    made = subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
            *("-subj", "/CN=camd", "-keyout", str(pem)),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    pem.write_text(pem.read_text() + made.stdout)
    return pem


@contextmanager
def crowd(plan: Plan) -> Iterator[subprocess.Popen[str]]:
    """Run the viewers in a process of their own."""
    with subprocess.Popen(
        [sys.executable, "-m", "soak.crowd"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps(asdict(plan)))
        process.stdin.close()
        try:
            yield process
        finally:
            process.kill()


def settled(daemon: Daemon) -> Sample:
    """See what it holds when somebody has just been watching, and nobody is."""
    for name in CAMERAS:
        with watching(daemon, path=f"/api/{name}/stream"):
            until(partial(_is_live, daemon, name), f"{name} is live")
    until(lambda: not any(_watched(daemon)), "nobody watches")
    time.sleep(1)
    return sample(daemon.process.pid)


def _is_live(daemon: Daemon, name: str) -> bool:
    return bool(stats(daemon, name)["state"] == "live")


def _watched(daemon: Daemon) -> list[int]:
    return [stats(daemon, name)["active_clients"] for name in CAMERAS]


def calm(daemon: Daemon, before: Sample) -> Sample:
    """See what it holds when all have gone; give it time to be what it was."""
    end = time.monotonic() + CALM
    while True:
        after = settled(daemon)
        if as_before(before, after) or time.monotonic() > end:
            return after


def soak(folder: Path, minutes: float, viewers: int) -> Soaked:
    """Run a daemon under all of it."""
    guests = [secrets.token_urlsafe(24) for _ in range(2)]
    with http_camera(FPS) as camera, started(folder, camera) as daemon:
        _, tls = ports_of(daemon, 2)
        trouble = Trouble(daemon, folder / "daemon", camera, guests)
        before = settled(daemon)
        plan = Plan(
            daemon.port,
            tls,
            daemon.key,
            guests,
            CAMERAS,
            PASSING,
            viewers,
            minutes * 60,
        )
        inspector = Inspector(daemon, camera)
        with crowd(plan) as process:
            during = list(_sampled(daemon, process, trouble, inspector))
            assert process.stdout is not None
            seen: dict[str, Any] = json.loads(process.stdout.read())
        if (cut := inspector.stop()) is not None:
            seen["cut"].append(cut)
        trouble.over()
        after = calm(daemon, before)
        return Soaked(
            before,
            during,
            after,
            seen,
            inspector.oldest,
            trouble.reloads,
            daemon.log,
            [daemon.key, *guests],
        )


def _sampled(
    daemon: Daemon,
    process: subprocess.Popen[str],
    trouble: Trouble,
    inspector: Inspector,
) -> Iterator[Sample]:
    """Yield what the daemon holds, each second until the crowd is gone."""
    second = 0
    while process.poll() is None:
        time.sleep(1)
        second += 1
        inspector.look()
        if second % EVERY == 0:
            trouble.step()
        yield sample(daemon.process.pid)


def main(words: Sequence[str]) -> int:
    """Run it and print the figures; 0 if all was well, 1 otherwise."""
    options = parsed(words)
    with tempfile.TemporaryDirectory() as folder:
        soaked = soak(Path(folder), options.minutes, options.viewers)
    if options.log:
        options.log.write_text(soaked.log)
    wrong = list(problems(soaked))
    print(report(soaked), *(f"NOT WELL: {problem}" for problem in wrong), sep="\n")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
