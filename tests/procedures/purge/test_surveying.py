"""What a look at the tables finds, and that a table in the way of nobody but itself is refused alone."""

from __future__ import annotations

import re

import pytest

from procedures.purge import outlook, running
from runbook.errors import SettingsError
from runbook.settings import Hold
from tests.procedures.purge.ground import Ground
from tests.procedures.purge.making import (
    DROPOUTS,
    ERRORS,
    INSCRIPTIONS,
    NEW,
    OLD,
    RESPONSES,
    deleted,
    error,
    keys,
    looked,
    make_table,
    record,
    refused,
    response,
    stopped,
    survey,
    surveyed,
)

pytestmark = pytest.mark.usefixtures("unguarded")

TABLE = "tbae060_extra"

#: What may be in the way of one table, and a word of the reason.
SPOILT = [
    ("ALTER TABLE {t} DROP CONSTRAINT {t}_pkey", "no primary key"),
    ("ALTER TABLE {t} DROP COLUMN fecha_actualizacion", "no column fecha_actualizacion"),
    ("ALTER TABLE {t} DROP COLUMN id_estatus_procesamiento", "no column id_estatus_procesamiento"),
    ("ALTER TABLE {t} ALTER fecha_actualizacion TYPE text", "fecha_actualizacion"),
    ("ALTER TABLE {t} ALTER id_estatus_procesamiento TYPE text", "id_estatus_procesamiento"),
    ("ALTER TABLE {t} SET UNLOGGED", "unlogged"),
    ("CREATE TRIGGER al_borrar BEFORE DELETE ON {t} FOR EACH ROW EXECUTE FUNCTION nada()", r"\(al_borrar\)"),
    ("CREATE TRIGGER despues AFTER DELETE ON {t} EXECUTE FUNCTION nada()", r"\(despues\)"),
    ("CREATE RULE nunca AS ON DELETE TO {t} DO INSTEAD NOTHING", r"\(nunca\)"),
    ("CREATE TABLE hija (u varchar(36) REFERENCES {t} ON DELETE CASCADE)", "ON DELETE CASCADE"),
    ("CREATE TABLE hija (u varchar(36) REFERENCES {t} ON DELETE SET NULL)", "ON DELETE SET NULL"),
    ("CREATE TABLE hija (u varchar(36) REFERENCES {t} ON DELETE SET DEFAULT)", "ON DELETE SET DEFAULT"),
    ("CREATE TABLE hija (u varchar(36) REFERENCES {t})", "has no index for"),
    (
        "CREATE TABLE hija (u varchar(36) REFERENCES {t}); CREATE INDEX ON hija (u) WHERE u > 'b'",
        "has no index",
    ),
]


class TestFound:
    """Which tables are found, and what of them is known."""

    def test_children_come_first(self, ground: Ground) -> None:
        order = [table.kind for table in survey(ground.site).tables]
        assert order == ["errors", "responses", *["records"] * 4]

    def test_only_those_of_the_settings_and_of_the_schema(self, ground: Ground) -> None:
        ground.admin.execute(
            "CREATE SCHEMA IF NOT EXISTS otro; CREATE TABLE IF NOT EXISTS otro.tbae001_inscripcion (uuid text)"
        )
        ground.admin.execute("CREATE TABLE xtbae001 (uuid text PRIMARY KEY)")
        names = [table.table for table in survey(ground.changed(tables=("tbae00[12]*",))).tables]
        assert names == [INSCRIPTIONS, DROPOUTS]
        ground.admin.execute("DROP SCHEMA otro CASCADE")

    def test_none_like_that_is_an_error(self, ground: Ground) -> None:
        with pytest.raises(SettingsError, match="tbxx"):
            outlook.look(ground.changed(tables=("tbxx*",)))

    def test_names_and_types_as_they_are_and_dropped_columns_are_not_there(self, ground: Ground) -> None:
        make_table(ground.admin, '"tbae061_Ñandú x"', '"Con Mayúsculas" varchar(3) NOT NULL, gone int, n numeric(6,2)')
        ground.admin.execute('ALTER TABLE "tbae061_Ñandú x" DROP COLUMN gone')
        with looked(ground.site) as (_, found, _):
            (table,) = [one for one in found if one.name == "tbae061_Ñandú x"]
        assert table.names == ("uuid", "id_estatus_procesamiento", "fecha_actualizacion", "Con Mayúsculas", "n")
        assert table.key == ("uuid",)
        assert table.not_null == ("uuid", "Con Mayúsculas")
        assert '"Con Mayúsculas" character varying(3) NOT NULL' in table.ddl
        assert "n numeric(6,2)," in table.ddl

    def test_the_key_is_in_its_own_order_and_without_what_the_index_only_includes(self, ground: Ground) -> None:
        make_table(ground.admin, TABLE, "a int, b int, c int")
        ground.admin.execute(f"ALTER TABLE {TABLE} DROP CONSTRAINT {TABLE}_pkey, ADD PRIMARY KEY (c, a) INCLUDE (b)")
        with looked(ground.site) as (_, found, _):
            assert [one.key for one in found if one.name == TABLE] == [("c", "a")]

    def test_the_oldest_of_those_that_go_is_an_aware_moment(self, ground: Ground) -> None:
        record(ground.admin, time="2024-07-01 12:00:00")
        record(ground.admin, time="2023-07-01 12:00:00", status=1)
        oldest = surveyed(ground.site).oldest
        assert oldest is not None
        assert oldest.isoformat() == "2024-07-01T18:00:00+00:00"

    @pytest.mark.parametrize("time", ["4000-01-01 00:00:00 BC", "0001-01-01 00:00:00"])
    def test_times_that_python_does_not_have_go_and_are_not_told(self, ground: Ground, time: str) -> None:
        record(ground.admin, time=time)
        found = surveyed(ground.site)
        assert (found.qualifying, found.oldest) == (1, None)

    def test_an_empty_table(self, ground: Ground) -> None:
        found = surveyed(ground.site)
        assert (found.rows, found.qualifying, found.going, found.oldest) == (0, 0, 0, None)


