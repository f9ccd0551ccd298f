"""The viewers, in a process of their own: ``python -m soak.crowd``, a plan on stdin.

The plan is JSON (see :class:`Plan`), as it holds keys, which do not belong on a command
line. What they saw is printed as JSON at the end (see :class:`Figures`).
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, fields
from typing import Any

import aiohttp

from camd.formats.multipart import Parser, Part
from e2e.rude import Rude
from soak.rude import ADDRESS as RUDE_ADDRESS
from soak.rude import rudely

GUEST, STRANGER, PROXY = "127.0.0.4", "127.0.0.3", "127.0.0.2"
"""Addresses of this computer that they come from, so that none is blamed for another.
The proxy is one that the daemon is told to trust."""

STAY, PAUSE = 60.0, 2.0
"""Seconds that a viewer stays, and that a seat is then empty, at the most."""

SIP, SIPS = 4096, 0.2
"""Bytes that a slow reader takes, and the seconds between two times."""

SMALL = 4096
"""Bytes of receive buffer of a viewer that takes nothing, so that it is soon full."""

LINK = "1h"
"""How long links are signed for; no viewer stays as long."""

CUT_MOST = 20
"""Viewers cut off that are reported; a few are as bad as many."""

GUESSES = 20
"""Wrong keys a second at the most, each from another address behind the proxy."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the crowd is to do.

    :ivar port: the daemon's, and ``tls`` that for TLS, both at 127.0.0.1.
    :ivar key: opens the daemon all the time; ``guests`` are keys of which each opens it
        at times only.
    :ivar cameras: are there all the time; ``passing`` is one that comes and goes.
    """

    port: int
    tls: int
    key: str
    guests: list[str]
    cameras: list[str]
    passing: str
    viewers: int
    seconds: float


@dataclass(slots=True)
class Figures:
    """What the crowd saw.

    :ivar viewers: how many streams were seen of each kind.
    :ivar frames: whole parts that came in, heartbeats and placeholders included.
    :ivar cut: what the daemon did to viewers that did nothing wrong.
    :ivar late: how many frames came so many milliseconds after their capture, to those
        that read as fast as they can.
    :ivar answers: how often each address had which answer.
    :ivar slowest: seconds that the longest answer took.
    """

    viewers: Counter[str] = field(default_factory=Counter)
    frames: int = 0
    cut: list[str] = field(default_factory=list)
    late: Counter[int] = field(default_factory=Counter)
    answers: dict[str, Counter[str]] = field(default_factory=dict)
    slowest: float = 0.0


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of viewer.

    :ivar share: how many of a hundred are of this kind.
    :ivar watch: watches one stream, for so many seconds.
    """

    name: str
    share: int
    watch: Callable[[float], Awaitable[None]]


