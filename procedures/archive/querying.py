"""SQL over archived rows without restoring them, with DuckDB (the extra ``search``).

DuckDB reads zstd itself, but not what lies beyond: age, two columns before the table's, COPY's escapes, and whether the
bytes are the archived ones. So each batch goes the way of every other reading, becomes one small text file, and that
becomes part of a table in a private folder, compressed by columns; the folder is gone at the end.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from procedures.archive.choosing import Wanted, chosen, tests_of
from procedures.archive.fields import BEFORE, NULL, value_of
from procedures.archive.reading import (
    Archive,
    Batch,
    Problem,
    body_of,
    lines_of,
    problem_of,
    published,
    text_of,
)
from procedures.archive.searching import MOST, Row
from procedures.archive.showing import is_personal, without_person
from procedures.archive.watching import Progress, Watch, unwatched
from runbook.errors import ActionError, ProbeError, SettingsError
from runbook.redact import masked_text
from runbook.text import text

#: The name that the question gives to all of it, and the columns that say where a row lies.
TABLE = "archive"
_WHERE = ("archive_table", "archive_run", "archive_batch")
#: DuckDB keeps to it and writes what is more to the private folder.
_MEMORY = "256MB"
#: Bytes of one row's text; batches are no larger than twice this.
_LONGEST_LINE = 16 * 1024**2


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The first ``rows`` of the answer, and whether there are ``more``; how much was looked through."""

    rows: tuple[Row, ...]
    more: bool
    batches: int
    looked_through: int
    problems: tuple[Problem, ...]


def query(
    archive: Archive, wanted: Wanted, question: str, *, reveal: bool, most: int = MOST, watch: Watch = unwatched
) -> Answer:
    """Answer one SELECT over the table ``archive``: the wanted rows, all columns as text under their own names.

    Without ``reveal`` the personal columns hold marks before SQL sees them, so that no alias gets round it. Writes
    nothing that stays. Raises SettingsError without the extra, ActionError for a question that DuckDB does not take.
    """
    contents = published(archive, wanted.selection)
    with tempfile.TemporaryDirectory(prefix="muses-archive-") as home, closing(_database(Path(home))) as database:
        read, problems = [], list(contents.problems)
        columns = dict.fromkeys(name for batch in contents.batches for name in batch.columns)
        database.execute(f"CREATE TABLE {TABLE} ({', '.join(f'{_quoted(c)} VARCHAR' for c in (*_WHERE, *columns))})")
        for done, batch in enumerate(contents.batches, 1):
            try:
                if _load(database, Path(home), archive, batch, wanted, reveal=reveal):
                    read.append(batch)
            except (ActionError, ProbeError) as error:
                problems.append(problem_of(batch.key, error))
            rows = sum(one.manifest.content.rows for one in read)
            watch(Progress(done, len(contents.batches), rows, batch.manifest.table))
        answered = _answered(database, question, most + 1)
    shown = [row if reveal else without_person(row) for row in answered[:most]]
    return Answer(
        rows=tuple(shown),
        more=len(answered) > most,
        batches=len(read),
        looked_through=rows if read else 0,
        problems=tuple(problems),
    )


def _database(home: Path) -> Any:
    try:
        import duckdb
    except ImportError:
        said = text("SQL over the archive needs the extra: install {extra}", extra="muses-runbook[search]")
        raise SettingsError(said) from None
    database = duckdb.connect(str(home / "archive.duckdb"))
    database.execute(f"SET memory_limit = '{_MEMORY}'")
    database.execute("SET preserve_insertion_order = false")
    return database


def _load(database: Any, home: Path, archive: Archive, batch: Batch, wanted: Wanted, *, reveal: bool) -> bool:
    """Append the wanted rows of one batch to the table; False where its table lacks what is asked about."""
    tests = tests_of(archive, batch, wanted)
    if tests is None:
        return False
    file = home / "batch.csv"
    try:
        with file.open("wb") as plain:
            for some in lines_of(batch, text_of(archive, batch, body_of(archive, batch))):
                plain.writelines(map(_as_csv, chosen(some, tests)))
        with _failures():
            database.execute(_insertion(batch, reveal=reveal), [str(file), _types(batch)])
    finally:
        file.unlink(missing_ok=True)
    return True


def _insertion(batch: Batch, *, reveal: bool) -> str:
    said = batch.manifest
    where = (said.table, said.run, str(said.batch))
    values = [_literal(value) for value in where] + [
        f"CASE WHEN {_quoted(c)} IS NULL THEN NULL ELSE {_literal(f'‹{c.lower()}›')} END"
        if is_personal(c) and not reveal
        else _quoted(c)
        for c in batch.columns
    ]
    names = ", ".join(map(_quoted, (*_WHERE, *batch.columns)))
    return (
        f"INSERT INTO {TABLE} ({names}) SELECT {', '.join(values)} FROM read_csv(?, columns = ?, delim = '\t', "
        f"quote = '\"', escape = '\"', nullstr = '\\N', allow_quoted_nulls = false, header = false, "
        f"auto_detect = false, max_line_size = {_LONGEST_LINE}, buffer_size = {2 * _LONGEST_LINE})"
    )


def _answered(database: Any, question: str, most: int) -> list[Row]:
    """The first rows; by now DuckDB may touch no file, and only a SELECT is taken."""
    import duckdb

    database.execute("SET enable_external_access = false")
    database.execute("SET lock_configuration = true")
    with _failures():
        statements = database.extract_statements(question)
        if [statement.type for statement in statements] != [duckdb.StatementType.SELECT]:
            raise ActionError("storage", "query", text("--sql takes one SELECT from {table}", table=TABLE))
        answer = database.execute(statements[0])
        names = [column[0] for column in answer.description]
        return [dict(zip(names, map(_shown, row), strict=True)) for row in answer.fetchmany(most)]


@contextmanager
def _failures() -> Iterator[None]:
    """Raise as ActionError what DuckDB raises, with the first line of what it says."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        said = text("the question was not answered: {reason}", reason=masked_text(str(error).partition("\n")[0]))
        raise ActionError("storage", "query", said) from error


def _as_csv(line: bytes) -> bytes:
    """A line as DuckDB reads it. Nearly all are as they are; one with an escape or a quote is written anew."""
    if b'"' not in line and (b"\\" not in line or b"\\" not in line.replace(NULL, b"")):
        return line + b"\n"
    return b"\t".join(map(_as_csv_field, line.split(b"\t"))) + b"\n"


def _as_csv_field(field: bytes) -> bytes:
    value = value_of(field)
    return NULL if value is None else b'"%b"' % value.replace(b'"', b'""')


def _types(batch: Batch) -> dict[str, str]:
    names: Iterable[str] = (*(f"archive_{n}" for n in range(BEFORE)), *batch.columns)
    return dict.fromkeys(names, "VARCHAR")


def _shown(value: object) -> str | None:
    return None if value is None else str(value)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
