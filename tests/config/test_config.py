"""Tests of loading: what wins, where it came from, and what is said of bad input."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from camd.commands import report
from camd.config import ConfigError, Loaded, load
from camd.config.checks import PICTURE_MOST
from camd.config.settings import CAMERA_KEYS, KEYS, PRESETS, Settings
from tests.fakes_camera import tiny_jpeg

# The machine may be busy with the other tests; how long one example takes says
# nothing.
unhurried = settings(deadline=None)

NUMBER = "a number from 0.1 to 240"
KEY = (
    "16 or more printable ASCII characters without spaces, in quotes, such as"
    " openssl rand -hex 16 prints"
)
NAME = (
    "a name of 1 to 64 letters, digits, - and _, as it stands in the URL"
    " (not cameras, live, qr, session or sign)"
)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all the files of a property test."""
    return tmp_path_factory.mktemp("settings")


Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write camd.yaml, and .env if it is given; the first one's path."""

    def write(text: str, dotenv: str | None = None) -> Path:
        return written(tmp_path, text, dotenv)

    return write


def written(folder: Path, text: str, dotenv: str | None = None) -> Path:
    """The path of a camd.yaml with this text, with or without a .env beside it."""
    path = folder / "camd.yaml"
    path.write_text(text, "utf-8")
    (folder / ".env").unlink(missing_ok=True)
    if dotenv is not None:
        (folder / ".env").write_text(dotenv, "utf-8")
    return path


def problems(path: Path | None, environ: Mapping[str, str] | None = None) -> list[str]:
    """What is said to be wrong with the settings."""
    with pytest.raises(ConfigError) as caught:
        load(path, environ or {})
    assert str(caught.value) == "\n".join(caught.value.problems)
    return list(caught.value.problems)


def test_nothing_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no file and no variables, the default preset and the defaults hold."""
    monkeypatch.chdir(tmp_path)
    loaded = load(None, {})
    assert loaded.settings.cameras["robot"].jpeg_quality == 70
    assert loaded.origins["jpeg_quality"] == "preset cloudflare"
    assert loaded.settings.cameras["robot"].camera_fps == 30
    assert loaded.origins["camera_fps"] == "default"


@pytest.mark.parametrize("text", ["", "# nothing\n", "cameras:\n", "api_keys:\n"])
def test_empty_file(write: Write, text: str) -> None:
    """A file that says nothing is as good as none."""
    assert load(write(text), {}).settings == load(write(""), {}).settings
    assert list(load(write(text), {}).settings.cameras) == ["robot"]


@unhurried
@given(data=st.data(), key=st.sampled_from(["stream_fps", "jpeg_quality"]))
def test_precedence(folder: Path, data: st.DataObject, key: str) -> None:
    """The environment wins over .env, that over the file, the preset, the default."""
    layers = ["environment", ".env", "camd.yaml"]
    values = data.draw(st.dictionaries(st.sampled_from(layers), st.integers(1, 100)))
    preset = data.draw(st.sampled_from(sorted(PRESETS)))
    said: dict[str, dict[str, Any]] = {}
    said |= {layer: {key: value} for layer, value in values.items()}
    said.setdefault(data.draw(st.sampled_from(layers)), {})["preset"] = preset
    loaded = loaded_from(folder, said)

    strongest = next((layer for layer in layers if layer in values), f"preset {preset}")
    expected = values.get(strongest, PRESETS[preset][key])
    assert getattr(loaded.settings, key) == expected
    assert getattr(loaded.settings.cameras["robot"], key) == expected
    assert loaded.origins[key] == strongest
    assert loaded.origins[f"cameras.robot.{key}"] == strongest


def loaded_from(folder: Path, said: Mapping[str, Mapping[str, Any]]) -> Loaded:
    """The settings, from what each of the layers says."""
    dotenv = "".join(
        f"CAMD_{key.upper()}={value}\n" for key, value in said.get(".env", {}).items()
    )
    environ = {
        f"CAMD_{key.upper()}": str(value)
        for key, value in said.get("environment", {}).items()
    }
    path = written(folder, yaml.safe_dump(dict(said.get("camd.yaml", {}))), dotenv)
    return load(path, environ)


def test_strongest_preset_wins(write: Write) -> None:
    """Of two presets the one that the stronger layer names holds, and it alone."""
    loaded = load(write("preset: hd"), {"CAMD_PRESET": "mobile"})
    assert loaded.settings.camera_width == 480
    assert loaded.origins["camera_width"] == "preset mobile"


def test_one_camera_wins_over_all(write: Write) -> None:
    """What the file says of one camera wins over the environment's general value."""
    path = write("cameras: {door: {stream_fps: 3}, garden: {}}")
    loaded = load(path, {"STREAM_FPS": "20"})
    assert loaded.settings.cameras["door"].stream_fps == 3
    assert loaded.origins["cameras.door.stream_fps"] == "camd.yaml"
    assert loaded.settings.cameras["garden"].stream_fps == 20
    assert loaded.origins["cameras.garden.stream_fps"] == "environment"


