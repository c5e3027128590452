"""The proof of a backup: it is restored into a throwaway cluster, and what is there is held against its manifest.

A *whole* proof restores everything. A *sample* restores the whole schema with every constraint, then the rows of small
tables (``contents.small``); its foreign keys are made on empty tables and its rows are loaded past them, because what
they point at may not be among the small. Both read every byte of the object and hold it against its hash.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from procedures.backup import choosing, comparing, milestones, roles
from procedures.backup.choosing import Chosen
from procedures.backup.clusters import Cluster, throwaway
from procedures.backup.contents import small
from procedures.backup.filling import AT_ONCE, Filling
from procedures.backup.leases import leased
from procedures.backup.needing import Outlook, needed, programs_for
from procedures.backup.places import Place, place_of, store_at
from procedures.backup.proof_folders import check_room
from procedures.backup.sampling import sampled
from procedures.backup.sources import Source
from procedures.backup.watching import Unwatched, Watch, at_intervals, ignored, telling
from runbook.errors import ActionError, ProbeError, ProbeFailure
from runbook.site import Site
from runbook.targets.postgres.access import Access
from runbook.targets.postgres.working import as_action_errors, working
from runbook.targets.s3.answers import CutShort
from runbook.targets.s3.backups import PROOF, Proof
from runbook.targets.s3.objects import ObjectStore
from runbook.text import Text, text

if TYPE_CHECKING:
    from runbook.targets.postgres.working import Connection

DATABASE, _OPERATION = "restored", "restore-test"
#: Restoring stops before less than this is free, looked at every so many bytes: others live on the disk too.
_RESERVE, _EVERY = 200 * 10**6, 64 * 10**6
_LOCKS = 256
#: What a copy must not do is not restored: nothing subscribes to, or publishes, anything from here.
_ALONE = ("--no-subscriptions", "--no-publications")


class Proven(msgspec.Struct, frozen=True, kw_only=True):
    """A proof, passed or not, and its key in the bucket; ``problem`` and ``notes`` are the same for people."""

    proof: Proof
    key: str
    problem: Text | None = None
    notes: tuple[Text, ...] = ()


def look(site: Site, folder: str | None = None, *, whole: bool = True, jobs: int = 1) -> Outlook:
    """What a proof would restore, and what it needs. Under the reader's identity; starts nothing.

    Raises ActionError where there is no such backup, SettingsError where programs are missing, ProbeError.
    """
    place = place_of(site)
    with closing(store_at(place, "reader")) as store:
        backup = choosing.chosen(store, place.prefix, folder)
    programs_for(backup, place)
    return needed(place, backup, whole=whole, jobs=jobs)


def proven(
    site: Site,
    folder: str | None = None,
    *,
    whole: bool = True,
    jobs: int = 1,
    watch: Watch | None = None,
    seen: Callable[[Outlook], None] = ignored,
) -> Proven:
    """Restore, compare, and write the proof into the backup's folder, also that of a backup that cannot be restored.

    With ``jobs`` a whole dump is restored by so many processes at once, from a file that needs room as well. ``seen``
    hears which backup it is and what restoring it takes.
    Raises what says nothing of the backup, and then nothing is written: ActionError where there is none or the cluster
    does not start, SettingsError for missing programs or room, ProbeError for a storage that cannot be read.
    """
    place = place_of(site)
    with closing(store_at(place)) as store:
        backup = choosing.chosen(store, place.prefix, folder)
        with leased(store, place.prefix, backup.folder):
            milestones.reached("proof leased")
            begun = _Proving(place, store, backup, watch or Unwatched(), whole=whole, jobs=jobs)
            seen(begun.outlook)
            found = begun.proven()
            body = msgspec.json.format(msgspec.json.encode(found.proof), indent=2)
            store.put_new(found.key, body, content_type="application/json")
            milestones.reached("proof written")
    return found


class _Proving:
    """One proof, the lease held."""

    def __init__(
        self, place: Place, store: ObjectStore, backup: Chosen, watch: Watch, *, whole: bool, jobs: int
    ) -> None:
        self._place, self._backup, self._watch = place, backup, watch
        self._whole, self._jobs = whole, jobs
        self._source = Source(store, backup, place.backup, programs_for(backup, place))
        self.outlook = needed(place, backup, whole=whole, jobs=jobs)
        self._began = time.monotonic()
        self._facts: dict[str, Any] = {"tables_compared": 0}
        self._notes: list[Text] = []

    def proven(self) -> Proven:
        """All of it; what fails because of the backup is a proof too."""
        need, below = self.outlook.need, self._place.backup.proof
        check_room(self.outlook.folder, need)
        problem = _blamed(lambda: self._source.contents)
        if problem is None:
            locks = max(_LOCKS, min(self._source.contents.entries, AT_ONCE) // 5)
            with throwaway(self._source.programs, below, need, locks=locks) as cluster:
                milestones.reached("cluster up")
                problem = _blamed(lambda: self._restored(cluster))
        return self._made(problem)

    def _made(self, problem: Text | None) -> Proven:
        now = datetime.now(UTC)
        proof = Proof(
            backup=self._backup.folder,
            finished_at=now,
            whole=self._whole,
            server_version=self._backup.manifest.server_version,
            seconds=round(time.monotonic() - self._began, 3),
            problem=str(problem) if problem else None,
            **self._facts,
        )
        key = f"{self._backup.folder}{PROOF}{now:%Y%m%dT%H%M%S}.{now.microsecond // 1000:03}Z.json"
        return Proven(proof=proof, key=key, problem=problem, notes=tuple(self._notes))

    def _restored(self, cluster: Cluster) -> None:
        self._watch.stepped(text("Restoring {backup}", backup=self._backup.name), self._backup.manifest.dump_bytes)
        with working(cluster.access(), _OPERATION) as connection:
            self._make_roles(connection)
            self._make_database(connection, cluster.access())
        sample = None if self._whole else small(self._backup.manifest.tables)
        self._fill(cluster, sample)
        milestones.reached("restored")
        self._watch.stepped(text("Comparing"))
        with working(cluster.access(DATABASE), _OPERATION) as connection:
            self._compare(connection, sample)
        milestones.reached("compared")

    def _make_roles(self, connection: Connection) -> None:
        script = self._source.globals()
        if script is None:
            self._notes.append(text("The backup has no roles: owners and rights were not restored"))
        else:
            roles.make_roles(connection, script, login=False)

    def _make_database(self, connection: Connection, access: Access) -> None:
        """As the dumped one was made, with its locale where this machine has it: counts and bytes do not need it."""
        how = self._source.database().how
        try:
            with as_action_errors(access, _OPERATION):
                connection.execute(f"CREATE DATABASE {DATABASE} WITH {how}".encode())
        except ActionError as error:
            encoding = how.partition("ENCODING = ")[2].split(" ")[0] or "'UTF8'"
            connection.execute(f"CREATE DATABASE {DATABASE} TEMPLATE template0 ENCODING {encoding} LOCALE 'C'".encode())
            self._notes.append(text("Restored with the locale C: {reason}", reason=str(error.said)))

    def _fill(self, cluster: Cluster, sample: frozenset[str] | None) -> None:
        bare = () if self._backup.manifest.globals else ("--no-owner", "--no-privileges")
        tell = at_intervals(telling(self._watch.moved), _EVERY, lambda: check_room(cluster.folder, _RESERVE))
        filling = Filling(self._source, cluster.access(DATABASE), tell, (*_ALONE, *bare))
        if sample is not None:
            filling.sample(sample, cluster.folder)
        elif self._jobs > 1:
            filling.by_jobs(self._jobs, cluster.folder)
        else:
            filling.whole(together=True)

    def _compare(self, connection: Connection, sample: frozenset[str] | None) -> None:
        """Everything is compared before anything is said, so that a proof tells all that differs."""
        manifest, facts = self._backup.manifest, self._facts
        compared = {table: rows for table, rows in manifest.tables.items() if sample is None or table in sample}
        differing = comparing.differing(connection, manifest, sample)
        facts |= {"tables_compared": len(compared), "differing": differing, "amcheck": comparing.amcheck(connection)}
        countable = {table: rows for table, rows in compared.items() if rows and table not in differing}
        found = sampled(connection, self._place.access, self._backup, countable)
        facts |= {"sampled": found.rows, "differing": {**found.differing, **differing}}
        self._notes.extend(found.notes)
        for table, (old, same) in found.differing.items():
            said = text("{table}: {wrong} of {rows} rows are not as the database has them", **_told(table, old, same))
            raise ActionError("proof", _OPERATION, said)


def _blamed(work: Callable[[], object]) -> Text | None:
    """What of the work speaks against the backup; what speaks against the circumstances is raised."""
    try:
        work()
    except ActionError as error:
        return error.said
    except ProbeError as error:
        if isinstance(error, CutShort) or error.kind is ProbeFailure.ABSENT:
            return error.said
        raise
    return None


def _told(table: str, old: int, same: int) -> dict[str, object]:
    return {"table": table, "wrong": old - same, "rows": old}
