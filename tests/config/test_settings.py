"""Tests of the settings as values: defaults, limits, presets."""

from __future__ import annotations

from typing import get_args

import pytest
from pydantic import ValidationError

from camd.config.settings import (
    CAMERA_KEYS,
    KEYS,
    PRESETS,
    STREAM_KEYS,
    CameraSettings,
    PresetName,
    Settings,
    StreamSettings,
    expected,
)

LIMITS = {
    "camera_width": (16, 8192),
    "camera_height": (16, 8192),
    "camera_fps": (0.1, 240),
    "camera_timeout": (0.2, 60),
    "offline_after": (0, 3600),
    "stream_fps": (0.1, 240),
    "idle_fps": (0, 10),
    "jpeg_quality": (1, 100),
    "stream_buffer_size": (1, 8),
    "stream_timeout": (0.1, 3600),
    "max_frame_age": (0, 3600),
    "heartbeat_interval": (0, 3600),
    "max_viewers_per_camera": (0, 100_000),
}


def test_defaults() -> None:
    """With nothing said, the stream has the values that the documentation names."""
    assert StreamSettings().model_dump() == {
        "camera_width": 640,
        "camera_height": 480,
        "camera_fps": 30,
        "camera_format": "auto",
        "camera_timeout": 2,
        "offline_picture": "placeholder",
        "offline_after": 10,
        "camera_controls": {},
        "rotate": 0,
        "flip": "none",
        "overlay": "",
        "max_pixels": 40_000_000,
        "max_frame_bytes": 16_777_216,
        "camera_verify_tls": True,
        "stream_fps": 15,
        "on_event": "",
        "drop_identical": 0,
        "idle_fps": 1,
        "jpeg_quality": 70,
        "renditions": ("1/2@90", "1/2@65", "1/2@20", "1/4@35"),
        "auto_fps": 8,
        "stream_buffer_size": 2,
        "stream_timeout": 30,
        "max_frame_age": 0,
        "heartbeat_interval": 5,
        "max_viewers_per_camera": 0,
        "tcp_congestion": "",
        "enable_frame_cache": True,
    }


def test_default_daemon() -> None:
    """With nothing said, one test picture is shown to this machine alone."""
    settings = Settings()
    assert settings.listen == ("tcp:8001:interface=127.0.0.1",)
    assert settings.api_keys == {}
    assert settings.preset == "cloudflare"
    assert list(settings.cameras) == ["robot"]
    assert settings.cameras["robot"].source == "pattern"


def test_presets() -> None:
    """The presets are the documented ones."""
    table = {
        name: (
            values["stream_fps"],
            values["jpeg_quality"],
            values["camera_width"],
            values["camera_height"],
            values["heartbeat_interval"],
            values["stream_buffer_size"],
            values["stream_timeout"],
        )
        for name, values in PRESETS.items()
    }
    assert table == {
        "cloudflare": (15, 70, 640, 480, 5, 2, 30),
        "lan": (30, 85, 640, 480, 10, 2, 30),
        "hd": (20, 90, 1280, 720, 5, 2, 30),
        "mobile": (10, 60, 480, 360, 5, 2, 30),
    }
    assert tuple(table) == get_args(PresetName)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_valid(name: str) -> None:
    """Each preset's values fit their keys."""
    values = dict(PRESETS[name])
    kept = StreamSettings.model_validate(values)
    assert kept.model_dump(include=set(values)) == values


@pytest.mark.parametrize("key", LIMITS)
def test_limits_are_allowed(key: str) -> None:
    """The lowest and the highest value of a range are part of it."""
    for value in LIMITS[key]:
        kept = StreamSettings.model_validate({key: value})
        assert getattr(kept, key) == value


@pytest.mark.parametrize("key", LIMITS)
def test_beyond_limits(key: str) -> None:
    """What lies just outside of a range is refused."""
    low, high = LIMITS[key]
    step = 1 if StreamSettings.model_fields[key].annotation is int else 0.01
    for value in (low - step, high + step):
        with pytest.raises(ValidationError):
            StreamSettings.model_validate({key: value})