def test_every_key_has_an_origin(write: Write) -> None:
    """No key of the settings or of a camera is left without a place it came from."""
    origins = load(write("cameras: {a: {}, b: {source: ./x}}"), {}).origins
    top = set(KEYS) - {"cameras"}
    beneath = {f"cameras.{name}.{key}" for name in "ab" for key in CAMERA_KEYS}
    assert set(origins) == top | beneath


def test_cameras_in_order(write: Write) -> None:
    """The cameras keep the order of the file, and those of variables come after."""
    path = write("cameras: {zoo: {}, attic: , mole: {source: ./x}}")
    loaded = load(path, {"CAMD_CAMERAS": '{"added": {}, "attic": {"source": "./y"}}'})
    assert list(loaded.settings.cameras) == ["zoo", "attic", "mole", "added"]


def test_camera_from_nested_variable(write: Write) -> None:
    """A variable with __ reaches one key of one camera and leaves its others."""
    path = write("cameras: {robot: {source: ./x, stream_fps: 3}}")
    robot = load(path, {"CAMD_CAMERAS__ROBOT__SOURCE": "0"}).settings.cameras["robot"]
    assert (robot.source, robot.stream_fps) == ("0", 3)


def test_new_camera_from_variable(write: Write) -> None:
    """A camera that only variables name takes the place of the default one."""
    cameras = load(write(""), {"CAMD_CAMERAS__DOOR__SOURCE": "./x"}).settings.cameras
    assert list(cameras) == ["door"]


@pytest.mark.parametrize("name", ["Front-Door", "front_door", "FRONT_DOOR"])
def test_variable_finds_camera(write: Write, name: str) -> None:
    """A variable, all capitals and _, means the camera whose name is alike."""
    path = write(f"cameras: {{{name}: {{}}, other: {{}}}}")
    cameras = load(path, {"CAMD_CAMERAS__FRONT_DOOR__SOURCE": "./x"}).settings.cameras
    assert list(cameras) == [name, "other"]
    assert cameras[name].source == "./x"


def test_cameras_as_json(write: Write) -> None:
    """CAMD_CAMERAS is JSON with all that can stand in the file."""
    text = json.dumps({"Door": {"source": "rtsp://h/", "stream_fps": 7.5}})
    door = load(write(""), {"CAMD_CAMERAS": text}).settings.cameras["Door"]
    assert (door.name, door.source, door.stream_fps) == ("Door", "rtsp://h/", 7.5)


def test_one_camera_as_json(write: Write) -> None:
    """One camera's keys may come as JSON too."""
    environ = {"CAMD_CAMERAS__ROBOT": '{"source": "./x"}'}
    assert load(write(""), environ).settings.cameras["robot"].source == "./x"


A, B = "a" * 16, "b" * 16


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("swordfish-and-tuna", {"default": "swordfish-and-tuna"}),
        ("1234567890123456", {"default": "1234567890123456"}),
        (f'{{"phone": "{A}", "Hall": "{B}"}}', {"phone": A, "Hall": B}),
        (f"{{phone: {A}}}", {"phone": A}),
        (f"phone: {A}", {"phone": A}),
    ],
)
def test_keys_from_variable(write: Write, text: str, keys: dict[str, str]) -> None:
    """CAMD_API_KEYS is a mapping in JSON or YAML, or the text of one key."""
    assert secrets(load(write(""), {"CAMD_API_KEYS": text})) == keys


