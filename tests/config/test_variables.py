"""Tests of variables: ``CAMD_``, files that stand for them, ``${NAME}``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camd.config import ConfigError, Loaded, load
from camd.config.settings import KEYS
from camd.config.variables import BARE, MOST_BYTES

KEY = "a-key-of-sixteen-or-more"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The path of a camd.yaml that is empty."""
    path = tmp_path / "camd.yaml"
    path.touch()
    return path


def loaded(path: Path, text: str, environ: Mapping[str, str] | None = None) -> Loaded:
    """The settings of a camd.yaml with this text."""
    path.write_text(text)
    return load(path, environ or {})


def problems(path: Path, environ: Mapping[str, str] | None = None) -> list[str]:
    """What is said to be wrong with the settings."""
    with pytest.raises(ConfigError) as caught:
        load(path, environ or {})
    return list(caught.value.problems)


def keys(result: Loaded) -> dict[str, str]:
    """The keys in clear."""
    found = result.settings.api_keys
    return {name: key.get_secret_value() for name, key in found.items()}


# ---- CAMD_


GUIDE = {
    "STREAM_FPS",
    "HEARTBEAT_INTERVAL",
    "JPEG_QUALITY",
    "ENABLE_FRAME_CACHE",
    "STREAM_BUFFER_SIZE",
    "STREAM_TIMEOUT",
}
"""Names that nothing else uses, beside those that begin with ``CAMERA_``."""


def test_bare_names() -> None:
    """Without ``CAMD_`` there are the guide's names, and no general words."""
    camera = {key.upper() for key in KEYS if key.startswith("camera_")}
    assert {key.upper() for key in BARE} == GUIDE | camera


@pytest.mark.parametrize(
    ("name", "text"),
    [("LISTEN", "x"), ("LOG_LEVEL", "loud"), ("PRESET", "x"), ("ROTATE", "x")],
)
def test_general_words_are_other_programs(path: Path, name: str, text: str) -> None:
    """Another program's variable of a general name does not reach camd."""
    load(path, {name: text})
    (problem,) = problems(path, {f"CAMD_{name}": text})
    assert problem.startswith(f"{name.lower()}: ")


@pytest.mark.parametrize("key", sorted(BARE & {"stream_fps", "camera_width"}))
def test_prefix_wins(path: Path, key: str) -> None:
    """Of a variable with and one without ``CAMD_``, the first one holds."""
    environ = {f"CAMD_{key.upper()}": "100", key.upper(): "20"}
    for ordered in (environ, dict(reversed(environ.items()))):
        assert getattr(load(path, ordered).settings, key) == 100


@pytest.mark.parametrize(
    "name", ["CAMD_KEY", "CAMD_API_KEY", "CAMD_PORT_8001_TCP", "CAMDEN", "CAMD_"]
)
def test_foreign_names(path: Path, name: str) -> None:
    """What is like no key may begin with ``CAMD_``, for ``${CAMD_KEY}`` or others."""
    assert load(path, {name: "x"}).settings == load(path, {}).settings


def test_slip(path: Path) -> None:
    """A name behind ``CAMD_`` that is nearly a key was meant to be it."""
    assert problems(path, {"CAMD_STREAM_FSP": "3"}) == [
        "CAMD_STREAM_FSP: unknown key; did you mean CAMD_STREAM_FPS? (environment)"
    ]


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("MAX_VIEWERS", "7", 7),
        ("DRAIN_SECONDS", "0.5", 0.5),
        ("TRUSTED_PROXIES", "[127.0.0.1, 10.0.0.0/8]", ("127.0.0.1", "10.0.0.0/8")),
        ("CORS_ORIGINS", "https://robot.example", ("https://robot.example",)),
        ("LOG_LEVEL", "INFO", "info"),
    ],
)
def test_types(path: Path, name: str, text: str, value: object) -> None:
    """A variable's text becomes what its key takes, for the daemon's keys as well."""
    settings = load(path, {f"CAMD_{name}": text}).settings
    assert getattr(settings, name.lower()) == value


# ---- Files


