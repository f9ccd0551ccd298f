"""The cameras of a Raspberry Pi, as rpicam-hello lists them."""

from __future__ import annotations

from camd.sources.program.listing import PiCamera, pi_cameras, run

TOLD = """\
Available cameras
-----------------
0 : imx219 [3280x2464 10-bit RGGB] (/base/soc/i2c0mux/i2c@1/imx219@10)
    Modes: 'SRGGB10_CSI2P' : 640x480 [206.65 fps - (1000, 752)/1280x960 crop]
                             1640x1232 [41.85 fps - (0, 0)/3280x2464 crop]

1 : ov5647 [2592x1944] (/base/soc/i2c0mux/i2c@0/ov5647@36)
    Modes: 'SGBRG10_CSI2P' : 640x480 [58.92 fps - (16, 0)/2560x1920 crop]
"""


def test_two_cameras() -> None:
    """Each camera has its number, its sensor and its modes."""
    asked: list[list[str]] = []

    def told(command: list[str]) -> str:
        asked.append(command)
        return TOLD

    first, second = pi_cameras(lambda name: name, told)
    assert asked == [["rpicam-hello", "--list-cameras"]]
    assert first == PiCamera(
        "rpicam:0",
        "imx219",
        "3280x2464 10-bit RGGB",
        (
            "'SRGGB10_CSI2P' : 640x480 [206.65 fps - (1000, 752)/1280x960 crop]",
            "1640x1232 [41.85 fps - (0, 0)/3280x2464 crop]",
        ),
    )
    assert (second.source, second.sensor) == ("rpicam:1", "ov5647")


def test_in_words() -> None:
    """A camera is described with a piece of camd.yaml that works."""
    camera = pi_cameras(lambda name: name, lambda command: TOLD)[1]
    assert list(camera.in_words()) == [
        "rpicam:1  ov5647  (2592x1944)",
        "  modes",
        "    'SGBRG10_CSI2P' : 640x480 [58.92 fps - (16, 0)/2560x1920 crop]",
        "  in camd.yaml",
        "    cameras:",
        "      ov5647:",
        "        source: rpicam:1",
    ]


def test_no_cameras() -> None:
    """Where the program finds none, or there is no program, there are none."""
    nothing = "No cameras available!\n"
    assert pi_cameras(lambda name: name, lambda command: nothing) == ()
    assert pi_cameras(lambda name: None) == ()


def test_a_program_that_cannot_be_run() -> None:
    """A program that is gone says nothing."""
    assert run(["/nonexistent"]) == ""
    assert run(["echo", "hello"]) == "hello\n"
