"""``muses-runbook report``: a stored run's reports, written again."""

from __future__ import annotations

import importlib
from pathlib import Path

import click

from runbook import site_file
from runbook.commands.options import FORMATS, of_formats, of_language, of_site
from runbook.errors import SettingsError
from runbook.site import docx_template, open_site
from runbook.tongue import _


@click.command(
    help=_("Write a stored run's report again, in another language or format. RUN is an id, a folder, or 'last'."),
    epilog=_("Example: muses-runbook report last --format markdown --lang en --output ."),
)
@click.argument("run", metavar="RUN", default="last")
@of_site
@of_formats
@click.option(
    "--output", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER", help=_("Where reports go")
)
@of_language
def report(
    run: str, settings: Path | None, env: str | None, formats: tuple[str, ...], output: Path | None, lang: str | None
) -> None:
    """Read the canonical JSON and render it."""
    folder = Path(run) if Path(run).is_dir() else folder_of(run, settings, env)
    reports = importlib.import_module("reports")
    stored = reports.read(folder)
    language, template = reports.speaking(stored.environment, lang), _template(formats, settings)
    written = reports.write(stored, output or folder, formats or FORMATS, language, template=template)
    for path in written.values():
        click.echo(path)


def _template(formats: tuple[str, ...], settings: Path | None) -> Path | None:
    """The site's Word template; None where no document is asked for, and where there is no site: a run needs none."""
    if "docx" not in formats:
        return None
    try:
        file = settings or site_file.find()
    except SettingsError:
        return None
    return docx_template(site_file.load(file))


def folder_of(run: str, settings: Path | None, env: str | None) -> Path:
    """Where a run of the history has its reports; ``last`` is the newest. Raises SettingsError for an unknown one."""
    known = open_site(site_file.load(settings), env).history.runs(1000)
    for id, _started_at, _state, folder in known:
        if folder and run in (id, "last"):
            return Path(folder)
    ids = [id for id, *_rest in known]
    raise SettingsError(_("no run {run!r} in the history").format(run=run), nearest=ids[0] if ids else None)
