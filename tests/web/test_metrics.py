"""What /metrics tells, in which form, and to whom."""

from __future__ import annotations

import re

import numpy as np
import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as read_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as read_text
from twisted.internet.error import ConnectionLost
from twisted.logger import capturedLogs

from camd import __version__
from camd.capture.worker import STUCK
from camd.sources import SourceError
from camd.stats import DEPARTURES
from tests.fakes_camera import KEY, FakeDaemon, FakePushSource

METRICS = "/metrics"
STREAM = "/api/robot/stream"
OPENMETRICS = "application/openmetrics-text"

Labels = frozenset[tuple[str, str]]
Series = dict[tuple[str, Labels], float]


def text(daemon: FakeDaemon) -> str:
    """What the daemon tells, as Prometheus' text."""
    line = daemon.ask(METRICS)
    assert (line.status, line.headers["content-length"]) == (200, str(len(line.raw)))
    return line.raw.decode()


def series(daemon: FakeDaemon) -> Series:
    """The value of each series, by its name and its labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in read_text(text(daemon))
        for sample in family.samples
    }


def value(daemon: FakeDaemon, name: str, **labels: str) -> float:
    """The value of one series, of the camera "robot" unless another is named."""
    return series(daemon)[name, frozenset({"camera": "robot", **labels}.items())]


NAMES = {
    "camd_frames_captured_total": "counter",
    "camd_frames_published_total": "counter",
    "camd_hooks_called_total": "counter",
    "camd_hooks_failed_total": "counter",
    "camd_hooks_dropped_total": "counter",
    "camd_frames_identical_total": "counter",
    "camd_frames_failed_total": "counter",
    "camd_frame_age_seconds": "gauge",
    "camd_viewers": "gauge",
    "camd_viewers_aborted_total": "counter",
    "camd_frames_sent_total": "counter",
    "camd_frames_skipped_total": "counter",
    "camd_bytes_sent_total": "counter",
    "camd_heartbeats_sent_total": "counter",
    "camd_encode_seconds": "histogram",
    "camd_rendition_viewers": "gauge",
    "camd_rendition_frames_total": "counter",
    "camd_rendition_frames_skipped_total": "counter",
    "camd_scale_seconds": "histogram",
    "camd_capture_to_send_seconds": "histogram",
    "camd_viewer_age_seconds": "histogram",
    "camd_camera_state": "gauge",
    "camd_origin_link_up": "gauge",
    "camd_camera_reopens_total": "counter",
    "camd_threads_left_behind_total": "counter",
    "camd_build_info": "gauge",
}


def test_the_names() -> None:
    """These are all of camd's metrics, each of its type and with a line of help."""
    told = text(FakeDaemon())
    assert dict(re.findall(r"^# TYPE (camd_\S+) (\S+)$", told, re.M)) == NAMES
    assert set(re.findall(r"^# HELP (camd_\S+) \S.*\.$", told, re.M)) == set(NAMES)


def test_the_process() -> None:
    """What is known of the process, of Python and of its collector is told as well."""
    told = series(FakeDaemon())
    assert told["process_resident_memory_bytes", frozenset()] > 1e6
    assert told["process_open_fds", frozenset()] > 0
    names = {name for name, _ in told}
    assert {"process_cpu_seconds_total", "python_info"} <= names
    assert "python_gc_collections_total" in names


def test_the_build() -> None:
    """The versions are told, as labels."""
    (labels,) = (
        dict(at) for name, at in series(FakeDaemon()) if name == "camd_build_info"
    )
    assert labels["version"] == __version__
    assert set(labels) == {"version", "twisted", "python"}


def test_a_stream() -> None:
    """What the camera gave and what viewers were sent is what the stats say, too."""
    daemon = FakeDaemon()
    daemon.ask(STREAM)
    slow = daemon.ask(STREAM)
    slow.transport.producer.pauseProducing()
    daemon.environment.run(2)
    stats = daemon.ask(f"{STREAM}/stats").json
    for name in ("captured", "published", "failed", "sent", "skipped"):
        assert value(daemon, f"camd_frames_{name}_total") == stats[f"frames_{name}"]
    assert value(daemon, "camd_bytes_sent_total") == stats["bytes_sent"] > 0
    assert value(daemon, "camd_frames_skipped_total") > 0
    assert value(daemon, "camd_viewers") == 2


def test_heartbeats() -> None:
    """Repetitions of the last picture are counted."""
    daemon = FakeDaemon(heartbeat_interval=1)
    daemon.ask(STREAM)
    daemon.environment.threads[0].takes = None
    daemon.environment.run(5)
    told = value(daemon, "camd_heartbeats_sent_total")
    assert told == daemon.ask(f"{STREAM}/stats").json["heartbeats_sent"] > 0


def test_counters_never_fall() -> None:
    """What was sent to viewers who are gone stays in the sums."""
    daemon = FakeDaemon()
    gone = daemon.ask(STREAM)
    daemon.environment.run(1)
    before = series(daemon)
    gone.lose()
    after = series(daemon)
    counters = {name for name, kind in NAMES.items() if kind == "counter"}
    assert all(after[at] >= before[at] for at in before if at[0] in counters)
    assert value(daemon, "camd_frames_sent_total") == 17
    assert value(daemon, "camd_viewers") == 0


