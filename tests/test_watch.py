"""``camd watch``, as far as it needs no network; e2e has the rest."""

from __future__ import annotations

import json
import math
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from threading import Thread
from typing import cast

import pytest
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Request, TextMessage

from camd.formats import live
from camd.formats.jpeg import Size
from camd.watch import (
    LiveClient,
    Rhythm,
    Second,
    Seen,
    WatchError,
    address,
    line,
    run,
    watch,
)


@pytest.mark.parametrize(
    ("url", "stream", "target"),
    [
        ("http://robot:8001/", False, "/api/live"),
        ("robot:8001", False, "/api/live"),
        ("http://robot:8001/cam/", False, "/cam/api/live"),
        ("ws://robot:8001/api/door/live", False, "/api/door/live"),
        ("http://robot:8001/api/door/stream", False, "/api/door/live"),
        (
            "http://robot:8001/api/door/stream?width=320",
            True,
            "/api/door/stream?width=320",
        ),
        ("http://robot:8001/?api_key=secret", True, "/stream"),
    ],
)
def test_addresses(url: str, stream: bool, target: str) -> None:
    """As people have them; the key never stands in the request's line."""
    where = address(url, stream=stream)
    assert (where.host, where.port, where.target) == ("robot", 8001, target)


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("http://robot/?api_key=one", "one"),
        ("http://any:two@robot/", "two"),
        ("http://robot/", "three"),
    ],
)
def test_keys(url: str, key: str) -> None:
    """The address's own goes ahead of the environment's."""
    assert address(url, stream=False, key="three").key == key


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://robot/", "robot"),
        ("http://robot:80/", "robot"),
        ("https://robot:8443/", "robot:8443"),
        ("http://[::1]:8001/", "[::1]:8001"),
    ],
)
def test_origins(url: str, origin: str) -> None:
    """The port stands there if it is not the usual one."""
    assert address(url, stream=False).origin == origin


@pytest.mark.parametrize("url", ["ftp://robot/", "http:///", "http://robot:99999/"])
def test_what_is_no_address(url: str) -> None:
    """One line says what was expected."""
    with pytest.raises(WatchError, match="expected"):
        address(url, stream=False)


def served(server: socket.socket, times: dict[str, float]) -> None:
    """Show a picture each time that the time is asked for, at a camera that is far.

    :param times: what is told beside 1,000 s as the time.
    """
    connection, _ = server.accept()
    # The client hangs up when it has seen enough.
    with connection, suppress(OSError):
        ws, number = WSConnection(ConnectionType.SERVER), 0

        def say(**content: object) -> None:
            connection.sendall(ws.send(TextMessage(json.dumps(content))))

        while data := connection.recv(4096):
            ws.receive_data(data)
            for event in ws.events():
                if isinstance(event, Request):
                    connection.sendall(ws.send(AcceptConnection()))
                    say(live=1, cameras=[{"name": "far", "number": 1}])
                elif isinstance(event, TextMessage) and "clock" in event.data:
                    asked = json.loads(event.data)["clock"]
                    say(
                        clock=asked, time=1000.0, **({"times": times} if number else {})
                    )
                    number += 1
                    key = live.PictureKey(1, number)
                    size = Size(8, 8)
                    picture = live.picture(b"", key, 0, 4000.0, size, asks=False)
                    connection.sendall(picture)


@pytest.mark.parametrize("times", [{}, {"far": 4000.25}])
def test_ages_are_by_the_clock_of_the_camera(times: dict[str, float]) -> None:
    """What was asked ahead of its first picture may be another clock's."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = Thread(target=served, args=(server, times))
        thread.start()
        port = server.getsockname()[1]
        client = LiveClient(address(f"http://127.0.0.1:{port}/", stream=False), {})
        seen = filter(None, client.pictures(time.monotonic() + 60))
        first, second = next(seen), next(seen)
        client.close()
        thread.join()
    assert first.age is None
    assert second.age is not None
    assert 0 < second.age - (0.2 if times else -3000.1) < 30


def test_a_summary() -> None:
    """Rates, ages, sizes, and what was left out."""
    second = Second()
    before = None
    for number in range(10):
        seen = Seen("robot", 10 + 3 * number // 2, number / 10, 1000, 640, number // 5)
        second.add(seen, before)
        before = seen
    assert second.summary(2.0) == {
        "fps": 5.0,
        "age": 0.45,
        "age_p95": 0.9,
        "kilobytes_per_second": 5.0,
        "widths": [640],
        "renditions": [0, 1],
        "changes": 1,
        "gaps": 4,
    }
    assert "5.0 fps  age 0.450 s" in line(second.summary(2.0), as_json=False)


class FakeClient:
    """Has seen pictures of these ages."""

    def __init__(self, *ages: float) -> None:
        self._ages = ages

    def pictures(self, until: float) -> Iterator[Seen | None]:
        """Yield them, and a silence."""
        yield None
        for number, age in enumerate(self._ages, 1):
            yield Seen("robot", 2 * number, age, 1000, 640)


@pytest.mark.parametrize(
    ("ages", "most", "status"),
    [((0.1, 0.2), 0.5, 0), ((0.1, 0.7), 0.5, 1), ((0.7,), None, 0), ((), None, 1)],
)
def test_the_exit_status(
    ages: tuple[float, ...],
    most: float | None,
    status: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It is for monitoring: 1 when pictures are old, or none came."""
    client = cast(LiveClient, FakeClient(*ages))
    assert watch(client, 1.0, most, as_json=True) == status
    total = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert total["total"]
    assert total["gaps"] == max(0, len(ages) - 1)


