"""Tests of listen strings: which Twisted takes, and what is said of the others."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.endpoints import serverFromString
from twisted.internet.protocol import Factory
from twisted.internet.selectreactor import SelectReactor
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import capturedLogs

from camd.listening.endpoints import (
    Listener,
    address_of,
    greeting,
    listen_fault,
    outside_address,
    with_defaults,
)

# The machine may be busy with the other tests; how long one example takes says
# nothing.
unhurried = settings(deadline=None)


@pytest.mark.parametrize(
    "text",
    [
        "tcp:8001",
        "tcp:0",
        "tcp:65535",
        "tcp:port=8001:interface=127.0.0.1",
        "tcp6:8001:interface=\\:\\:1",
        "unix:/run/camd.sock:mode=660",
        "systemd:domain=INET:name=http",
        "systemd:domain=INET:index=0",
        "haproxy:tcp:8001",
    ],
)
def test_good_listen_strings(text: str) -> None:
    """Each kind that is promised is taken."""
    assert listen_fault(text) is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "is of no kind that camd listens on"),
        ("8001", "is of no kind that camd listens on"),
        ("udp:5", "is of no kind that camd listens on"),
        ("haproxy:", "is of no kind that camd listens on"),
        ("stdio:", "is of no kind that camd listens on"),
        ("tcp", "has no port from 0 to 65535"),
        ("tcp:http", "has no port from 0 to 65535"),
        ("tcp:-1", "has no port from 0 to 65535"),
        ("tcp:65536", "has no port from 0 to 65535"),
        ("haproxy:tcp:70000", "has no port from 0 to 65535"),
        ("tls:/etc/certificates", "has no port from 0 to 65535"),
        ("tcp:80:interfac=::1", "has arguments that do not fit its kind"),
        ("unix", "has arguments that do not fit its kind"),
        ("tcp:80:interface=::1", r"has plain colons in an address (write \:)"),
        (
            "ssl:80:interface=fe80::1:privateKey=x",
            r"has plain colons in an address (write \:)",
        ),
        ("systemd", "has arguments that do not fit its kind"),
    ],
)  # fmt: skip)
def test_bad_listen_strings(text: str, fault: str) -> None:
    """What is wrong is said in the words of this project, not of a parser."""
    assert listen_fault(text) == fault


def test_missing_certificate(tmp_path: Path) -> None:
    """A certificate that is not there is named as the trouble."""
    fault = listen_fault(f"ssl:443:privateKey={tmp_path / 'none.pem'}")
    assert fault == "names a file that cannot be read (No such file or directory)"


@pytest.mark.parametrize("text", ["ssl:443:privateKey={}/a.pem", "tls:{}:443"])
def test_no_certificate(tmp_path: Path, text: str) -> None:
    """What is there but is no certificate is named as the trouble."""
    (tmp_path / "a.pem").write_text("garbage")
    assert listen_fault(text.format(tmp_path)) == "names no certificate with its key"


@unhurried
@given(st.one_of(st.text(), st.text("tcpunixslemdhaoy:=/\\0189").map("tcp:".__add__)))
def test_any_text_is_judged(text: str) -> None:
    """No text makes the check itself fail."""
    fault = listen_fault(text)
    assert fault is None or fault.isprintable()


# ---- What opens it


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("tcp:8001:interface=127.0.0.1", "http://127.0.0.1:8001"),
        ("tcp:8001", "http://localhost:8001"),
        ("tcp:port=8001", "http://localhost:8001"),
        ("tcp:interface=10.0.0.7:port=8001", "http://10.0.0.7:8001"),
        ("tcp:8001:interface=", "http://localhost:8001"),
        ("tcp:8001:interface=0.0.0.0", "http://localhost:8001"),
        (r"tcp:8001:interface=\:\:", "http://localhost:8001"),
        (r"tcp:8001:interface=\:\:1", "http://[::1]:8001"),
        ("tcp6:8001", "http://localhost:8001"),
        (r"tcp6:8001:interface=\:\:1", "http://[::1]:8001"),
        ("ssl:443:privateKey=/etc/both.pem", "https://localhost:443"),
        ("tls:/etc/certificates:443", "https://localhost:443"),
        ("unix:/run/camd.sock:mode=660", "unix:/run/camd.sock:mode=660"),
        ("systemd:domain=INET:name=http", "systemd:domain=INET:name=http"),
        ("haproxy:tcp:8001", "haproxy:tcp:8001"),
    ],
)
def test_the_address_to_open(listen: str, address: str) -> None:
    """It is one that a browser takes, where there is such an address."""
    assert address_of(listen) == address


MADE = "/?api_key=KEY"


@pytest.mark.parametrize(
    ("listen", "outside", "lines"),
    [
        (
            ["tcp:8001:interface=127.0.0.1"],
            "10.0.0.7",
            [
                f"Open http://127.0.0.1:8001{MADE}",
                "Only this machine can open it; for the network set listen: tcp:8001"
                " in camd.yaml",
            ],
        ),
        (
            [r"tcp:8021:interface=\:\:1:backlog=9"],
            "10.0.0.7",
            [
                f"Open http://[::1]:8021{MADE}",
                "Only this machine can open it; for the network set listen:"
                " tcp:8021:backlog=9 in camd.yaml",
            ],
        ),
        (
            ["tcp:8001"],
            "10.0.0.7",
            [
                f"Open http://localhost:8001{MADE}",
                f"From other machines open http://10.0.0.7:8001{MADE}",
            ],
        ),
        (["tcp:8001"], None, [f"Open http://localhost:8001{MADE}"]),
        (
            ["ssl:443:privateKey=x"],
            "10.0.0.7",
            [
                f"Open https://localhost:443{MADE}",
                f"From other machines open https://10.0.0.7:443{MADE}",
            ],
        ),
        (
            ["tcp:80:interface=10.0.0.7"],
            "10.0.0.7",
            [f"Open http://10.0.0.7:80{MADE}"],
        ),
        (
            ["unix:/run/camd.sock:mode=660"],
            "10.0.0.7",
            [f"Open {MADE} through the proxy in front of the UNIX socket"
             " /run/camd.sock"],
        ),
        (
            ["haproxy:tcp:8001"],
            "10.0.0.7",
            [f"Open {MADE} through the proxy in front of haproxy:tcp:8001"],
        ),
    ],
)  # fmt: skip
def test_the_greeting(listen: list[str], outside: str | None, lines: list[str]) -> None:
    """It says what can be opened from where, and how to open it to the network."""
    assert list(greeting(listen, MADE, outside)) == lines


def test_the_address_for_others() -> None:
    """It is no loopback address, or none at all."""
    address = outside_address()
    assert address is None or not address.startswith("127.")


# ---- The port


def test_a_port_is_bound_and_given_back() -> None:
    """What listens is in the log with its address, and not there after the end."""
    reactor = MemoryReactorClock()
    listener = Listener(serverFromString(reactor, "tcp:8001"), Factory())
    with capturedLogs() as events:
        listener.privilegedStartService()
    listener.startService()
    assert [port for port, *_ in reactor.tcpServers] == [8001]
    assert [event["log_format"] for event in events] == ["Listening on {address}"]
    assert events[0]["address"] == "0.0.0.0:8001"
    listener.stopService()
    assert not listener.running


def test_a_socket_without_its_folder(tmp_path: Path) -> None:
    """What cannot be bound raises at once, with the reason."""
    from twisted.internet import reactor

    path = tmp_path / "none" / "camd.sock"
    listener = Listener(serverFromString(reactor, f"unix:{path}"), Factory())
    with pytest.raises(OSError, match="No such file"):
        listener.privilegedStartService()


@pytest.mark.parametrize(
    ("text", "added"),
    [
        ("tcp:8001", ":backlog=65535"),
        ("tcp6:8001:interface=\\:\\:1", ":backlog=65535"),
        ("haproxy:tcp:8001", ":backlog=65535"),
        ("tcp:8001:backlog=7", ""),
        ("tcp:8001:127.0.0.1:7", ""),
        ("unix:/run/camd.sock", ":mode=660:backlog=65535"),
        ("unix:/run/camd.sock:mode=666", ":backlog=65535"),
        ("unix:/run/camd.sock:666:7", ""),
        ("haproxy:unix:/run/camd.sock", ":mode=660:backlog=65535"),
        ("systemd:domain=INET:name=http", ""),
    ],
)
def test_what_a_string_does_not_say(text: str, added: str) -> None:
    """A returning crowd finds room, and a socket is not for everybody."""
    assert with_defaults(text) == text + added
    assert listen_fault(with_defaults(text)) is None


def test_a_unix_socket_is_for_its_user_and_group(tmp_path: Path) -> None:
    """What is not said opens it to nobody else."""
    path = tmp_path / "camd.sock"
    listener = Listener(
        serverFromString(SelectReactor(), with_defaults(f"unix:{path}")), Factory()
    )
    listener.privilegedStartService()
    assert path.stat().st_mode & 0o777 == 0o660
    listener.stopService()
