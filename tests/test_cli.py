"""Tests of the camd command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from camd import __version__
from camd.cli import main
from camd.commands import list_cameras, signed
from camd.config import load
from camd.process.state import kept_or_new_key
from camd.sources.program.listing import PiCamera
from camd.sources.v4l2.discovery import Census, census
from camd.web.access.keys import Keys
from camd.web.access.links import Links
from tests.fake_v4l2 import FakeDriver

ROOT = Path(__file__).parents[1]

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has a current folder of its own."""
    monkeypatch.chdir(tmp_path)


def test_version(capsys: Captured) -> None:
    """The version is one line."""
    with pytest.raises(SystemExit) as caught:
        main(["--version"], {})
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"camd {__version__}\n"


def test_help(capsys: Captured) -> None:
    """Alone, the command says what it can do."""
    assert main([], {}) == 0
    assert "check" in capsys.readouterr().out


def test_check_without_file(capsys: Captured) -> None:
    """Where there is no camd.yaml, check says so and shows the defaults."""
    assert main(["check"], {}) == 0
    out = capsys.readouterr().out
    assert out.startswith("# There is no camd.yaml here: these are the defaults.\n")
    assert ["stream_fps", "=", "15", "#", "preset", "cloudflare"] in columns(out)
    assert ["api_keys", "=", "none", "#", "default"] in columns(out)


def test_check_finds_file(tmp_path: Path, capsys: Captured) -> None:
    """The camd.yaml of the current folder needs no naming."""
    (tmp_path / "camd.yaml").write_text("stream_fps: 3.0")
    assert main(["check"], {}) == 0
    assert ["stream_fps", "=", "3"] in [
        words[:3] for words in columns(capsys.readouterr().out)
    ]


SHOWN = """\
listen = tcp:80, unix:/tmp/x  # x.yaml
api_keys = phone: ***, hall: ***  # x.yaml
api_rights = none  # default
signing_key = none  # default
on_event_secret = none  # default
cloudflare_access = none  # default
base_path = ""  # default
trusted_proxies = none  # default
drain_seconds = 2  # default
cors_origins = none  # default
cross_origin_resource_policy = same-origin  # default
frame_ancestors = 'self'  # default
page_title = camd  # default
max_viewers = 2000  # default
max_viewers_per_address = 100  # default
max_connections = 0  # default
encode_threads = 2  # default
log_format = text  # default
log_level = info  # default
preset = hd  # x.yaml
publish = ""  # default
cameras_from = ""  # default
camera_width = 1280  # preset hd
camera_height = 720  # preset hd
camera_fps = 30  # default
camera_format = auto  # default
camera_timeout = 2  # default
offline_picture = placeholder  # default
offline_after = 10  # default
camera_controls = none  # default
rotate = 0  # default
flip = none  # default
overlay = ""  # default
max_pixels = 40000000  # default
max_frame_bytes = 16777216  # default
camera_verify_tls = true  # default
stream_fps = 7.5  # environment
drop_identical = 0  # default
idle_fps = 1  # default
jpeg_quality = 90  # preset hd
renditions = 1/2@90, 1/2@65, 1/2@20, 1/4@35  # default
auto_fps = 8  # default
stream_buffer_size = 2  # preset hd
stream_timeout = 30  # preset hd
max_frame_age = 0  # default
heartbeat_interval = 5  # preset hd
on_event = ""  # default
max_viewers_per_camera = 0  # default
tcp_congestion = ""  # default
enable_frame_cache = false  # x.yaml

cameras.door
  source = rtsp://me:***@host/  # x.yaml
  title = ""  # default
  camera_width = 1280  # preset hd
  camera_height = 720  # preset hd
  camera_fps = 30  # default
  camera_format = auto  # default
  camera_timeout = 2  # default
  offline_picture = placeholder  # default
  offline_after = 10  # default
  camera_controls = none  # default
  rotate = 0  # default
  flip = none  # default
  overlay = ""  # default
  max_pixels = 40000000  # default
  max_frame_bytes = 16777216  # default
  camera_verify_tls = true  # default
  stream_fps = 7.5  # environment
  drop_identical = 0  # default
  idle_fps = 1  # default
  jpeg_quality = 1  # x.yaml
  renditions = 1/2@90, 1/2@65, 1/2@20, 1/4@35  # default
  auto_fps = 8  # default
  stream_buffer_size = 2  # preset hd
  stream_timeout = 30  # preset hd
  max_frame_age = 0  # default
  heartbeat_interval = 5  # preset hd
  on_event = ""  # default
  max_viewers_per_camera = 0  # default
  tcp_congestion = ""  # default
  enable_frame_cache = false  # x.yaml
"""


