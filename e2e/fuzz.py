"""Hostile input to a daemon's HTTP face, for a while, from a process of its own.

    python -m e2e.fuzz PORT KEY SECONDS SEED

Prints, as JSON, how many attacks of each kind were made and which answers came. What
one seed sends is the same each time, but for the order among its connections.
"""

from __future__ import annotations

import json
import random
import re
import select
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress

METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get"]

PATHS = [
    "/",
    "/api/robot/stream",
    "/api/robot/stream/stats",
    "/api/robot/snapshot",
    "/api/cameras",
    "/api/sign",
    "/readyz",
    "/healthz",
    "/stream",
    "/?action=snapshot",
]

TRICKS = [
    "/../../../../etc/passwd",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/api/robot/..%2f..%2fhealthz",
    "//healthz",
    "/healthz/../api/robot/stream",
    "/api//robot//stream",
    "/api/robot/stream%00.jpg",
    "/api/robot%0d%0aX-Injected: 1/stream",
    "/api/%F0%9F%93%B7/stream",
    "/api/robot/stream;x=y",
    "/" + "a/" * 500,
    "/%",
    "/%zz",
    "*",
    "http://evil.example/api/robot/stream",
    "/?api_key=%0d%0aX-Injected:%201",
    "/api/robot/stream?wire=%0d%0aX-Injected:%201",
    "/?" + "&".join(f"a{n}={n}" for n in range(1000)),
]

HOSTILE = [
    "\x1b[31mred\x1b[0m",
    "a\x00b",
    "\u202egnp.exe",
    "\xff\xfe",
    "%0d%0aX-Injected: 1",
    "'; DROP TABLE frames; --",
    "<script>alert(1)</script>",
    "{{7*7}} {reason} %s %n",
    "x" * 3000,
    "",
]

ECHOED = [
    "User-Agent",
    "Origin",
    "Host",
    "Referer",
    "X-Forwarded-For",
    "Forwarded",
    "CF-Connecting-IP",
    "Cf-Access-Jwt-Assertion",
    "Authorization",
    "Cookie",
    "Accept",
    "Range",
    "Access-Control-Request-Method",
    "Content-Length",
    "Transfer-Encoding",
    "Connection",
    "Upgrade",
    "Expect",
]

Attack = Callable[[random.Random, str], bytes]


def random_bytes(dice: random.Random, key: str) -> bytes:
    """Bytes of no meaning."""
    return dice.randbytes(dice.randrange(1, 4000))


def half_request(dice: random.Random, key: str) -> bytes:
    """A request cut somewhere."""
    whole = request(dice, dice.choice(PATHS), key)
    return whole[: dice.randrange(1, len(whole))]


def huge_headers(dice: random.Random, key: str) -> bytes:
    """More header than anybody needs, in one or in many."""
    lines = [f"X-{n}: {'x' * dice.randrange(2000)}" for n in range(dice.randrange(200))]
    return request(dice, dice.choice(PATHS), key, *lines)


def wrong_method(dice: random.Random, key: str) -> bytes:
    """A method that is not for this path, or for none."""
    method = dice.choice([*METHODS, "BREW", "G\tET", "", "X" * 500])
    return request(dice, dice.choice(PATHS), key, method=method)


def path_trick(dice: random.Random, key: str) -> bytes:
    """A path that wants to be another one."""
    return request(dice, dice.choice(TRICKS), key)


def hostile_header(dice: random.Random, key: str) -> bytes:
    """Text that wants to be a header, a log line or a terminal's command."""
    lines = [f"{name}: {dice.choice(HOSTILE)}" for name in dice.sample(ECHOED, 3)]
    return request(dice, dice.choice(PATHS), key, *lines)


def flipped(dice: random.Random, key: str) -> bytes:
    """A good request with some bytes changed."""
    whole = bytearray(request(dice, dice.choice(PATHS), key))
    for _ in range(dice.randrange(1, 6)):
        whole[dice.randrange(len(whole))] = dice.randrange(256)
    return bytes(whole)


