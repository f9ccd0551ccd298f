"""The ``camd`` command, for what is done beside the running daemon.

The daemon itself is started with ``twistd camd``.
"""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from camd import __version__
from camd.config import ConfigError, Loaded, load
from camd.config.masking import MASK, mask_url
from camd.config.settings import CAMERA_KEYS, KEYS, StreamSettings

DEFAULT_FILE = Path("camd.yaml")
"""The settings file where no other is named; in the current folder."""

_Run = Callable[[Namespace, Mapping[str, str]], int]


def main(
    argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None
) -> int:
    """Run one command and give its exit status: 0, or 1 with the reason on stderr.

    :param argv: the arguments after the program's name; None for the process's own.
    :param environ: the environment's variables; None for the process's own.
    """
    parser = _parser()
    options = parser.parse_args(argv)
    run: _Run | None = getattr(options, "run", None)
    if run is None:
        parser.print_help()
        return 0
    try:
        return run(options, os.environ if environ is None else environ)
    except ConfigError as error:
        for problem in error.problems:
            print(f"camd: {problem}", file=sys.stderr)
        return 1


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
    check.set_defaults(run=_check)
    return parser


def _add_config(command: ArgumentParser) -> None:
    command.add_argument(
        "-c",
        "--config",
        type=Path,
        metavar="FILE",
        help=f"the settings file (default: {DEFAULT_FILE}, if it is there)",
    )


def _check(options: Namespace, environ: Mapping[str, str]) -> int:
    path: Path | None = options.config
    if path is None and DEFAULT_FILE.exists():
        path = DEFAULT_FILE
    loaded = load(path, environ)
    if path is None:
        print(f"# There is no {DEFAULT_FILE} here: these are the defaults.")
    print("\n".join(report(loaded)))
    return 0


def report(loaded: Loaded) -> Iterator[str]:
    """The settings in force as lines ``key = value  # origin``, secrets masked."""
    settings, origins = loaded.settings, loaded.origins
    keys = sorted(set(KEYS) - {"cameras"}, key=_order)
    yield from _aligned(
        "", [(key, _shown(settings, key), origins[key]) for key in keys]
    )
    for name, camera in settings.cameras.items():
        yield ""
        yield f"cameras.{name}"
        keys = sorted(CAMERA_KEYS, key=_order)
        rows = [
            (key, _shown(camera, key), origins[f"cameras.{name}.{key}"]) for key in keys
        ]
        yield from _aligned("  ", rows)


def _order(key: str) -> tuple[bool, int]:
    """What is unlike for each daemon and camera first, then the stream's keys."""
    return key in StreamSettings.model_fields, (*KEYS, *CAMERA_KEYS).index(key)


def _shown(settings: StreamSettings, key: str) -> str:
    value = getattr(settings, key)
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {MASK}" for name in value) or "none"
    if isinstance(value, tuple):
        return ", ".join(map(mask_url, value)) or "none"
    if isinstance(value, bool):
        return str(value).lower()
    return mask_url(str(value)) or '""'


def _aligned(indent: str, rows: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    # 24: one long address should not push all the origins out of sight.
    width = max(24, *(len(value) for _, value, _ in rows if len(value) <= 40))
    for key, value, origin in rows:
        yield f"{indent}{key:{20 - len(indent)}} = {value:{width}}  # {origin}"


if __name__ == "__main__":
    sys.exit(main())