@pytest.mark.parametrize("key", LIMITS)
@pytest.mark.parametrize("value", ["15", True, None, [], float("nan"), float("inf")])
def test_not_a_number(key: str, value: object) -> None:
    """Text, truth, nothing, lists and what is not finite are not numbers."""
    with pytest.raises(ValidationError):
        StreamSettings.model_validate({key: value})


@pytest.mark.parametrize("value", [0, 1, "true", None])
def test_not_a_truth(value: object) -> None:
    """Only true and false switch the cache."""
    with pytest.raises(ValidationError):
        StreamSettings.model_validate({"enable_frame_cache": value})


def test_whole_numbers_are_ints() -> None:
    """15.0 becomes 15, and a fraction stays."""
    settings = StreamSettings(stream_fps=15.0, camera_fps=7.5)
    assert repr(settings.stream_fps) == "15"
    assert settings.camera_fps == 7.5


def test_heartbeat_off_or_sane() -> None:
    """No heartbeat is 0; one every few milliseconds is refused."""
    assert StreamSettings(heartbeat_interval=0).heartbeat_interval == 0
    with pytest.raises(ValidationError):
        StreamSettings(heartbeat_interval=0.05)


@pytest.mark.parametrize("name", ["", "bbr", "bbr2", "cubic", "dctcp-x_1", "a" * 15])
def test_good_congestion(name: str) -> None:
    """A kernel algorithm's name is at most 15 small letters, digits, - and _."""
    assert StreamSettings(tcp_congestion=name).tcp_congestion == name


@pytest.mark.parametrize("name", ["BBR", "b b", "bbr\n", "a" * 16, None, 1])
def test_bad_congestion(name: object) -> None:
    """What cannot be the name of a kernel algorithm is refused."""
    with pytest.raises(ValidationError):
        StreamSettings.model_validate({"tcp_congestion": name})


def test_settings_are_frozen() -> None:
    """A setting cannot be changed once it is checked."""
    with pytest.raises(ValidationError):
        setattr(Settings(), "stream_fps", 3)  # noqa: B010


@pytest.mark.parametrize(
    "name", ["robot", "0", "front-door", "Front_Door2", "a" * 64, "camera"]
)
def test_good_names(name: str) -> None:
    """Letters, digits, - and _ make a camera's name."""
    assert CameraSettings(name=name).name == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "front door",
        "-a",
        "_a",
        "a" * 65,
        "a/b",
        "a.b",
        "é",
        "a\n",
        "cameras",
        "sign",
    ],
)
def test_bad_names(name: str) -> None:
    """What does not fit in a URL, or is taken in it, is no camera's name."""
    with pytest.raises(ValidationError):
        CameraSettings(name=name)


@pytest.mark.parametrize("number", [0, 2])
def test_device_number(number: int) -> None:
    """A device's number is a source, and text from then on."""
    camera = CameraSettings.model_validate({"name": "robot", "source": number})
    assert camera.source == str(number)


@pytest.mark.parametrize("source", ["", None, True, -1, 1.5, [], "a\nb"])
def test_bad_sources(source: object) -> None:
    """A source is a line of text or a device's number."""
    with pytest.raises(ValidationError):
        CameraSettings.model_validate({"name": "robot", "source": source})


@pytest.mark.parametrize("key", ["", "with space", "tab\t", "ключ", "new\nline", 1234])
def test_bad_keys(key: object) -> None:
    """A key is printable ASCII without spaces."""
    with pytest.raises(ValidationError):
        Settings.model_validate({"api_keys": {"phone": key}})


def test_one_listen_string() -> None:
    """One listen string needs no list."""
    settings = Settings.model_validate({"listen": "tcp:80"})
    assert settings.listen == ("tcp:80",)


