"""The ``camd`` command: start the daemon in the foreground, and what is done beside it.

``twistd camd`` starts the same service, in the background unless it is told otherwise.
What a command needs is imported when it is given: ``camd --version`` need not wait.
"""

from __future__ import annotations

import os
import signal
import sys
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import shtab

from camd import __version__

BROKEN_PIPE = 128 + signal.SIGPIPE
"""The exit status when nobody reads the output any more, as a shell would tell it."""


def main(
    argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None
) -> int:
    """Run one command and return its exit status: 0, or 1 with the reason on stderr.

    :param argv: the arguments after the program's name; None for the process's own.
    :param environ: the environment's variables; None for the process's own.
    """
    options = parser().parse_args(argv)
    if not hasattr(options, "command"):
        parser().print_help()
        return 0
    from camd import commands

    try:
        status = commands.run(options, os.environ if environ is None else environ)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader, such as `head`, has had enough. Python would say so itself.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    return status


def parser() -> ArgumentParser:
    """Return the parser of the command line."""
    parser = ArgumentParser(
        prog="camd",
        description="A camera daemon: one camera, any number of viewers, MJPEG over"
        " HTTP.",
    )
    parser.add_argument("--version", action="version", version=f"camd {__version__}")
    shtab.add_argument_to(
        parser,
        "--print-completion",
        help="print a completion script for a shell, and exit",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    run = _add(commands, "run", "start the daemon in the foreground; it logs to stdout")
    _add_config(run)
    init = _add(
        commands, "init", "write a settings file with every key and its meaning"
    )
    init.add_argument(
        "file",
        nargs="?",
        type=Path,
        default=Path("camd.yaml"),
        metavar="FILE",
        help="the file to write (default: camd.yaml); must not exist yet",
    ).complete = shtab.FILE  # type: ignore[attr-defined]
    check = _add(
        commands,
        "check",
        "check the settings, and show them and where each comes from",
    )
    _add_config(check)
    sign = _add(
        commands, "sign", "make a link that opens one address of a camera for a while"
    )
    _add_config(sign)
    sign.add_argument(
        "path", metavar="NAME/stream", help="or snapshot, live, frame, embed"
    )
    sign.add_argument(
        "--for",
        dest="time",
        default="1h",
        help="for how long: 90s, 15m, 1h, 7d (default: 1h)",
    )
    sign.add_argument("--key", help="the name of the key to sign with (default: any)")
    cameras = _add(
        commands, "cameras", "list this machine's cameras, their formats and controls"
    )
    cameras.add_argument("--json", action="store_true", help="as JSON, for scripts")
    _add_watch(_add(commands, "watch", "see how fresh a camd's pictures are"))
    return parser


def _add(commands: Any, name: str, does: str) -> ArgumentParser:
    """Add a command.

    :param commands: what ``add_subparsers`` returned.
    :param does: what it does, for the list of commands and for its own help.
    """
    sentence = f"{does[0].upper()}{does[1:]}."
    command: ArgumentParser = commands.add_parser(name, help=does, description=sentence)
    command.set_defaults(command=name)
    return command


def _add_watch(command: ArgumentParser) -> None:
    command.add_argument("url", metavar="URL", help="the page's, or a live channel's")
    command.add_argument("--stream", action="store_true", help="read a stream instead")
    command.add_argument("--json", action="store_true", help="as JSON, for scripts")
    command.add_argument(
        "--for", dest="time", help="how long: 30s, 5m (default: until Ctrl+C)"
    )
    command.add_argument(
        "--settle",
        metavar="TIME",
        help="leave so much of that out of the total: 10s (default: none)",
    )
    command.add_argument(
        "--max-age",
        type=float,
        metavar="SECONDS",
        help="exit with 1 if p95 of the ages is above this",
    )
    command.add_argument(
        "--auto", action="store_true", default=None, help="take sizes that fit the link"
    )
    command.add_argument(
        "--width", type=int, metavar="PIXELS", help="the least width of pictures"
    )
    command.add_argument(
        "--fps", type=float, metavar="RATE", help="the most pictures a second"
    )


def _add_config(command: ArgumentParser) -> None:
    command.add_argument(
        "-c",
        "--config",
        type=Path,
        metavar="FILE",
        help="the settings file (default: camd.yaml, if it is there)",
    ).complete = shtab.FILE  # type: ignore[attr-defined]
