"""``muses-runbook nightly``: every environment judged, mended where policy lets, its reports kept and published."""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from runbook import site_file
from runbook.cli import Exit, complain
from runbook.commands.check_many import Interrupted, Outcome, judge_all
from runbook.commands.driving import EXITS
from runbook.commands.nightly.keeping import alone, writing_pages
from runbook.commands.nightly.pages import Pages, nights_of, write_pages
from runbook.commands.nightly.tickets import could_deliver
from runbook.commands.options import as_json, of_language
from runbook.errors import DeliveryError, HistoryError, SettingsError
from runbook.model import State, worst, worst_of
from runbook.redact import masked_text
from runbook.settings import Settings
from runbook.site import state_folder
from runbook.text import text
from runbook.tongue import _, told


@click.command(
    help=_(
        "The compliance run of the night: judge every environment, apply remedies where policy lets them, keep the "
        "reports, and write and publish an index with a calendar and trends. An environment that cannot be judged "
        "hides none of the others. Exits with the worst: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN; 75 where another "
        "nightly run is under way."
    ),
    epilog=_(
        "Example: muses-runbook nightly\n\n"
        "         muses-runbook nightly --env prod --env qa --no-fix\n\n"
        "         muses-runbook nightly --only-pages   (write the index again)"
    ),
)
@click.option("--env", "named", multiple=True, metavar="NAME", help=_("Only this environment; may be repeated"))
@click.option("--settings", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help=_("The site file"))
@click.option("--fix/--no-fix", default=None, help=_("Apply remedies where policy lets them (default: the site's)"))
@click.option("--only-pages", is_flag=True, help=_("Judge nothing: write the index again, publish what is missing"))
@of_language
@as_json
@click.option("-q", "--quiet", is_flag=True, help=_("Say nothing but errors"))
def nightly(
    named: tuple[str, ...],
    settings: Path | None,
    fix: bool | None,
    only_pages: bool,
    lang: str | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """All of it, see the help."""
    site = site_file.load(settings)
    names = _names(site, named)
    _prove_formats(site)
    acts = site.site.nightly.fix if fix is None else fix
    with alone(state_folder(site), names):
        outcomes, interrupted = ((), False) if only_pages else _judged(site, names, fix=acts)
        whole = [_could_note(site, outcome) and could_deliver(site, outcome, lang) for outcome in outcomes]
        pages = _pages(site, lang)
    if as_json:
        click.echo(json.dumps(_plain(outcomes, pages), ensure_ascii=False, indent=2))
    elif not quiet:
        click.echo("\n".join(_lines(outcomes, pages)))
    if interrupted:
        return Exit.INTERRUPTED
    return _exit_code(outcomes, complete=all(whole) and pages is not None and pages.error is None)


def _judged(settings: Settings, names: Sequence[str], *, fix: bool) -> tuple[tuple[Outcome, ...], bool]:
    """What came of each environment, and whether somebody ended it before its time: what there is, is kept."""
    nightly = settings.site.nightly
    formats = tuple(dict.fromkeys(("json", *nightly.formats)))
    try:
        return judge_all(settings, names, formats=formats, fix=fix, patience=nightly.longest), False
    except Interrupted as stopped:
        return stopped.outcomes, True


def _names(settings: Settings, named: Sequence[str]) -> tuple[str, ...]:
    """The environments to judge. Raises SettingsError with the nearest name."""
    wanted = named or settings.site.nightly.environments or tuple(settings.environments)
    if not wanted:
        raise SettingsError(text("there is no environment to judge"), key="environments", file=settings.file)
    return tuple(dict.fromkeys(settings.environment(name)[0] for name in wanted))


def _prove_formats(settings: Settings) -> None:
    known = importlib.import_module("reports").FORMATS
    for name in settings.site.nightly.formats:
        if name not in known:
            said = text("No report format {unknown}: there are {known}", unknown=name, known=", ".join(known))
            raise SettingsError(said, key="site.nightly.formats", file=settings.file)


def _could_note(settings: Settings, outcome: Outcome) -> bool:
    """Remember the night; what stands in the way is said."""
    at = outcome.run.started_at if outcome.run else datetime.now(UTC)
    said = importlib.import_module("reports.clean").outgoing(outcome.error)
    try:
        with closing(nights_of(settings, outcome.environment)) as nights:
            nights.note(at, outcome.run.id if outcome.run else "", _state(outcome), said)
    except HistoryError as error:
        complain(told(error.said))
        return False
    return True


def _pages(settings: Settings, language: str | None) -> Pages | None:
    """The pages of all of the site's environments, whichever were judged now; what stands in the way is said."""
    names = settings.site.nightly.environments or tuple(settings.environments)
    try:
        with writing_pages(state_folder(settings)):
            pages = write_pages(settings, names, language)
    except (DeliveryError, HistoryError) as error:
        complain(told(error.said))
        return None
    if pages.error is not None:
        complain(told(pages.error))
    return pages


def _state(outcome: Outcome) -> State:
    return worst_of(outcome.run) if outcome.run else State.UNKNOWN


def _why(outcome: Outcome) -> str:
    """Why there is no run, masked: it may be what a program said last."""
    return masked_text(told(outcome.error)) if outcome.error else ""


def _exit_code(outcomes: Sequence[Outcome], *, complete: bool) -> int:
    code = EXITS[worst([_state(outcome) for outcome in outcomes])]
    return Exit.NO_REPORT if code is Exit.OK and not complete else code


def _lines(outcomes: Sequence[Outcome], pages: Pages | None) -> list[str]:
    width = max((len(outcome.environment) for outcome in outcomes), default=0)
    lines = [
        f"{outcome.environment:<{width}}  {_state(outcome):<8}  {_why(outcome) or outcome.folder}"
        for outcome in outcomes
    ]
    if pages is not None:
        lines.append(told(text("Index: {path}", path=pages.page)))
        if pages.published is not None:
            said = text(
                "Published in {where} (files written: {count})", where=pages.where, count=pages.published.written
            )
            lines.append(told(said))
        if pages.let_go:
            lines.append(told(text("Nights that were kept long enough, removed: {count}", count=pages.let_go)))
    return lines


def _plain(outcomes: Sequence[Outcome], pages: Pages | None) -> dict[str, Any]:
    return {
        "environments": [
            {
                "environment": outcome.environment,
                "run": outcome.run.id if outcome.run else None,
                "worst": _state(outcome),
                "folder": str(outcome.folder) if outcome.folder else None,
                "error": _why(outcome) or None,
            }
            for outcome in outcomes
        ],
        "index": str(pages.page) if pages else None,
        "published": pages.where if pages and pages.published else None,
        "written": pages.published.written if pages and pages.published else 0,
        "let_go": pages.let_go if pages else 0,
    }
