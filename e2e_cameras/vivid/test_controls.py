"""Controls of every kind that the kernel knows, on a camera that has them all."""

from __future__ import annotations

import json
import re
import subprocess

from e2e.client import ask, stats, watching
from e2e.conftest import Start
from e2e.video import decode
from e2e.waiting import until

API = "/api/robot/controls"

DEVICE = "/dev/video0"

CONTROLS = {
    "brightness": 200,
    "hue": -100,
    "boolean": False,
    "menu": "Menu Item 4",
    "integer_menu": "13",
    "bitmask": 0x80002000,
    "integer_32_bits": -(2**31),
    "button": True,
    "test_pattern": "100% Red",
    "osd_text_mode": "none",
}

HELD = {
    "brightness": "200",
    "hue": "-100",
    "boolean": "0",
    "menu": "4",
    "integer_menu": "6",
    "bitmask": "-2147475456",
    "integer_32_bits": "-2147483648",
    "test_pattern": "7",
    "osd_text_mode": "2",
}

DEFAULTS = {
    "brightness": 128,
    "hue": 0,
    "boolean": 1,
    "menu": 3,
    "integer_menu": 4,
    "bitmask": 0x80002000,
    "integer_32_bits": 0,
    "test_pattern": 0,
    "osd_text_mode": 0,
}


def v4l2_ctl(*words: str) -> str:
    """What v4l2-ctl, which knows nothing of camd, prints."""
    command = ["v4l2-ctl", "-d", DEVICE, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def held() -> dict[str, str]:
    """What the camera has for the controls that the test sets."""
    found = dict(re.findall(r"(\w+) 0x\w+ .* value=(\S+)", v4l2_ctl("-l")))
    return {name: found[name] for name in HELD}


def restore() -> None:
    """Set the controls back."""
    settings = ",".join(f"{name}={value}" for name, value in DEFAULTS.items())
    v4l2_ctl("-c", settings)


def test_every_kind(start: Start) -> None:
    """Numbers, switches, menus, masks and buttons are set; others are told of."""
    controls = {**CONTROLS, "string": "abc", "read_only_integer_32_bits": 3, "gain": 7}
    try:
        daemon = start({"robot": {"source": DEVICE, "camera_controls": controls}})
        until(lambda: held() == HELD, "the controls are set")
        with watching(daemon) as (watcher,):
            until(lambda: len(watcher.seen) >= 5, "five pictures")
    finally:
        restore()
    for line in (
        "string takes nothing that camd can set; not 'abc'",
        "read_only_integer_32_bits can only be read",
        "gain does nothing now",
    ):
        assert daemon.log.count(line) == 1, line


def test_every_kind_while_it_runs(start: Start) -> None:
    """PUT sets them as well, and lists them as v4l2-ctl does."""
    daemon = start({"robot": {"source": DEVICE}})
    until(lambda: stats(daemon)["state"] == "live", "the camera is live")
    try:
        reply = ask(daemon, API, "PUT", body=json.dumps(CONTROLS))
        assert (reply.status, held()) == (200, HELD)
    finally:
        restore()
    listed = {c["name"]: c for c in json.loads(reply.body)["controls"]}
    assert listed["brightness"]["value"] == 200
    assert listed["boolean"]["value"] is False
    assert (listed["menu"]["value"], listed["bitmask"]["value"]) == (4, 0x80002000)
    assert {"value": 4, "name": "Menu Item 4"} in listed["menu"]["choices"]
    assert listed["read_only_integer_32_bits"]["read_only"] is True
    assert listed["string"]["read_only"] is True
    reply = ask(daemon, API, "PUT", body='{"string": "abc"}')
    assert reply.status == 400
    names = re.findall(r"^ *(\w+) 0x\w+ ", v4l2_ctl("-l"), re.MULTILINE)
    # v4l2-ctl has arrays besides, which V4L2 lists only on demand.
    assert list(listed) == [name for name in names if name in listed]


def test_upside_down(start: Start) -> None:
    """The colour bars of a camera that hangs head down are turned around."""
    camera = {"source": DEVICE, "rotate": 180}
    daemon = start({"robot": camera})
    with watching(daemon) as (watcher,):
        until(lambda: len(watcher.seen) >= 3, "three pictures")
        told = stats(daemon)
    picture = decode(watcher.seen[-1].jpeg)
    # White is on the left of the bars, and black on the right.
    left, right = picture[240, 40].mean(), picture[240, -40].mean()
    assert left < 60 < 150 < right
    assert told["camera_resolution"] == "640x480"