def test_a_file_for_a_variable(path: Path, tmp_path: Path) -> None:
    """``CAMD_X_FILE`` names the file with the value of ``CAMD_X``."""
    (tmp_path / "keys").write_text(f"phone: {KEY}\n")
    (tmp_path / "door").write_text("rtsp://me:p@host/\n")
    result = load(
        path,
        {
            "CAMD_API_KEYS_FILE": str(tmp_path / "keys"),
            "CAMD_CAMERAS__DOOR__SOURCE_FILE": str(tmp_path / "door"),
        },
    )
    assert keys(result) == {"phone": KEY}
    assert result.settings.cameras["door"].source == "rtsp://me:p@host/"
    assert result.origins["api_keys"] == "environment"


def test_a_credential_of_systemd(path: Path, tmp_path: Path) -> None:
    """A credential of a variable's name is its value, unless the variable is set."""
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / "CAMD_API_KEYS").write_text(f"phone: {KEY}\n")
    (folder / "other").write_text("x")
    environ = {"CREDENTIALS_DIRECTORY": str(folder)}
    assert keys(load(path, environ)) == {"phone": KEY}
    own = {**environ, "CAMD_API_KEYS": f"hall: {KEY}"}
    assert keys(load(path, own)) == {"hall": KEY}


def test_a_variable_and_its_file(path: Path) -> None:
    """Both at once is an error: neither is the one that is meant."""
    environ = {"CAMD_API_KEYS": KEY, "CAMD_API_KEYS_FILE": str(path)}
    assert problems(path, environ) == [
        "CAMD_API_KEYS: CAMD_API_KEYS_FILE is set as well; expected one of them"
    ]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, "No such file or directory; expected a readable file"),
        (b"\xff\xfe\x00", "the file is not UTF-8"),
        (b"x" * (MOST_BYTES + 1), "the file has more than 64 KB"),
    ],
)
def test_a_bad_file(
    path: Path, tmp_path: Path, content: bytes | None, fault: str
) -> None:
    """What cannot be read is one line that names the variable."""
    secret = tmp_path / "secret"
    if content is not None:
        secret.write_bytes(content)
    (problem,) = problems(path, {"CAMD_API_KEYS_FILE": str(secret)})
    assert problem == f"CAMD_API_KEYS_FILE: {fault}"


# ---- ${NAME}


def test_references(path: Path) -> None:
    """A reference stands in every value, with the type that its key has."""
    text = """
        api_keys: {me: "${CAMD_KEY}"}
        api_rights: {me: ["${RIGHT}"]}
        listen: ["tcp:${PORT:-8001}"]
        stream_fps: ${FPS}
        enable_frame_cache: ${CACHE:-off}
        camera_controls: {brightness: "${BRIGHT}"}
        cameras:
          door: {source: "rtsp://${HOST}/live", rotate: "${TURN:-90}"}
    """
    variables = {
        "CAMD_KEY": KEY,
        "RIGHT": "view",
        "FPS": "7.5",
        "HOST": "10.0.0.7",
        "BRIGHT": "40",
    }
    result = loaded(path, text, variables)
    settings = result.settings
    assert keys(result) == {"me": KEY}
    assert settings.api_rights == {"me": ("view",)}
    assert settings.listen == ("tcp:8001",)
    assert (settings.stream_fps, settings.enable_frame_cache) == (7.5, False)
    assert settings.camera_controls == {"brightness": 40}
    door = settings.cameras["door"]
    assert (door.source, door.rotate) == ("rtsp://10.0.0.7/live", 90)
    assert result.origins["stream_fps"] == "camd.yaml"


@pytest.mark.parametrize("environ", [{}, {"CAMD_KEY": ""}])
def test_unset(path: Path, environ: dict[str, str]) -> None:
    """One that is not set, or empty, is an error: never a key of its own letters."""
    path.write_text('api_keys: {me: "${CAMD_KEY}"}')
    assert problems(path, environ) == [
        "api_keys.me: ${CAMD_KEY} is not set; expected a variable of that name, a file"
        " that CAMD_KEY_FILE names, or ${CAMD_KEY:-default} (camd.yaml)"
    ]