def secrets(loaded: Loaded) -> dict[str, str]:
    """The keys in clear."""
    keys = loaded.settings.api_keys
    return {name: key.get_secret_value() for name, key in keys.items()}


@pytest.mark.parametrize("said", ["view", "[view]", "['view']"])
def test_rights(write: Write, said: str) -> None:
    """One right stands for a list of one."""
    path = write(f"api_keys: {{phone: {A}}}\napi_rights: {{phone: {said}}}")
    assert load(path, {}).settings.api_rights == {"phone": ("view",)}


def test_rights_and_team_from_variables(write: Write) -> None:
    """Both can be said in one variable, or key by key."""
    variables = {
        "CAMD_API_KEYS": f"{{phone: {A}}}",
        "CAMD_API_RIGHTS": "{phone: [view, stats]}",
        "CAMD_CLOUDFLARE_ACCESS__TEAM_DOMAIN": "x.example",
        "CAMD_CLOUDFLARE_ACCESS__AUDIENCE": "tag",
    }
    settings = load(write(""), variables).settings
    assert settings.api_rights == {"phone": ("view", "stats")}
    assert settings.cloudflare_access is not None
    assert settings.cloudflare_access.team_domain == "x.example"


def test_keys_are_replaced_as_a_whole(write: Write) -> None:
    """Keys of the environment do not add to the file's: they are all there is."""
    path = write(f"api_keys: {{old: {A}}}")
    assert secrets(load(path, {"CAMD_API_KEYS": f"{{new: {B}}}"})) == {"new": B}


@pytest.mark.parametrize(
    ("text", "listen"),
    [
        ("tcp:80", ("tcp:80",)),
        ('["tcp:80", "unix:/tmp/x"]', ("tcp:80", "unix:/tmp/x")),
        ("[tcp:80]", ("tcp:80",)),
    ],
)
def test_listen_from_variable(write: Write, text: str, listen: tuple[str, ...]) -> None:
    """CAMD_LISTEN is one string or a list."""
    assert load(write(""), {"CAMD_LISTEN": text}).settings.listen == listen


@pytest.mark.parametrize(
    ("text", "truth"),
    [("true", True), ("On", True), ("1", True), ("no", False), ("0", False)],
)
def test_truth_from_variable(write: Write, text: str, truth: bool) -> None:
    """A variable says true and false in the usual words."""
    environ = {"ENABLE_FRAME_CACHE": text}
    assert load(write(""), environ).settings.enable_frame_cache is truth


def test_empty_variable_is_unset(write: Write) -> None:
    """A variable without a text says nothing."""
    loaded = load(write("stream_fps: 3", "STREAM_FPS=\n"), {"STREAM_FPS": ""})
    assert loaded.origins["stream_fps"] == "camd.yaml"


