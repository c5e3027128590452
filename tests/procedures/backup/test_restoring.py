"""A backup goes into a new database, whole or not at all, and never over anything that is there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from psycopg import sql

from procedures.backup import restoring
from procedures.backup.destination import Wanted
from procedures.backup.refusing import Refused
from procedures.backup.restore_recording import RestoreBackupCourse
from procedures.backup.watching import Unwatched
from runbook.commands.run_restore import restore_backup, restore_test
from runbook.errors import ActionError
from runbook.model import Outcome, State
from runbook.text import Text
from tests.procedures.backup.ground import LARGE_OBJECTS, Ground
from tests.procedures.backup.test_proving import cut, unknown_locale
from tests.runbook.targets.servers_postgres import DATABASE

COPY = "copia"
#: All rows of all tables with their large objects, as one digest a table.
_TABLES = """
SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND n.nspname IN ('obra', 'muses_dev') ORDER BY 1
"""
_OBJECTS = """
SELECT (SELECT array_agg(format('%s %s %s', c.relkind, c.relname, pg_get_userbyid(c.relowner)) ORDER BY c.relname)
        FROM pg_class AS c WHERE relnamespace IN ('obra'::regnamespace, 'muses_dev'::regnamespace)) AS relations,
    (SELECT array_agg(pg_get_constraintdef(oid) ORDER BY conrelid::regclass::text, conname) FROM pg_constraint
        WHERE connamespace IN ('obra'::regnamespace, 'muses_dev'::regnamespace)) AS constraints,
    (SELECT array_agg(md5(lo_get(oid)) ORDER BY oid) FROM pg_largeobject_metadata) AS large,
    (SELECT last_value FROM obra.turno) AS turno, obj_description('obra.tipos'::regclass) AS comment,
    (SELECT array_agg(s ORDER BY s) FROM pg_db_role_setting, unnest(setconfig) AS s
        WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())) AS settings
"""


@pytest.fixture(autouse=True)
def databases_stay(ground: Ground) -> Iterator[None]:
    """No test leaves a database behind; what one makes on purpose goes."""
    before = ground.databases()
    yield
    for name in ground.databases() - before:
        ground.admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def wanted(ground: Ground, **changes: Any) -> Wanted:
    """Into a copy, by the superuser, on the server's socket."""
    given = {"to": COPY, "host": str(ground.postgres.home), "user": "postgres"}
    return Wanted(**{**given, **changes})


def contents(ground: Ground, database: str) -> dict[str, Any]:
    with closing(ground.postgres.admin(database)) as session:
        found = session.execute(_OBJECTS).fetchall()[0]
        for row in session.execute(_TABLES).fetchall():
            query = f"SELECT count(*), md5(string_agg(t::text, E'\\n' ORDER BY t::text)) FROM ONLY {row['name']} AS t"
            found[row["name"]] = session.execute(query).fetchall()[0]
        return found


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_copy_is_the_database(ground: Ground, jobs: int) -> None:
    ground.admin.execute(f"ALTER DATABASE {DATABASE} SET work_mem = '5MB'")
    ground.admin.execute(f"ALTER DATABASE {DATABASE} SET default_transaction_read_only = on")
    try:
        made = ground.backed_up()
    finally:
        ground.admin.execute(f"ALTER DATABASE {DATABASE} RESET default_transaction_read_only")
    course = RestoreBackupCourse(ground.site, "run", wanted=wanted(ground, jobs=jobs))
    course.act(Unwatched())
    ground.admin.execute(f"ALTER DATABASE {COPY} RESET default_transaction_read_only")
    there = contents(ground, COPY)
    assert there == contents(ground, DATABASE)
    assert len(there["large"]) == LARGE_OBJECTS
    assert there["settings"] == ["work_mem=5MB"]
    assert course.made is not None
    assert course.made.rows == sum(made.manifest.tables.values())
    record = course.record(execute=True)
    assert (record.verdict.state, record.actions[0].outcome) == (State.OK, Outcome.DONE)
    assert ground.leases() == 0


def test_nothing_is_restored_over_anything(ground: Ground) -> None:
    ground.backed_up()
    before = contents(ground, DATABASE)
    course = RestoreBackupCourse(ground.site, "run", wanted=wanted(ground, to=DATABASE))
    with pytest.raises(Refused, match=r"holds \d+ tables") as caught:
        course.act(Unwatched())
    course.failure = caught.value
    record = course.record(execute=True)
    assert (record.verdict.state, record.actions[0].outcome) == (State.WARNING, Outcome.REFUSED)
    for name in ("postgres", "template1", "", "x" * 64):
        with pytest.raises(Refused, match="no name for a database"):
            restoring.restore(ground.site, None, wanted(ground, to=name))
    assert contents(ground, DATABASE) == before
    assert ground.leases() == 0


def test_who_may_not_is_told_before_anything_is_done(ground: Ground) -> None:
    ground.backed_up()
    found = restoring.look(ground.site, None, Wanted(to=COPY))
    assert [str(one) for one in found.objections] == [
        "muses_operator may not make databases: say with --user who may",
    ]
    with pytest.raises(ActionError, match="is not the site's server"):
        restoring.look(ground.site, None, Wanted(to=COPY, host="otro.invalid"))


