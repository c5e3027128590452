"""What a dump holds, by its own table of contents: read from its beginning, so that it says nothing of its end."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from procedures.backup.pouring import first_words
from procedures.backup.programs import Programs
from procedures.backup.statements import statements

_ENTRY = re.compile(r"\d+; \d+ \d+ (?P<words>.*)")
_DATA = "TABLE DATA "
#: Whose settings and rights a database has, as opposed to what is in it.
_OF_DATABASE = re.compile(r"(DATABASE|DATABASE PROPERTIES|(ACL|COMMENT) - DATABASE) ")
_CREATE = re.compile(r"CREATE DATABASE (?P<name>\"(?:[^\"]|\"\")+\"|\S+) WITH (?P<how>.*)", re.DOTALL)
_TABLESPACE = re.compile(r" TABLESPACE = (\"(?:[^\"]|\"\")+\"|\S+)")

#: A sample of a dump is its whole schema, and the rows of small tables: of so many each, and so many in all.
SMALL, SAMPLE = 10_000, 100_000

#: Gives the dump's pieces anew, from its beginning.
Pieces = Callable[[], Iterable[bytes]]


class Contents:
    """The table of contents of one dump."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(lines)

    @property
    def entries(self) -> int:
        """How many objects it has, rows of tables and rights among them."""
        return len(self.lines)

    def data_of(self, tables: Iterable[str]) -> list[str]:
        """The lines for the rows of these tables (``schema.table``), as ``--use-list`` takes them."""
        wanted = {table.replace(".", " ", 1) for table in tables}
        return [line for line in self.lines if any(name in wanted for name in _data_names(line))]

    def of_database(self) -> list[str]:
        """The lines for the database itself."""
        return [line for line in self.lines if (found := _ENTRY.match(line)) and _OF_DATABASE.match(found["words"])]


def contents(pieces: Pieces, programs: Programs) -> Contents:
    """Read it. Raises Failed for what is no dump, and what the pieces raise."""
    listed = first_words(pieces(), programs, "--list", "--create")
    return Contents(line for line in listed.splitlines() if _ENTRY.match(line))


def small(tables: Mapping[str, int]) -> frozenset[str]:
    """The tables whose rows a sample restores, the smallest first; those without rows are no use to it."""
    chosen, rows = set(), 0
    for table, count in sorted(tables.items(), key=lambda one: (one[1], one[0])):
        rows += count
        if count > SMALL or rows > SAMPLE:
            break
        if count:
            chosen.add(table)
    return frozenset(chosen)


def database_of(words: str) -> tuple[str, str, tuple[str, ...]]:
    """The name of the dumped database as SQL writes it, how it was made (after WITH), and the statements that follow.

    ``words`` is what ``pg_restore --create`` writes for the lines of ``of_database``.
    """
    name, how, after = "", "TEMPLATE = template0", []
    for statement in statements(words):
        if found := _CREATE.fullmatch(statement):
            name, how = found["name"], _TABLESPACE.sub("", found["how"])
        elif not statement.startswith(("SET ", "SELECT ")):
            after.append(statement)
    return name, how, tuple(after)


def _data_names(line: str) -> Iterator[str]:
    """What may be the schema and the table in a line for rows: names may have spaces, and the owner comes last."""
    found = _ENTRY.match(line)
    if found and found["words"].startswith(_DATA):
        words = found["words"].removeprefix(_DATA).split(" ")
        for count in range(2, len(words) + 1):
            yield " ".join(words[:count])
