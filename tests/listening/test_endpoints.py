"""Tests of listen strings: which Twisted takes, and what is said of the others."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camd.listening.endpoints import listen_fault

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
        ("systemd", "has arguments that do not fit its kind"),
    ],
)
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