def test_missing_roles_are_made_when_asked_for(ground: Ground) -> None:
    ground.admin.execute('CREATE ROLE "de; ayer" LOGIN PASSWORD \'nada\'; GRANT muses_owner TO "de; ayer"')
    try:
        ground.backed_up()
    finally:
        ground.admin.execute('DROP ROLE "de; ayer"')
    (said,) = restoring.look(ground.site, None, wanted(ground)).objections
    assert str(said) == 'The server lacks roles of the backup ("de; ayer"): --globals makes them'
    try:
        restored = restoring.restore(ground.site, None, wanted(ground, globals=True))
        assert restored.roles == ('"de; ayer"',)
        (role,) = ground.admin.execute(
            "SELECT rolcanlogin, rolpassword IS NULL AS without, pg_has_role(oid, 'muses_owner', 'MEMBER') AS member "
            "FROM pg_authid WHERE rolname = 'de; ayer'"
        ).fetchall()
        assert role == {"rolcanlogin": True, "without": True, "member": True}
    finally:
        ground.admin.execute('DROP ROLE IF EXISTS "de; ayer"')


class Interrupting(Unwatched):
    """Ctrl-C, in the middle of the dump."""

    def moved(self, done: int) -> None:
        if done:
            raise KeyboardInterrupt


def test_ctrl_c_drops_what_was_begun(ground: Ground) -> None:
    ground.backed_up()
    before = ground.databases()
    with pytest.raises(KeyboardInterrupt):
        restoring.restore(ground.site, None, wanted(ground), watch=Interrupting())
    assert ground.databases() == before
    assert ground.leases() == 0


def test_a_dump_that_cannot_be_restored_leaves_nothing(ground: Ground) -> None:
    ground.resealed(ground.backed_up().folder, cut)
    before = ground.databases()
    with pytest.raises(ActionError, match="pg_restore failed"):
        restoring.restore(ground.site, None, wanted(ground))
    assert ground.databases() == before
    ground.admin.execute(f"CREATE DATABASE {COPY}")
    with pytest.raises(ActionError, match="pg_restore failed"):
        restoring.restore(ground.site, None, wanted(ground))
    with closing(ground.postgres.admin(COPY)) as session:  # an empty one that was there is empty again
        assert not session.execute("SELECT FROM pg_namespace WHERE nspname = 'obra'").rowcount


def test_an_empty_database_that_is_there_is_filled(ground: Ground) -> None:
    ground.backed_up()
    ground.admin.execute(f"CREATE DATABASE {COPY} TEMPLATE template0")
    restoring.restore(ground.site, None, wanted(ground))
    assert contents(ground, COPY)["turno"] == 7


def test_what_is_not_the_snapshot_does_not_get_the_name(ground: Ground) -> None:
    made = ground.backed_up()
    ground.rewrite(made.folder, tables={**made.manifest.tables, "obra.t010": 11})
    with pytest.raises(ActionError, match=r"t010 has 10 rows and not 11"):
        restoring.restore(ground.site, None, wanted(ground))
    assert COPY not in ground.databases()
    (left,) = restoring.look(ground.site, None, wanted(ground)).left
    assert left in ground.databases()
    assert left.startswith(f"{COPY}_restoring_")


def test_a_killed_server_in_the_middle_is_an_error_in_plain_words(ground: Ground) -> None:
    ground.backed_up()

    class Ending(Unwatched):
        """Somebody who ends every session of the restore."""

        def stepped(self, what: Text, total: int | None = None) -> None:
            if total is None:  # the comparing begins
                ground.admin.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'copia%'"
                )
                ground.admin.execute("DROP DATABASE " + next(n for n in ground.databases() if n.startswith(COPY)))

    with pytest.raises(ActionError):
        restoring.restore(ground.site, None, wanted(ground), watch=Ending())
    assert COPY not in ground.databases()


def test_the_password_of_another_user_is_libpqs(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    ground.backed_up()
    ask = Wanted(to=COPY, user="muses_stranger")
    with pytest.raises(ActionError, match="does not let muses_stranger in"):
        restoring.look(ground.site, None, ask)
    monkeypatch.setenv("PGPASSWORD", ground.postgres.password.read_text())
    (said,) = restoring.look(ground.site, None, ask).objections
    assert str(said).startswith("muses_stranger may not make databases")


def test_a_locale_that_is_not_there_is_the_servers_word(ground: Ground) -> None:
    ground.resealed(ground.backed_up().folder, unknown_locale)
    before = ground.databases()
    with pytest.raises(ActionError, match="locale"):
        restoring.restore(ground.site, None, wanted(ground))
    assert ground.databases() == before


def test_the_commands_are_dry_unless_told(ground: Ground) -> None:
    made, file = ground.backed_up(), str(ground.site_file())
    dry = typed(restore_test, made.folder, "--settings", file)
    assert (dry.return_value, made.folder in dry.stdout) == (0, True)
    assert ground.written_proofs(made.folder) == []
    assert typed(restore_test, "--settings", file, "--execute").return_value == 0
    assert [proof.whole for proof in ground.written_proofs(made.folder)] == [False]
    to = ("--to", COPY, "--host", str(ground.postgres.home), "--user", "postgres", "--settings", file)
    assert typed(restore_backup, *to).return_value == 0
    assert COPY not in ground.databases()
    assert typed(restore_backup, *to, "--execute").return_value == 0
    assert COPY in ground.databases()
    again = typed(restore_backup, *to, "--execute")
    assert (again.return_value, "nothing is restored over them" in again.stdout) == (1, True)


def typed(command: click.Command, *words: str) -> Result:
    return CliRunner().invoke(command, [*words, "--lang", "en"], standalone_mode=False, catch_exceptions=False)
