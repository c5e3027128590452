"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import click

from runbook.tongue import _
from runbook.units import parse_duration

F = TypeVar("F", bound=Callable[..., Any])
#: The formats that every run leaves, and those that are written when they are asked for.
FORMATS = ("json", "html", "markdown", "junit")
ON_REQUEST = ("markdown:gitlab", "markdown:jira", "docx", "pdf", "nagios", "prometheus")


class Duration(click.ParamType[timedelta]):
    """``15s``, ``2 min``."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Read it, or say how it is written."""
        if isinstance(value, timedelta):
            return value
        try:
            return parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Given(click.ParamType[tuple[str, str]]):
    """``desde=2024-01-01``."""

    name = "parameter"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Take it apart, or say how it is written."""
        if isinstance(value, tuple):
            return value
        name, equals, given = str(value).partition("=")
        if not equals or not name.strip().isidentifier():
            self.fail(_("{value!r} is not of the form NAME=VALUE").format(value=value), param, ctx)
        return name.strip(), given


def with_params(command: F) -> F:
    """``--param``."""
    words = _("Value of a variable of the SQL rows, such as desde=2024-01-01; may be repeated")
    return click.option("--param", "params", multiple=True, type=Given(), metavar="NAME=VALUE", help=words)(command)


def of_site(command: F) -> F:
    """``--settings`` and ``--env``."""
    command = click.option("--env", metavar="NAME", help=_("Environment of the site file"))(command)
    file = click.Path(dir_okay=False, path_type=Path)
    return click.option("--settings", type=file, metavar="FILE", help=_("The site file"))(command)


def of_formats(command: F) -> F:
    """``--format``."""
    choice = click.Choice((*FORMATS, *ON_REQUEST))
    words = _("Report formats, may be repeated (default: json, html, markdown and junit)")
    return click.option("--format", "formats", multiple=True, type=choice, help=words)(command)


def of_language(command: F) -> F:
    """``--lang``."""
    choice = click.Choice(["es", "en"])
    return click.option("--lang", type=choice, help=_("Language of what is shown (default: the site's)"))(command)


def of_signer(*, required: bool) -> Callable[[F], F]:
    """``--as``, ``--reason`` and ``--key``: who approves a plan file, why, and with which key."""

    def add(command: F) -> F:
        file = click.Path(dir_okay=False, path_type=Path)
        command = click.option(
            "--key", type=file, metavar="FILE", help=_("Your SSH key, where the site signs with ssh")
        )(command)
        command = click.option("--reason", required=required, metavar="TEXT", help=_("Why it may run"))(command)
        return click.option("--as", "name", required=required, metavar="NAME", help=_("Who approves"))(command)

    return add


def as_json(command: F) -> F:
    """``--json``."""
    return click.option("--json", "as_json", is_flag=True, help=_("Print JSON"))(command)
