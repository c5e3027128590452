"""``muses-runbook schedule``: the jobs as systemd units, cron lines or Kubernetes CronJobs, and whether they fire."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from runbook import site_file
from runbook.cli import Exit
from runbook.commands import schedule_pages as pages
from runbook.commands.check import EXITS
from runbook.commands.options import as_json, of_language, of_site
from runbook.errors import ProbeError, ProbeFailure
from runbook.model import State
from runbook.targets.hosts import timers
from runbook.text import Text, text
from runbook.tongue import _, told

FORMS = ("systemd", "cron", "kubernetes")
#: From the best to the worst.
_GRAVITY = (State.SKIPPED, State.OK, State.WARNING, State.UNKNOWN, State.CRITICAL)
_PATIENCE = 10


@click.group(
    help=_(
        "Render the nightly and weekly jobs for systemd, cron or Kubernetes, install them, and see whether they fire"
    ),
    epilog=_("Example: muses-runbook schedule show"),
)
def schedule() -> None:
    """The root of what belongs to the schedule."""


@schedule.command(
    help=_(
        "Show when each job begins, and what happens on the nights when the clock changes. With --as, print the files "
        "instead, ready to be piped. Changes nothing."
    ),
    epilog=_(
        "Example: muses-runbook schedule show\n\n"
        "         muses-runbook schedule show --as kubernetes | kubectl apply -f -"
    ),
)
@click.option("--as", "form", type=click.Choice(FORMS), help=_("Print the files for this scheduler"))
@of_site
@of_language
@as_json
def show(form: str | None, settings: Path | None, env: str | None, lang: str | None, as_json: bool) -> int:
    """What would be installed."""
    planned, now = _schedule(settings, env), datetime.now(UTC)
    files = pages.module("rendering").rendered(planned, form) if form else {}
    said = [told(note) for note in pages.module("telling").notes(planned, now)]
    if as_json:
        _print_json({**pages.plain(planned, now), "notes": said, "files": files})
    elif form:
        click.echo("".join(pages.headed(form, files)), nl=False)
        click.echo("\n".join(said), err=True)
    else:
        click.echo(
            "\n".join((*pages.page(planned, now), "", _("When the clock changes:"), *(f"  {line}" for line in said)))
        )
    return Exit.OK


@schedule.command(
    help=_(
        "Write the files where the scheduler reads them. Without --execute it only shows what would change. With "
        "--enable, systemd takes them up at once; without, the commands for that are said."
    ),
    epilog=_(
        "Example: muses-runbook schedule install            (look)\n\n"
        "         muses-runbook schedule install --execute  (do it)"
    ),
)
@click.option("--as", "form", type=click.Choice(FORMS[:2]), default=FORMS[0], help=_("For this scheduler"))
@click.option(
    "--to",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help=_("Where to (default: /etc/systemd/system, /etc/cron.d)"),
)
@click.option("--execute", is_flag=True, help=_("Do it; without this nothing is changed"))
@click.option("--enable", is_flag=True, help=_("Make systemd take the units up, too"))
@of_site
@of_language
@as_json
def install(
    form: str,
    to: Path | None,
    execute: bool,
    enable: bool,
    settings: Path | None,
    env: str | None,
    lang: str | None,
    as_json: bool,
) -> int:
    """Look, or do it."""
    if enable and (form != "systemd" or not execute):
        raise click.UsageError(_("--enable needs --execute, and systemd"))
    installing, planned = pages.module("installing"), _schedule(settings, env)
    folder = to or pages.module("rendering").FOLDERS[form]
    due = tuple(change for change in installing.changes(planned, form, folder) if change.due)
    commands = installing.commands(planned, due) if form == "systemd" else ()
    if execute:
        installing.write(due)
    if enable:
        installing.enable(planned, due)
    if as_json:
        _print_json(
            {
                "folder": str(folder),
                "written": execute,
                "enabled": enable,
                "changes": list(map(pages.plain_change, due)),
            }
        )
    else:
        click.echo("\n".join(pages.installed(due, planned, form, commands, execute=execute, enable=enable)))
    return Exit.OK


@schedule.command(
    help=_(
        "Say of each job whether it is installed as it should be, when it last fired, how that ended, and when it "
        "comes next. Exits with 0 OK, 1 differs, 2 missing or failed, 3 cannot see."
    ),
    epilog=_("Example: muses-runbook schedule status"),
)
@click.option(
    "--to",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help=_("Where the units lie (default: /etc/systemd/system)"),
)
@of_site
@of_language
@as_json
def status(to: Path | None, settings: Path | None, env: str | None, lang: str | None, as_json: bool) -> int:
    """Look at this machine; changes nothing."""
    planned = _schedule(settings, env)
    folder = to or pages.module("rendering").FOLDERS["systemd"]
    found = pages.module("installing").changes(planned, "systemd", folder)
    seen, blind = _seen(planned.environment)
    judged = pages.module("standing").judged(planned, found, seen, datetime.now(UTC))
    if as_json:
        _print_json({"problem": told(blind) if blind else None, "jobs": [pages.plain_status(job) for job in judged]})
    else:
        click.echo("\n".join(pages.status_page(judged, blind, ZoneInfo(planned.zone))))
    return EXITS[max((job.state for job in judged), key=_GRAVITY.index)]


def _schedule(settings: Path | None, env: str | None) -> Any:
    return pages.module("jobs").schedule_of(site_file.load(settings), env)


def _seen(environment: str) -> tuple[tuple[timers.Standing, ...] | None, Text | None]:
    """What systemd tells on this machine, or why it tells nothing."""
    try:
        return timers.standings(_run, environment), None
    except ProbeError as error:
        return None, error.said


def _run(line: str) -> str:
    try:
        done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, timeout=_PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        said = text("cannot see: systemctl does not come back ({reason})", reason=type(error).__name__)
        raise ProbeError("hosts", ProbeFailure.SLOW, said) from error
    return done.stdout


def _print_json(value: object) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))