def test_only_the_given_environment(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process's own environment is not looked at, not even for a $ in .env."""
    monkeypatch.setenv("STREAM_FPS", "3")
    loaded = load(write("", "CAMD_API_KEYS=abcdefgh${STREAM_FPS}"), {})
    assert loaded.settings.stream_fps == 15
    assert secrets(loaded) == {"default": "abcdefgh${STREAM_FPS}"}


def test_foreign_variables(write: Write) -> None:
    """Names that are not camd's are let pass, in the environment and in .env."""
    path = write("", "DATABASE_URL=x\nexport PATH=/bin\nDOMAIN=y\n")
    assert load(path, {"STREAM_FSP": "3"}).settings == load(write(""), {}).settings


def test_dotenv_forms(write: Write) -> None:
    """Comments, quotes and export are read as usual."""
    path = write(
        "", "# a comment\nexport STREAM_FPS='3' # why\nCAMD_LISTEN=\"tcp:80\"\n"
    )
    loaded = load(path, {})
    assert (loaded.settings.stream_fps, loaded.settings.listen) == (3, ("tcp:80",))
    assert loaded.origins["listen"] == ".env"


def test_dotenv_without_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a camd.yaml, .env is that of the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("STREAM_FPS=3")
    assert load(None, {}).settings.stream_fps == 3


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("stream_fps: fast", f"stream_fps: 'fast' is not a number; expected {NUMBER}"),
        ("stream_fps: '15'", f"stream_fps: '15' is not a number; expected {NUMBER}"),
        ("stream_fps: true", f"stream_fps: true is not a number; expected {NUMBER}"),
        ("stream_fps: 241", f"stream_fps: 241 is too large; expected {NUMBER}"),
        ("stream_fps: 0", f"stream_fps: 0 is too small; expected {NUMBER}"),
        ("stream_fps: .nan", f"stream_fps: nan is not a number; expected {NUMBER}"),
        ("stream_fps: .inf", f"stream_fps: inf is not a number; expected {NUMBER}"),
        ("stream_fps: [1]", f"stream_fps: a list is not a number; expected {NUMBER}"),
        (
            "stream_fps:",
            f"stream_fps: an empty value is not a number; expected {NUMBER}",
        ),
        (
            "camera_width: 640.5",
            "camera_width: 640.5 is not a whole number;"
            " expected a whole number from 16 to 8192",
        ),
        (
            "enable_frame_cache: 1",
            "enable_frame_cache: 1 is not true or false; expected true or false",
        ),
        (
            "heartbeat_interval: 0.01",
            "heartbeat_interval: 0.01 is too small;"
            " expected 0 for none, or a number from 0.1 to 3600",
        ),
        (
            "preset: huge",
            "preset: 'huge' is unknown; expected cloudflare, lan, hd or mobile",
        ),
        ("stream_fsp: 1", "stream_fsp: unknown key; did you mean stream_fps?"),
        ("source: x", "source: unknown key; expected only under a camera"),
        (
            "cameras: {door: {souce: x}}",
            "cameras.door.souce: unknown key; did you mean source?",
        ),
        (
            "cameras: {door: {listen: x}}",
            "cameras.door.listen: unknown key; expected only at the top",
        ),
        (
            "cameras: {door: {stream_fps: fast}}",
            f"cameras.door.stream_fps: 'fast' is not a number; expected {NUMBER}",
        ),
        (
            "cameras: {front door: {}}",
            f"cameras.front door: 'front door' is not a usable name; expected {NAME}",
        ),
        ("cameras: {sign: }", f"cameras.sign: 'sign' is taken; expected {NAME}"),
        (
            "cameras: {1: }",
            f"cameras.1: 1 is not text; put it in quotes; expected {NAME}",
        ),
        (
            "cameras: {on: }",
            f"cameras.true: true is not text; put it in quotes; expected {NAME}",
        ),
        (
            "cameras:\ndoor:\n  source: pattern",
            "door: unknown key; expected a camera beneath cameras, indented by two"
            " spaces",
        ),
        (
            "recording: true",
            "recording: unknown key; expected a key of camd.yaml; camd check lists"
            " them",
        ),
        (
            "cameras: {door: 'rtsp://u:secret@h/'}",
            "cameras.door: 'rtsp://u:***@h/' is not a mapping;"
            " expected the camera's keys, such as source: pattern",
        ),
        (
            "cameras: [door]",
            "cameras: a list is not a mapping;"
            " expected names of cameras, and beneath each its keys",
        ),
        (
            "api_keys: {phone: 1234}",
            f"api_keys.phone: *** is not text; expected {KEY}",
        ),
        (
            f"api_keys: {{a b: {A}}}",
            "api_keys: a name does not fit;"
            " expected a name of 1 to 64 letters, digits, - and _ for each key",
        ),
        (
            "api_keys: {phone: fifteen-letters}",
            f"api_keys.phone: *** has fewer than 16 characters; expected {KEY}",
        ),
        (
            "api_keys: {a-long-random-key-in-the-wrong-place: phone}",
            f"api_keys: *** has fewer than 16 characters; expected {KEY}",
        ),
        (
            "cameras: {}",
            "cameras: there is no camera in it;"
            " expected names of cameras, and beneath each its keys",
        ),
        (
            "api_keys: secret",
            "api_keys: *** is not a mapping; expected names, and a key for each",
        ),
        (
            f"api_keys: {{phone: {A}}}\napi_rights: {{phone: [look]}}",
            "api_rights: 'look' is no right;"
            " expected names of api_keys, and for each some of"
            " view, stats, control, sign and push",
        ),
        (
            f"api_keys: {{phone: {A}}}\napi_rights: {{fone: view}}",
            "api_rights: 'fone' is no key's name;"
            " expected names of api_keys, and for each some of"
            " view, stats, control, sign and push",
        ),
        (
            "api_rights: view",
            "api_rights: 'view' is not a mapping;"
            " expected names of api_keys, and for each some of"
            " view, stats, control, sign and push",
        ),
        (
            "cloudflare_access: {team_domain: 'https://x.example', audience: abc}",
            "cloudflare_access: 'https://x.example' does not fit;"
            " expected team_domain, such as example.cloudflareaccess.com,"
            " and audience, the application's AUD tag",
        ),
        (
            "listen: ['tcp:80', 'udp:5']",
            "listen: 'udp:5' is of no kind that camd listens on; expected an endpoint"
            " of kind tcp, unix, ssl, tls, systemd or haproxy, such as"
            " tcp:8001:interface=127.0.0.1, or a list of them",
        ),
        (
            "listen: ['tcp:80', 'tcp:80']",
            "listen: 'tcp:80' is here a second time; expected an endpoint"
            " of kind tcp, unix, ssl, tls, systemd or haproxy, such as"
            " tcp:8001:interface=127.0.0.1, or a list of them",
        ),
        (
            f"api_keys: {{phone: {A}, tv: {A}}}",
            "api_keys.tv: *** is phone's key as well; expected a key of its own",
        ),
        (
            f"api_keys: {{{A}: {A}, phone: {A}}}",
            "api_keys.phone: *** is another one's key as well;"
            " expected a key of its own",
        ),
        (
            f"signing_key: {A}",
            "signing_key: *** is no random text of that length;"
            " expected a random text of 32 to 200 characters, or null",
        ),
        (
            "signing_key: secret",
            "signing_key: *** is no random text of that length;"
            " expected a random text of 32 to 200 characters, or null",
        ),
        (
            "cameras:\n  robot:\n  source: pattern",
            "cameras.source: 'pattern' is not a mapping; expected source beneath a"
            " camera's name, indented further than that",
        ),
        (
            "listen: 8001",
            "listen: 8001 is neither a text nor a list; expected an endpoint"
            " of kind tcp, unix, ssl, tls, systemd or haproxy, such as"
            " tcp:8001:interface=127.0.0.1, or a list of them",
        ),
    ],
)
def test_bad_value(write: Write, text: str, problem: str) -> None:
    """A wrong key or value gets one line, with key, value, what was expected, where."""
    assert problems(write(text)) == [f"{problem} (camd.yaml)"]


