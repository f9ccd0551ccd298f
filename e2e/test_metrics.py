"""A real Prometheus scrapes the daemon, and its answers are true."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.client import ask, not_reading, watching
from e2e.conftest import Start, check_log
from e2e.daemon import Daemon, running
from e2e.prometheus import DEPLOY, Prometheus, prometheus
from e2e.video import Film
from e2e.waiting import until

SECONDS = 10
"""The range of rates here; a dashboard takes minutes."""


@pytest.fixture(scope="module")
def watched(
    tmp_path_factory: pytest.TempPathFactory, film: Film
) -> Iterator[tuple[Daemon, Prometheus]]:
    """A daemon that shows bikes.mp4, and a Prometheus that scrapes it with its key."""
    cameras = {
        "robot": {"source": str(film.path)},
        "gone": {"source": "/nowhere/at/all.mp4"},
    }
    with running(tmp_path_factory.mktemp("bikes"), cameras) as daemon:
        folder = tmp_path_factory.mktemp("prometheus")
        with prometheus(folder, daemon, daemon.key) as asked:
            until(lambda: asked.value('up{job="camd"}') == 1, "Prometheus is let in")
            yield daemon, asked
    check_log(daemon)


def test_viewers_and_frames(watched: tuple[Daemon, Prometheus]) -> None:
    """Prometheus knows how many viewers there are, and their rate of frames."""
    _, asked = watched
    viewers = 'camd_viewers{camera="robot"}'
    rate = f'rate(camd_frames_sent_total{{camera="robot"}}[{SECONDS}s])'
    with watching(_daemon(watched), 3):
        until(lambda: asked.value(viewers) == 3, "three watch")
        # At 15 fps each, or less on a loaded machine.
        found = until(
            lambda: (found := asked.value(rate) or 0) > 15 and found, "frames go out"
        )
        assert found < 3 * 15 * 1.5
    until(lambda: asked.value(viewers) == 0, "nobody watches")


def _daemon(watched: tuple[Daemon, Prometheus]) -> Daemon:
    return watched[0]


def test_states(watched: tuple[Daemon, Prometheus]) -> None:
    """Prometheus knows which cameras deliver, and how old their pictures are."""
    _, asked = watched
    for camera, state in (("gone", "offline"), ("robot", "live")):
        told = f'camd_camera_state{{camera="{camera}",state="{state}"}}'
        until(lambda told=told: asked.value(told) == 1, f"{camera} is {state}")
    age = asked.value('camd_frame_age_seconds{camera="robot"}')
    # Read once a second while nobody watches.
    assert age is not None
    assert 0 <= age < 10
    assert asked.query('camd_frame_age_seconds{camera="gone"}') == []


def test_the_rules_see_it(watched: tuple[Daemon, Prometheus]) -> None:
    """The shipped alert rules work on camd's metrics: one alert is pending."""
    _, asked = watched
    gone = [("CamdCameraOffline", "gone")]
    until(lambda: _alerts(asked) == gone, "one alert is pending")


def _alerts(asked: Prometheus) -> list[tuple[str, str]] | None:
    """Return each alert and its camera; None until every rule was looked at."""
    rules = asked.rules()
    if {rule["health"] for rule in rules} != {"ok"}:
        return None
    labels = [alert["labels"] for rule in rules for alert in rule["alerts"]]
    return [(each["alertname"], each.get("camera", "")) for each in labels]


def test_the_dashboard_has_answers(watched: tuple[Daemon, Prometheus]) -> None:
    """Every query of the dashboard is valid and has a result."""
    daemon, asked = watched
    with watching(daemon):
        for expression in _dashboard():
            until(lambda e=expression: asked.query(e), expression)  # type: ignore[misc]


def _dashboard() -> Iterator[str]:
    dashboard: dict[str, Any] = json.loads((DEPLOY / "grafana.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            text = target["expr"].replace("$__rate_interval", f"{SECONDS}s")
            for variable in ("job", "instance", "camera"):
                text = text.replace(f"${variable}", ".*")
            yield text


def test_a_wrong_key(start: Start, film: Film, tmp_path: Path) -> None:
    """With another key, Prometheus learns only that the daemon refuses it."""
    # A daemon of its own: ten wrong keys close it to this address.
    daemon = start({"robot": {"source": str(film.path)}})
    with prometheus(tmp_path, daemon, "not-the-key") as refused:
        until(lambda: refused.value('up{job="camd"}') == 0, "it was refused")
        assert refused.query('{__name__=~"camd_.+"}') == []


def test_a_viewer_that_stalls(start: Start, film: Film) -> None:
    """A viewer that is cut off is counted, with its reason."""
    daemon = start({"robot": {"source": str(film.path)}}, stream_timeout=1)
    line = 'camd_viewers_aborted_total{camera="robot",reason="stalled"} '
    with not_reading(daemon):
        until(
            lambda: f"{line}1.0\n" in ask(daemon, "/metrics").body.decode(),
            "it was counted",
        )


@pytest.mark.parametrize(
    "words",
    [
        ("check", "rules", "alerts.yml"),
        ("test", "rules", "alerts_test.yml"),
        ("check", "config", "--syntax-only", "prometheus.yml"),
    ],
    ids=" ".join,
)
def test_promtool(words: tuple[str, ...]) -> None:
    """Promtool finds nothing wrong with the shipped files."""
    done = subprocess.run(
        ["promtool", *words], cwd=DEPLOY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_likes_what_is_told(watched: tuple[Daemon, Prometheus]) -> None:
    """Promtool has no objection to the names, types and texts of the metrics."""
    daemon, _ = watched
    done = subprocess.run(
        ["promtool", "check", "metrics"],
        input=ask(daemon, "/metrics").body,
        capture_output=True,
        check=False,
    )
    said = done.stdout.decode() + done.stderr.decode()
    # These are prometheus-client's own.
    ours = [line for line in said.splitlines() if not line.startswith("python_")]
    assert (done.returncode in (0, 3), ours) == (True, [])