class Crowd:
    """The viewers of one daemon.

    :ivar figures: what they saw.
    """

    def __init__(self, plan: Plan, dice: random.Random) -> None:
        self.figures = Figures()
        self._plan = plan
        self._dice = dice
        self._origin = f"http://127.0.0.1:{plan.port}"
        self._key = {"X-API-Key": plan.key}
        self._leaving = False

    async def run(self) -> Figures:
        """Come and go until the time is over."""
        async with AsyncExitStack() as stack:
            self._sessions = {
                version: await stack.enter_async_context(_session(version))
                for version in (aiohttp.HttpVersion10, aiohttp.HttpVersion11)
            }
            self._guest = await stack.enter_async_context(_session(source=GUEST))
            self._proxy = await stack.enter_async_context(_session(source=PROXY))
            everybody = [*self._seats(), *self._askers(), self._guessing()]
            plan, answers = self._plan, self.figures.answers
            rude = Rude(RUDE_ADDRESS, plan.port, plan.tls, plan.key, plan.cameras[0])
            everybody += rudely(rude, answers)
            tasks = [asyncio.ensure_future(what) for what in everybody]
            await asyncio.wait(tasks, timeout=self._plan.seconds)
            self._leaving = True
            ended = [task for task in tasks if task.done()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for task in ended:
                task.result()  # None should have ended: it tells why.
        return self.figures

    def _kinds(self) -> list[Kind]:
        new, old = aiohttp.HttpVersion11, aiohttp.HttpVersion10
        return [
            Kind("staying", 10, lambda _: self._plainly(new, self._plan.seconds)),
            Kind("HTTP/1.1", 42, lambda stay: self._plainly(new, stay)),
            Kind("HTTP/1.0", 10, lambda stay: self._plainly(old, stay)),
            Kind("TLS", 5, self._over_tls),
            Kind("by a link", 5, self._by_link),
            Kind("slow", 10, self._slowly),
            Kind("taking nothing", 8, self._taking_nothing),
            Kind("guest", 5, self._as_guest),
            Kind("of a passing camera", 5, self._passing_camera),
        ]

    def _seats(self) -> list[Awaitable[None]]:
        """Return each viewer's place, which is never empty for long."""
        kinds = [kind for kind in self._kinds() for _ in range(kind.share)]
        self._dice.shuffle(kinds)
        return [self._seat(kinds[n % len(kinds)]) for n in range(self._plan.viewers)]

    async def _seat(self, kind: Kind) -> None:
        while True:
            await asyncio.sleep(self._dice.uniform(0, PAUSE))
            self.figures.viewers[kind.name] += 1
            await kind.watch(self._dice.uniform(1, STAY))

    def _stream(self, camera: str | None = None) -> str:
        name = camera or self._dice.choice(self._plan.cameras)
        return f"{self._origin}/api/{name}/stream"

    async def _plainly(self, version: aiohttp.HttpVersion, stay: float) -> None:
        await self._well(self._sessions[version], self._stream(), stay, self._key)

    async def _over_tls(self, stay: float) -> None:
        name = self._dice.choice(self._plan.cameras)
        address = f"https://127.0.0.1:{self._plan.tls}/api/{name}/stream"
        session = self._sessions[aiohttp.HttpVersion11]
        await self._well(session, address, stay, self._key)

    async def _by_link(self, stay: float) -> None:
        camera = self._dice.choice(self._plan.cameras)
        session = self._sessions[aiohttp.HttpVersion11]
        wish = {"path": f"{camera}/stream", "for": LINK}
        sign = f"{self._origin}/api/sign"
        async with session.post(sign, json=wish, headers=self._key) as answer:
            link = (await answer.json())["url"]
        await self._well(session, self._origin + link, stay, {})

    async def _well(
        self,
        session: aiohttp.ClientSession,
        address: str,
        stay: float,
        headers: dict[str, str],
    ) -> None:
        """Watch properly; whatever ends it early is noted."""
        try:
            reason = await self._watch(session, address, stay, headers)
        except (aiohttp.ClientError, OSError) as error:
            reason = repr(error)
        if reason and not self._leaving and len(self.figures.cut) < CUT_MOST:
            place = address.partition("/api/")[2].partition("?")[0]
            self.figures.cut.append(f"{place}: {reason}")

    async def _watch(
        self,
        session: aiohttp.ClientSession,
        address: str,
        stay: float,
        headers: dict[str, str],
    ) -> str | None:
        """Watch a stream; return what ended it, None for this viewer itself."""
        end = time.monotonic() + stay
        async with session.get(address, headers=headers, ssl=False) as answer:
            if answer.status != 200:
                return f"status {answer.status}"
            kind = answer.headers["Content-Type"].encode()
            parser, last = Parser.from_content_type(kind), None
            async for data in answer.content.iter_any():
                for part in parser.receive(data):
                    last = self._saw(part, last)
                if time.monotonic() > end:
                    return None
        return "the stream ended"

    def _saw(self, part: Part, last: int | None) -> int:
        """Note how late a frame is, unless it may have been there before its viewer."""
        number = int(part.headers[b"x-frame"])
        self.figures.frames += 1
        if last is not None and number > max(last, 0):
            late = time.time() - float(part.headers[b"x-timestamp"])
            self.figures.late[round(late * 1000)] += 1
        return number

    async def _slowly(self, stay: float) -> None:
        end = time.monotonic() + stay
        session = self._sessions[aiohttp.HttpVersion11]
        with suppress(aiohttp.ClientError, OSError):
            async with session.get(self._stream(), headers=self._key) as answer:
                while time.monotonic() < end and await answer.content.read(SIP):
                    await asyncio.sleep(SIPS)

    async def _taking_nothing(self, stay: float) -> None:
        loop = asyncio.get_running_loop()
        address = self._stream().removeprefix(self._origin)
        lines = (
            f"GET {address} HTTP/1.1",
            "Host: camd",
            f"X-API-Key: {self._plan.key}",
        )
        with socket.socket() as connection, suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
            connection.setblocking(False)
            await loop.sock_connect(connection, ("127.0.0.1", self._plan.port))
            request = "\r\n".join([*lines, "", ""]).encode()
            await loop.sock_sendall(connection, request)
            await asyncio.sleep(stay)

    async def _as_guest(self, stay: float) -> None:
        """Watch with a key that may not hold, or not for long."""
        key = {"X-API-Key": self._dice.choice(self._plan.guests)}
        with suppress(aiohttp.ClientError, OSError):
            await self._watch(self._guest, self._stream(), stay, key)

    async def _passing_camera(self, stay: float) -> None:
        """Watch a camera that may not be there, or not for long."""
        session = self._sessions[aiohttp.HttpVersion11]
        address = self._stream(self._plan.passing)
        with suppress(aiohttp.ClientError, OSError):
            await self._watch(session, address, stay, self._key)

    def _askers(self) -> list[Awaitable[None]]:
        """Return what asks for one thing each second."""
        paths = ["/", "/metrics", "/api/cameras", "/healthz"]
        for name in self._plan.cameras:
            paths += [f"/api/{name}/stream/stats", f"/api/{name}/snapshot"]
        return [self._asking(path) for path in paths]

    async def _asking(self, path: str) -> None:
        codes = self.figures.answers[path] = Counter()
        session = self._sessions[aiohttp.HttpVersion11]
        while True:
            began = time.monotonic()
            code = await _status(session, self._origin + path, self._key)
            took = time.monotonic() - began
            codes[code] += 1
            self.figures.slowest = max(self.figures.slowest, took)
            await asyncio.sleep(max(0.0, 1 - took))

    async def _guessing(self) -> None:
        """Try wrong keys, each from another address, and all from one."""
        codes = self.figures.answers["wrong keys"] = Counter()
        one = self.figures.answers["wrong keys of one"] = Counter()
        address = self._stream()
        async with _session(source=STRANGER) as stranger:
            while True:
                client = ".".join(str(self._dice.randrange(256)) for _ in range(3))
                wrong = {"X-API-Key": "wrong", "X-Forwarded-For": f"10.{client}"}
                codes[await _status(self._proxy, address, wrong)] += 1
                one[await _status(stranger, address, {"X-API-Key": "wrong"})] += 1
                await asyncio.sleep(1 / GUESSES)


async def _status(
    session: aiohttp.ClientSession, address: str, headers: dict[str, str]
) -> str:
    """Ask, read the answer, and return its status, or what came instead."""
    try:
        async with session.get(address, headers=headers) as answer:
            await answer.read()
            return str(answer.status)
    except (aiohttp.ClientError, OSError) as error:
        return type(error).__name__


def _session(
    version: aiohttp.HttpVersion = aiohttp.HttpVersion11, source: str | None = None
) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=0, force_close=True, local_addr=(source, 0) if source else None
        ),
        version=version,
        timeout=aiohttp.ClientTimeout(),
    )


def main(plan: dict[str, Any]) -> None:
    """Run a crowd, and print what it saw."""
    crowd = Crowd(Plan(**plan), random.Random())
    figures = asyncio.run(crowd.run())
    print(
        json.dumps({each.name: getattr(figures, each.name) for each in fields(figures)})
    )


if __name__ == "__main__":
    main(json.load(sys.stdin))
