"""Cameras in the network: their own bytes, their logins, and that they come back."""

from __future__ import annotations

import signal
import ssl
import subprocess
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from e2e.camera import Mood, encode, http_camera, number_in
from e2e.client import ask, stats, watching
from e2e.conftest import Start
from e2e.servers import PASSWORD, killed_and_back, motion, rtsp
from e2e.video import Film, decode
from e2e.waiting import until

MJPEG, RTSP = "http://{}/", "rtsp://{}/live"


def test_byte_for_byte(start: Start) -> None:
    """Every picture of an MJPEG camera is the camera's own, also behind a redirect."""
    with http_camera() as camera:
        daemon = start({"robot": {"source": f"{camera.origin}/moved"}})
        with watching(daemon) as (watcher,):
            until(lambda: len(watcher.frames()) > 20, "some pictures")
        told = stats(daemon)
    numbers = [_own(seen.jpeg) for seen in watcher.frames()]
    assert numbers == sorted(set(numbers))
    assert told["encoder"] == "passthrough"
    assert told["camera_resolution"] == "240x180"


def test_snapshots(start: Start) -> None:
    """A camera that gives one picture at a time is a camera too."""
    with http_camera() as camera:
        daemon = start({"robot": {"source": f"{camera.origin}/snapshot.jpg"}})
        with watching(daemon) as (watcher,):
            until(lambda: len(watcher.frames()) > 20, "some pictures")
    numbers = [_own(seen.jpeg) for seen in watcher.frames()]
    # Each was asked for, and none was asked for in vain.
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def _own(jpeg: bytes) -> int:
    number = number_in(decode(jpeg))
    assert jpeg == encode(number)
    return number


def test_another_camd(start: Start) -> None:
    """The stream of another camd, behind its key, is passed on byte for byte."""
    with http_camera() as camera:
        first = start({"robot": {"source": camera.address}})
        source = first.with_password("/api/robot/stream")
        second = start({"robot": {"source": source}})
        with watching(second) as (watcher,):
            until(lambda: len(watcher.frames()) > 10, "some pictures")
        assert first.key not in second.log
    assert all(_own(seen.jpeg) is not None for seen in watcher.frames())


def test_another_camd_whose_camera_is_gone(start: Start) -> None:
    """What a camd holds or shows in place of a picture is not live behind it."""
    with http_camera() as camera:
        held = {"source": camera.address, "offline_picture": "hold"}
        first = start({"robot": held, "shown": {**held, "offline_after": 1}})
        second = start(
            {
                name: {"source": first.with_password(f"/api/{name}/stream")}
                for name in ("robot", "shown")
            }
        )
        with watching(second):
            until(lambda: stats(second)["state"] == "live", "it is live")
            camera.mood = Mood.SILENT
            until(lambda: stats(second)["state"] == "stalled", "it is not")
            frame = stats(second)["frames_published"]
            # Past the first's heartbeat, and past what hangs up on a silent camera.
            time.sleep(12)
            told, shown = stats(second), stats(second, "shown")
            assert (told["state"], told["frames_published"]) == ("stalled", frame)
            assert told["frame_age"] > 12
            assert shown["state"] in {"stalled", "idle"}
            assert ask(second, "/readyz").status == 503
            camera.mood = Mood.SENDING
            until(lambda: stats(second)["state"] == "live", "it is live again")


def test_a_daemon_that_was_suspended(start: Start) -> None:
    """No camera is to blame for the time in which the daemon was stopped."""
    with http_camera() as camera:
        daemon = start({"robot": {"source": camera.address}, "test": {}})
        with watching(daemon):
            until(lambda: stats(daemon)["state"] == "live", "it is live")
            daemon.process.send_signal(signal.SIGSTOP)
            time.sleep(12)
            daemon.process.send_signal(signal.SIGCONT)
            frame = stats(daemon)["frames_published"]
            until(lambda: stats(daemon)["frames_published"] > frame + 20, "pictures")
        assert stats(daemon)["camera_reopens"] == 0
    assert "stalled" not in daemon.log
    assert "left behind" not in daemon.log


