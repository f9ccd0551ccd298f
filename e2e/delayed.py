"""A relay that carries bytes from one address to another, some time later."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

PIECE = 16 * 1024
"""Bytes that are read at once."""


@contextmanager
def relay(host: str, port: int, delay: float = 0.0) -> Iterator[int]:
    """Relay to a port of 127.0.0.1.

    :param host: the address to listen on.
    :param delay: seconds that bytes take longer, each way.
    :return: the port that it listens on.
    """
    loop = asyncio.new_event_loop()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        later: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(64)

        async def write() -> None:
            while True:
                due, data = await later.get()
                await asyncio.sleep(max(0.0, due - loop.time()))
                if not data:
                    break
                writer.write(data)
                await writer.drain()

        writing = asyncio.create_task(write())
        data = b"?"
        with suppress(OSError):
            while data:
                data = await reader.read(PIECE)
                await later.put((loop.time() + delay, data))
            await writing
        writing.cancel()
        writer.close()

    async def connected(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        there = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(
            carry(reader, there[1]), carry(there[0], writer), return_exceptions=True
        )

    async def ended() -> None:
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    server = loop.run_until_complete(asyncio.start_server(connected, host, 0))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(ended())
        loop.close()
