"""A whole purge: look, lock, plan, work through the batches children first, finish. Resuming is calling it again."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from procedures.executors import executor
from procedures.purge import finishing, milestones, outlook, partitions, preflight, surveying
from procedures.purge.archiving import Archivist
from procedures.purge.batches import Place, Task, close_stores, store_of, work
from procedures.purge.deleting import Deleter
from procedures.purge.ledger import Ledger
from procedures.purge.ledger_structs import Run, Standing
from procedures.purge.outlook import Outlook
from procedures.purge.selection import Rules
from procedures.purge.surveying import Survey, TableSurvey
from procedures.purge.tables import Table, children_first
from procedures.purge.watching import Unwatched, Watch
from runbook.errors import ActionError
from runbook.run_id import new_run_id
from runbook.site import Site
from runbook.targets.postgres.working import Busy, Lost, as_action_errors, working
from runbook.text import Text, text

if TYPE_CHECKING:
    from psycopg import sql


#: How often whoever watches is told how far it has come, seconds.
_TELL = 0.5
#: Batches of a table that is worth a VACUUM on the way.
_LARGE = 8
_BLOCK = 8192


class Purged(msgspec.Struct, frozen=True, kw_only=True):
    """What a purge did; ``notes`` are what went not quite as it should and lost nothing.

    ``after`` is a new look once all is deleted, under the reader's identity.
    """

    run: str
    tables: tuple[Standing, ...]
    resumed: bool
    after: Outlook
    notes: tuple[Text, ...] = ()

    @property
    def deleted(self) -> int:
        """Rows deleted in all tables."""
        return sum(table.deleted for table in self.tables)


class Refused(ActionError):
    """Something forbids to purge; nothing was changed. ``objections`` are all of them."""

    def __init__(self, objections: tuple[Text, ...]) -> None:
        self.objections = objections
        words = "; ".join(str(objection) for objection in objections)
        super().__init__("purge", "purge", text("The purge does not begin: {reasons}", reasons=words), refused=True)


def purge(site: Site, *, confirmed: bool = False, watch: Watch | None = None) -> Purged:
    """Archive, prove and delete what has outlived its retention; go on with a run that did not come to its end.

    ``confirmed`` lets it take more than it usually does. Raises Refused where a guard objects, LockError where another
    purge works, ActionError for all that fails on the way; the next call goes on where this one stopped.
    """
    place = outlook.place_of(site)
    try:
        with working(place.access, "purge") as connection:
            ledger = Ledger(connection, place.purge.state_schema)
            ledger.hold()
            if not ledger.exists():
                with connection.transaction():
                    ledger.found(place.access.settings.reader.user)
            milestones.reached("locked")
            return _Purge(site, place, ledger, watch or Unwatched()).done(confirmed=confirmed)
    finally:
        close_stores()


class _Purge:
    """One call of ``purge``, its lock held."""

    def __init__(self, site: Site, place: Place, ledger: Ledger, watch: Watch) -> None:
        self._site, self._place, self._ledger, self._watch = site, place, ledger, watch
        self._connection = ledger.connection
        self._database = place.access.settings
        self._store = store_of(place)
        self._notes: list[Text] = []

    def done(self, *, confirmed: bool) -> Purged:
        """The whole way."""
        unfinished = self._ledger.unfinished()
        self._ask_guards()
        found = outlook.tables_of(self._ledger, self._place, unfinished)
        if unfinished:
            self._watch.resumed(unfinished.id)
        rules = outlook.rules_for(self._connection, found, self._place, self._site, unfinished)
        survey = self._survey(found, rules)
        if not unfinished and not confirmed:
            self._refuse_if(tuple(preflight.of_the_size(survey, self._ledger.last_done(), self._place)))
        self._build_indexes(found)
        run = self._begun(unfinished, rules)
        milestones.reached("run begun")
        self._plan(run, found, survey)
        with finishing.Vacuuming(self._place.access) as self._vacuuming:
            for level in children_first(self._open_tables(run, found)):
                self._detach(run, level, survey)
                self._work(run, level)
                self._vacuum(run, level)
            self._vacuum(run, found)
            after = outlook.look(self._site)
            for note in self._vacuuming.notes():
                self._note(note)
        milestones.reached("table vacuumed")
        return self._finished(run, after, resumed=unfinished is not None)

    def _ask_guards(self) -> None:
        self._refuse_if(tuple(outlook.objections_to_act(self._connection, self._place, self._site, self._store)))

    def _refuse_if(self, objections: tuple[Text, ...]) -> None:
        if objections:
            raise Refused(objections)

    def _survey(self, found: tuple[Table, ...], rules: Rules) -> Survey:
        with as_action_errors(self._place.access, "purge"):
            survey = surveying.survey(
                self._connection, found, rules, self._database, self._place.purge, self._site.environment.timezone
            )
        self._watch.surveyed(survey)
        return survey

    def _build_indexes(self, found: tuple[Table, ...]) -> None:
        """Where policy lets us: the index without which each delete scans the child's whole table."""
        from psycopg import sql

        for table in found:
            for key in table.inbound:
                if not key.indexed and self._place.purge.build_missing_indexes:
                    query = sql.SQL("CREATE INDEX CONCURRENTLY ON {} ({})").format(
                        sql.Identifier(key.schema, key.table), sql.SQL(", ").join(map(sql.Identifier, key.columns))
                    )
                    self._patiently(query)
                    self._note(text("Built the index of {key} on {table}", key=key.name, table=key.table))

    def _patiently(self, query: sql.Composed) -> None:
        """An index is built while others work, and waits for the transactions that are open: nobody waits for it."""
        (limit,) = self._connection.execute("SELECT current_setting('lock_timeout') AS set").fetchall()
        self._connection.execute("SET lock_timeout = 0")
        self._connection.execute(query)
        self._connection.execute("SELECT set_config('lock_timeout', %s, false)", [limit["set"]])

    def _begun(self, unfinished: Run | None, rules: Rules) -> Run:
        with self._connection.transaction():
            if unfinished is None:
                return self._ledger.begin(new_run_id(), rules)
            return msgspec.structs.replace(self._ledger.take_over(unfinished.id), rules=rules)

    def _plan(self, run: Run, found: tuple[Table, ...], survey: Survey) -> None:
        """Write down every table that is not yet: its batches, or why it is left out, also where that is new."""
        states = {table.name: table.state for table in self._ledger.standing(run.id)}
        surveyed = {table.table: table for table in survey.tables}
        for table in found:
            reasons = surveyed[table.name].refused
            if table.name not in states:
                self._plan_one(run, table, surveyed[table.name])
                milestones.reached("table planned")
            elif reasons and states[table.name] == "PLANNED":
                self._ledger.refuse(run, table, reasons)

    def _plan_one(self, run: Run, table: Table, survey: TableSurvey) -> None:
        with self._connection.transaction():
            if survey.refused:
                self._ledger.refuse(run, table, survey.refused)
                return
            self._ledger.plan(run, table, survey.qualifying, tuple(_ranges(table, survey, self._place)))

    def _open_tables(self, run: Run, found: tuple[Table, ...]) -> list[Table]:
        open_ones = {table.name for table in self._ledger.standing(run.id) if table.state in ("PLANNED", "DETACHED")}
        return [table for table in found if table.name in open_ones]

    def _detach(self, run: Run, level: list[Table], survey: Survey) -> None:
        """Take out the partitions that go whole and are not begun: not before, for responses look records up in them.

        One that others use all the time stays in its table, and its rows go like those of any other.
        """
        surveyed = {table.table: table for table in survey.tables}
        planned = {table.name for table in self._ledger.standing(run.id) if table.state == "PLANNED"}
        for table in level:
            begun = any(batch.state != "PLANNED" for batch in self._ledger.batches(run, table.name))
            if table.name in planned and not begun and partitions.can_be_dropped(table, surveyed[table.name]):
                with suppress(Busy):
                    partitions.detach(self._ledger, self._place.access, run, table)

    def _work(self, run: Run, level: list[Table]) -> None:
        standing = {table.name: table for table in self._ledger.standing(run.id)}
        detached = {name for name, table in standing.items() if table.state == "DETACHED"}
        tasks = [
            Task(self._place, run.rules, table, batch, drops=table.name in detached)
            for table in level
            for batch in self._ledger.batches(run, table.name)
            if batch.state != "DONE"
        ]
        self._do_all(run, tasks)
        for table in level:
            if table.name in detached:
                self._drop(run, table, standing[table.name].bounds or table.bounds or "")
            else:
                self._ledger.mark(run, table.name, "DONE")

    def _do_all(self, run: Run, tasks: list[Task]) -> None:
        """Hand the tasks out, and tell how far they are until all are done. The first error, or Ctrl-C, stops all."""
        purge = self._place.purge
        with executor(purge.executor, purge.workers, setting="purge.executor") as pool:
            futures = [pool.submit(work, task) for task in tasks]
            try:
                self._await(run, futures)
            except BaseException:
                for future in futures:
                    future.cancel()
                with self._connection.transaction():
                    self._ledger.take_over(run.id)  # fences off what still runs: each stops at its next step
                raise

    def _await(self, run: Run, futures: list[Future[None]]) -> None:
        waiting, told = set(futures), time.monotonic()
        while waiting:
            done, waiting = wait(waiting, timeout=_TELL, return_when=FIRST_COMPLETED)
            for future in done:
                future.result()
            if waiting and time.monotonic() - told >= _TELL:
                self._tell(run)
                told = time.monotonic()
        self._tell(run)

    def _tell(self, run: Run) -> None:
        """How far it has come; and what half of a large table left behind is cleared away during the other half."""
        standing = self._ledger.standing(run.id)
        self._watch.progressed(standing)
        for table in standing:
            if table.batches >= _LARGE and table.done * 2 >= table.batches and not table.parent:
                self._vacuuming.begin_half(self._database.schema, table.name)

    def _drop(self, run: Run, table: Table, bounds: str) -> None:
        place = self._place
        archivist = Archivist(self._connection, self._store, place.archive, run.rules, table)
        deleter = Deleter(self._ledger, place.access, place.archive, run.rules, table)
        reason = partitions.unequal(table)
        try:
            if partitions.drop_if_equal(self._ledger, place.access, run, table, archivist, deleter):
                return
        except (Busy, Lost):
            raise
        except ActionError as error:  # its archive is damaged, or something else depends on it: it would never go
            reason = error.said
        partitions.reattach(self._ledger, place.access, run, table, bounds, reason)

    def _vacuum(self, run: Run, done: Iterable[Table]) -> None:
        touched = {table.name for table in self._ledger.standing(run.id) if table.deleted and not table.parent}
        for table in done:
            if table.name in touched:
                self._vacuuming.begin(table.schema, table.name)

    def _finished(self, run: Run, after: Outlook, *, resumed: bool) -> Purged:
        standing = self._ledger.standing(run.id)
        milestones.reached("before the run's end")
        self._ledger.finish(run)
        milestones.reached("run done")
        for key in finishing.sweep(self._store, self._place.archive.prefix):
            self._note(text("Swept up {key}, left behind by a run that was killed", key=key))
        milestones.reached("swept")
        return Purged(run=run.id, tables=standing, resumed=resumed, after=after, notes=tuple(self._notes))

    def _note(self, what: Text) -> None:
        self._notes.append(what)
        self._watch.noticed(what)


def _ranges(table: Table, survey: TableSurvey, place: Place) -> Iterator[tuple[int, int]]:
    """Ranges of blocks with about as many rows and bytes as a batch may have; none where nothing is to go."""
    if not survey.qualifying:
        return
    rows_a_block = max(survey.rows / max(table.blocks, 1), 1e-9)
    bytes_a_block = max(table.bytes / max(table.blocks, 1), _BLOCK)
    size = max(1, int(min(place.purge.batch_rows / rows_a_block, place.purge.batch_bytes / bytes_a_block)))
    for first in range(0, table.blocks, size):
        yield first, first + size
