"""Fill a new database with a dump: all of it as it streams in, all of it by several processes, or a sample of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from procedures.backup.pouring import Restore, pour, restoring, variables_of
from procedures.backup.sources import Source, listed
from procedures.backup.watching import Tell
from runbook.targets.postgres.access import Access

#: So many objects are restored in one transaction; beyond it the server's table of locks would be as large as a cache.
AT_ONCE = 50_000
#: A session in which no trigger fires, neither a foreign key's nor an event's.
_QUIET = "-c session_replication_role=replica"


@dataclass(frozen=True)
class Filling:
    """A source and the new database that it goes into; ``tell`` hears of the dump's bytes as they are read.

    Everything raises Failed for what ``pg_restore`` says, and what the source raises.
    """

    source: Source
    access: Access
    tell: Tell
    options: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)

    def whole(self, *, together: bool) -> None:
        """Everything, as it streams in. ``together``: in one transaction, which a server of our own lets be faster."""
        with self._restore(self._together() if together else ()) as restore:
            pour(self.source.pieces(), restore, self.tell)

    def by_jobs(self, jobs: int, folder: Path) -> None:
        """Everything, by so many processes. They seek, so the dump is a file in ``folder`` for as long as it lasts."""
        file = folder / "dump"
        with file.open("wb") as stream:
            for piece in self.source.pieces():
                stream.write(piece)
                self.tell(len(piece))
        with self._restore((f"--jobs={jobs}", str(file))) as restore:
            restore.ended()
        file.unlink()

    def sample(self, tables: Collection[str], folder: Path) -> None:
        """The whole schema, by the beginning of the dump alone; then the rows of these tables, past every trigger.

        The dump is read to its end all the same: only there its hash is known.
        """
        with self._restore(("--schema-only", *self._together())) as restore:
            for piece in self.source.pieces():
                if not restore.write(piece):
                    break
            restore.ended()
        with (
            listed(self.source.contents.data_of(tables), folder) as wanted,
            self._restore((f"--use-list={wanted}",), PGOPTIONS=_QUIET) as restore,
        ):
            pour(self.source.pieces(), restore, self.tell)

    def _together(self) -> tuple[str, ...]:
        return ("--single-transaction",) if self.source.contents.entries <= AT_ONCE else ()

    def _restore(self, options: tuple[str, ...], **variables: str) -> AbstractContextManager[Restore]:
        name = self.access.settings.name
        fixed = ("--exit-on-error", "--no-password", "--no-tablespaces", f"--dbname={name}")
        return restoring(
            self.source.programs,
            (*fixed, *self.options, *options),
            variables_of(self.access, **self.variables, **variables),
        )
