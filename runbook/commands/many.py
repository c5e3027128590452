"""``--settings`` and ``--env`` that may be repeated: one environment is judged here, several apart from one another."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from runbook.tongue import _

Command = Callable[..., int]
#: Options of one environment: what they name is a file, a screen or a line that belongs to one run.
_OF_ONE = {"plan_to": "--plan", "watches": "--watch", "record_to": "--record", "replay": "--replay"}


def of_sites(command: Command) -> Command:
    """Add ``--settings``, ``--env`` and ``--all-environments``; the command itself sees one site file and one name."""

    @functools.wraps(command)
    def one_or_many(*, settings: tuple[Path, ...], env: tuple[str, ...], all_environments: bool, **given: Any) -> int:
        if all_environments and env:
            raise click.UsageError(_("--all-environments is every one of them: without --env"))
        if all_environments or len(settings) > 1 or len(env) > 1:
            return _many(settings, env, all_of_them=all_environments, **given)
        return command(settings=next(iter(settings), None), env=next(iter(env), None), **given)

    file = click.Path(dir_okay=False, path_type=Path)
    for decorate in (
        click.option("--all-environments", is_flag=True, help=_("Every environment of the site file")),
        click.option("--env", multiple=True, metavar="NAME", help=_("Environment of the site file; may be repeated")),
        click.option("--settings", multiple=True, type=file, metavar="FILE", help=_("The site file; may be repeated")),
    ):
        one_or_many = decorate(one_or_many)
    return one_or_many


def _many(settings: tuple[Path, ...], env: tuple[str, ...], *, all_of_them: bool, **given: Any) -> int:
    """Hand what holds for all of them on to each."""
    many: Any = importlib.import_module("runbook.commands.matrix")
    for name, option in _OF_ONE.items():
        if given.get(name):
            raise click.UsageError(_("{option} is about one environment").format(option=option))
    if "nagios" in given["formats"]:
        raise click.UsageError(_("{option} is about one environment").format(option="--format nagios"))
    deadline: timedelta | None = given["deadline"]
    asked = many.Asked(_options(**given), given["fix"], deadline, given["output"])
    code: int = many.check_many(
        settings,
        env,
        asked,
        every=all_of_them,
        formats=given["formats"],
        as_json=given["as_json"],
        quiet=given["quiet"],
    )
    return code


def _options(
    *,
    rows: tuple[str, ...],
    formats: tuple[str, ...],
    keyword: str | None,
    marks: str | None,
    params: tuple[tuple[str, str], ...],
    **_others: Any,
) -> tuple[str, ...]:
    """As they are typed; rows come last, after what ends the options."""
    words = [word for name in formats for word in ("--format", name)]
    words += [word for name, value in params for word in ("--param", f"{name}={value}")]
    words += ["-k", keyword] if keyword else []
    words += ["-m", marks] if marks else []
    return (*words, "--", *rows)
