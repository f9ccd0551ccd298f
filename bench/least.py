"""The least that Python can do with cameras over HTTP, as ``relay.c`` is that of C.

``python -m bench.least ADDRESS PORT CAMERA_ADDRESS CAMERA_PORT CAMERA_PATH CAMERAS``:
one loop around one epoll, which calls nothing for a frame but what is written in C. As
there, nothing is checked, counted or timed out. A viewer that does not take all of a
frame at once is never sent the rest.
"""

from __future__ import annotations

import gc
import re
import select
import socket
import sys
import time
from dataclasses import dataclass, field

from camd.process.garbage import tune_memory

READ = 64 * 1024
"""Bytes that are read at once, as by camd."""

HEAD = (
    b"HTTP/1.1 200 OK\r\n"
    b"Content-Type: multipart/x-mixed-replace; boundary=frame\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
    b"9\r\n--frame\r\n\r\n"
)
"""What a viewer is answered, up to the first boundary line."""

PART = (
    b"Content-Type: image/jpeg\r\nContent-Length: %d\r\n"
    b"X-Timestamp: %.6f\r\nX-Frame: %d\r\n\r\n%b\r\n--frame\r\n"
)

_LENGTH = re.compile(rb"Content-Length: (\d+)\r\n\r\n")
_PATH = re.compile(rb"GET /api/(\d+)/")


@dataclass(slots=True)
class Camera:
    """One camera, and who watches it."""

    stream: socket.socket
    came: bytes = b""
    number: int = 0
    viewers: list[socket.socket] = field(default_factory=list)


def main(here: tuple[str, int], there: tuple[str, int], path: str, count: int) -> None:
    """Send each camera's pictures to those that have asked for them, until killed."""
    tune_memory()
    gc.disable()
    poll = select.epoll()
    cameras = [Camera(socket.create_connection(there)) for _ in range(count)]
    watched = {camera.stream.fileno(): camera for camera in cameras}
    for descriptor, camera in watched.items():
        camera.stream.sendall(b"GET %b HTTP/1.0\r\n\r\n" % path.encode())
        poll.register(descriptor, select.EPOLLIN)
    listener = socket.create_server(here, backlog=1024)
    poll.register(listener, select.EPOLLIN)
    asking: dict[int, socket.socket] = {}
    while True:
        for descriptor, _ in poll.poll():
            if descriptor in watched:
                camera = watched[descriptor]
                data = camera.came + camera.stream.recv(READ)
                found = _LENGTH.search(data)
                if found is None:
                    camera.came = data
                    continue
                start, length = found.end(), int(found[1])
                end = start + length + len(b"\r\n--frame\r\n")
                if len(data) < end:
                    camera.came = data
                    continue
                camera.came = data[end:]
                camera.number += 1
                jpeg = data[start : start + length]
                part = PART % (length, time.time(), camera.number, jpeg)
                chunk = b"%x\r\n%b\r\n" % (len(part), part)
                for viewer in camera.viewers:
                    viewer.send(chunk, socket.MSG_DONTWAIT)
            elif descriptor == listener.fileno():
                viewer, _ = listener.accept()
                asking[viewer.fileno()] = viewer
                poll.register(viewer, select.EPOLLIN)
            else:
                viewer = asking[descriptor]
                asked = _PATH.match(viewer.recv(READ))
                if asked is not None:
                    viewer.send(HEAD)
                    cameras[int(asked[1])].viewers.append(viewer)
                    continue
                for camera in cameras:
                    if viewer in camera.viewers:
                        camera.viewers.remove(viewer)
                del asking[descriptor]
                viewer.close()


if __name__ == "__main__":
    _, address, port, host, its_port, path, cameras = sys.argv
    main((address, int(port)), (host, int(its_port)), path, int(cameras))
