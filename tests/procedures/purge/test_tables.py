"""Pure: what about a table forbids to purge it, how tables are ordered, cut and named, when it is waited."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import msgspec
import pytest

from procedures.purge import running, throttling
from procedures.purge.selection import Rules, _midnight
from procedures.purge.spanning import Span
from procedures.purge.surveying import TableSurvey
from procedures.purge.tables import ForeignKey, Table, can_be_judged, children_first, kind_of, objections, wanted
from runbook.settings import DatabaseSettings, Hold, Login, PurgeSettings, Secret, Size, ThrottleSettings
from runbook.targets.s3.archives import ArchivedObject, Column, Content, Manifest

DATABASE = DatabaseSettings(reader=Login(user="r", password=Secret(env="NONE")))
COLUMNS = (
    Column("uuid", "character varying(36)"),
    Column("id_subsistema", "integer"),
    Column("id_estatus_procesamiento", "integer"),
    Column("fecha_actualizacion", "timestamp(6) without time zone"),
)
KEY = ForeignKey("fk", "muses", "hija", ("u",), ("uuid",), "NO ACTION", indexed=True)


def table(name: str = "tbae001_x", **changes: Any) -> Table:
    plain: dict[str, Any] = {
        "name": name,
        "root": name,
        "schema": "muses",
        "oid": 1,
        "kind": "records",
        "columns": COLUMNS,
        "not_null": ("uuid",),
        "key": ("uuid",),
        "time": "fecha_actualizacion",
        "blocks": 100,
        "bytes": 819_200,
    }
    return Table(**{**plain, **changes})


def said(table: Table, **purge: Any) -> list[str]:
    return [str(one) for one in objections(table, DATABASE, PurgeSettings(**purge))]


class TestObjections:
    """Each has a way out; what has none is not in the way."""

    def test_nothing_against_a_plain_table(self) -> None:
        assert said(table()) == []
        assert can_be_judged(table(), DATABASE)

    @pytest.mark.parametrize(
        ("changes", "way_out"),
        [
            ({"key": ()}, "give it one"),
            ({"persistent": False}, "a crash empties it"),
            ({"triggers": ("a", "b")}, "(a, b): drop or disable"),
            ({"rules": ("r",)}, "(r): drop them"),
            ({"row_security": True}, "BYPASSRLS"),
            ({"columns": COLUMNS[:-1]}, "leave it out of purge.tables"),
            ({"columns": (*COLUMNS[:-1], Column("fecha_actualizacion", "text"))}, "is text"),
            ({"columns": (*COLUMNS[:-1], Column("fecha_actualizacion", "time without time zone"))}, "is time"),
            (
                {"inbound": (msgspec.structs.replace(KEY, indexed=False),)},
                "CREATE INDEX CONCURRENTLY ON muses.hija (u)",
            ),
            ({"inbound": (msgspec.structs.replace(KEY, on_delete="CASCADE"),)}, "make the key NO ACTION"),
        ],
    )
    def test_one_reason_with_its_way_out(self, changes: dict[str, Any], way_out: str) -> None:
        (reason,) = said(table(**changes))
        assert way_out in reason
        assert "tbae001_x" in reason

    @pytest.mark.parametrize("action", ["NO ACTION", "RESTRICT"])
    def test_keys_with_an_index_or_one_that_we_build_are_in_nobodys_way(self, action: str) -> None:
        key = msgspec.structs.replace(KEY, on_delete=action)
        assert said(table(inbound=(key,))) == []
        assert said(table(inbound=(msgspec.structs.replace(key, indexed=False),)), build_missing_indexes=True) == []

    def test_names_in_the_way_out_are_quoted(self) -> None:
        key = msgspec.structs.replace(KEY, schema="Otro", columns=("Año",), indexed=False)
        assert '"Otro".hija ("Año")' in said(table(inbound=(key,)))[0]

    def test_a_hold_by_subsystem_needs_its_column_only_in_records(self) -> None:
        bare = table(columns=(COLUMNS[0], *COLUMNS[2:]))
        hold = (Hold(subsystem=3),)
        assert "hold on subsystem 3" in said(bare, holds=hold)[0]
        assert said(bare, holds=(Hold(uuid="x"), Hold(since=date(2024, 1, 1)))) == []

    @pytest.mark.parametrize("type", ["timestamp(6) with time zone", "timestamp without time zone", "date"])
    def test_any_kind_of_date_will_do(self, type: str) -> None:
        assert said(table(columns=(*COLUMNS[:-1], Column("fecha_actualizacion", type)))) == []


def test_levels_are_children_first_whatever_the_order() -> None:
    names = {"records": "tbae001_x", "errors": "tbae010_error", "responses": "tbae009_respuesta"}
    found = [table(name, kind=kind) for kind, name in names.items()]
    assert [[one.kind for one in level] for level in children_first(found)] == [["errors"], ["responses"], ["records"]]
    assert children_first([]) == []


def test_patterns_are_matched_with_their_case() -> None:
    assert wanted("tbae001_x", PurgeSettings())
    assert not wanted("TBAE001_x", PurgeSettings())
    assert not wanted("xtbae001", PurgeSettings())
    assert (kind_of("tbae010_error"), kind_of("tbae010_errores")) == ("errors", "records")


def test_the_ddl_of_odd_names() -> None:
    odd = table('tb"ae', columns=(Column('a"b', "text"), Column("select", "int")), key=('a"b',), not_null=('a"b',))
    assert odd.ddl.startswith('CREATE TABLE muses."tb""ae" (\n    "a""b" text NOT NULL,\n')
    assert '"PRIMARY' not in odd.ddl
    assert 'PRIMARY KEY ("a""b")' in odd.ddl


def test_a_day_begins_in_the_sites_zone_for_times_that_know_theirs() -> None:
    rules = Rules(schema="s", cutoffs={}, statuses=(), zone="America/Tijuana")
    aware = table(columns=(*COLUMNS[:-1], Column("fecha_actualizacion", "timestamp with time zone")))
    day = date(2024, 3, 10)  # clocks change there at two in the morning
    assert _midnight(day, aware, rules) == "2024-03-10 00:00:00 America/Tijuana"
    assert _midnight(day, table(), rules) == "2024-03-10 00:00:00"


class TestRanges:
    """Batches of blocks, by rows and by bytes."""

    def ranges(
        self, survey: dict[str, int], blocks: int = 100, bytes: int = 819_200, **purge: Any
    ) -> list[tuple[int, int]]:
        place: Any = type("P", (), {"purge": PurgeSettings(**purge)})
        counts: Any = type("S", (), survey)
        return list(running._ranges(table(blocks=blocks, bytes=bytes), counts, place))

    def test_nothing_to_go_is_no_batch(self) -> None:
        assert self.ranges({"rows": 1000, "qualifying": 0}) == []

    def test_by_rows(self) -> None:
        assert self.ranges({"rows": 1000, "qualifying": 9}, batch_rows=400) == [(0, 40), (40, 80), (80, 120)]

    def test_by_bytes(self) -> None:
        assert self.ranges({"rows": 1000, "qualifying": 9}, batch_bytes=Size(819_200 // 2)) == [(0, 50), (50, 100)]

    def test_never_less_than_a_block(self) -> None:
        assert len(self.ranges({"rows": 10**6, "qualifying": 9}, batch_rows=1, blocks=7)) == 7

    def test_of_few_rows_on_many_blocks(self) -> None:
        assert self.ranges({"rows": 1, "qualifying": 1}, batch_rows=1, blocks=3, bytes=3 * 8192) == [(0, 3)]


def manifest(**changes: Any) -> Manifest:
    plain: dict[str, Any] = {
        **dict.fromkeys(("run", "attempt", "database", "schema", "table", "system_identifier", "server_version"), "x"),
        "batch": 1,
        "ddl": "",
        "columns": COLUMNS,
        "key": ("uuid",),
        "time_column": "fecha_actualizacion",
        "cutoff": "",
        "object": ArchivedObject(key="k", version=None, bytes=0, sha256="", encryption="none"),
        "content": Content(rows=0, bytes=0, sha256=""),
        "line": ("ctid", "xmin", *(column.name for column in COLUMNS)),
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return Manifest(**{**plain, **changes})


class TestSpan:
    """What a batch's rows span is found while they are read back."""

    def test_ends_of_keys_and_times_and_rows_by_subsystem(self) -> None:
        span = Span(manifest())
        span.look_at([b"(0,1)\t9\tb\t1\t3\t2025-01-02 00:00:00", b"(0,2)\t9\ta\t2\t3\t2025-01-01 00:00:00"])
        span.look_at([b"(0,3)\t9\tc\t\\N\t3\t2025-01-03 00:00:00"])
        told = span.told_in(manifest())
        assert (told.first_key, told.last_key) == ("a", "c")
        assert (told.oldest, told.newest) == ("2025-01-01 00:00:00", "2025-01-03 00:00:00")
        assert told.subsystems == {"1": 1, "2": 1, "": 1}

    def test_numbers_are_numbers(self) -> None:
        columns = (Column("id_respuesta", "integer"), Column("fecha_respuesta", "timestamp without time zone"))
        given = {"columns": columns, "key": ("id_respuesta",), "time_column": "fecha_respuesta"}
        about = manifest(**given, line=("ctid", "xmin", "id_respuesta", "fecha_respuesta"))
        span = Span(about)
        span.look_at([b"(0,1)\t9\t10\t2025-01-02 00:00:00", b"(0,2)\t9\t9\t\\N", b"(0,2)\t9\t100\tinfinity"])
        told = span.told_in(about)
        assert (told.first_key, told.last_key) == ("9", "100")
        # a response goes with its record, whatever its own time
        assert (told.oldest, told.newest) == ("2025-01-02 00:00:00", "2025-01-02 00:00:00")

    def test_no_time_that_is_known(self) -> None:
        span = Span(manifest())
        span.look_at([b"(0,1)\t9\tb\t1\t3\t\\N"])
        assert (span.told_in(manifest()).oldest, span.told_in(manifest()).newest) == (None, None)

    @pytest.mark.parametrize("line", [b"(0,1)\t9\tb\t1\t3", b"(0,1)\t9\tb\t1\t3\t2025-01-02 00:00:00\tmore", b""])
    def test_a_line_of_another_table_is_an_error(self, line: bytes) -> None:
        with pytest.raises(ValueError, match="another table"):
            Span(manifest()).look_at([line])