def columns(text: str) -> list[list[str]]:
    """The lines, each as its words: how far apart they stand is left out."""
    return [line.split() for line in text.splitlines()]


def test_check_shows_all(tmp_path: Path, capsys: Captured) -> None:
    """Every setting in force is shown with where it came from, the cameras beneath."""
    (tmp_path / "x.yaml").write_text(
        "api_keys: {phone: swordfish-and-tuna, hall: tuna-and-swordfish}\n"
        "preset: hd\n"
        "enable_frame_cache: false\n"
        "listen: ['tcp:80', 'unix:/tmp/x']\n"
        "cameras: {door: {source: 'rtsp://me:secret@host/', jpeg_quality: 1}}\n"
    )
    assert main(["check", "-c", "x.yaml"], {"STREAM_FPS": "7.5"}) == 0
    out = capsys.readouterr().out
    assert columns(out) == columns(SHOWN)
    for column in (" = ", "  # "):
        rows = [line for line in out.splitlines() if column in line]
        assert len({line.index(column) for line in rows}) == 1


def test_check_bad_settings(tmp_path: Path, capsys: Captured) -> None:
    """Each thing that is wrong is one line on stderr, and the status is 1."""
    (tmp_path / "camd.yaml").write_text("stream_fps: fast\nstream_fsp: 3\n")
    assert main(["check"], {}) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "camd: stream_fsp: unknown key; did you mean stream_fps? (camd.yaml)",
        "camd: stream_fps: 'fast' is not a number; expected a number from 0.1 to 240"
        " (camd.yaml)",
    ]


def test_check_missing_file(capsys: Captured) -> None:
    """A file that was named and is not there is an error, not a default."""
    assert main(["check", "-c", "none.yaml"], {}) == 1
    assert capsys.readouterr().err == (
        "camd: none.yaml: no such file; expected camd's settings in YAML\n"
    )


def test_unknown_command(capsys: Captured) -> None:
    """A command that does not exist is a usage error."""
    with pytest.raises(SystemExit) as caught:
        main(["chekc"], {})
    assert caught.value.code == 2
    assert "chekc" in capsys.readouterr().err


# ---- camd sign


def settings_file(tmp_path: Path, text: str) -> None:
    """Write the camd.yaml of the current folder."""
    (tmp_path / "camd.yaml").write_text(text)


def kept(tmp_path: Path) -> dict[str, str]:
    """An environment in which a daemon has kept its signing key."""
    environ = {"STATE_DIRECTORY": str(tmp_path / "state")}
    kept_or_new_key(environ)
    return environ


SIGNERS = (
    f"api_keys: {{wall: {'a' * 16}, phone: {'b' * 16}, hall: {'c' * 16}}}\n"
    "api_rights: {wall: view}\n"
)


def test_sign(tmp_path: Path, capsys: Captured) -> None:
    """A link has the address that camd listens on, and the first key that may sign."""
    settings_file(tmp_path, SIGNERS + "base_path: /cam\nlisten: tcp:8001\n")
    assert main(["sign", "robot/stream", "--for", "2h"], kept(tmp_path)) == 0
    link = capsys.readouterr().out
    assert link.startswith("http://localhost:8001/cam/api/robot/stream?key=phone&")


@pytest.mark.parametrize("what", ["live", "frame"])
def test_sign_opens_what_shows_pictures(
    tmp_path: Path, capsys: Captured, what: str
) -> None:
    """The live channel and single frames have links as streams do."""
    settings_file(tmp_path, SIGNERS + "listen: tcp:8001\n")
    assert main(["sign", f"robot/{what}"], kept(tmp_path)) == 0
    link = capsys.readouterr().out
    assert link.startswith(f"http://localhost:8001/api/robot/{what}?key=phone&")