def test_nobody_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    """One line, and status 2."""
    began = time.monotonic()
    assert run("http://127.0.0.1:1/", seconds=1) == 2
    assert capsys.readouterr().err.startswith("camd: cannot connect to 127.0.0.1:1")
    assert time.monotonic() - began < 10


def test_what_comes_first_may_be_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    """Of the total, and so of the exit status; each second is printed anyway."""
    client = cast(LiveClient, FakeClient(3.0, 3.0))
    assert watch(client, 2.0, 1.0, as_json=True, settle=1.0) == 1
    total = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert total["age"] is None


def test_a_picture_is_overdue() -> None:
    """After 2.5 usual gaps, 0.1 s at the least; never before there is a usual one."""
    rhythm = Rhythm()
    rhythm.came(0.0)
    assert rhythm.overdue_at == math.inf
    rhythm.came(0.2)
    assert rhythm.overdue_at == pytest.approx(0.2 + 2.5 * 0.2)
    rhythm.told()
    assert rhythm.overdue_at == math.inf
    for step in range(100):
        rhythm.came(1 + step / 100)
    assert rhythm.overdue_at == pytest.approx(1.99 + 0.1)


def status_of(answer: bytes, *, stream: bool) -> int:
    """Watch a server that answers this and hangs up; return the exit status."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)

        thread = Thread(target=serve)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/robot/stream"
        status = run(url, seconds=30, stream=stream)
        thread.join()
    return status


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (
            b"401 Unauthorized",
            "a key that it knows, in the address (?api_key=KEY) or in CAMD_API_KEY",
        ),
        (b"403 Forbidden", "a key with the right view"),
        (
            b"404 Not Found",
            "the address of a camd's page, or http://HOST/api/NAME/live",
        ),
    ],
)
def test_an_address_that_is_not_answered(
    status: bytes, expected: str, stream: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line says what would have been right, and the exit status is 2."""
    answer = b"HTTP/1.1 %b\r\nContent-Length: 0\r\n\r\n" % status
    assert status_of(answer, stream=stream) == 2
    said = capsys.readouterr().err
    assert f"answered {status[:3].decode()} in place of" in said
    assert f"; expected {expected}" in said


PART = b"--frame\r\nContent-Length: 1\r\n%b\r\n\r\nx\r\n--frame\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n" + PART % b"X-Timestamp: soon",
        b"HTTP/1.0 200 OK\r\n\r\n" + PART % b"X-Frame: first",
    ],
)
def test_a_stream_that_no_camd_sends(
    answer: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line says so, and the exit status is 2."""
    assert status_of(answer, stream=True) == 2
    said = capsys.readouterr().err
    assert said.startswith("camd: ") and said.count("\n") == 1


@pytest.mark.parametrize("message", [b"{", b"[]", b'{"cameras": [1]}', b'{"clock": 1}'])
def test_a_live_channel_that_no_camd_has(
    message: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same for what is said there."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                asked = WSConnection(ConnectionType.SERVER)
                asked.receive_data(connection.recv(4096))
                list(asked.events())
                connection.sendall(asked.send(AcceptConnection()))
                connection.sendall(asked.send(TextMessage(message.decode())))
                connection.recv(4096)

        thread = Thread(target=serve)
        thread.start()
        assert run(f"http://127.0.0.1:{server.getsockname()[1]}/", seconds=30) == 2
        thread.join()
    said = capsys.readouterr().err
    assert said == "camd: it does not speak as a camd does\n"