class TestRefused:
    """One table that may not be purged is said, and the others go on."""

    @pytest.mark.parametrize(("spoil", "reason"), SPOILT)
    def test_with_the_reason_and_alone(self, ground: Ground, spoil: str, reason: str) -> None:
        _spoil(ground, TABLE, spoil)
        found = {one.table: one.refused for one in survey(ground.site).tables if one.refused}
        assert list(found) == [TABLE]
        assert len(found[TABLE]) == 1
        assert re.search(reason, str(found[TABLE][0]))

    def test_all_of_them_at_once_and_the_others_go(self, ground: Ground) -> None:
        answers = {response(ground.admin, record(ground.admin))}
        stay: dict[str, set[str]] = {}
        for number, (spoil, _) in enumerate(SPOILT):
            uuid = _spoil(ground, name := f"tbae{100 + number}_mala", spoil, hija=f"hija_{number}")
            stay[name], _ = {uuid}, response(ground.admin, uuid, time=OLD)
        purged = running.purge(ground.site)
        assert set(refused(purged)) == set(stay)
        assert deleted(purged) == {DROPOUTS: 1, RESPONSES: 1}
        assert {name: keys(ground.admin, name) for name in stay} == stay
        assert not answers & keys(ground.admin, RESPONSES)

    def test_all_that_forbids_is_said_at_once(self, ground: Ground) -> None:
        make_table(ground.admin, TABLE, "")
        ground.admin.execute(f"CREATE TABLE hija (u varchar(36) REFERENCES {TABLE} ON DELETE CASCADE)")
        ground.admin.execute(f"CREATE RULE nunca AS ON DELETE TO {TABLE} DO INSTEAD NOTHING")
        ground.admin.execute(f"ALTER TABLE {TABLE} DROP COLUMN id_estatus_procesamiento")
        site = ground.changed(holds=(Hold(subsystem=1),))
        assert len(surveyed(site, TABLE).refused) == 4

    def test_a_trigger_that_is_switched_off_or_does_not_concern_deletes_is_no_reason(self, ground: Ground) -> None:
        ground.admin.execute("CREATE FUNCTION nada() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'")
        for name, event in (("apagado", "DELETE"), ("otro", "INSERT OR UPDATE")):
            ground.admin.execute(f"CREATE TRIGGER {name} BEFORE {event} ON {DROPOUTS} EXECUTE FUNCTION nada()")
        ground.admin.execute(f"ALTER TABLE {DROPOUTS} DISABLE TRIGGER apagado")
        assert surveyed(ground.site).refused == ()

    @pytest.mark.parametrize("index", ["(id_respuesta)", "(id_respuesta, id_error)", "USING hash (id_respuesta)"])
    def test_an_index_that_begins_with_the_key_serves(self, ground: Ground, index: str) -> None:
        ground.admin.execute("DROP INDEX tbae010_error_id_respuesta")
        assert surveyed(ground.site, RESPONSES).refused
        assert surveyed(ground.site, ERRORS).refused
        ground.admin.execute(f"CREATE INDEX ON {ERRORS} {index}")
        assert not surveyed(ground.site, RESPONSES).refused

    def test_an_index_in_which_the_key_comes_later_does_not(self, ground: Ground) -> None:
        ground.admin.execute(
            f"DROP INDEX tbae010_error_id_respuesta; CREATE INDEX ON {ERRORS} (id_error, id_respuesta)"
        )
        assert surveyed(ground.site, RESPONSES).refused

    def test_errors_stay_where_their_responses_do_and_records_go(self, ground: Ground) -> None:
        answer = response(ground.admin, record(ground.admin))
        wrong = error(ground.admin, answer)
        ground.admin.execute(f"CREATE RULE nunca AS ON DELETE TO {RESPONSES} DO INSTEAD NOTHING")
        purged = running.purge(ground.site)
        assert deleted(purged) == {DROPOUTS: 1}
        assert set(refused(purged)) == {RESPONSES, ERRORS}
        assert (keys(ground.admin, RESPONSES), keys(ground.admin, ERRORS)) == ({answer}, {wrong})

    @pytest.mark.parametrize(
        "spoil",
        [
            f"ALTER TABLE {RESPONSES} DROP COLUMN fecha_respuesta",
            f"ALTER TABLE {RESPONSES} DROP COLUMN uuid",
            f"ALTER TABLE {RESPONSES} ENABLE ROW LEVEL SECURITY; ALTER TABLE {RESPONSES} FORCE ROW LEVEL SECURITY",
            f"DROP TABLE {RESPONSES} CASCADE",
        ],
    )
    def test_responses_that_cannot_be_judged_keep_themselves_and_their_errors(self, ground: Ground, spoil: str) -> None:
        error(ground.admin, response(ground.admin, record(ground.admin), time=OLD))
        ground.admin.execute(spoil)
        purged = running.purge(ground.site)
        assert deleted(purged) == {DROPOUTS: 1}
        assert ERRORS in refused(purged)

    def test_where_errors_are_purged_without_their_responses_they_stay(self, ground: Ground) -> None:
        error(ground.admin, response(ground.admin, record(ground.admin), time=OLD))
        assert list(refused(running.purge(ground.changed(tables=(ERRORS,))))) == [ERRORS]

    def test_where_records_are_hidden_by_row_security_their_responses_stay(self, ground: Ground) -> None:
        answer = response(ground.admin, record(ground.admin), time=OLD)
        old = record(ground.admin, table="tbae005_asistencias")
        ground.admin.execute(
            f"ALTER TABLE {DROPOUTS} ENABLE ROW LEVEL SECURITY; ALTER TABLE {DROPOUTS} FORCE ROW LEVEL SECURITY"
        )
        purged = running.purge(ground.site)
        assert set(refused(purged)) == {DROPOUTS, RESPONSES, ERRORS}
        assert deleted(purged) == {"tbae005_asistencias": 1}
        assert answer in keys(ground.admin, RESPONSES)
        assert old not in keys(ground.admin, "tbae005_asistencias")

    def test_what_came_between_is_refused_when_the_run_is_gone_on_with(self, ground: Ground) -> None:
        make_table(ground.admin, TABLE, "")
        record(ground.admin, table=TABLE)
        record(ground.admin)
        stopped(ground, "batch claimed")
        ground.admin.execute("CREATE FUNCTION nada() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
        ground.admin.execute(f"CREATE TRIGGER ahora BEFORE DELETE ON {TABLE} FOR EACH ROW EXECUTE FUNCTION nada()")
        purged = running.purge(ground.site)
        assert purged.resumed
        assert list(refused(purged)) == [TABLE]
        assert deleted(purged) == {DROPOUTS: 1}


def _spoil(ground: Ground, table: str, spoil: str, *, hija: str = "hija") -> str:
    """A table with one old record and something in its way; the record's uuid."""
    ground.admin.execute(
        "CREATE OR REPLACE FUNCTION nada() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"
    )
    make_table(ground.admin, table, "")
    uuid = record(ground.admin, table=table)
    ground.admin.execute(spoil.format(t=table).replace("hija", hija))
    return uuid


def test_times_in_the_future_stay(ground: Ground) -> None:
    record(ground.admin, time=NEW)
    assert surveyed(ground.site).qualifying == 0
