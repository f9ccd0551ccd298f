"""Pictures of a webcam that µStreamer shows are passed through, byte for byte."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from camd.formats.jpeg import Size
from e2e.client import stats, watching
from e2e.conftest import Start
from e2e.servers import PASSWORD, killed_and_back, ustreamer
from e2e.waiting import until
from e2e_cameras.stamps import sent
from e2e_cameras.webcam import Webcam

pytestmark = pytest.mark.skipif(
    shutil.which("ustreamer") is None, reason="needs ustreamer"
)


def test_ustreamer(start: Start, webcam: Webcam, tmp_path: Path) -> None:
    """It is killed under three viewers and comes back, and no byte is changed."""
    with ustreamer(tmp_path, webcam.device) as server:
        daemon = start({"robot": {"source": server.address("http://{}/stream")}})
        until(lambda: stats(daemon)["state"] == "live", "it is live")
        killed_and_back(daemon, server)
        with watching(daemon) as (watcher,):
            until(lambda: len(watcher.seen) >= 30, "thirty pictures")
            told = stats(daemon)
    pictures = [seen.jpeg for seen in watcher.seen]
    assert [len(p) for p in pictures if p != sent(p, Size(640, 480))] == []
    assert told["encoder"] == "passthrough"
    assert PASSWORD not in daemon.log
