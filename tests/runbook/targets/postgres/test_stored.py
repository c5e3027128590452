"""The indexes that stand, on a real server: what each is for, how far its build is, who used it, also on a standby."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from checks._index_standing import spare, unused
from runbook.errors import ProbeError, ProbeFailure
from runbook.targets.postgres.database import Database
from runbook.targets.postgres.stored import StoredIndex
from tests.runbook.targets.conftest import MakeDatabase
from tests.runbook.targets.servers_postgres import Connection, PostgresServer, installations, standby_of, until


def found(database: Database) -> dict[str, StoredIndex]:
    return {index.name: index for index in database.stored_indexes()}


def test_every_index_tells_what_hangs_on_it(database: Database, admin: Connection) -> None:
    admin.execute("CREATE UNIQUE INDEX unica ON tbmu002_persona (curp) WHERE activo = 'A'")
    admin.execute("CREATE INDEX llana ON tbmu002_persona (upper(curp), rfc DESC) INCLUDE (nombre)")
    indexes = found(database)
    assert (indexes["tbmu002_persona_pkey"].primary, indexes["tbmu002_persona_pkey"].droppable) == (True, False)
    assert (indexes["unica"].enforces, indexes["unica"].droppable) == (True, False)
    plain = indexes["llana"]
    assert (plain.valid, plain.droppable, plain.included) == (True, True, ("nombre",))
    assert plain.key == ("upper(curp::text)", "rfc")
    assert plain.build_command.startswith("CREATE INDEX CONCURRENTLY llana ON muses_dev.tbmu002_persona")
    assert plain.drop_command == "DROP INDEX CONCURRENTLY muses_dev.llana;"


def test_the_index_that_replication_needs_stays(database: Database, admin: Connection) -> None:
    admin.execute("ALTER TABLE tbmu002_persona ALTER rfc SET NOT NULL")
    admin.execute("CREATE UNIQUE INDEX identidad ON tbmu002_persona (rfc)")
    admin.execute("ALTER TABLE tbmu002_persona REPLICA IDENTITY USING INDEX identidad")
    assert found(database)["identidad"].identifies


def test_equal_ones_and_beginnings_are_told_apart(database: Database, admin: Connection) -> None:
    for name, rest in {
        "a": "(curp)",
        "b": "(curp)",
        "c": "(curp, rfc)",
        "other_order": "(curp DESC)",
        "other_class": "(curp varchar_pattern_ops)",
        "other_rows": "(curp) WHERE activo = 'A'",
        "other_words": "(upper(curp))",
        "other_method": "USING hash (curp)",
    }.items():
        admin.execute(f"CREATE INDEX {name} ON tbmu002_persona {rest}")
    spares = {one.index.name: (one.kept.name, one.same) for one in spare(database.stored_indexes())}
    assert spares == {"b": ("a", True), "a": ("c", False)}


def test_a_primary_key_is_kept_and_its_copy_is_spare(database: Database, admin: Connection) -> None:
    admin.execute("CREATE INDEX copia ON tbmu002_persona (id_persona)")
    (one,) = spare(database.stored_indexes())
    assert (one.index.name, one.kept.name) == ("copia", "tbmu002_persona_pkey")


def test_a_build_that_waits_is_no_leftover(database: Database, postgres: PostgresServer, admin: Connection) -> None:
    with closing(postgres.session("vieja")) as old, closing(postgres.session("otro", role="muses_operator")) as other:
        old.execute("BEGIN; LOCK TABLE tbmu002_persona IN ROW EXCLUSIVE MODE")
        build = "CREATE INDEX CONCURRENTLY en_obra ON tbmu002_persona (curp)"
        thread = threading.Thread(target=lambda: other.execute(build))
        thread.start()
        until(lambda: (seen := found(database).get("en_obra")) and seen.phase)
        assert not found(database)["en_obra"].valid
        old.execute("ROLLBACK")
        thread.join(10)
    until(lambda: (done := found(database)["en_obra"]).valid and done.phase is None)


def test_foreign_keys_tell_which_have_an_index(database: Database, admin: Connection) -> None:
    keys = {(key.table, key.column): key for key in database.foreign_keys()}
    answers = keys["tbae010_error", "id_respuesta"]
    assert (answers.parent, answers.index, answers.wanted.columns) == ("tbae009_respuesta", None, ("id_respuesta",))
    admin.execute("CREATE INDEX hay ON tbae010_error (id_respuesta, id_error)")
    (now,) = (key for key in database.foreign_keys() if key.column == "id_respuesta")
    assert now.index == "hay"


def test_uses_are_counted(database: Database, admin: Connection, postgres: PostgresServer) -> None:
    admin.execute("CREATE INDEX usada ON tbmu002_persona (curp)")
    admin.execute("CREATE INDEX ociosa ON tbmu002_persona (rfc)")
    with closing(postgres.session()) as session:
        session.execute("SET enable_seqscan TO off")
        session.execute("SELECT * FROM tbmu002_persona WHERE curp = 'X'")
    until(lambda: database.index_uses().scans["usada"])
    uses = database.index_uses()
    assert uses.servers == 1
    assert uses.age.total_seconds() > 0
    assert [i.name for i in unused(database.stored_indexes(), uses, database.foreign_keys(), 0)] == ["ociosa"]


@pytest.fixture(scope="module")
def standby(postgres: PostgresServer) -> Iterator[PostgresServer]:
    """A server that follows the other one; of one version only, because copying takes seconds."""
    if postgres.programs != next(iter(installations().values())):
        pytest.skip("tried with the first server that this machine has")
    with standby_of(postgres) as follower:
        yield follower


def test_what_a_standby_uses_is_used(
    standby: PostgresServer, database: Database, admin: Connection, make_database: MakeDatabase
) -> None:
    admin.execute("CREATE INDEX solo_alla ON tbmu002_persona (curp)")
    until(lambda: _asked_there(standby), patience=20)
    with pytest.raises(ProbeError) as caught:
        database.index_uses()
    assert caught.value.kind is ProbeFailure.BLIND
    assert "standbys" in str(caught.value)
    both = make_database(standbys=(f"127.0.0.1:{standby.port}",))
    until(lambda: both.index_uses().scans["solo_alla"])
    assert both.index_uses().servers == 2
    with pytest.raises(ProbeError):
        make_database(port=standby.port).index_uses()


def _asked_there(standby: PostgresServer) -> bool:
    """Whether the standby has the index by now and has used it."""
    with closing(standby.session()) as session:
        if not session.execute("SELECT FROM pg_class WHERE relname = 'solo_alla'").rowcount:
            return False
        session.execute("SET enable_seqscan TO off")
        session.execute("SELECT * FROM tbmu002_persona WHERE curp = 'X'")
        return True
