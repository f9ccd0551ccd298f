"""The ``camd`` command, for what is done beside the running daemon.

The daemon itself is started with ``twistd camd``. What a command needs is imported when
it is given: ``camd --version`` need not wait for it.
"""

from __future__ import annotations

import os
import signal
import sys
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from pathlib import Path

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
    parser = _parser()
    options = parser.parse_args(argv)
    if not hasattr(options, "command"):
        parser.print_help()
        return 0
    from camd import commands

    try:
        status = commands.run(options, os.environ if environ is None else environ)
        sys.stdout.flush()
    except BrokenPipeError:
        # Who reads, `head` perhaps, has had enough. Without this Python says so itself.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    return status


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="camd",
        description="Look after a camera daemon. It is started with: twistd camd",
    )
    parser.add_argument("--version", action="version", version=f"camd {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    check = commands.add_parser(
        "check", help="check the settings, and show them and where each comes from"
    )
    _add_config(check)
    check.set_defaults(command="check")
    sign = commands.add_parser(
        "sign", help="make a link that opens one stream or snapshot for a while"
    )
    _add_config(sign)
    sign.add_argument("path", metavar="NAME/stream", help="or NAME/snapshot")
    sign.add_argument(
        "--for", dest="time", default="1h", help="90s, 15m, 1h, 7d (default: 1h)"
    )
    sign.add_argument("--key", help="the name of the key to sign with (default: any)")
    sign.set_defaults(command="sign")
    cameras = commands.add_parser(
        "cameras", help="list this machine's cameras, their formats and controls"
    )
    cameras.add_argument("--json", action="store_true", help="as JSON, for scripts")
    cameras.set_defaults(command="cameras")
    _add_watch(commands.add_parser("watch", help="see how fresh a camd's pictures are"))
    return parser


def _add_watch(command: ArgumentParser) -> None:
    command.add_argument("url", metavar="URL", help="of the page or of a live channel")
    command.add_argument("--stream", action="store_true", help="read a stream instead")
    command.add_argument("--json", action="store_true", help="as JSON, for scripts")
    command.add_argument("--for", dest="time", help="how long: 30s, 5m (default: ever)")
    command.add_argument(
        "--max-age",
        type=float,
        metavar="SECONDS",
        help="exit with 1 when p95 of the ages is above",
    )
    command.add_argument("--auto", action="store_true", help="sizes that fit the link")
    command.add_argument("--width", type=int, help="pixels to have at least")
    command.add_argument("--fps", type=float, help="the most pictures a second")
    command.set_defaults(command="watch")


def _add_config(command: ArgumentParser) -> None:
    command.add_argument(
        "-c",
        "--config",
        type=Path,
        metavar="FILE",
        help="the settings file (default: camd.yaml, if it is there)",
    )


if __name__ == "__main__":
    sys.exit(main())