def test_huge_number(write: Write) -> None:
    """A number that Python itself will not print is described instead."""
    path = write(f"stream_fps: 0x{'f' * 5000}")
    (problem,) = problems(path)
    assert problem.startswith("stream_fps: a number of very many digits is")


def test_long_text_is_cut(write: Write) -> None:
    """An error stays one readable line, however long the value is."""
    (problem,) = problems(write(f"stream_fps: {'x' * 9999}"))
    assert len(problem) < 200


def test_all_problems_at_once(write: Write) -> None:
    """Everything that is wrong is said in one go, wherever it stands."""
    path = write("stream_fps: fast\nstream_fsp: 1\nlisten: udp", "JPEG_QUALITY=101")
    said = problems(path, {"CAMD_CAMERAS__ROBOT__SOURCE": "\n"})
    assert sorted(line.partition(":")[0] for line in said) == [
        "cameras.robot.source",
        "jpeg_quality",
        "listen",
        "stream_fps",
        "stream_fsp",
    ]


def test_general_problem_is_said_once(write: Write) -> None:
    """A wrong general value is not complained of again for each camera."""
    path = write("stream_fps: fast\ncameras: {a: {}, b: {}}")
    assert len(problems(path)) == 1


def test_bad_variable(write: Write) -> None:
    """The place of a wrong value is named, be it a variable."""
    assert problems(write("stream_fps: 3"), {"STREAM_FPS": "fast"}) == [
        f"stream_fps: 'fast' is not a number; expected {NUMBER} (environment)"
    ]