class TestThrottle:
    """Why the purge waits, by what the server says; the first reason only."""

    @pytest.mark.parametrize(
        ("row", "reason"),
        [
            ({}, None),
            ({"replica_lag": 10.0}, None),
            ({"replica_lag": 10.1}, "a replica lags by"),
            ({"replica_lag": None}, None),
            ({"lock_waiters": 1}, None),
            ({"lock_waiters": 2}, "2 sessions wait for locks"),
            ({"dumps": 1, "replica_lag": 99, "lock_waiters": 9}, "pg_dump is running"),
        ],
    )
    def test_by_the_server(self, row: dict[str, Any], reason: str | None) -> None:
        idle = {"replica_lag": 0, "lock_waiters": 0, "dumps": 0}
        found = throttling._by_the_server({**idle, **row}, ThrottleSettings())
        assert (found is None) is (reason is None)
        assert reason is None or str(found).startswith(reason)


def test_a_survey_counts_only_what_may_go() -> None:
    from procedures.purge.surveying import Survey
    from runbook.text import text

    plain: dict[str, Any] = {
        **dict.fromkeys(("table", "root", "cutoff"), "t"),
        **dict.fromkeys(("rows", "timeless", "unprocessed", "bytes", "going"), 0),
        "kind": "records",
        "oldest": None,
    }
    going = TableSurvey(**plain, qualifying=3, refused=())
    stays = TableSurvey(**plain, qualifying=5, refused=(text("no"),))
    survey = Survey(tables=(going, stays), rules=Rules(schema="s", cutoffs={}, statuses=()))
    assert survey.qualifying == 3
