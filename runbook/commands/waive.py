"""``muses-runbook waive``: the waiver of what the last run saw, ready for the site's file of waivers."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import click
import msgspec

from runbook import site_file
from runbook.commands import catalogue
from runbook.commands.options import of_language, of_site
from runbook.commands.report import folder_of
from runbook.errors import SettingsError
from runbook.model import BREACHED, Measure, Record, Run, State, Verdict, final
from runbook.rows import find
from runbook.settings import Waiver
from runbook.site import open_site
from runbook.text import Quantity
from runbook.tongue import _


class Day(click.ParamType[date]):
    """``2026-12-31``."""

    name = "day"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """Read it, or say how it is written."""
        try:
            return value if isinstance(value, date) else date.fromisoformat(str(value))
        except ValueError:
            self.fail(_("{value!r} is not of the form 2026-12-31").format(value=value), param, ctx)


@click.command(
    help=_(
        "Print the waiver of a row's breach as the last run (or --run) saw it: append it to the file that waivers_file "
        "names. It holds until its day, and no longer than nothing gets worse; nothing is hidden by it."
    ),
    epilog=_(
        "Example: muses-runbook waive SEC-03 --owner 'Ana Ruiz' --approver 'Luis Mora' "
        "--reason 'se cambia en la 2.4' --until 2026-12-31 >> waivers.toml"
    ),
)
@click.argument("row", metavar="ROW")
@click.option("--owner", required=True, metavar="NAME", help=_("Who mends it"))
@click.option("--approver", required=True, metavar="NAME", help=_("Who accepts it meanwhile: somebody else"))
@click.option("--reason", required=True, metavar="TEXT", help=_("Why it is accepted"))
@click.option("--until", required=True, type=Day(), metavar="DAY", help=_("Its last day"))
@click.option("--run", "run_id", default="last", metavar="RUN", help=_("The run that saw it (default: the last)"))
@of_site
@of_language
def waive(
    row: str,
    owner: str,
    approver: str,
    reason: str,
    until: date,
    run_id: str,
    settings: Path | None,
    env: str | None,
    lang: str | None,
) -> None:
    """Write nothing: the person who answers for it puts it where it counts."""
    site = open_site(site_file.load(settings), env, language=lang)
    catalogue.load_rows(site.settings)
    record = _record_of(find(row).id, run_id, settings, env)
    seen = {m.object: _seen(m) for m in final(record).measures if m.state in BREACHED}
    given = {"owner": owner, "approver": approver, "reason": reason, "start": site.today(), "expires": until}
    try:
        waiver = msgspec.convert({**given, "row": record.row, "state": _state(final(record)), "seen": seen}, Waiver)
    except (ValueError, msgspec.ValidationError) as error:
        raise SettingsError(str(error), key=f"waivers.{record.row}") from None
    click.echo("\n".join(_lines(waiver)))


def _record_of(row: str, run_id: str, settings: Path | None, env: str | None) -> Record:
    folder = Path(run_id) if Path(run_id).is_dir() else folder_of(run_id, settings, env)
    run: Run = importlib.import_module("reports").read(folder)
    found = next((record for record in run.records if record.row == row), None)
    if found is None:
        raise SettingsError(_("the run {run} did not judge {row}").format(run=run.id, row=row))
    return found


def _state(verdict: Verdict) -> str:
    if verdict.state in (State.OK, State.SKIPPED):
        raise SettingsError(_("the row is {state} in that run: there is nothing to waive").format(state=verdict.state))
    return verdict.state.value


def _seen(measure: Measure) -> float | str:
    return measure.value.value if isinstance(measure.value, Quantity) else measure.state.value


def _lines(waiver: Waiver) -> Iterator[str]:
    yield "\n[[waivers]]"
    for name in ("row", "owner", "approver", "reason", "start", "expires", "state"):
        value = getattr(waiver, name)
        yield f"{name} = {value if isinstance(value, datetime | date) else _quoted(value)}"
    if waiver.seen:
        yield "[waivers.seen]"
        yield from (f"{_quoted(name)} = {_quoted(value)}" for name, value in waiver.seen.items())


def _quoted(value: object) -> str:
    """Texts and numbers are written in TOML as JSON writes them."""
    return json.dumps(value, ensure_ascii=False)