def pipelined(dice: random.Random, key: str) -> bytes:
    """Many requests at once, good and bad."""
    return b"".join(
        dice.choice([flipped, path_trick, wrong_method])(dice, key) for _ in range(20)
    )


def bad_body(dice: random.Random, key: str) -> bytes:
    """A body that is not as long as it says, or not what it says."""
    length = dice.choice(["-1", "1e3", "99999999999", "0x10", "5, 6", "7"])
    chunks = dice.choice(["zz\r\n", "fffffffffffffff\r\nx", "5\r\nab", "-1\r\n", ""])
    head = dice.choice([f"Content-Length: {length}", "Transfer-Encoding: chunked"])
    whole = request(dice, "/api/sign", key, head, method="POST")
    return whole + chunks.encode() + dice.randbytes(50)


def request(
    dice: random.Random, path: str, key: str, *lines: str, method: str = "GET"
) -> bytes:
    """A request, with the key in two of three."""
    proof = [f"X-API-Key: {key}"] if dice.random() < 0.67 else []
    version = dice.choice(["1.1", "1.1", "1.0", "2.0", "9", ""])
    client = f"X-Forwarded-For: 10.{dice.randrange(256)}.{dice.randrange(256)}.1"
    head = [f"{method} {path} HTTP/{version}", "Host: camd", client, *proof, *lines]
    head += ["", ""]
    return "\r\n".join(head).encode("utf-8", "surrogateescape")


ATTACKS: list[Attack] = [
    random_bytes,
    half_request,
    huge_headers,
    wrong_method,
    path_trick,
    hostile_header,
    flipped,
    pipelined,
    bad_body,
]

PROXY = "127.0.0.2"
"""Where all of it comes from: a proxy that is trusted, with a client for each attack.
From one client, all but ten a minute would end at the check for wrong keys."""

HELD = 100
"""Connections that are left open half way, as a slow attacker does."""


def attack(port: int, key: str, seconds: float, seed: int) -> dict[str, object]:
    """Attack until the time is up; give what was done and what came back."""
    dice, made, codes = random.Random(seed), Counter[str](), Counter[str]()
    held: list[socket.socket] = []
    strange: list[str] = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        kind = dice.choice(ATTACKS)
        made[kind.__name__] += 1
        connection = socket.create_connection(("127.0.0.1", port), 5, (PROXY, 0))
        with suppress(OSError):
            connection.sendall(kind(dice, key))
        if kind is half_request:
            held.append(connection)
            if len(held) > HELD:
                held.pop(dice.randrange(HELD)).close()
            continue
        with closing(connection):
            for status, trouble in answers(read_a_little(connection)):
                codes[status] += 1
                strange += trouble
    return {"made": made, "codes": codes, "strange": strange[:20]}


def read_a_little(connection: socket.socket) -> bytes:
    """Read what comes at once."""
    received = b""
    with suppress(OSError):
        while len(received) < 100_000 and select.select([connection], [], [], 0.02)[0]:
            data = connection.recv(65536)
            if not data:
                break
            received += data
    return received


_HEAD = re.compile(rb"HTTP/1\.[01] (\d{3}) [^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n")

_KNOWN = re.compile(
    rb"(?i)(server|date|content-type|content-length|connection|cache-control|pragma|"
    rb"retry-after|allow|www-authenticate|location|set-cookie|transfer-encoding|vary|"
    rb"access-control-[a-z-]+|x-(accel-buffering|timestamp|frame|frame-age|camera-state|rendition|"
    rb"clock|content-type-options)|etag|cross-origin-resource-policy|referrer-policy|"
    rb"content-security-policy|expires|age)$"
)


def answers(data: bytes) -> Iterator[tuple[str, list[str]]]:
    """Return each answer's code, and its header lines that camd never sends."""
    for found in _HEAD.finditer(data):
        names = [line.partition(b":")[0] for line in found[2].splitlines()]
        yield found[1].decode(), [repr(n) for n in names if not _KNOWN.match(n)]


if __name__ == "__main__":
    port, key, seconds, seed = sys.argv[1:]
    print(json.dumps(attack(int(port), key, float(seconds), int(seed))))
