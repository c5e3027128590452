"""A backup brought back into a database, as a run of the runbook."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from procedures.backup import restoring
from procedures.backup.destination import Wanted
from procedures.backup.refusing import objections_to
from procedures.backup.restoring import Restored
from procedures.course import Course, decision
from runbook.model import Effect, Plan, Proven, Record, Risk, State, Step, Verdict, Verification
from runbook.site import Site
from runbook.text import Quantity, Text, bilingual, size, text


class RestoreBackupCourse(Course):
    """A backup restored into a new database."""

    row = "RESTORE-BACKUP"

    def __init__(self, site: Site, id: str, *, wanted: Wanted, folder: str | None = None) -> None:
        super().__init__(site, id)
        self._folder, self._wanted = folder, wanted
        self.outlook: restoring.Outlook | None = None
        self.made: Restored | None = None

    def look(self) -> None:
        """See which backup would go where, and what forbids it."""
        self._saw(restoring.look(self.site, self._folder, self._wanted))

    def act(self, board: Any) -> None:
        """Restore it; the database has its name only when it is whole."""
        self.made = restoring.restore(self.site, self._folder, self._wanted, watch=board, seen=self._saw)

    def outcome(self) -> dict[str, Any]:
        """What was restored, and into which database of which server."""
        if self.made is None:
            return {"database": None}
        return {"backup": self.made.backup.folder, "database": self.made.database, "server": self.made.where}

    def record(self, *, execute: bool) -> Record:
        """What is known by now."""
        step = self._step()
        return Record(
            row=self.row,
            title=bilingual("A backup is restored", "Se restaura un respaldo"),
            source="Guía de Operaciones §4.2",
            section="backups",
            verdict=self._verdict(),
            plan=Plan(remedy="restore-backup", steps=(step,), risk=Risk.MEDIUM),
            decision=decision(execute=execute),
            actions=(self.action(step, _restored(self.made) if self.made else None),) if execute else (),
            verification=self._verification(),
            took=datetime.now(UTC) - self.began,
        )

    def _saw(self, outlook: restoring.Outlook) -> None:
        self.outlook = outlook

    def _step(self) -> Step:
        backup = self.outlook.backup.folder if self.outlook else self._folder or ""
        where = self.outlook.where if self.outlook else ""
        database = self._wanted.to
        return Step(
            what=text("Restore {backup} into {database} at {where}", backup=backup, database=database, where=where),
            target="database",
            operation="restore_backup",
            arguments={"database": database},
            risk=Risk.MEDIUM,
            effect=Effect.CHANGE,
        )

    def _verdict(self) -> Verdict:
        if objections := objections_to(self.failure, self.outlook.objections if self.outlook else ()):
            return self.judged(State.WARNING, objections[0])
        if self.outlook is None:
            return self.unseen(text("No backup was looked at"))
        return self.judged(State.OK, self._seen(self.outlook))

    def _seen(self, outlook: restoring.Outlook) -> Text:
        manifest = outlook.backup.manifest
        named: dict[str, object] = {
            "backup": outlook.backup.folder,
            "bytes": size(manifest.dump_bytes),
            "rows": Quantity(sum(manifest.tables.values()), "rows"),
            "where": outlook.where,
        }
        if not outlook.left:
            return text("{backup} holds {rows} ({bytes}); it goes to {where}", **named)
        return text(
            "{backup} holds {rows} ({bytes}); it goes to {where}, where {left} is of a restore that was killed or "
            "works just now",
            left=outlook.left[0],
            **named,
        )

    def _verification(self) -> Verification | None:
        if self.made is None:
            return None
        verdict = Verdict(state=State.OK, summary=_restored(self.made), judged_at=datetime.now(UTC))
        reason = text("Every table has as many rows as in the snapshot that was dumped")
        return Verification(proven=Proven.FIXED, verdict=verdict, took=timedelta(0), reason=reason)


def _restored(made: Restored) -> Text:
    return text(
        "{backup} is {database} at {where}: {tables} tables, {rows}, in {took}",
        backup=made.backup.folder,
        database=made.database,
        where=made.where,
        tables=made.tables,
        rows=Quantity(made.rows, "rows"),
        took=made.took,
    )
