"""What ``postmortem`` and ``monthly`` share: the forms of a document that people complete, and where it goes."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import click

from runbook.commands import stored_runs
from runbook.commands.options import as_json, of_language
from runbook.site import Site
from runbook.tongue import _

F = TypeVar("F", bound=Callable[..., Any])

#: The names of ``reports.drafts.SUFFIXES``, which is imported only when one is written.
FORMS = ("markdown", "html", "docx")
USUAL = ("markdown", "html")


class Draft(NamedTuple):
    """A document to write: the module of ``reports`` that knows its kind, what it tells, and its file's name."""

    room: Any
    told: Any
    name: str


def of_draft(where: str) -> Callable[[F], F]:
    """``--format``, ``--output`` (whose help is ``where``), ``--replace``, ``--lang`` and ``--json``."""
    folder = click.Path(file_okay=False, path_type=Path)

    def add(command: F) -> F:
        command = of_language(as_json(command))
        command = click.option("--replace", is_flag=True, help=_("Write anew what is there already"))(command)
        command = click.option("--output", type=folder, metavar="FOLDER", help=where)(command)
        words = _("Forms (default: markdown and html)")
        return click.option("--format", "forms", multiple=True, type=click.Choice(FORMS), help=words)(command)

    return add


def show(draft: Draft, site: Site, folder: Path, *, forms: Sequence[str], lang: str | None, replace: bool) -> None:
    """Write the document in each form and print its paths. Raises ReportError where one is there already."""
    language = importlib.import_module("reports").speaking(site.environment, lang)
    suffixes = importlib.import_module("reports.drafts").SUFFIXES
    stem = importlib.import_module("reports.clean").file_stem(draft.name)
    files = {
        f"{stem}{suffixes[form]}": partial(draft.room.render, draft.told, form, language, site.docx_template)
        for form in forms or USUAL
    }
    for path in stored_runs.write(folder, files, replace=replace):
        click.echo(path)
