"""A backup, and the proof of one, as runs of the runbook."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

from procedures.backup import choosing, reading, running
from procedures.backup.choosing import Chosen
from procedures.backup.places import Place, place_of, store_at
from procedures.backup.programs import programs_of
from procedures.backup.refusing import objections_to
from procedures.backup.running import BackedUp, Outlook
from procedures.course import Course, decision
from runbook.errors import ActionError
from runbook.model import (
    Effect,
    Measure,
    Plan,
    Proven,
    Record,
    Risk,
    State,
    Step,
    Verdict,
    Verification,
)
from runbook.site import Site
from runbook.targets.s3.objects import ObjectStore
from runbook.text import Quantity, Text, bilingual, size, text

_SOURCE = "Guía de Operaciones §4.2"


class BackupCourse(Course):
    """One backup: what there was to dump, and what was published."""

    row = "BACKUP"

    def __init__(self, site: Site, id: str, *, once_a_day: bool = False) -> None:
        super().__init__(site, id)
        self._once_a_day = once_a_day
        self.outlook: Outlook | None = None
        self.made: BackedUp | None = None

    def look(self) -> None:
        """See how much there is to dump, and what forbids it."""
        self._saw(running.look(self.site))

    def act(self, board: Any) -> None:
        """Back up; what is published was read back whole."""
        self.made = running.backup(self.site, once_a_day=self._once_a_day, watch=board, seen=self._saw)

    def outcome(self) -> dict[str, Any]:
        """The folder that was published."""
        return {"backup": self.made.folder if self.made else None}

    def record(self, *, execute: bool) -> Record:
        """What is known of it by now."""
        step = _step(self.outlook)
        return Record(
            row=self.row,
            title=bilingual("Backup of the database", "Respaldo de la base de datos"),
            source=_SOURCE,
            section="backups",
            verdict=self._verdict(),
            plan=Plan(remedy="backup", steps=(step,), risk=Risk.LOW),
            decision=decision(execute=execute),
            actions=(self.action(step, _told(self.made) if self.made else None),) if execute else (),
            verification=self._verification(),
            took=datetime.now(UTC) - self.began,
        )

    def _saw(self, outlook: Outlook) -> None:
        self.outlook = outlook

    def _verdict(self) -> Verdict:
        if self.outlook is None:
            return self.unseen(text("The backup did not come to look at the database"))
        if objections := objections_to(self.failure, self.outlook.objections):
            return self.judged(State.WARNING, objections[0])
        said = text(
            "{database} holds {bytes} (PostgreSQL {version})",
            database=self.outlook.database,
            bytes=size(self.outlook.bytes),
            version=self.outlook.server_version,
        )
        return self.judged(State.OK, said)

    def _verification(self) -> Verification | None:
        if self.made is None:
            return None
        verdict = Verdict(state=State.OK, summary=_told(self.made), judged_at=self.made.manifest.finished_at)
        reason = text("It was read back whole: every byte of the object, and every block of the dump in it")
        return Verification(proven=Proven.FIXED, verdict=verdict, took=timedelta(0), reason=reason)


class VerifyCourse(Course):
    """The proof that published backups can be read back whole; changes nothing."""

    row = "VERIFY-BACKUP"
    alone = False

    def __init__(self, site: Site, id: str, *, folder: str | None = None) -> None:
        super().__init__(site, id)
        self._folder = folder
        self.found: list[tuple[Chosen, Text | None]] = []

    def look(self) -> None:
        """Read the newest backup, or the named one, back whole."""
        place = place_of(self.site)
        with closing(store_at(place, "reader")) as store:
            for one in self._chosen(list(choosing.published(store, place.prefix))):
                self.found.append((one, _problem(store, one, place)))

    def act(self, board: Any) -> None:
        """The same: there is nothing to change."""
        self.look()

    def record(self, *, execute: bool) -> Record:
        """What is known by now."""
        return Record(
            row=self.row,
            title=bilingual("The backup can be read back", "El respaldo se puede volver a leer"),
            source=_SOURCE,
            section="backups",
            verdict=self._verdict(),
            took=datetime.now(UTC) - self.began,
        )

    def _verdict(self) -> Verdict:
        if not self.found:
            return self.unseen(text("No backup is published there"))
        measures = tuple(_measure(one, problem) for one, problem in self.found)
        worst = min(measures, key=lambda measure: measure.state is State.OK)
        return self.judged(worst.state, worst.summary or text("—"), measures)

    def _chosen(self, published: list[Chosen]) -> list[Chosen]:
        if self._folder is not None:
            wanted = self._folder.strip("/")
            return [one for one in published if wanted in (one.folder.strip("/"), one.name)]
        newest = max(published, key=lambda one: one.manifest.finished_at, default=None)
        return [newest] if newest else []


def _step(outlook: Outlook | None) -> Step:
    database = outlook.database if outlook else ""
    return Step(
        what=text("Dump {database}, encrypt it, store it, read it back, publish it", database=database),
        target="database",
        operation="backup",
        risk=Risk.LOW,
        effect=Effect.CHANGE,
    )


def _problem(store: ObjectStore, one: Chosen, place: Place) -> Text | None:
    """Why it cannot be read back whole; None where it can. Raises SettingsError, ProbeError."""
    if not one.manifest.restorable:
        return text("The manifest of {folder} does not say how to restore it", folder=one.folder)
    try:
        programs = programs_of(one.manifest.major, place.backup.programs)
        reading.prove_whole(store, one.manifest, place.backup, programs)
    except ActionError as error:
        return error.said
    return None


def _measure(one: Chosen, problem: Text | None) -> Measure:
    manifest = one.manifest
    return Measure(
        object=one.folder,
        value=Quantity(manifest.bytes, "B"),
        state=State.CRITICAL if problem else State.OK,
        summary=problem or text("{folder}: read back whole, {bytes}", folder=one.folder, bytes=size(manifest.bytes)),
    )


def _told(made: BackedUp) -> Text:
    manifest = made.manifest
    if not made.made:
        return text("The day has its verified backup already: {folder}", folder=made.folder)
    return text(
        "Published {folder}: {tables} tables, {rows} rows, {bytes} ({dumped} before compression), encrypted by "
        "{server} and {client}",
        folder=made.folder,
        tables=len(manifest.tables),
        rows=sum(manifest.tables.values()),
        bytes=size(manifest.bytes),
        dumped=size(manifest.dump_bytes),
        server=manifest.encryption.server or "–",
        client=manifest.encryption.client or "–",
    )
