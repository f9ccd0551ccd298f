"""The address of a Redis server: what can be read, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from camd.config import ConfigError, load
from camd.config.redis import RedisAddress, is_redis, source_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("redis://core", RedisAddress((("core", 6379),))),
        ("redis://core/", RedisAddress((("core", 6379),))),
        ("redis://10.0.0.1:7/3", RedisAddress((("10.0.0.1", 7),), database=3)),
        ("redis://[fd00::1]:7", RedisAddress((("fd00::1", 7),))),
        (
            "rediss://camd:p%40ss@core/0",
            RedisAddress((("core", 6379),), is_tls=True, user="camd", password="p@ss"),
        ),
        ("redis://:secret@core", RedisAddress((("core", 6379),), password="secret")),
        ("redis://secret@core", RedisAddress((("core", 6379),), password="secret")),
        (
            "redis+sentinel://a,b:7/main/2",
            RedisAddress((("a", 26379), ("b", 7)), service="main", database=2),
        ),
    ],
)
def test_an_address(text: str, expected: RedisAddress) -> None:
    """An address says where the server is, and who asks."""
    assert RedisAddress.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "camera", "database"),
    [
        ("redis://core/door", "door", 0),
        ("redis://core/3/door", "door", 3),
        ("redis://core/3/7", "7", 3),
        ("redis+sentinel://a/main/door", "door", 0),
        ("redis+sentinel://a/main/3/door", "door", 3),
    ],
)
def test_the_address_of_a_camera(text: str, camera: str, database: int) -> None:
    """A camera's name stands at its end."""
    address = RedisAddress.parse(text, camera=True)
    assert (address.camera, address.database) == (camera, database)


@pytest.mark.parametrize(
    ("text", "camera", "fault"),
    [
        ("http://core", False, "is no address of a Redis server"),
        ("redis://", False, "is no address of a Redis server"),
        ("redis://core?db=1", False, "is no address of a Redis server"),
        ("redis://a b", False, "has a host that is none"),
        ("redis://core:0", False, "has a host that is none"),
        ("redis://core:99999", False, "has a host that is none"),
        ("redis://a,b", False, "names more than one server"),
        ("redis://core/x", False, "has a path that is no number of a database"),
        ("redis://core/1/2", False, "has a path that is no number of a database"),
        ("redis://core", True, "names no camera at its end"),
        ("redis://core/0", True, "names no camera at its end"),
        ("redis://core/a.b", True, "names no camera at its end"),
        ("redis+sentinel://a/main", True, "does not say what its Sentinels call"),
        ("redis+sentinel://a", False, "does not say what its Sentinels call"),
    ],
)
def test_what_is_none(text: str, camera: bool, fault: str) -> None:
    """What cannot be meant is refused with the reason."""
    with pytest.raises(ValueError, match=fault):
        RedisAddress.parse(text, camera=camera)


def test_it_shows_no_login() -> None:
    """As text it has neither user nor password."""
    address = RedisAddress.parse("rediss://camd:secret@core:7/2/door", camera=True)
    assert str(address) == "rediss://core:7/2"
    assert "secret" not in repr(address)
    sentinels = RedisAddress.parse("redis+sentinel://u:secret@a,[::1]/main")
    assert str(sentinels) == "redis+sentinel://a:26379,[::1]:26379/main/0"


@pytest.mark.parametrize(
    ("server", "source"),
    [
        ("redis://core", "redis://core/0/door"),
        ("redis://u:p@core/3", "redis://u:p@core/3/door"),
        ("redis+sentinel://a/main", "redis+sentinel://a/main/0/door"),
        ("redis+sentinel://a/main/3/", "redis+sentinel://a/main/3/door"),
    ],
)
def test_the_source_of_a_camera(server: str, source: str) -> None:
    """It is the server's address, with database and name."""
    assert source_of(server, "door") == source
    assert RedisAddress.parse(source, camera=True).camera == "door"


def test_which_sources_are_of_redis() -> None:
    """They are told by their scheme."""
    assert is_redis("rediss://core/door")
    assert not is_redis("rtsp://core/door")
    assert not is_redis("/srv/redis")


def loaded(folder: Path, text: str) -> str:
    """The settings of a file as they are shown."""
    path = folder / "camd.yaml"
    path.write_text(text)
    return repr(load(path, {"PASSWORD": "p@ss/word-1234"}).settings)


def test_the_settings_show_no_password(tmp_path: Path) -> None:
    """A password is filled in from a variable, encoded, and masked."""
    text = """
        publish: "rediss://camd:${PASSWORD}@core/0"
        cameras_from: "redis://camd:${PASSWORD}@core"
        cameras: {door: {source: "redis://camd:${PASSWORD}@core/door"}}
    """
    shown = loaded(tmp_path, text)
    assert "word-1234" not in shown
    assert "rediss://camd:***@core/0" in shown
    settings = load(tmp_path / "camd.yaml", {"PASSWORD": "p@ss/word-1234"}).settings
    assert RedisAddress.parse(settings.publish).password == "p@ss/word-1234"


def test_a_password_in_a_file(tmp_path: Path) -> None:
    """The whole address may stand in a file, as Kubernetes mounts one."""
    (tmp_path / "address").write_text("redis://camd:secret-from-a-file@core/0\n")
    environ = {"CAMD_PUBLISH_FILE": str(tmp_path / "address")}
    settings = load(None, environ).settings
    assert RedisAddress.parse(settings.publish).password == "secret-from-a-file"


@pytest.mark.parametrize("key", ["publish", "cameras_from"])
def test_a_wrong_server(tmp_path: Path, key: str) -> None:
    """It gets one line, with key, value and what was expected."""
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, f"{key}: 'http://u:secret@core/0'")
    (problem,) = caught.value.problems
    assert problem.startswith(
        f"{key}: 'http://u:***@core/0' is no address of a Redis server; expected"
        " redis://HOST:6379/0 or "
    )


def test_an_edge_needs_no_camera_of_its_own(tmp_path: Path) -> None:
    """With cameras_from there may be none, and there is no test picture."""
    path = tmp_path / "camd.yaml"
    path.write_text("cameras_from: redis://core")
    read = load(path, {})
    assert (read.settings.cameras, read.warnings) == ({}, ())
