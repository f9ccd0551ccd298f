"""A webcam's controls are listed, and are set whenever it is opened."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from e2e.client import ask, stats, watching
from e2e.conftest import Start
from e2e.video import decode
from e2e.waiting import until
from e2e_cameras.webcam import Webcam

API = "/api/robot/controls"

LASTING = "/dev/v4l/by-id/usb-vcam_Emulated_Webcam_0_VC0000-video-index0"

CONTROLS = {
    # What is switched stands behind what depends on it.
    "exposure_time_absolute": 100,
    "exposure": "manual",
    "brightness": 40,
    "power_line_frequency": "60 Hz",
    "focus_automatic_continuous": False,
    "focus_absolute": 13,
}

SET = {
    "ae_mode": 1,
    "exposure": 100,
    "brightness": 40,
    "power_line": 2,
    "af": 0,
    "focus": 15,
}
"""The same, as it arrives in the webcam. Its focus goes by fives."""

ELSE = {
    "auto_exposure": 3,
    "brightness": -7,
    "power_line_frequency": 1,
    "focus_automatic_continuous": 1,
}
"""What they are at first, and after each test."""


def camd(*words: str) -> str:
    """What the camd command prints."""
    command = [sys.executable, "-m", "camd", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def v4l2_ctl(device: str, *words: str) -> str:
    """What v4l2-ctl, which knows nothing of camd, prints."""
    command = ["v4l2-ctl", "-d", device, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def adjust(webcam: Webcam) -> None:
    """Set the controls to something else."""
    settings = ",".join(f"{name}={value}" for name, value in ELSE.items())
    v4l2_ctl(webcam.device, "-c", settings)


@pytest.fixture
def webcam() -> Webcam:
    """The first webcam; no test here has it send bad pictures."""
    return Webcam(0)


@pytest.fixture
def adjusted(webcam: Webcam) -> Iterator[Webcam]:
    """A webcam whose controls are none of those that the tests ask for."""
    adjust(webcam)
    yield webcam
    adjust(webcam)


def held(webcam: Webcam) -> dict[str, int]:
    """What the webcam itself has for the controls that the tests set."""
    controls = webcam.tell("stat")["controls"]
    return {name: controls[name] for name in SET}


def test_list(webcam: Webcam) -> None:
    """``camd cameras`` shows names, kinds, ranges and values as v4l2-ctl does."""
    listed = json.loads(camd("cameras", "--json"))
    assert [camera["path"] for camera in listed] == ["/dev/video0", "/dev/video2"]
    camera = listed[0]
    assert camera["source"] == LASTING
    assert [form["format"] for form in camera["formats"]] == ["MJPG", "YUYV"]
    largest = camera["formats"][0]["sizes"][2]
    assert (largest["width"], largest["height"], largest["fps"]) == (
        1920,
        1080,
        [30, 15],
    )
    lines = [line.split() for line in v4l2_ctl(webcam.device, "-l").splitlines()]
    theirs = {words[0]: set(words) for words in lines if "value=" in " ".join(words)}
    assert [control["name"] for control in camera["controls"]] == list(theirs)
    for control in camera["controls"]:
        words = {f"({control['type']})", f"value={int(control['value'])}"}
        if control["type"] == "int":
            words |= {f"min={control['min']}", f"max={control['max']}"}
        assert words <= theirs[control["name"]]
        assert control["inactive"] == ("flags=inactive" in theirs[control["name"]])


def test_set(start: Start, adjusted: Webcam) -> None:
    """What is asked for arrives in the webcam, is logged, and listed meanwhile."""
    source = {"source": adjusted.device, "camera_controls": CONTROLS}
    daemon = start({"robot": source})
    until(lambda: held(adjusted) == SET, "the controls are set")
    until(lambda: "controls set:" in daemon.log, "that is logged")
    assert "focus_absolute 15 (the nearest to 13)" in daemon.log
    assert "camera_controls:" not in daemon.log
    first = camd("cameras").partition("/dev/video2")[0]
    assert "-64 to 64; default 0; now 40\n" in first
    assert f"source: {LASTING}\n" in first


def test_set_again_after_a_replug(start: Start, adjusted: Webcam) -> None:
    """A webcam that comes back with other values gets the right ones again."""
    source = {"source": LASTING, "camera_controls": CONTROLS}
    daemon = start({"robot": source})
    until(lambda: held(adjusted) == SET, "the controls are set")
    adjust(adjusted)
    adjusted.tell("unplug")
    until(lambda: stats(daemon)["state"] == "offline", "it is noticed")
    adjusted.tell("plug")
    until(lambda: held(adjusted) == SET, "the controls are set again")
    until(lambda: stats(daemon)["state"] == "live", "it is live")
    assert daemon.log.count("controls set:") == 1


def test_set_while_it_runs(start: Start, adjusted: Webcam) -> None:
    """What PUT sets arrives in the webcam, and again when it was unplugged."""
    daemon = start({"robot": {"source": LASTING}})
    until(lambda: stats(daemon)["state"] == "live", "it is live")
    assert ask(daemon, API).status == 200
    reply = ask(daemon, API, "PUT", body=json.dumps(CONTROLS))
    assert (reply.status, held(adjusted)) == (200, SET)
    values = {c["name"]: c["value"] for c in json.loads(reply.body)["controls"]}
    assert (values["brightness"], values["focus_absolute"]) == (40, 15)
    adjust(adjusted)
    adjusted.tell("unplug")
    until(lambda: stats(daemon)["state"] == "offline", "it is noticed")
    assert ask(daemon, API).status == 503
    adjusted.tell("plug")
    until(lambda: held(adjusted) == SET, "the controls are set again")
    until(lambda: stats(daemon)["state"] == "live", "it is live")


def test_the_driver_has_the_word(start: Start, adjusted: Webcam) -> None:
    """A time of exposure has no effect while exposure is automatic: 409."""
    daemon = start({"robot": {"source": LASTING}})
    reply = ask(daemon, API, "PUT", body='{"exposure_time_absolute": 100}')
    assert reply.status == 409
    error = json.loads(reply.body)["error"]
    assert error.startswith("exposure_time_absolute does nothing now")
    before = held(adjusted)
    reply = ask(daemon, API, "PUT", body='{"brightness": 400, "focus_absolute": 5}')
    assert reply.status == 400
    assert json.loads(reply.body) == {"error": "brightness takes -64 to 64; not 400"}
    assert held(adjusted) == before


def test_wrong_controls(start: Start, adjusted: Webcam) -> None:
    """What it lacks or does not take is said once each, and pictures come."""
    controls = {
        "brightness": 400,
        "brightnes": 4,
        "white_balance_temperature": 5000,
        "power_line_frequency": "55 Hz",
        "sharpness": 4,
    }
    source = {"source": adjusted.device, "camera_controls": controls}
    daemon = start({"robot": source})
    with watching(daemon) as (watcher,):
        until(lambda: len(watcher.seen) >= 5, "five pictures")
    for line in (
        "camera_controls: brightness takes -64 to 64; not 400",
        "camera_controls: brightnes: the camera has no such control; did you mean",
        "camera_controls: white_balance_temperature does nothing now",
        "takes 0 Disabled, 1 50 Hz, 2 60 Hz; not '55 Hz'",
        "controls set: sharpness 4",
    ):
        assert daemon.log.count(line) == 1, line


def test_turned(start: Start, webcam: Webcam) -> None:
    """The JPEGs of a webcam that stands on its side are turned, and written on."""
    plain = start({"robot": {"source": webcam.device}})
    before = decode(ask(plain, "/api/robot/snapshot").body)
    plain.stop()
    camera = {"source": webcam.device, "rotate": 90, "overlay": "%H:%M {camera}"}
    daemon = start({"robot": camera})
    with watching(daemon) as (watcher,):
        until(lambda: len(watcher.seen) >= 5, "five pictures")
        told = stats(daemon)
    after = decode(watcher.seen[-1].jpeg)
    assert before.shape == (480, 640, 3)
    assert after.shape == (640, 480, 3)
    assert (told["camera_resolution"], told["encoder"]) == ("480x640", "opencv")
    # The right upper corner, where nothing moves, is the right lower one now.
    corner, turned = before[10:40, -40:-10], after[-40:-10, -40:-10]
    difference = corner.mean(axis=(0, 1)) - turned.mean(axis=(0, 1))
    assert abs(difference).max() < 8
    # The band is dark, and its letters are white.
    assert after[-16:, :40].min() < 60
    assert after[-16:, :40].max() > 240
