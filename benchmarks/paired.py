"""What benchmarks share whose contestants do the same work on the same rows, in one run."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.measure import row
from benchmarks.purge import data
from benchmarks.purge.ground import Ground, ground

#: What was measured, its value, and what it must be.
Row = tuple[str, str, str]


def parser(module: str, says: str | None, names: Sequence[str], rows: int) -> argparse.ArgumentParser:
    """The options that all of them have; ``names`` are the contestants, ``rows`` how many there are."""
    made = argparse.ArgumentParser(prog=f"python -m {module}", description=says)
    made.add_argument("--rows", type=int, default=rows, help="rows of tbae001_inscripcion")
    made.add_argument("--only", action="append", choices=names, help="measure this (may be given several times)")
    made.add_argument("--at", type=Path, help="a folder on the disk to measure, in place of the temporary one")
    made.add_argument("--json", type=Path, help="write all that was measured to this file, too")
    return made


def run(
    options: argparse.Namespace,
    measure: Callable[[Ground], None],
    table: Callable[[], Iterable[Row]],
    said: Callable[[], Any],
) -> None:
    """Fill a database, measure, and print the table; what was measured before something failed, too."""
    try:
        with ground(options.at) as place:
            data.fill(place, options.rows)
            measure(place)
    except KeyboardInterrupt:
        raise SystemExit("interrupted; the servers and their folder are gone") from None
    finally:
        for what, value, must in table():
            row(what, value, must)
        if options.json:
            options.json.write_bytes(msgspec.json.format(msgspec.json.encode(said())))