def test_each_camera_has_its_own() -> None:
    """Every metric of a camera is told of each, by its name."""
    daemon = FakeDaemon("robot", "door")
    daemon.ask("/api/door/stream")
    assert value(daemon, "camd_viewers") == 0
    assert value(daemon, "camd_viewers", camera="door") == 1


def test_a_camera_that_comes_later() -> None:
    """Which cameras there are is looked up each time."""
    daemon = FakeDaemon()
    late = FakeDaemon("late")
    daemon.cameras["late"] = late.cameras["late"]
    assert value(daemon, "camd_viewers", camera="late") == 0
    del daemon.cameras["late"]
    assert "late" not in text(daemon)


def test_no_series_of_a_viewer() -> None:
    """However many watch, there are no more series, and none tells who they are."""
    daemon = FakeDaemon()
    before = set(series(daemon))
    agents = [f"User-Agent: viewer-{number}" for number in range(50)]
    streams = [daemon.ask(STREAM, agent) for agent in agents]
    daemon.environment.run(1)
    during = set(series(daemon))
    for stream in streams:
        stream.lose()
    assert before == during == set(series(daemon))
    assert "viewer-" not in text(daemon)


# ---- How streams end


def aborted(daemon: FakeDaemon) -> dict[str, float]:
    """How many streams ended, by reason."""
    name = "camd_viewers_aborted_total"
    return {reason: value(daemon, name, reason=reason) for reason in DEPARTURES}


NONE = dict.fromkeys(DEPARTURES, 0)


def test_every_reason_is_there() -> None:
    """Before the first, each reason is there and 0, so that a rate sees the first."""
    assert aborted(FakeDaemon()) == NONE


def test_hanging_up_is_no_abort() -> None:
    """A client that hangs up in good order is not counted."""
    daemon = FakeDaemon()
    daemon.ask(STREAM).lose()
    assert aborted(daemon) == NONE


def test_a_connection_that_is_lost() -> None:
    """One whose connection breaks is."""
    daemon = FakeDaemon()
    daemon.ask(STREAM).lose(ConnectionLost())
    assert aborted(daemon) == NONE | {"connection lost": 1}


def test_a_viewer_that_stalls() -> None:
    """One that is let go for taking nothing is counted by that reason."""
    daemon = FakeDaemon(stream_timeout=3)
    stream = daemon.ask(STREAM)
    stream.transport.producer.pauseProducing()
    daemon.environment.run(10)
    stream.lose()
    assert aborted(daemon) == NONE | {"stalled": 1}


def test_reasons_are_a_fixed_set() -> None:
    """A reason that nobody knows counts as another."""
    daemon = FakeDaemon()
    line = daemon.ask(STREAM)
    (viewer,) = daemon.camera.viewers
    viewer.abort("bored of robots")
    line.lose()
    assert aborted(daemon) == NONE | {"other": 1}


# ---- The camera


def states(daemon: FakeDaemon) -> set[str]:
    """The states that the camera is told to be in."""
    told = series(daemon).items()
    return {
        dict(labels)["state"]
        for (name, labels), value in told
        if name == "camd_camera_state" and value == 1
    }


def test_the_state() -> None:
    """Of all states the camera is in exactly one."""
    daemon = FakeDaemon()
    assert states(daemon) == {"live"}
    daemon.environment.sources[0].opens.extend([SourceError("no such device")] * 9)
    daemon.environment.sources[0].reads.append(SourceError("unplugged"))
    daemon.environment.run(2)
    assert states(daemon) == {"offline"}
    assert value(daemon, "camd_frames_failed_total") >= 2


def test_reopened() -> None:
    """A camera that was lost and found again is counted."""
    daemon = FakeDaemon()
    daemon.environment.sources[0].reads.append(SourceError("unplugged"))
    daemon.environment.run(5)
    assert value(daemon, "camd_camera_reopens_total") == 1


def test_left_behind() -> None:
    """A thread that was given up is counted."""
    daemon = FakeDaemon()
    daemon.ask(STREAM)
    daemon.environment.threads[0].takes = None
    daemon.environment.run(STUCK + 2)
    assert value(daemon, "camd_threads_left_behind_total") == 1


def test_the_age_of_the_newest_picture() -> None:
    """It grows while the camera hangs."""
    daemon = FakeDaemon()
    daemon.ask(STREAM)
    daemon.environment.run(1)
    daemon.environment.threads[0].takes = None
    daemon.environment.run(7)
    assert 6.9 <= value(daemon, "camd_frame_age_seconds") <= 7


def test_no_age_before_the_first_picture() -> None:
    """There is no such series, rather than a wrong one."""
    told = text(FakeDaemon(takes=None))
    assert "# TYPE camd_frame_age_seconds gauge\n" in told
    assert "camd_frame_age_seconds{" not in told


# ---- The histograms


