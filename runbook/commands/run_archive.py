"""``muses-runbook run restore-archive``, ``verify-archive`` and ``search-archive``: the archive of purged records."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import click

from runbook import site_file
from runbook.acting.copies import open_journal
from runbook.acting.locks import acting_alone, acting_on
from runbook.cli import Exit, complain
from runbook.commands import archive_pages as pages
from runbook.commands.archive_options import CurpHash, of_batches
from runbook.commands.options import as_json, of_language, of_site
from runbook.errors import NotConfigured, RunbookError
from runbook.run_id import new_run_id
from runbook.site import Site, open_site
from runbook.targets.postgres.access import Access
from runbook.tongue import _, told


@click.command(
    "verify-archive",
    help=_(
        "Read archived batches back, every byte, and hold them against their manifests. Exits with 0 when all are "
        "right, 2 when one is damaged or missing, 3 when one could not be read or there is none."
    ),
    epilog=_("Example: muses-runbook run verify-archive --table tbae001_inscripcion --sample 5"),
)
@of_batches
@click.option("--sample", type=click.IntRange(1), metavar="N", help=_("Only N batches, by chance"))
@of_site
@of_language
@as_json
def verify_archive(
    sample: int | None, settings: Path | None, env: str | None, lang: str | None, as_json: bool, **asked: Any
) -> int:
    """See the help."""
    site = open_site(site_file.load(settings), env)
    with _part("reading").opened(site) as archive, pages.progress(quiet=as_json) as watch:
        found = _part("verifying").verify(archive, _selection(**asked), sample=sample, watch=watch)
    _say(pages.plain_verification(found) if as_json else pages.verification(found))
    return _exit(found.problems, otherwise=Exit.OK if found.batches else Exit.UNKNOWN)


@click.command(
    "restore-archive",
    help=_(
        "Bring archived records back with their responses and errors: into side tables, or with --into-table into the "
        "tables themselves, where no row is ever written over. Says what it would do; with --execute it does it. Exits "
        "with 0, 1 when rows differ from those that are there or nothing was found, 2 when a batch is damaged."
    ),
    epilog=_("Example: muses-runbook run restore-archive --uuid 0b9c9dd6-0f0e-4f3e-9a53-2b4b2b6f2f11 --execute"),
)
@click.option("--uuid", "uuids", multiple=True, metavar="UUID", help=_("Only this record; may be given several times"))
@of_batches
@click.option("--all", "everything", is_flag=True, help=_("Everything that is archived"))
@click.option(
    "--into-table", "back", is_flag=True, help=_("Back into the tables; rows that are there stay as they are")
)
@click.option("--skip-damaged", is_flag=True, help=_("Leave out batches that are damaged, and say so"))
@click.option("--execute", is_flag=True, help=_("Do it; without it nothing is changed"))
@of_site
@of_language
@as_json
def restore_archive(
    uuids: tuple[str, ...],
    everything: bool,
    back: bool,
    skip_damaged: bool,
    execute: bool,
    settings: Path | None,
    env: str | None,
    lang: str | None,
    as_json: bool,
    **asked: Any,
) -> int:
    """See the help."""
    if everything == bool(uuids or any(asked.values())):
        raise click.UsageError(_("say what to restore: --uuid, --table, --from, --to, --subsystem, --run; or --all"))
    site = open_site(site_file.load(settings), env)
    wanted = _part("choosing").Wanted(selection=_selection(**asked), uuids=uuids)
    how = {"back": back, "execute": execute, "skip_damaged": skip_damaged}
    acting: AbstractContextManager[dict[str, Any]] = nullcontext({})
    if execute:
        acting = _journalled(site, _plain(uuids=uuids, back=back, **asked))
    with _part("reading").opened(site) as archive, pages.progress(quiet=as_json) as watch, acting as note:
        found = _part("restoring").restore(archive, _access(site), wanted, watch=watch, **how)
        note.update(pages.plain_restored(found))
    _say(pages.plain_restored(found) if as_json else pages.restored(found))
    unlike = found.different or not found.found
    return _exit(found.problems, otherwise=Exit.WARNING if unlike else Exit.OK)


@click.command(
    "search-archive",
    help=_(
        "Find archived rows without restoring them. Personal data is masked; --reveal shows it, and the journal keeps "
        "who asked. Exits with 0, 2 when a batch is damaged, 3 when one could not be read."
    ),
    epilog=_("Example: muses-runbook run search-archive --curp-hash 3f79bb7b… --from 2024-01-01 --to 2024-12-31"),
)
@click.option("--uuid", "uuids", multiple=True, metavar="UUID", help=_("This record; may be given several times"))
@click.option(
    "--curp-hash", type=CurpHash(), metavar="HASH", help=_("SHA-256 of the CURP in upper case, 64 hex digits")
)
@of_batches
@click.option("--sql", metavar="SELECT", help=_("One SELECT from the table archive (needs the extra search)"))
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help=_("Rows that are shown"))
@click.option("--reveal", is_flag=True, help=_("Show personal data; the journal keeps who asked"))
@of_site
@of_language
@as_json
def search_archive(
    uuids: tuple[str, ...],
    curp_hash: str | None,
    sql: str | None,
    limit: int,
    reveal: bool,
    settings: Path | None,
    env: str | None,
    lang: str | None,
    as_json: bool,
    **asked: Any,
) -> int:
    """See the help."""
    if not (uuids or curp_hash or sql or any(asked.values())):
        raise click.UsageError(
            _("say what to find: --uuid, --curp-hash, --table, --from, --to, --subsystem, --run, --sql")
        )
    site = open_site(site_file.load(settings), env)
    wanted = _part("choosing").Wanted(selection=_selection(**asked), uuids=uuids, curp_hash=curp_hash)
    with _part("reading").opened(site) as archive, pages.progress(quiet=as_json) as watch:
        if reveal:  # the hash goes by a name that the journal does not mask: whose data was shown is the point
            _tell_who(site, _plain(uuids=uuids, hash=curp_hash, sql=sql, **asked))
        if sql is not None:
            found = _part("querying").query(archive, wanted, sql, reveal=reveal, most=limit, watch=watch)
        else:
            found = _part("searching").search(archive, wanted, most=limit, watch=watch)
    rows = pages.rows_of(found, None if reveal else _part("showing").without_person)
    _say(pages.plain_search(found, rows) if as_json else pages.search(found, rows))
    return _exit(found.problems, otherwise=Exit.OK)


def _part(name: str) -> Any:
    """A module of the archive, which the command line may name but not import."""
    return importlib.import_module(f"procedures.archive.{name}")


def _selection(
    tables: tuple[str, ...], since: date | None, last: date | None, subsystem: int | None, run: str | None
) -> Any:
    until = None if last is None else last + timedelta(days=1)
    return _part("reading").Selection(tables=tables, since=since, until=until, subsystem=subsystem, run=run)


def _access(site: Site) -> Access:
    setting = f"environments.{site.environment.name}.database"
    if site.settings.database is None:
        raise NotConfigured("database", setting)
    return Access("database", setting, site.settings.database)


def _exit(problems: tuple[Any, ...], *, otherwise: Exit) -> Exit:
    """Say what could not be used; what is known to be bad counts more than what is not known."""
    for problem in problems:
        words = told(problem.said)
        complain(words if problem.key in words else f"{problem.key}: {words}")
    if any(problem.damaged for problem in problems):
        return Exit.CRITICAL
    return Exit.UNKNOWN if problems else otherwise


def _say(page: Any) -> None:
    click.echo(page if isinstance(page, str) else json.dumps(page, ensure_ascii=False, indent=2))


def _plain(**asked: Any) -> dict[str, Any]:
    """What was asked for, as the journal keeps it."""
    given = {name: value for name, value in asked.items() if value not in (None, (), False)}
    return {name: value if isinstance(value, int | tuple) else str(value) for name, value in given.items()}


@contextmanager
def _journalled(site: Site, asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Intent before, result after, and nobody else acting meanwhile; what is put into the dict is the result."""
    run, outcome = new_run_id(), dict[str, Any]()
    name = site.environment.name
    with acting_alone(site.settings, name, site.state_folder, run):
        journal = open_journal(site.settings, name, site.state_folder)
        body = {"operation": "restore", "environment": name, "asked": asked, "who": pages.who()}
        intent = journal.write("intent", run=run, row="restore-archive", body=body)
        try:
            yield outcome
            outcome["outcome"] = "done"
        except (RunbookError, KeyboardInterrupt) as error:
            outcome |= {"outcome": "failed", "reason": str(error) or type(error).__name__}
            raise
        finally:
            journal.write("result", run=run, row="restore-archive", body={"intent": intent.number, **outcome})


def _tell_who(site: Site, asked: dict[str, Any]) -> None:
    """Put into the journal who is about to see personal data. Raises LockError while a run acts: it has the journal."""
    name = site.environment.name
    with acting_on(name, site.state_folder):
        body = {"asked": asked, "who": pages.who()}
        journal = open_journal(site.settings, name, site.state_folder)
        journal.write("reveal", run=new_run_id(), row="search-archive", body=body)
