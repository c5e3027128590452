"""Restore after archive is identity, to the byte: for the tables as they are, and for every awkward value we know."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab import records
from procedures.archive.choosing import Wanted
from procedures.archive.reading import Archive, Selection
from procedures.archive.restoring import restore
from procedures.archive.verifying import verify
from runbook.targets.postgres.access import Access
from tests.procedures.archiver import Archiver, enrol
from tests.runbook.targets.servers_postgres import Connection

_WORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=30)
_AWKWARD_WORDS = st.sampled_from(
    [
        "",
        " ",
        "\\N",
        "\\\\N",
        "\\.",
        "\t",
        "\n",
        "\r\n",
        "a\tb\nc\\",
        "\\t",
        "\b\f\v",
        '"',
        "'",
        "ñandú 🎓 \u202e",
        "NULL",
    ]
)
_TEXT = _AWKWARD_WORDS | _WORDS
_TIMES = st.sampled_from(
    [
        "infinity",
        "-infinity",
        "0044-03-15 12:00:00 BC",
        "4713-01-01 00:00:00 BC",
        "0001-01-01 00:00:00",
        "1582-10-10 00:00:00",
        "294276-12-31 23:59:59.999999",
        "2024-02-29 23:59:59.999999",
        "2026-04-05 01:30:00",
    ]
) | st.datetimes().map(str)
_ZONES = st.sampled_from(["", "+00", "-06", "+14", "-12:34:56"])
_NUMBERS = st.sampled_from(["NaN", "0.000", "-0.00", "1e-30", "123456789012345678901234567890.1234567890", "1.10"])
_FLOATS = st.sampled_from(
    ["NaN", "Infinity", "-Infinity", "-0", "5e-324", "1.7976931348623157e308", "0.1", "1e22"]
) | st.floats().map(repr)

#: Every type of the exchange tables, and every other one whose text is known to be hard; a value is its text.
TYPES: dict[str, st.SearchStrategy[str]] = {
    "varchar(50)": _TEXT,
    "text": _TEXT,
    "char(12)": _WORDS.map(lambda words: words[:12]) | st.sampled_from(["", "  a  "]),
    "integer": st.integers(-(2**31), 2**31 - 1).map(str),
    "bigint": st.integers(-(2**63), 2**63 - 1).map(str),
    "timestamp": _TIMES,
    "timestamp(6)": _TIMES,
    "timestamp(3)": st.datetimes().map(str),
    "timestamptz": st.one_of(
        st.sampled_from(["infinity", "-infinity", "0044-03-15 12:00:00+00 BC"]),
        st.builds(lambda at, zone: f"{at}{zone}", st.datetimes().map(str), _ZONES),
    ),
    "date": st.sampled_from(["infinity", "-infinity", "0044-03-15 BC", "5874897-12-31"]) | st.dates().map(str),
    "time": st.times().map(str),
    "timetz": st.builds(lambda at, zone: f"{at}{zone}", st.times().map(str), st.sampled_from(["+00", "-06", "+14"])),
    "interval": st.sampled_from(["1 year 2 mons -3 days 04:05:06.7", "-00:00:00.000001", "178000000 years"]),
    "numeric": _NUMBERS | st.decimals(allow_nan=False, allow_infinity=False).map(str),
    "numeric(12,3)": st.decimals(-999_999_999, 999_999_999, places=3).map(str),
    "real": st.sampled_from(["NaN", "Infinity", "-0", "1.4e-45", "3.4028235e38", "0.1"]),
    "double precision": _FLOATS,
    "bytea": st.binary(max_size=40).map(lambda body: "\\x" + body.hex()),
    "boolean": st.sampled_from(["t", "f"]),
    "json": st.sampled_from(['{"a": 1,   "a": 2}', "[]", '"\\u00f1\\n"', '{"tab":\t"\\\\"}', "1.10"]),
    "jsonb": st.sampled_from(['{"a": [1.10, null, "\\n"]}', "{}", '"\\\\N"']),
    "text[]": st.sampled_from(["{}", '{NULL,"NULL",""}', '{"a\\"b","c\\\\d","e,f"}', '[0:1]={"\t","\n"}']),
    "int[]": st.sampled_from(["{{1,2},{3,NULL}}", "{}"]),
    "uuid": st.uuids().map(str),
    "inet": st.sampled_from(["10.0.0.1/8", "::1"]),
    "bit varying": st.sampled_from(["", "0101"]),
    "xml": st.sampled_from(["<a>\t\n&amp;</a>", "text"]),
    "int4range": st.sampled_from(["empty", "[1,5)", "(,)"]),
}
NAMES = [f"c{number}" for number in range(len(TYPES))]
ROW = st.tuples(*(st.none() | strategy for strategy in TYPES.values()))
_runs = itertools.count(1)


@pytest.fixture(scope="module")
def described() -> str:
    """The columns of the awkward table."""
    return ", ".join(f"{name} {kind}" for name, kind in zip(NAMES, TYPES, strict=True))


def same(admin: Connection, table: str, original: str, key: str) -> int:
    """How many rows are in both tables with the same image."""
    query = f"SELECT count(*) AS n FROM {table} AS t JOIN {original} AS o USING ({key}) WHERE t *= o"
    return int((admin.execute(query).fetchone() or {})["n"])  # type: ignore[arg-type]


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(rows=st.lists(ROW, min_size=1, max_size=6))
def test_every_awkward_value_comes_back(
    archive: Archive, access: Access, archiver: Archiver, admin: Connection, described: str, rows: list[tuple[Any, ...]]
) -> None:
    admin.execute(f"DROP TABLE IF EXISTS t, original; CREATE TABLE t (id serial PRIMARY KEY, {described})")
    admin.execute("ALTER TABLE t OWNER TO muses_owner")
    places = ", ".join(f"%s::text::{kind}" for kind in TYPES)
    admin.cursor().executemany(f"INSERT INTO t ({', '.join(NAMES)}) VALUES ({places})", rows)  # type: ignore[arg-type]
    admin.execute("CREATE TABLE original AS SELECT * FROM t")
    run = f"R{next(_runs)}"
    archiver.archive("t", key=("id",), time_column=None, run=run)
    admin.execute("DELETE FROM t")
    assert verify(archive, Selection(run=run)).rows == len(rows)
    wanted = Wanted(selection=Selection(run=run))
    (back,) = restore(archive, access, wanted, back=True, execute=True).tables
    assert back.counts.restored == len(rows)
    assert same(admin, "t", "original", "id") == len(rows)
    (again,) = restore(archive, access, wanted, back=True, execute=True).tables
    assert again.counts.identical == len(rows)


def test_every_exchange_table_comes_back(
    archive: Archive, access: Access, archiver: Archiver, admin: Connection
) -> None:
    enrol(admin, range(40))
    admin.execute(
        "INSERT INTO tbae010_error (id_respuesta, id_motivo_error) SELECT id_respuesta, 1 FROM tbae009_respuesta"
    )
    made = {
        "tbae002_bajas": records.leave,
        "tbae005_asistencias": records.attendance,
        "tbae007_calificaciones": records.grade,
    }
    for table, make in made.items():
        for row in map(make, range(15)):
            places = ", ".join(f"%({name})s" for name in row)
            admin.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", row)  # type: ignore[arg-type]
    keys = {"tbae010_error": "id_error", "tbae009_respuesta": "id_respuesta"} | dict.fromkeys(
        ("tbae001_inscripcion", *made), "uuid"
    )
    counts = {}
    for table in keys:
        admin.execute(f"CREATE TABLE original_{table} AS SELECT * FROM {table}")
        counts[table] = archiver.archive(table).content.rows
        admin.execute(f"DELETE FROM {table}")
    found = restore(archive, access, Wanted(), back=True, execute=True)
    assert {one.table: one.counts.restored for one in found.tables} == counts
    for table, key in keys.items():
        assert same(admin, table, f"original_{table}", key) == counts[table] > 0