@pytest.mark.parametrize(
    ("listen", "start"),
    [
        ("[unix:/run/camd.sock]", "/cam/api/"),
        ("[unix:/run/camd.sock, 'tcp:8001']", "http://localhost:8001/cam/api/"),
    ],
)
def test_sign_beside_a_socket(
    tmp_path: Path, capsys: Captured, listen: str, start: str
) -> None:
    """What no browser can open is not in the link: without another, it is the path."""
    settings_file(tmp_path, SIGNERS + f"base_path: /cam\nlisten: {listen}\n")
    assert main(["sign", "robot/stream"], kept(tmp_path)) == 0
    assert capsys.readouterr().out.startswith(start)


def test_signed_opens(tmp_path: Path) -> None:
    """What is signed beside the daemon is what the daemon itself would sign."""
    settings_file(tmp_path, SIGNERS)
    settings = load(tmp_path / "camd.yaml", {}).settings
    link = signed(
        settings, "robot/stream", "1h", "hall", lambda: 1000.0, lambda: b"sealed"
    )
    keys = Keys({"hall": "c" * 16}, signing_key=b"sealed")
    own = Links(keys, lambda: 1000.0).sign("hall", "/api/robot/stream", 3600)
    assert link == f"http://127.0.0.1:8001{own}"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["robot/stats"], "sign: expected NAME/stream, NAME/snapshot, NAME/live, "),
        (["door/stream"], "sign: there is no camera door in the settings"),
        (["robot/stream", "--for", "1y"], "sign: expected a time such as"),
        (["robot/stream", "--key", "wall"], "sign: wall is no key that may sign"),
        (["robot/stream", "--key", "x"], "sign: x is no key that may sign"),
    ],
)
def test_sign_says_what_is_wrong(
    tmp_path: Path, capsys: Captured, arguments: list[str], problem: str
) -> None:
    """What cannot be signed is refused in one line."""
    settings_file(tmp_path, SIGNERS)
    assert main(["sign", *arguments], {}) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"camd: {problem}")


def test_sign_without_keys(capsys: Captured) -> None:
    """A key made at start is not known beside the daemon."""
    assert main(["sign", "robot/stream"], {}) == 1
    line = "camd: sign: no key may sign; expected one in api_keys\n"
    assert capsys.readouterr().err == line


# ---- camd init


def test_init(tmp_path: Path, capsys: Captured) -> None:
    """The file as it is shipped is written, for its owner alone: keys will be in it."""
    assert main(["init"], {}) == 0
    written = tmp_path / "camd.yaml"
    assert written.read_bytes() == (ROOT / "camd.yaml").read_bytes()
    assert written.stat().st_mode & 0o777 == 0o600
    assert "camd run" in capsys.readouterr().out
    assert main(["check"], {}) == 0


def test_init_leaves_a_file_alone(tmp_path: Path, capsys: Captured) -> None:
    """A file that is there stays as it is."""
    settings_file(tmp_path, "stream_fps: 3")
    assert main(["init"], {}) == 1
    said = "camd: init: camd.yaml is there already; expected the name of a new file\n"
    assert capsys.readouterr().err == said
    assert (tmp_path / "camd.yaml").read_text() == "stream_fps: 3"


def test_init_where_nothing_can_be(capsys: Captured) -> None:
    """A folder that is not there is said."""
    assert main(["init", "none/my.yaml"], {}) == 1
    line = "camd: init: none/my.yaml: No such file or directory\n"
    assert capsys.readouterr().err == line


# ---- camd check's warnings


def test_check_warns(tmp_path: Path, capsys: Captured) -> None:
    """What may still be a slip is on stderr, and the status is 0."""
    settings_file(tmp_path, "cameras: {door: {source: /dev/video987}}")
    assert main(["check"], {}) == 0
    line = "camd: cameras.door.source: /dev/video987 is not there now\n"
    assert capsys.readouterr().err == line


# ---- The process


def test_who_reads_has_had_enough() -> None:
    """An output that is cut, as by `head`, ends the command without more words."""
    reads, writes = os.pipe()
    os.close(reads)
    program = "from camd.cli import main; raise SystemExit(main())"
    with open(writes, "wb") as nowhere:
        done = subprocess.run(
            [sys.executable, "-c", program, "check"],
            stdout=nowhere,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            check=False,
        )
    assert (done.returncode, done.stderr) == (141, b"")


