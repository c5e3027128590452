"""``muses-runbook policy explain``: what policy would say, of which row, when, and which rule says so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import click

from runbook import policy as rules
from runbook import site_file
from runbook.commands import catalogue
from runbook.commands.options import as_json, of_language, of_site
from runbook.errors import HistoryError, SettingsError
from runbook.model import Choice, Decision, Effect, Plan, Proof, Risk, Step
from runbook.rows import Row
from runbook.site import Site, open_site
from runbook.text import Text, text
from runbook.tongue import _, told

#: How a decision is told: act and ask by themselves, or not at all.
ANSWERS = {Choice.ACT: "act", Choice.ASK: "ask", Choice.LEAVE: "never"}

_ALWAYS = timedelta(days=3650)


@click.group(
    help=_("Tell what policy says of a row at a time, and which rule says so"),
    epilog=_("Example: muses-runbook policy explain ETL-01 --env prod --at '2026-11-24 03:00'"),
)
def policy() -> None:
    """The policy of the site file."""


@policy.command(
    help=_(
        "Say whether the remedies of the rows (all, or those named) would act, ask or do nothing, with --fix at that "
        "time, and which rule says so. Supposes a confirmed cause and a plan that touches one object at the row's own "
        "risk, unless told otherwise. How often a row was tried is read from the history. Changes nothing."
    ),
    epilog=_("Example: muses-runbook policy explain ETL-01 --env prod --at '2026-11-24 03:00'"),
)
@click.argument("rows", nargs=-1, metavar="[ROW]...")
@of_site
@click.option("--at", metavar="TIME", help=_("Local time of the site, such as '2026-11-24 03:00' (default: now)"))
@click.option("--risk", type=click.Choice([risk.value for risk in Risk]), help=_("Risk of the plan"))
@click.option("--touches", type=int, default=1, show_default=True, help=_("How many objects the plan touches"))
@click.option("--of", "population", type=int, help=_("Of how many there are"))
@of_language
@as_json
def explain(
    rows: tuple[str, ...],
    settings: Path | None,
    env: str | None,
    at: str | None,
    risk: str | None,
    touches: int,
    population: int | None,
    lang: str | None,
    as_json: bool,
) -> None:
    """One answer a row."""
    site = open_site(site_file.load(settings), env, fixing=True, language=lang)
    chosen = [row for row in catalogue.chosen_rows(rows, site.settings) if row.treatment or rows]
    catalogue.prove_overrides(site.settings)
    when = _moment(at, site.zone)
    answers = [_answer(row, site, when, _plan(row, risk, touches, population)) for row in chosen]
    if as_json:
        click.echo(json.dumps(answers, ensure_ascii=False, indent=2))
        return
    for line in _lines(answers, site, when):
        click.echo(line)


def _answer(row: Row, site: Site, at: datetime, plan: Plan) -> dict[str, Any]:
    """What the policy itself decides on the supposed plan."""
    if row.treatment is None:
        return _said(row, rules.leave("remedy", text("The row has no remedy: a person decides")))
    return _said(row, rules.decide(plan, _circumstances(row, site, at, plan)))


def _said(row: Row, decision: Decision) -> dict[str, Any]:
    answer = "ask" if decision.rule == rules.SIGNATURE else ANSWERS[decision.choice]
    return {"row": row.id, "answer": answer, "rule": decision.rule, "reason": told(decision.reason)}


def _circumstances(row: Row, site: Site, at: datetime, plan: Plan) -> rules.Circumstances:
    attempts: tuple[datetime, ...] | None
    try:
        attempts = _until(at, site.history.attempts(row.id, _ALWAYS))
        spent = _until(at, site.history.attempts_of_all_rows(_ALWAYS))
    except HistoryError:
        attempts = spent = None
    return rules.Circumstances(
        row=row.id,
        fixing=True,
        local_time=at,
        proofs=(Proof.CONFIRMED,),
        attempts=attempts,
        spent=spent,
        effects=(Effect.CHANGE,) * len(plan.steps),
        settings=site.settings.policy,
    )


def _until(at: datetime, attempts: tuple[datetime, ...]) -> tuple[datetime, ...]:
    """Those that were made by then: a time in the past is asked about as it was."""
    return tuple(one for one in attempts if one <= at)


def _plan(row: Row, risk: str | None, touches: int, population: int | None) -> Plan:
    own = row.treatment.risk if row.treatment else Risk.MEDIUM
    step = Step(what=Text("?"), target="?", operation="?", touches=touches, population=population)
    return Plan(remedy=row.id, steps=(step,), risk=Risk(risk) if risk else own)


def _moment(written: str | None, zone: tzinfo) -> datetime:
    if written is None:
        return datetime.now(zone)
    try:
        at = datetime.fromisoformat(written)
    except ValueError:
        raise SettingsError(
            _("{written!r} is no time: write 2026-11-24 03:00").format(written=written), key="--at"
        ) from None
    return at.replace(tzinfo=zone) if at.tzinfo is None else at.astimezone(zone)


def _lines(answers: list[dict[str, Any]], site: Site, at: datetime) -> Iterator[str]:
    yield f"{site.environment.site} · {site.environment.name} · {at:%Y-%m-%d %H:%M} {at:%z}"
    width = max((len(answer["row"]) for answer in answers), default=0)
    for answer in answers:
        yield f"{answer['row']:<{width}}  {answer['answer']:<5}  {answer['rule']}  {answer['reason']}"
