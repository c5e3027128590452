"""Why records lie in the exchange tables past their time, and the one step that takes them away. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from checks._found import confirmed, fact, ruled_out
from runbook import clock
from runbook.model import Effect, Evidence, Finding, Risk, Step
from runbook.rows import NoPlan
from runbook.text import Quantity, Text, percent, text

if TYPE_CHECKING:
    from procedures.purge.facts import PurgeRun, Purges, Staged, StagedTable, TableDue

LEDGER = "purge_run"


def not_run(purges: Purges, every: timedelta) -> Finding:
    """Whether the weekly purge did not come: none was begun for so long."""
    newest = purges.newest
    if purges.at_work:
        return ruled_out(text("A purge is at work just now"), *_told(newest))
    if newest is None:
        return confirmed(text("No purge has ever run on this database"), fact(text("There is no run"), LEDGER))
    ago = clock.now() - newest.started_at
    if ago > every:
        said = text("The last purge began {ago} ago; there should be one every {every}", ago=ago, every=every)
        return confirmed(said, *_told(newest))
    return ruled_out(text("The last purge began {ago} ago", ago=ago), *_told(newest))


def left_out(purges: Purges, staged: Staged) -> Finding:
    """Whether the last purge stopped, or left tables out; and which ones the next one would leave out."""
    newest, forbidden = purges.newest, _forbidden(staged)
    if newest is None:
        return ruled_out(text("No purge has run that could have left anything"), *forbidden)
    seen = (*_told(newest), *_stayed(newest), *forbidden)
    if purges.at_work:
        return ruled_out(text("A purge is at work just now"), *seen)
    refused = [table for table in newest.tables if table.refused]
    if newest.finished_at is None:
        said = text("The purge {run} stopped before its end", run=newest.id)
        on = text("The next purge goes on with it, by its own cutoffs: what it archived is not archived twice")
        return confirmed(said, *seen, advice=(on,))
    if refused:
        said = text("The last purge left {tables} out", tables=_tables(len(refused)))
        return confirmed(said, *seen, advice=_reasons(refused))
    return ruled_out(text("The last purge left no table out and came to its end"), *seen)


def cannot_go(due: Sequence[TableDue]) -> Finding:
    """Whether overdue records never qualify: not processed, or on hold."""
    stuck = sum(table.overdue - table.qualifying for table in due)
    if not stuck:
        return ruled_out(text("Every record that is past its retention may be purged"), *_by_status(due))
    said = text("{records} are past their retention and are never purged: not processed, or on hold", records=_n(stuck))
    return confirmed(said, *_by_status(due), advice=_advice(due))


def came_late(due: Sequence[TableDue], purges: Purges) -> Finding:
    """Whether what is overdue came, or was processed, only after the last purge had looked."""
    newest = purges.newest
    if newest is None or newest.finished_at is None or any(table.refused for table in newest.tables):
        return ruled_out(text("The last purge did not take all there was: nothing need have come after it"))
    late = [t for t in due if t.due_since is not None and t.due_since < newest.started_at]
    if not late:
        return ruled_out(text("Nothing was due that the last purge did not take"), *_told(newest))
    said = text(
        "Records that were past their retention came, or were processed, after the last purge: {tables}",
        tables=", ".join(table.table for table in late),
    )
    return confirmed(said, *_told(newest), *_by_status(late))


def steps(
    purges: Purges, staged: Staged, due: Sequence[TableDue] | None, fingerprint: dict[str, Any], most: float
) -> Iterator[Step]:
    """The purge, as one step. ``due`` is None where it could not be counted in time; ``most`` percent go unconfirmed.

    Raises NoPlan while one is at work, where nothing may go, and where a person must confirm how much would.
    """
    if purges.at_work:
        raise NoPlan(text("A purge is at work just now: wait for its end"))
    going = [table for table in staged.tables if not table.refused and _goes(table, due)]
    counted = None if due is None else _counted(due, going)
    if not going or counted == 0:
        raise NoPlan(_nothing(staged, due))
    if due is not None and _begins_anew(purges):
        _refuse_too_much(due, going, most)
    # Tables, not records, are counted as touched, and not as a share: a purge is for all of them. The share of each
    # table that may go is a limit of the purge's own (purge.max_percent), which policy cannot widen.
    yield Step(
        what=_what(counted, going),
        target="purge",
        operation="purge",
        fingerprint=fingerprint,
        risk=Risk.HIGH,
        effect=Effect.DESTROY,
        touches=len(going),
    )


def _what(counted: int | None, going: Sequence[StagedTable]) -> Text:
    """There is no undo that a machine could do by itself: the way back is said."""
    if counted is None:
        return text(
            "Archive, read back and delete what is past its retention in {tables}; "
            "`muses-runbook run restore-archive` brings it back",
            tables=_tables(len(going)),
        )
    return text(
        "Archive, read back and delete {records} past their retention, with their responses, in {tables}; "
        "`muses-runbook run restore-archive` brings them back",
        records=_n(counted),
        tables=_tables(len(going)),
    )


def _goes(table: StagedTable, due: Sequence[TableDue] | None) -> bool:
    """Whether rows of the table go: its own records, or responses and errors with those of others."""
    own = {found.table: found.qualifying for found in due or ()}
    return due is None or own.get(table.table, 1) > 0


def _counted(due: Iterable[TableDue], going: Iterable[StagedTable]) -> int:
    names = {table.table for table in going}
    return sum(table.qualifying for table in due if table.table in names)


def _begins_anew(purges: Purges) -> bool:
    """A run that is gone on with was allowed when it began."""
    return purges.newest is None or purges.newest.finished_at is not None


def _refuse_too_much(due: Iterable[TableDue], going: Iterable[StagedTable], most: float) -> None:
    names = {table.table for table in going}
    for table in due:
        share = 100 * table.qualifying / table.rows if table.table in names and table.rows else 0.0
        if share > most:
            raise NoPlan(
                text(
                    "{records} of {table} would go, {share} of it, and more than {limit} is confirmed by a person: "
                    "see `muses-runbook run purge --confirm-large`",
                    records=_n(table.qualifying),
                    table=table.table,
                    share=percent(round(share, 1)),
                    limit=percent(most),
                )
            )


def _nothing(staged: Staged, due: Sequence[TableDue] | None) -> Text:
    waiting = {table.table for table in due or () if table.qualifying}
    for table in staged.tables:
        if table.refused and (due is None or table.table in waiting):
            return table.refused[0]
    return text("No record may be purged: those past their retention are not processed, or on hold")


def _told(newest: PurgeRun | None) -> tuple[Evidence, ...]:
    """The newest run, in a line."""
    if newest is None:
        return ()
    if newest.finished_at is None:
        said = text("{run} began at {start} and has not come to its end", run=newest.id, start=newest.started_at)
    else:
        said = text(
            "{run} began at {start} and ended at {end}", run=newest.id, start=newest.started_at, end=newest.finished_at
        )
    return (fact(said, LEDGER, (f"{t.table}: {t.state}, {t.deleted}" for t in newest.tables)),)


def _stayed(newest: PurgeRun) -> Iterator[Evidence]:
    """Each reason of the run for which a table, or rows of it, stayed."""
    for table in newest.tables:
        yield from (fact(reason, LEDGER) for reason in table.refused)
        if table.waiting is not None:
            yield fact(table.waiting, LEDGER)
    if changed := sum(table.changed for table in newest.tables):
        yield fact(text("{records} had changed since they were archived, and stayed", records=_n(changed)), LEDGER)


def _forbidden(staged: Staged) -> tuple[Evidence, ...]:
    refused = [table for table in staged.tables if table.refused]
    if not refused:
        return ()
    said = text("The next purge would leave {tables} out", tables=_tables(len(refused)))
    first = [fact(said, "pg_class", (table.table for table in refused))]
    return (*first, *(fact(reason, "pg_class") for table in refused for reason in table.refused))


def _reasons(refused: Iterable[Any]) -> tuple[Text, ...]:
    """The way out of each refusal, each once."""
    return tuple({str(reason): reason for table in refused for reason in table.refused}.values())


def _by_status(due: Iterable[TableDue]) -> Iterator[Evidence]:
    """What of each table is past its retention, and what of that may not go."""
    for table in due:
        if table.overdue:
            said = text(
                "{table}: {overdue} are past their retention, {qualifying} may go",
                table=table.table,
                overdue=_n(table.overdue),
                qualifying=table.qualifying,
            )
            yield fact(said, table.table, (f"{name}: {count}" for name, count in table.unprocessed.items()))
        if table.held:
            yield fact(text("{table}: {records} are on hold", table=table.table, records=_n(table.held)), "purge.holds")
        if table.timeless:
            timeless = text(
                "{table}: {records} have no time and are never purged", table=table.table, records=_n(table.timeless)
            )
            yield fact(timeless, table.table)


def _advice(due: Iterable[TableDue]) -> Iterator[Text]:
    statuses = sorted({name for table in due for name in table.unprocessed})
    if statuses:
        yield text(
            "Find out why they stay at {statuses} (row ETL-01); a status that is an end of the way belongs into "
            "purge.processed_statuses",
            statuses=", ".join(statuses),
        )
    if any(table.held for table in due):
        yield text("Take out of purge.holds what need not be kept any more")


def _n(count: int) -> Quantity:
    return Quantity(count, "records")


def _tables(count: int) -> Quantity:
    return Quantity(count, "tables")