# ---- camd cameras


def test_cameras(tmp_path: Path, capsys: Captured) -> None:
    """The cameras of this machine are listed, one after the other."""
    assert list_cameras(found(tmp_path, 2), as_json=False) == 0
    captured = capsys.readouterr()
    first, second = captured.out.split("\n\n")
    assert first.splitlines()[0] == f"{tmp_path}/video0  Webcam C1: Webcam C1  " + (
        "(uvcvideo, usb-1)"
    )
    assert second.startswith(f"{tmp_path}/video1  ")
    assert captured.err == ""


def test_cameras_for_scripts(tmp_path: Path, capsys: Captured) -> None:
    """With --json the list is JSON, and nothing else."""
    assert list_cameras(found(tmp_path, 1), as_json=True) == 0
    (camera,) = json.loads(capsys.readouterr().out)
    assert camera["path"] == f"{tmp_path}/video0"


@pytest.mark.parametrize(("as_json", "out"), [(False, ""), (True, "[]\n")])
def test_no_cameras(capsys: Captured, as_json: bool, out: str) -> None:
    """Where there is none, one line says so, and the status is 1."""
    assert list_cameras(Census((), ()), as_json) == 1
    captured = capsys.readouterr()
    assert captured.out == out
    assert captured.err == "camd: there is no camera on this machine\n"


def test_cameras_not_to_be_opened(capsys: Captured) -> None:
    """A camera that may not be opened is told of, rather than that there is none."""
    assert list_cameras(Census((), ("/dev/video0: denied",)), as_json=False) == 1
    assert capsys.readouterr().err == "camd: /dev/video0: denied\n"


def test_cameras_of_this_machine(capsys: Captured) -> None:
    """The command lists what this machine has, be it nothing."""
    status = main(["cameras", "--json"], {})
    cameras = json.loads(capsys.readouterr().out)
    assert status == (0 if cameras else 1)


def test_a_pis_cameras(capsys: Captured) -> None:
    """Camera modules stand behind the devices, and are enough."""
    module = PiCamera("rpicam:0", "imx219", "3280x2464", ())
    assert list_cameras(Census((), ()), as_json=False, modules=[module]) == 0
    assert capsys.readouterr().out.startswith("rpicam:0  imx219  (3280x2464)\n")
    assert list_cameras(Census((), ()), as_json=True, modules=[module]) == 0
    assert json.loads(capsys.readouterr().out)[0]["source"] == "rpicam:0"


def found(folder: Path, number: int) -> Census:
    """So many usual USB cameras."""
    for index in range(number):
        (folder / f"video{index}").touch()
    return census(folder, FakeDriver().opened)


def test_sign_without_the_daemons_key(tmp_path: Path, capsys: Captured) -> None:
    """Where the daemon's signing key is not to be had, no link is made that fails."""
    settings_file(tmp_path, SIGNERS)
    assert main(["sign", "robot/stream"], {"STATE_DIRECTORY": str(tmp_path)}) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        f"camd: sign: the daemon's signing key cannot be read: {tmp_path}/signing_key: "
        "No such file or directory; expected signing_key in the settings, or "
        "STATE_DIRECTORY as the daemon has it\n"
    )


def test_sign_with_a_key_of_the_settings(tmp_path: Path, capsys: Captured) -> None:
    """Where it stands in the settings, nothing else is needed."""
    settings_file(tmp_path, f"{SIGNERS}signing_key: {'x' * 32}\n")
    assert main(["sign", "robot/stream"], {}) == 0
    assert "&signature=" in capsys.readouterr().out


def test_version_imports_next_to_nothing() -> None:
    """``camd --version`` loads neither Twisted nor pydantic, nor camd's settings."""
    program = (
        "import sys\n"
        "from camd.cli import main\n"
        "try:\n"
        "    main(['--version'])\n"
        "except SystemExit:\n"
        "    pass\n"
        "print(*{name.partition('.')[0] for name in sys.modules})\n"
        "print('camd.config' in sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    version, modules, has_settings = run.stdout.splitlines()
    assert version == f"camd {__version__}"
    assert not {"twisted", "pydantic", "cv2", "numpy"} & set(modules.split())
    assert has_settings == "False"
