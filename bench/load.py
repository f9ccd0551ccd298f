"""Runs the load client, and reads what it measured."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from typing import TYPE_CHECKING

from bench.compiled import program
from bench.servers import CLIENT_CORE, pinned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.servers import Server

Figures = dict[str, float]
Options = Mapping[str, float | str]


def words(options: Options) -> list[str]:
    """The options as a command line has them: ``slow_rate`` as --slow-rate."""
    pairs = ((f"--{name.replace('_', '-')}", str(options[name])) for name in options)
    return [word for pair in pairs for word in pair]


def read(output: str) -> Figures:
    """The client's figures. One that it has no value for (null) is left out."""
    values: dict[str, float | None] = json.loads(output)
    return {name: value for name, value in values.items() if value is not None}


def load(server: Server, options: Options, prefix: Sequence[str] = ()) -> Figures:
    """Watches a server, and measures it.

    :param options: those of ``load.c``, with underscores.
    :param prefix: a command to run the client with, such as one that enters a
        network namespace.
    :raises subprocess.CalledProcessError: when the client fails.
    """
    where: Options = {
        "host": server.host,
        "port": server.port,
        "path": server.path,
        "pid": server.pid,
    }
    client = pinned(CLIENT_CORE, [str(program("load"))])
    command = [*prefix, *client, *words({**where, **options})]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return read(done.stdout)
