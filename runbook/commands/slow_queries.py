"""``muses-runbook slow-queries``: what a PostgreSQL server's log says of its statements; needs no settings file."""

from __future__ import annotations

import re
from pathlib import Path

import click

from runbook.commands import slow_queries_pages as pages
from runbook.commands.options import as_json, of_language
from runbook.errors import ProbeError, ProbeFailure, SettingsError
from runbook.targets.slow_log.form import Bounds
from runbook.targets.slow_log.reading import UnknownForm, UnreadableLog, tallied
from runbook.targets.slow_log.sources import Source, sources
from runbook.targets.slow_log.telling import told
from runbook.text import text
from runbook.tongue import _

TARGET = "slow-queries"
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?)?")


class Moment(click.ParamType[str]):
    """``2026-11-20 10:00``, by the clock of the log."""

    name = "moment"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """As the server writes it, or say how it is written."""
        if _MOMENT.fullmatch(value):
            return value.replace("T", " ")
        return self.fail(_("{value!r} is no time such as 2026-11-20 10:00").format(value=value), param, ctx)


@click.command(
    name="slow-queries",
    help=_(
        "Tell from a PostgreSQL server's log which statements cost most and what they waited for. The log may be text "
        "with any log_line_prefix, csvlog or jsonlog, compressed (gz, zst, xz, bz2), on a host (ssh://host/path/*.log) "
        "or - for standard input. Literals are masked. Needs no settings file."
    ),
    epilog=_("Example: muses-runbook slow-queries --top 10 /var/log/postgresql/postgresql-14-main.log*"),
)
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@click.option("--top", type=click.IntRange(1), default=20, show_default=True, metavar="N", help=_("So many statements"))
@click.option("--since", type=Moment(), metavar="TIME", help=_("From this time on, by the log's clock"))
@click.option("--until", type=Moment(), metavar="TIME", help=_("Until this time, by the log's clock"))
@click.option("--prefix", metavar="FORMAT", help=_("The server's log_line_prefix (default: guessed)"))
@click.option(
    "--jobs", type=click.IntRange(1, 64), default=2, show_default=True, metavar="N", help=_("Readers at once")
)
@click.option("--ssh-config", type=click.Path(path_type=Path), metavar="FILE", help=_("ssh's configuration for ssh://"))
@of_language
@as_json
def slow_queries(
    files: tuple[str, ...],
    top: int,
    since: str | None,
    until: str | None,
    prefix: str | None,
    jobs: int,
    ssh_config: Path | None,
    lang: str | None,
    as_json: bool,
) -> int:
    """Exits with 0, or with 3 where the logs hold no record."""
    logs = _found(files, str(ssh_config or ""))
    try:
        with pages.progress(sum(log.weight for log in logs), quiet=as_json) as note:
            tally = tallied(logs, prefix, Bounds(since or "", until or ""), jobs, note)
    except UnreadableLog as error:
        raise _unreadable(error.name, error.reason) from error
    except UnknownForm as error:
        said = text("{file}: its lines have no log_line_prefix that is common: tell it with --prefix", file=error.name)
        raise SettingsError(said) from error
    found = told(tally, top)
    for line in pages.plain(found) if as_json else pages.shown(found):
        click.echo(line)
    return 0 if found.records else 3


def _found(files: tuple[str, ...], ssh_config: str) -> list[Source]:
    """The logs that were named, those of this machine from the oldest on."""
    found: list[Source] = []
    for name in files:
        try:
            found += sources(name, ssh_config)
        except OSError as error:
            raise _unreadable(name, error.strerror or str(error)) from error
    return sorted(found, key=lambda log: log.modified)


def _unreadable(name: str, reason: str) -> ProbeError:
    said = text("the log {path} cannot be read: {reason}", path=name, reason=reason)
    return ProbeError(TARGET, ProbeFailure.ABSENT, said)