def test_default(path: Path) -> None:
    """A default holds where nothing is set, and may be empty."""
    text = 'base_path: "${BASE:-}"\nlog_level: "${LEVEL:-warn}"'
    settings = loaded(path, text, {"LEVEL": "debug"}).settings
    assert (settings.base_path, settings.log_level) == ("", "debug")


def test_from_dotenv(path: Path) -> None:
    """A reference is filled in from .env, where the environment says nothing."""
    path.with_name(".env").write_text(f"DOOR=a\nMY_KEY={KEY}\n")
    text = 'api_keys: {me: "${MY_KEY}"}\ncameras: {x: {source: "./${DOOR}"}}'
    result = loaded(path, text, {"DOOR": "b"})
    assert keys(result) == {"me": KEY}
    assert result.settings.cameras["x"].source == "./b"


def test_from_files(path: Path, tmp_path: Path) -> None:
    """A reference is filled in from a file that is named, or from a credential."""
    (tmp_path / "key").write_text(KEY + "\n")
    (tmp_path / "DOOR_PASSWORD").write_text("p@ss/word%25\n")
    text = (
        'api_keys: {me: "${CAMD_KEY}"}\n'
        "cameras: {x: {source: 'rtsp://me:${DOOR_PASSWORD}@host/${SUB:-a/b}'}}"
    )
    environ = {
        "CAMD_KEY_FILE": str(tmp_path / "key"),
        "CREDENTIALS_DIRECTORY": str(tmp_path),
    }
    result = loaded(path, text, environ)
    assert keys(result) == {"me": KEY}
    # What the file holds is the password itself, whatever is in it.
    source = "rtsp://me:p%40ss%2Fword%2525@host/a/b"
    assert result.settings.cameras["x"].source == source


@pytest.mark.parametrize("text", ["${", "${1x}", "${A-b}", "a${A", "${A:b}"])
def test_no_reference(path: Path, text: str) -> None:
    """What begins like a reference and is none is an error."""
    path.write_text(f"overlay: '{text}'")
    (problem,) = problems(path, {"A": "x"})
    assert problem == (
        "overlay: ${ without a name and its end; expected ${NAME}, ${NAME:-default}, or"
        " $${ for a plain ${ (camd.yaml)"
    )


def test_plain_dollars(path: Path) -> None:
    """``$${`` stands for ``${``, and every other dollar for itself."""
    text = "api_keys: {me: '$${A}-$$-$B-sixteen-letters$'}"
    assert keys(loaded(path, text, {"A": "x"})) == {"me": "${A}-$$-$B-sixteen-letters$"}


def test_all_unset_at_once(path: Path) -> None:
    """Each reference that is not set has its line."""
    path.write_text("overlay: '${A}${B}'\nbase_path: '${C}'")
    said = [line.partition(" is not set")[0] for line in problems(path)]
    assert said == ["overlay: ${A}", "overlay: ${B}", "base_path: ${C}"]


def test_a_value_is_not_filled_in_twice(path: Path) -> None:
    """What a variable holds stays as it is."""
    text = "api_keys: {me: '${A}'}"
    value = "${B}-of-sixteen-or-more"
    assert keys(loaded(path, text, {"A": value, "B": "x"})) == {"me": value}


def test_aliases_without_end(path: Path) -> None:
    """A mapping that holds itself is filled in once."""
    path.write_text("cameras: &a {robot: *a}\noverlay: '${A}'")
    assert problems(path, {"A": "x"})


@settings(deadline=None)
@given(st.text("${}:-AB_ \n"), st.text())
def test_any_text(
    tmp_path_factory: pytest.TempPathFactory, text: str, value: str
) -> None:
    """No reference makes anything but ConfigError happen, and none shows its value."""
    path = tmp_path_factory.getbasetemp() / "references.yaml"
    path.write_text("api_keys: {me: " + repr(text) + "}")
    try:
        load(path, {"A": f"Zq7{value}"})
    except ConfigError as error:
        assert all(problem.isprintable() for problem in error.problems)
        assert "Zq7" not in str(error)
