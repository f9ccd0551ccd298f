"""A network camera whose moods the test decides: it sends, falls silent, or is gone.

It is a plain MJPEG server like those in cheap cameras. Each picture carries its number
in dark and light squares that no JPEG encoder can blur. They are coloured, so that the
picture can be told from anything grey around it.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import cv2
import numpy as np

from e2e.video import Pixels

FPS = 20
SQUARE = 60
"""Pixels that the side of a square has."""
COLUMNS, ROWS = 4, 3
COUNT: int = 2 ** (COLUMNS * ROWS)
"""Where the numbers start again at 0."""
COLOURS = np.array([(100, 0, 0), (155, 255, 255)], np.uint8)
"""Blue, green and red of a 0, dark blue, and of a 1, pale yellow."""


class Mood(Enum):
    """What the camera does just now."""

    SENDING = "it sends pictures"
    SILENT = "it holds the connection and sends nothing"
    GONE = "it hangs up, and answers 503"
    HANGING = "it takes connections and answers nothing at all"


class HttpCamera:
    """A camera whose pictures are numbered, across connections too.

    ``/moved`` redirects to the stream, ``/snapshot.jpg`` is one picture.

    :param tls: for a camera with an ``https://`` address; None for a plain one.
    :ivar mood: what it does from now on; the test sets it.
    :ivar fps: pictures a second from now on; the test sets it.
    :ivar number: the picture that it sent last; None before the first.
    :ivar sent: when it sent which number, on the monotonic clock.
    :ivar draw: makes a picture of a number; the test may set another.
    :ivar origin: where it is.
    :ivar address: where its stream is.
    """

    def __init__(self, fps: float = FPS, tls: ssl.SSLContext | None = None) -> None:
        self.mood = Mood.SENDING
        self.fps = fps
        self.number: int | None = None
        self.sent: dict[int, float] = {}
        self.draw = draw
        camera = self

        class Request(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                with suppress(OSError):  # The reader hangs up when it likes.
                    camera._answer(self)

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Request)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        scheme = "http" if tls is None else "https"
        self.origin = f"{scheme}://127.0.0.1:{self._server.server_port}"
        self.address = f"{self.origin}/video.mjpg"

    def start(self) -> None:
        """Begin to answer, in threads of its own."""
        Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Hang up, and answer no more."""
        self.mood = Mood.GONE
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        if self.mood is Mood.GONE:
            request.send_error(503)
            return
        while self.mood is Mood.HANGING:
            time.sleep(1 / self.fps)
        if request.path == "/moved":
            request.send_response(302)
            request.send_header("Location", "/video.mjpg")
            request.send_header("Content-Length", "0")
            request.end_headers()
        elif request.path == "/snapshot.jpg":
            self._send_one(request)
        else:
            self._send_stream(request)

    def _send_one(self, request: BaseHTTPRequestHandler) -> None:
        number = self._next()
        jpeg = _jpeg(self.draw(number))
        request.send_response(200)
        request.send_header("Content-Type", "image/jpeg")
        request.send_header("Content-Length", str(len(jpeg)))
        request.end_headers()
        request.wfile.write(jpeg)
        self.number = number

    def _next(self) -> int:
        return 0 if self.number is None else (self.number + 1) % COUNT

    def _send_stream(self, request: BaseHTTPRequestHandler) -> None:
        request.close_connection = True
        request.send_response(200)
        kind = "multipart/x-mixed-replace; boundary=picture"
        request.send_header("Content-Type", kind)
        request.end_headers()
        self._send_pictures(request)

    def _send_pictures(self, request: BaseHTTPRequestHandler) -> None:
        while self.mood is not Mood.GONE:
            if self.mood is Mood.SENDING:
                number = self._next()
                self.sent[number] = time.monotonic()
                request.wfile.write(_part(_jpeg(self.draw(number))))
                self.number = number
            time.sleep(1 / self.fps)


@contextmanager
def http_camera(
    fps: float = FPS, tls: ssl.SSLContext | None = None
) -> Iterator[HttpCamera]:
    """Run a camera that sends so many pictures a second."""
    camera = HttpCamera(fps, tls)
    camera.start()
    try:
        yield camera
    finally:
        camera.stop()


def draw(number: int, square: int = SQUARE) -> Pixels:
    """Draw a number below :data:`COUNT`, the lowest bit in the upper left square."""
    bits = [number >> bit & 1 for bit in range(COLUMNS * ROWS)]
    squares = COLOURS[np.array(bits).reshape(ROWS, COLUMNS)]
    return np.kron(squares, np.ones((square, square, 1), np.uint8))


def number_in(picture: Pixels, square: int = SQUARE) -> int:
    """Read the number that a picture carries.

    :raises AssertionError: when it carries none, as a placeholder or a grey one.
    """
    assert picture.shape == (ROWS * square, COLUMNS * square, 3), picture.shape
    middles = picture[square // 2 :: square, square // 2 :: square].mean(axis=2)
    assert np.all((middles < 50) | (middles > 205)), middles
    return sum(1 << bit for bit, grey in enumerate(middles.flat) if grey > 128)


def encode(number: int) -> bytes:
    """Return the JPEG of a number, the same each time."""
    return _jpeg(draw(number))


def _jpeg(picture: Pixels) -> bytes:
    return bytes(cv2.imencode(".jpg", picture)[1].tobytes())


def _part(jpeg: bytes) -> bytes:
    head = f"--picture\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n"
    return f"{head}\r\n".encode() + jpeg + b"\r\n"