def test_repr_hides_secrets() -> None:
    """Neither a key nor a camera's password is in the settings' repr."""
    camera = CameraSettings(name="door", source="rtsp://me:hunter2@host/")
    settings = Settings.model_validate(
        {"api_keys": {"phone": "swordfish-and-tuna"}, "cameras": {"door": camera}}
    )
    assert "rtsp://me:***@host/" in repr(settings)
    assert "hunter2" not in repr(settings) + str(settings) + str(camera)
    assert "swordfish-and-tuna" not in repr(settings) + str(settings)


def test_error_hides_input() -> None:
    """Even pydantic's own message does not show what it refuses."""
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({"api_keys": {"phone": "sword fish"}})
    assert "sword" not in str(caught.value)


def test_where_keys_may_stand() -> None:
    """Source and title stand under a camera only, the stream's keys there and above."""
    assert set(STREAM_KEYS) < set(KEYS)
    assert set(CAMERA_KEYS) == {*STREAM_KEYS, "source", "title"}
    assert set(KEYS) - set(STREAM_KEYS) == {
        "encode_threads",
        "listen",
        "base_path",
        "trusted_proxies",
        "cors_origins",
        "frame_ancestors",
        "page_title",
        "drain_seconds",
        "max_viewers",
        "max_viewers_per_address",
        "max_connections",
        "api_keys",
        "api_rights",
        "cloudflare_access",
        "signing_key",
        "on_event_secret",
        "cross_origin_resource_policy",
        "publish",
        "cameras_from",
        "log_format",
        "log_level",
        "preset",
        "cameras",
    }


@pytest.mark.parametrize("key", LIMITS)
def test_expectation_names_limits(key: str) -> None:
    """What a key takes is said with its true limits."""
    low, high = LIMITS[key]
    assert expected(key).startswith(("a ", "0 for none"))
    assert f"{low}" in expected(key)
    assert f"to {high}" in expected(key)


@pytest.mark.parametrize("key", sorted({*KEYS, *CAMERA_KEYS, "name"}))
def test_every_key_has_an_expectation(key: str) -> None:
    """There is one line of words for each key."""
    assert expected(key).isprintable()


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("'self'", True),
        ("'none'", True),
        ("*", True),
        ("https://robot.example:8443", True),
        ("self", False),
        ("https://robot.example/path", False),
        ("'self'; script-src *", False),
        ("'unsafe-inline'", False),
    ],
)
def test_frame_ancestors(text: str, good: bool) -> None:
    """They are what a policy may say there, and nothing that ends it."""
    if good:
        assert Settings.model_validate({"frame_ancestors": text}).frame_ancestors == (
            text,
        )
    else:
        with pytest.raises(ValidationError):
            Settings.model_validate({"frame_ancestors": text})


@pytest.mark.parametrize("title", ["two\nlines", "\x1b[31m", "x" * 101])
def test_titles_have_one_line(title: str) -> None:
    """What does not fit on a tile, or is not to be read, is no title."""
    with pytest.raises(ValidationError):
        CameraSettings.model_validate({"name": "robot", "title": title})


def test_a_camera_without_a_title_has_its_name() -> None:
    """People read the title where there is one."""
    assert CameraSettings(name="robot").label == "robot"
    assert CameraSettings(name="robot", title="Meine Küche").label == "Meine Küche"


@pytest.mark.parametrize(
    ("key", "good"),
    [
        ("base_path", "/cams"),
        ("tcp_congestion", "bbr"),
        ("cors_origins", ("https://a.example:8443",)),
        ("frame_ancestors", ("https://a.example",)),
    ],
)
def test_a_line_end_behind_it(key: str, good: str | tuple[str]) -> None:
    """What is put into headers and paths ends with its last character."""
    bad = f"{good}\n" if isinstance(good, str) else (f"{good[0]}\n",)
    Settings.model_validate({key: good})
    with pytest.raises(ValidationError):
        Settings.model_validate({key: bad})