@pytest.mark.parametrize("text", ['["a", "b"]', "{phone: a", '{"phone": 5}'])
def test_bad_keys_in_variable(write: Write, text: str) -> None:
    """A list, half a mapping or a number is not taken for the text of a key."""
    (problem,) = problems(write(""), {"CAMD_API_KEYS": text})
    assert problem.startswith("api_keys")


def test_bad_camera_is_not_hidden(write: Write) -> None:
    """A camera that is no mapping stays wrong where a variable names one key of it."""
    path = write("cameras: {door: 5}")
    (problem,) = problems(path, {"CAMD_CAMERAS__DOOR__SOURCE": "./x"})
    assert problem.startswith("cameras.door: 5 is not a mapping")


def test_overridden_value_is_not_judged(write: Write) -> None:
    """A wrong value that another one replaces does no harm."""
    path = write("stream_fps: fast")
    assert load(path, {"STREAM_FPS": "3"}).settings.stream_fps == 3


def test_slip_in_dotenv(write: Write) -> None:
    """A name in .env that is nearly one of ours was meant to be it."""
    path = write("", "STREAM_FSP=3\nCAMD_API_KEYZ=swordfish\n")
    assert problems(path) == [
        "STREAM_FSP: unknown key; did you mean STREAM_FPS? (.env)",
        "CAMD_API_KEYZ: unknown key; did you mean CAMD_API_KEYS? (.env)",
    ]


def test_bad_line_in_dotenv(write: Write) -> None:
    """A line of .env that cannot be read is named by its number."""
    path = write("", 'STREAM_FPS=3\nAPI_KEYS="swordfish\n')
    assert problems(path) == [
        f"{path.parent / '.env'}: line 2 is not of the form NAME=value"
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: @", "line 1, column 4: found character '@' that cannot start any token;"
         " expected YAML (put the value in quotes)"),
        ("stream_fps: 1\nstream_fps: 2", "line 2, column 1: 'stream_fps' is here a"
         " second time; expected each key once"),
        ("- a", "a list; expected keys with values"),
        ("pattern", "a single value; expected keys with values"),
    ],
)  # fmt: skip
def test_bad_file(write: Write, text: str, problem: str) -> None:
    """A file that is no mapping in YAML is refused, with line and column."""
    path = write(text)
    assert problems(path) == [f"{path}: {problem}"]


def test_missing_file(tmp_path: Path) -> None:
    """A file that was named must be there."""
    path = tmp_path / "camd.yaml"
    assert problems(path) == [f"{path}: no such file; expected camd's settings in YAML"]


def test_folder_as_file(tmp_path: Path) -> None:
    """A folder is no settings file."""
    said = f"{tmp_path}: Is a directory; expected a readable file"
    assert problems(tmp_path) == [said]


def test_file_of_bytes(tmp_path: Path) -> None:
    """A file that is not text is refused."""
    path = tmp_path / "camd.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    assert problems(path) == [f"{path}: not UTF-8; expected plain text"]


def test_byte_order_mark(tmp_path: Path) -> None:
    """A byte order mark, as some editors write, is no part of the first name."""
    path = tmp_path / "camd.yaml"
    path.write_bytes(b"\xef\xbb\xbfstream_fps: 3")
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfJPEG_QUALITY=4")
    settings = load(path, {}).settings
    assert (settings.stream_fps, settings.jpeg_quality) == (3, 4)


scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates()
)
junk = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(CAMERA_KEYS) | st.text() | st.integers(), inner, max_size=3
        )
    ),
    max_leaves=8,
)

foreign_keys = st.text().filter(lambda key: key not in KEYS) | st.integers() | st.none()


