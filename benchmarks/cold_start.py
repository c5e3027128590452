"""How long a person waits before anything is done: help, version, list, from cold."""

from __future__ import annotations

import sys

from benchmarks.measure import COMMAND, row, side_by_side


def main() -> None:
    """Measure beside a bare interpreter."""
    took = side_by_side(
        {
            "python -c pass": [sys.executable, "-c", "pass"],
            "--help": [COMMAND, "--help"],
            "--version": [COMMAND, "--version"],
            "list": [COMMAND, "list"],
        }
    )
    row("bare interpreter", f"{took['python -c pass'] * 1000:.0f} ms", "–")
    row("`--help`", f"{took['--help'] * 1000:.0f} ms", "≤ 120 ms")
    row("`--version`", f"{took['--version'] * 1000:.0f} ms", "≤ 120 ms")
    row("`list`", f"{took['list'] * 1000:.0f} ms", "≤ 400 ms")


if __name__ == "__main__":
    main()