class FilmServer:
    """A camera that sends a film.

    ``/moved`` redirects to it. ``/trap`` is the film to whoever asks first, and then
    redirects to ``/stolen``.

    :ivar paths: what it was asked for.
    """

    def __init__(self, film: Path) -> None:
        self.paths: list[str] = []
        server, content = self, film.read_bytes()

        class Request(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                is_first = self.path not in server.paths
                server.paths.append(self.path)
                leads_to = {
                    "/moved": "/film.ts",
                    "/trap": "" if is_first else "/stolen",
                }
                if location := leads_to.get(self.path):
                    self.send_response(302)
                    self.send_header("Location", location)
                    self.end_headers()
                    return
                self.send_response(200)
                self.send_header("Content-Type", "video/mp2t")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                with suppress(OSError):  # camd hangs up on what is no JPEG.
                    self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Request)
        self.origin = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> FilmServer:
        Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def test_a_film_that_redirects(start: Start, film: Film, tmp_path: Path) -> None:
    """FFmpeg reads what is no JPEG, and goes nowhere but where camd was sent."""
    # A container that can be read without its end.
    path = tmp_path / "film.ts"
    command = ["ffmpeg", "-loglevel", "error", "-i", str(film.path), "-c", "copy"]
    subprocess.run([*command, str(path)], check=True)
    with FilmServer(path) as server:
        daemon = start({"robot": {"source": f"{server.origin}/moved"}})
        until(lambda: stats(daemon)["state"] == "live", "FFmpeg reads it")
        assert stats(daemon)["encoder"] in {None, "opencv"}
        daemon = start({"robot": {"source": f"{server.origin}/trap"}})
        until(lambda: stats(daemon)["state"] == "offline", "it is not followed")
    assert "/stolen" not in server.paths


def test_certificates(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody signed is refused, unless one says otherwise or trusts it."""
    with http_camera(tls=_own_certificate(tmp_path)) as camera:
        strict = {"source": camera.address}
        lax = {**strict, "camera_verify_tls": False}
        daemon = start({"strict": strict, "lax": lax})
        until(lambda: stats(daemon, "lax")["state"] == "live", "the lax one is live")
        until(
            lambda: stats(daemon, "strict")["state"] == "offline", "the strict is not"
        )
        assert "certificate is not trusted" in stats(daemon, "strict")["last_error"]
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
        trusting = start({"robot": strict})
        until(lambda: stats(trusting)["state"] == "live", "the trusting one is live")


def _own_certificate(folder: Path) -> ssl.SSLContext:
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
            *("-subj", "/CN=camera", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def test_motion(start: Start, film: Film, tmp_path: Path) -> None:
    """motion, which asks for Digest, is killed and comes back; nobody notices much."""
    with motion(tmp_path, film.path) as server:
        daemon = start({"robot": {"source": server.address(MJPEG)}})
        killed_and_back(daemon, server)
        assert stats(daemon)["encoder"] == "passthrough"
        assert PASSWORD not in daemon.log


def test_rtsp(start: Start, tmp_path: Path) -> None:
    """The same for an RTSP camera, which OpenCV reads."""
    with rtsp(tmp_path) as server:
        daemon = start({"robot": {"source": server.address(RTSP)}})
        killed_and_back(daemon, server)
        assert PASSWORD not in daemon.log


@pytest.mark.parametrize("kind", ["motion", "rtsp"])
def test_a_wrong_password(start: Start, film: Film, tmp_path: Path, kind: str) -> None:
    """It is said so, and the password that was tried is shown nowhere."""
    cameras = {"motion": motion(tmp_path, film.path), "rtsp": rtsp(tmp_path)}
    with cameras[kind] as server:
        form = MJPEG if kind == "motion" else RTSP
        wrong = "not-this-one-1234"
        daemon = start({"robot": {"source": server.address(form, wrong)}})
        # motion hangs up on whoever comes in its first seconds.
        until(lambda: "password" in str(stats(daemon)["last_error"]), "the reason")
        told = stats(daemon)
    assert told["state"] == "offline"
    assert wrong not in str(told) + daemon.log
