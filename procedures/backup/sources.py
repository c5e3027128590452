"""The dump in a backup, read from the bucket as often as it takes: what it holds, what it was made from, all of it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from procedures.backup import contents, reading
from procedures.backup.choosing import Chosen
from procedures.backup.contents import Contents
from procedures.backup.pouring import first_words
from procedures.backup.programs import Programs
from runbook.settings import BackupSettings
from runbook.targets.s3.objects import ObjectStore


class Database(NamedTuple):
    """How the dumped database was made: its ``name`` as SQL writes it, what stands after WITH, what was said after."""

    name: str
    how: str
    after: tuple[str, ...]


@dataclass(frozen=True)
class Source:
    """One backup, with the programs of its major version. Everything raises what ``reading.plain`` raises."""

    store: ObjectStore
    backup: Chosen
    settings: BackupSettings
    programs: Programs

    def pieces(self) -> Iterator[bytes]:
        """The plain dump from its beginning; raises at its end unless all of it was what was written."""
        return reading.plain(self.store, self.backup.manifest.data, self.backup.manifest, self.settings)

    @cached_property
    def contents(self) -> Contents:
        """Its table of contents. Raises Failed for what is no dump."""
        return contents.contents(self.pieces, self.programs)

    def globals(self) -> str | None:
        """The script that makes the roles, whole; None where the backup has none."""
        piece = self.backup.manifest.globals
        if piece is None:
            return None
        return b"".join(reading.plain(self.store, piece, self.backup.manifest, self.settings)).decode(errors="replace")

    def database(self) -> Database:
        """What the dump says of the database itself."""
        with listed(self.contents.of_database()) as wanted:
            words = first_words(self.pieces(), self.programs, "--create", f"--use-list={wanted}", "--file=-")
        return Database(*contents.database_of(words))


@contextmanager
def listed(lines: Iterable[str], folder: Path | None = None) -> Iterator[str]:
    """The path of a file with these lines of a table of contents, for as long as the block lasts."""
    with tempfile.NamedTemporaryFile("w", prefix="wanted-", dir=folder) as file:
        file.writelines(f"{line}\n" for line in lines)
        file.flush()
        yield file.name
