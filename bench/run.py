"""Measures camd beside the C floor, and prints one table: ``python -m bench.run``."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from bench import machine
from bench.compiled import BUILD
from bench.pictures import HD, VGA, make_folder
from bench.report import Row, document, table
from bench.rig import Rig
from bench.rows import ROWS, chosen
from bench.servers import NotStarted

if TYPE_CHECKING:
    from collections.abc import Sequence


def parsed(words: Sequence[str]) -> argparse.Namespace:
    """The command line. Ends the program when it makes no sense."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--rows", help="names with commas between: " + ", ".join(ROWS))
    parser.add_argument("--seconds", type=float, help="length of a window (6, quick 3)")
    parser.add_argument(
        "--rounds", type=int, help="camd and floor in turn (2, quick 1)"
    )
    parser.add_argument("--quick", action="store_true", help="under two minutes")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write it all there")
    options = parser.parse_args(words)
    try:
        options.rows = chosen(options.rows, options.quick)
    except ValueError as error:
        parser.error(str(error))
    return options


def rig_for(options: argparse.Namespace) -> Rig:
    """The rig that the command line asks for; makes the pictures at first."""
    quick: bool = options.quick
    pictures = BUILD / "pictures"
    return Rig(
        make_folder(pictures, VGA),
        make_folder(pictures, HD),
        options.seconds or (3.0 if quick else 6.0),
        options.rounds or (1 if quick else 2),
        quick,
    )


# No frames come as no figures, or as a division by zero.
FAILURES = (
    NotStarted,
    OSError,
    LookupError,
    ArithmeticError,
    subprocess.SubprocessError,
)


def measured(name: str, rig: Rig) -> list[Row]:
    """One measurement's rows.

    One that fails counts as missed and says why; the others go on.
    """
    began = time.monotonic()
    try:
        found = ROWS[name](rig)
    except FAILURES as error:
        found = Row(name, met=False, note=f"{type(error).__name__}: {error}")
    print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return found if isinstance(found, list) else [found]


def main(words: Sequence[str]) -> int:
    """Runs the benchmark; 0 when no bar was missed, 1 otherwise."""
    options = parsed(words)
    rig = rig_for(options)
    where = machine.describe(datetime.now(timezone.utc))
    rows = [row for name in options.rows for row in measured(name, rig)]
    print(machine.line(where), table(rows), sep="\n\n")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(document(where, rows), indent=1, ensure_ascii=False)
        options.json.write_text(text + "\n", encoding="utf-8")
    return int(any(row.met is False for row in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
