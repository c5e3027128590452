"""Options of the commands of the archive: which batches, which days, whose record."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any, TypeVar

import click

from runbook.tongue import _

F = TypeVar("F", bound=Callable[..., Any])
_HASH = 64


class Day(click.ParamType[date]):
    """``2024-03-31``."""

    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """Read it, or say how it is written."""
        try:
            return value if isinstance(value, date) else date.fromisoformat(value)
        except ValueError:
            self.fail(_("{value!r} is no day such as 2024-03-31").format(value=value), param, ctx)


class CurpHash(click.ParamType[str]):
    """64 hex digits. What is given instead is never repeated: it may be a CURP."""

    name = "hash"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read it, or say what it is."""
        digits = str(value).lower()
        if len(digits) == _HASH and set(digits) <= set("0123456789abcdef"):
            return digits
        return self.fail(
            _("give the SHA-256 of the CURP in upper case, 64 hex digits; never the CURP itself"), param, ctx
        )


def of_batches(command: F) -> F:
    """The options that choose batches."""
    options = (
        click.option("--table", "tables", multiple=True, metavar="NAME", help=_("Only this table, or such a pattern")),
        click.option("--from", "since", type=Day(), metavar="DAY", help=_("From this day of the records' time on")),
        click.option("--to", "last", type=Day(), metavar="DAY", help=_("Up to this day, included")),
        click.option("--subsystem", type=int, metavar="NUMBER", help=_("Only records of this subsystem")),
        click.option("--run", metavar="ID", help=_("Only what this run of the purge archived")),
    )
    for option in reversed(options):
        command = option(command)
    return command
