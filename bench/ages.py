"""Rows on how old pictures are behind each proxy: the live channel on slow links."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import rig as rigs
from bench.link import slow_link, why_no_link
from bench.report import Row
from e2e.daemon import Daemon, running
from e2e.delayed import relay
from e2e.proxies import UPGRADING
from e2e.through import through

if TYPE_CHECKING:
    from bench.rig import Rig

WATCH = str(Path(sys.executable).with_name("camd"))

CAMERA = {"source": "pattern", "jpeg_quality": 94}
"""Pictures of 40 KB: 4.8 Mbit/s at 15 a second."""

PROGRAMS = {"apache": "apache2", "varnish": "varnishd"}
"""What a proxy's program is called, where not as the proxy."""


BUSY = 5
"""Processes per core that want to run, from which on no age tells of camd any more."""


def too_busy() -> str | None:
    """Return one line on why nothing can be timed now; None when it can."""
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    return f"load {load:.0f} on {cores} cores" if load > BUSY * cores else None


@dataclass(frozen=True, slots=True)
class Bars:
    """What is asked for.

    :ivar age: seconds, the median at the most; None for any.
    :ivar p95: the same of the 95th percentile.
    :ivar fps: pictures a second at least.
    """

    age: float | None
    p95: float | None
    fps: float

    def met(self, total: Mapping[str, Any]) -> bool:
        """Return whether a total of ``camd watch`` keeps to them."""
        young = self.age is None or total["age"] <= self.age
        young = young and (self.p95 is None or total["age_p95"] <= self.p95)
        return bool(total["age"] is not None and young and total["fps"] >= self.fps)

    def __str__(self) -> str:
        ages = "" if self.age is None else f"<= {self.age}/{self.p95} s, "
        return f"{ages}>= {self.fps} fps"


@dataclass(frozen=True, slots=True)
class Scene:
    """One kind of link, and what is watched over it.

    :ivar rate: of the link, as tc(8) has it; None for no limit.
    :ivar round_trip: seconds that the way takes longer, there and back.
    :ivar options: of ``camd watch``.
    :ivar settle: seconds after which it counts.
    :ivar seconds: that count.
    """

    what: str
    rate: str | None
    round_trip: float
    options: tuple[str, ...]
    settle: int
    seconds: int
    bars: Bars


SCENES = {
    "480k": Scene(
        "480 kbit/s, full picture", "480kbit", 0, (), 60, 20, Bars(1.0, 1.2, 1.35)
    ),
    "480k-auto": Scene(
        "480 kbit/s, auto", "480kbit", 0, ("--auto",), 10, 20, Bars(0.4, 0.6, 8)
    ),
    "1m-auto": Scene(
        "1 Mbit/s, 100 ms, auto", "1mbit", 0.1, ("--auto",), 10, 20, Bars(0.4, 0.6, 8)
    ),
    "3m": Scene(
        "3 Mbit/s, 150 ms, full picture", "3mbit", 0.15, (), 10, 20, Bars(0.3, 0.4, 8.5)
    ),
    "free": Scene("no limit, 150 ms", None, 0.15, (), 5, 10, Bars(None, None, 14.5)),
}
"""By name; the first counts from a minute on, the others after ten seconds."""


def why_not(name: str) -> str | None:
    """Return one line on why a proxy cannot be run; None when it can."""
    program = PROGRAMS.get(name, name)
    return None if shutil.which(program) else f"{program} is not installed"


def watched(
    daemon: Daemon, scene: Scene, number: int = 0, *more: str
) -> list[dict[str, Any]]:
    """Return what ``camd watch`` says of each second, and at last in total.

    :param daemon: as it is seen, such as through a proxy.
    :param number: of the link, where there are several at once.
    :param more: further options.
    """
    with ExitStack() as stack:
        host, enter = "127.0.0.1", tuple[str, ...]()
        if scene.rate is not None:
            link = stack.enter_context(slow_link(scene.rate, number))
            host, enter = link.host, link.enter
        delay = scene.round_trip / 2
        port = stack.enter_context(relay(host, daemon.port, delay))
        return watch(
            daemon,
            host,
            port,
            enter,
            scene.settle,
            scene.seconds,
            *scene.options,
            *more,
        )


def watch(
    daemon: Daemon,
    host: str,
    port: int,
    enter: tuple[str, ...],
    settle: int,
    seconds: int,
    *options: str,
) -> list[dict[str, Any]]:
    """Have ``camd watch`` look from somewhere, as :func:`watched`.

    :param enter: the command that runs it there.
    """
    whole = settle + seconds
    ended = subprocess.run(
        [
            *(*enter, WATCH, "watch", f"http://{host}:{port}/api/robot/live"),
            *("--json", "--for", f"{whole}s", "--settle", f"{settle}s", *options),
        ],
        env={**os.environ, "CAMD_API_KEY": daemon.key},
        capture_output=True,
        text=True,
        timeout=whole + 120,
        check=False,
    )
    if ended.returncode == 2:
        raise subprocess.SubprocessError(ended.stderr.strip())
    return [json.loads(line) for line in ended.stdout.splitlines()]


@contextmanager
def street(folder: Path) -> Iterator[dict[str, Daemon]]:
    """Run a daemon and each proxy that is there, with the least that works.

    :return: the daemon as it is seen through each.
    """
    (folder / "camd").mkdir()
    with ExitStack() as stack:
        daemon = stack.enter_context(
            running(
                folder / "camd",
                {"robot": CAMERA},
                stream_fps=15,
                heartbeat_interval=1,  # Each proxy gives up after three.
            )
        )
        yield {
            name: stack.enter_context(through(setup, daemon, folder / name))
            for name, setup in UPGRADING.items()
            if why_not(name) is None
        }


def all_at_once(
    ways: Mapping[str, Daemon], scene: Scene, first: int = 0
) -> dict[str, dict[str, Any]]:
    """Watch through all proxies at the same time, each over a link of its own.

    :param first: the first link's number, as :func:`watched`.
    :return: by the proxy's name, the total.
    """
    with ThreadPoolExecutor(len(ways)) as pool:
        waiting = {
            name: pool.submit(watched, way, scene, number)
            for number, (name, way) in enumerate(ways.items(), first)
        }
        return {name: future.result()[-1] for name, future in waiting.items()}


def behind_proxies(rig: Rig) -> list[Row]:
    """How old pictures are on slow links behind each of the five proxies."""
    rows = []
    scenes = [s for s in SCENES.values() if s.settle <= 10 or not rig.quick]
    with tempfile.TemporaryDirectory() as folder:
        # Proxies run as somebody else.
        Path(folder).chmod(0o755)
        with street(Path(folder)) as ways:
            for scene in scenes:
                found: dict[str, dict[str, Any]] = {}
                why = why_no_link() if scene.rate else None
                if why is None:
                    found = all_at_once(ways, scene)
                rows += [row(scene, name, found.get(name), why) for name in UPGRADING]
    return rows


def row(
    scene: Scene, name: str, total: Mapping[str, Any] | None, why: str | None
) -> Row:
    """Return the row of one proxy on one link.

    :param total: what was seen; None for nothing, for the reason ``why``, or as the
        proxy is not there.
    """
    what = f"{scene.what}, {name}: age, median"
    if total is None:
        return rigs.unmeasured(what, str(scene.bars), why or str(why_not(name)))
    return Row(
        what,
        "s",
        total["age"],
        bar=str(scene.bars),
        met=scene.bars.met(total),
        note=f"p95 {total['age_p95']} s, {total['fps']} fps, renditions "
        f"{total['renditions']}, {total['changes']} changes",
        detail=total,
    )