def test_encoding_is_counted_once_a_frame() -> None:
    """However many watch, a picture is encoded once."""
    daemon = FakeDaemon()
    daemon.environment.sources[0].always = np.zeros((24, 32, 3), np.uint8)
    for _ in range(3):
        daemon.ask(STREAM)
    daemon.environment.run(1)
    count = value(daemon, "camd_encode_seconds_count")
    assert count == value(daemon, "camd_frames_published_total") > 10
    assert value(daemon, "camd_encode_seconds_bucket", le="+Inf") == count


def test_nothing_is_encoded_of_jpegs() -> None:
    """A camera's own JPEGs take no time to encode."""
    daemon = FakeDaemon()
    daemon.ask(STREAM)
    daemon.environment.run(1)
    assert value(daemon, "camd_encode_seconds_count") == 0


def test_lateness_is_counted_once_a_frame() -> None:
    """From capture to the last viewer: one time for each frame, not for each viewer."""
    daemon = FakeDaemon(takes=0.03)
    daemon.environment.run(1)
    for _ in range(3):
        daemon.ask(STREAM)
    daemon.environment.run(1)
    name = "camd_capture_to_send_seconds"
    count = value(daemon, f"{name}_count")
    assert count == value(daemon, "camd_frames_published_total") > 10
    assert value(daemon, f"{name}_bucket", le="5.0") == count
    assert value(daemon, f"{name}_sum") == pytest.approx(0, abs=1e-6)


# ---- The form


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        ("*/*", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/html", "text/plain; version=0.0.4; charset=utf-8"),
        (f"{OPENMETRICS};version=1.0.0", OPENMETRICS),
        (f"{OPENMETRICS};version=1.0.0;q=0.8,text/plain;q=0.5,*/*;q=0.1", OPENMETRICS),
        (f"{OPENMETRICS};version=x", "text/plain; version=0.0.4; charset=utf-8"),
        (f"{OPENMETRICS};version={'9' * 20}", OPENMETRICS),
        (f"{OPENMETRICS};version=\xff\xb2", "text/plain; version=0.0.4"),
        (f"text/plain;version={'.' * 100}", "text/plain; version=0.0.4"),
    ],
)
def test_the_form_follows_from_what_is_asked_for(
    accept: str | None, content_type: str
) -> None:
    """OpenMetrics where it is asked for, text else; no request makes it fail."""
    with capturedLogs() as events:
        line = FakeDaemon().ask(METRICS, f"Accept: {accept}")
    assert line.status == 200
    assert "log_failure" not in {key for event in events for key in event}
    told = line.headers["content-type"]
    assert told.startswith(content_type.partition(";")[0])


def test_openmetrics() -> None:
    """It is what OpenMetrics asks for, to the letter."""
    daemon = FakeDaemon("robot", "door")
    daemon.ask(STREAM)
    daemon.environment.run(1)
    line = daemon.ask(METRICS, f"Accept: {OPENMETRICS};version=1.0.0")
    families = {family.name for family in read_openmetrics(line.raw.decode())}
    assert {"camd_frames_sent", "camd_encode_seconds", "camd_build"} <= families


def test_head() -> None:
    """HEAD tells what GET would, and no cache keeps either."""
    daemon = FakeDaemon()
    got, asked = daemon.ask(METRICS), daemon.ask(METRICS, method="HEAD")
    assert (asked.status, asked.raw) == (200, b"")
    assert asked.headers["content-type"] == got.headers["content-type"]
    assert asked.headers["cache-control"] == got.headers["cache-control"] == "no-store"


def test_other_methods() -> None:
    """Only GET and HEAD are allowed."""
    line = FakeDaemon().ask(METRICS, "Content-Length: 0", method="POST")
    assert (line.status, line.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


# ---- To whom


def test_a_key_is_needed() -> None:
    """Without one, nothing is told."""
    line = FakeDaemon().ask(METRICS, key=None)
    assert line.status == 401
    assert b"camd_viewers" not in line.raw


def test_as_a_bearer_token() -> None:
    """The key comes the way that Prometheus sends it."""
    line = FakeDaemon().ask(METRICS, f"Authorization: Bearer {KEY}", key=None)
    assert line.status == 200


def test_no_secret() -> None:
    """Neither keys nor the passwords of cameras are in it."""
    daemon = FakeDaemon(source="rtsp://viewer:hunter2@cam/stream?token=s3cret")
    told = text(daemon)
    for secret in (KEY, "hunter2", "s3cret"):
        assert secret not in told


def test_the_link_to_another_camd() -> None:
    """It is told of cameras that come from one, and of no others."""
    daemon = FakeDaemon()
    assert "camd_origin_link_up{" not in text(daemon)
    source = FakePushSource(daemon.environment.clock)
    daemon.environment.push_source = source
    address = "camd+http://open-sesame-1234567890@192.0.2.1/robot"
    daemon.camera.apply(
        daemon.camera.settings.model_copy(update={"source": address}), 2
    )
    assert source.receiver is not None
    source.receiver.upstream("live", None)
    assert value(daemon, "camd_origin_link_up") == 1
    source.receiver.failed(SourceError("it hung up"))
    assert value(daemon, "camd_origin_link_up") == 0