@unhurried
@given(st.dictionaries(st.sampled_from(KEYS), junk))
def test_any_value_is_taken_or_refused(folder: Path, values: dict[str, object]) -> None:
    """Junk for known keys either fits or gets lines, each of which names its key."""
    path = written(folder, yaml.safe_dump(values))
    try:
        assert isinstance(load(path, {}).settings, Settings)
    except ConfigError as error:
        assert error.problems
        for problem in error.problems:
            assert problem.isprintable()
            assert problem.startswith(tuple(values))


@unhurried
@given(st.dictionaries(foreign_keys, junk, min_size=1))
def test_any_key_is_taken_or_refused(
    folder: Path, values: dict[object, object]
) -> None:
    """Junk keys give one printable line each, and never another exception."""
    path = written(folder, yaml.safe_dump(values))
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert len(caught.value.problems) >= len(values)
    assert all(problem.isprintable() for problem in caught.value.problems)


variable_names = st.sampled_from(
    [
        *(f"CAMD_{key.upper()}" for key in KEYS),
        "CAMD_CAMERAS__ROBOT",
        "CAMD_CAMERAS__ROBOT__STREAM_FPS",
        "CAMD_API_KEYS__A",
    ]
)


@unhurried
@given(st.dictionaries(variable_names, st.text() | junk.map(yaml.safe_dump)))
def test_any_variable_is_taken_or_refused(
    folder: Path, environ: dict[str, str]
) -> None:
    """Junk in variables either fits or gets lines, each of which names its key."""
    try:
        load(written(folder, ""), environ)
    except ConfigError as error:
        keys = {name[5:].lower().partition("__")[0] for name in environ}
        for problem in error.problems:
            assert problem.isprintable()
            assert problem.startswith(tuple(keys))


@unhurried
@given(st.text())
def test_any_dotenv_is_taken_or_refused(folder: Path, text: str) -> None:
    """No .env makes anything but ConfigError happen."""
    try:
        load(written(folder, "", text), {})
    except ConfigError as error:
        assert all(problem.isprintable() for problem in error.problems)


@unhurried
@given(st.text())
def test_any_file_is_taken_or_refused(folder: Path, text: str) -> None:
    """No file makes anything but ConfigError happen."""
    try:
        load(written(folder, text), {})
    except ConfigError as error:
        assert all(problem.isprintable() for problem in error.problems)


FILES_WITH_SECRETS = [
    "api_keys: {phone: SECRET}",
    "api_keys: {phone: 'SECRET with spaces'}",
    "api_keys: {phone: [SECRET]}",
    "api_keys: {phone: {SECRET: 1}}",
    "api_keys: {phone: SECRET",
    "api_keys: {phone: *SECRET}",
    "api_keys: {phone: !SECRET x}",
    "api_keys: {phone: &SECRET a, b: &SECRET c}",
    "api_keys: {phone: 'SECRET}",
    "api_keys: {phone: %SECRET}",
    'api_keys: {phone: "\\SECRET"}',
    "api_keys: SECRET",
    "api_keys: [SECRET]",
    "api_keys: {SECRET is here: phone}",
    "cameras: {door: {source: 'rtsp://me:SECRET@host/'}}",
    "cameras: {door: {source: 'rtsp://me:SECRET@host/\\n'}}",
    'cameras: {door: {source: "rtsp://me:SECRET@host/\\n"}}',
    "cameras: {door: {source: 'http://host/?token=SECRET', stream_fps: x}}",
    "cameras: {door: 'rtsp://me:SECRET@host/'}",
    "cameras: 'rtsp://me:SECRET@host/'",
    "source: 'rtsp://me:SECRET@host/'",
    "cameras: {'rtsp://me:SECRET@host/': }",
    "stream_fps: 'rtsp://me:SECRET@host/'",
]

VARIABLES_WITH_SECRETS = [
    {"CAMD_API_KEYS": "SECRET"},
    {"CAMD_API_KEYS": "SECRET with spaces"},
    {"CAMD_API_KEYS": "{phone: SECRET"},
    {"CAMD_API_KEYS": '["SECRET"]'},
    {"CAMD_API_KEYS": "{phone: [SECRET]}"},
    {"CAMD_API_KEYS__PHONE": "SECRET with spaces"},
    {"CAMD_CAMERAS": '{"robot": {"source": "rtsp://me:SECRET@host/"}}'},
    {"CAMD_CAMERAS": '{"robot": {"source": "rtsp://me:SECRET@host/"}'},
    {"CAMD_CAMERAS": '{"a": {"source": "rtsp://me:SECRET@b/", "stream_fps": "x"}}'},
    {"CAMD_CAMERAS": "SECRET"},
    {"CAMD_CAMERAS__ROBOT": '{"source": "rtsp://me:SECRET@host/"'},
    {"CAMD_CAMERAS__ROBOT__SOURCE": "rtsp://me:SECRET@host/"},
]

# A start that is in no message; the rest is what keys and passwords are made of.
random_secrets = st.text("abcXYZ0189_-", min_size=4).map("Zq7".__add__)


@unhurried
@given(random_secrets, st.sampled_from(FILES_WITH_SECRETS))
def test_secret_in_file_is_never_shown(folder: Path, secret: str, text: str) -> None:
    """No key and no password of the file turns up, in good settings or in bad."""
    path = written(folder, text.replace("SECRET", secret))
    assert secret not in everything_shown(path, {})


@unhurried
@given(random_secrets, st.sampled_from(VARIABLES_WITH_SECRETS), st.booleans())
def test_secret_in_variable_is_never_shown(
    folder: Path, secret: str, variables: dict[str, str], in_file: bool
) -> None:
    """No key and no password of the environment or of .env turns up."""
    environ = {name: text.replace("SECRET", secret) for name, text in variables.items()}
    lines = "".join(f"{name}='{text}'\n" for name, text in environ.items())
    path = written(folder, "", lines if in_file else None)
    assert secret not in everything_shown(path, {} if in_file else environ)


def everything_shown(path: Path, environ: Mapping[str, str]) -> str:
    """All that a person may get to see of these settings."""
    try:
        loaded = load(path, environ)
    except ConfigError as error:
        return str(error) + repr(error)
    return repr(loaded) + str(loaded) + "\n".join(report(loaded))


# ---- The picture for a camera that is offline


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A JPEG file of the user's."""
    path = tmp_path / "off.jpg"
    path.write_bytes(tiny_jpeg())
    return path


@pytest.mark.parametrize("choice", ["placeholder", "hold", "close"])
def test_offline_picture_by_name(write: Write, choice: str) -> None:
    """Each of the choices is taken as it is."""
    settings = load(write(f"offline_picture: {choice}"), {}).settings
    assert settings.cameras["robot"].offline_picture == choice


def test_offline_picture_of_the_users_own(write: Write, picture: Path) -> None:
    """A whole JPEG file is taken."""
    settings = load(write(f"offline_picture: {picture}"), {}).settings
    assert settings.cameras["robot"].offline_picture == str(picture)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, "cannot be read (No such file or directory)"),
        (b"", "is no whole JPEG (no SOI at the start)"),
        (b"\x89PNG", "is no whole JPEG (no SOI at the start)"),
        (tiny_jpeg()[:-2], "is no whole JPEG (no EOI at the end)"),
        (tiny_jpeg() + bytes(PICTURE_MOST), "has more than 4 MB"),
    ],
)
def test_offline_picture_that_cannot_be_shown(
    write: Write, picture: Path, content: bytes | None, fault: str
) -> None:
    """What is no JPEG file is one line at the start, and no surprise later on."""
    picture.unlink()
    if content is not None:
        picture.write_bytes(content)
    (line,) = problems(write(f"cameras: {{door: {{offline_picture: {picture}}}}}"))
    assert line.startswith("cameras.door.offline_picture: ")
    assert f"{fault}; expected placeholder, hold, close, or the path of" in line


def test_a_slip_in_offline_picture(write: Write) -> None:
    """A word that is none of the choices is not taken for a file."""
    (line,) = problems(write("offline_picture: placholder"))
    assert "'placholder' is unknown; expected placeholder, hold, close, or" in line
