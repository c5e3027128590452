"""The whole way on a real server, through the commands: plan without the operator, show, approve, apply, prove."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from runbook.cli import Exit
from tests.runbook.plans import planning
from tests.runbook.targets.servers_postgres import DATABASE, SCHEMA, Connection, PostgresServer, installations, until

COMMAND = Path(sys.executable).with_name("muses-runbook")
SITE = """
[site]
name = "SEP-MUSES"
environment = "here"
state = "{home}/state"
[environments.here.database]
port = {port}
name = "{name}"
schema = "{schema}"
reader = {{ user = "muses_reader", password = {{ file = "{password}" }} }}
{operator}
[environments.here.limits.DB-05]
warning = "50 ms"
critical = "100 ms"
[environments.here.settling]
DB-05 = "1 s"
[environments.here.acting]
machines = "one"
[environments.here.policy]
cooldown = "0 s"
attempts = 99
[environments.here.policy.approval]
method = "ssh"
signers = "{home}/signers"
people = {{ ana = "high" }}
"""
OPERATOR = 'operator = { user = "muses_operator", password = { file = "%s" } }'


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    made = PostgresServer(next(iter(installations().values())))
    try:
        made.start()
        made.make_tables()
        yield made
    finally:
        made.stop()


@pytest.fixture
def desk(server: PostgresServer, tmp_path: Path) -> Path:
    """A working folder with a site file that may act, one that cannot, and Ana's key."""
    given = {"home": tmp_path, "port": server.port, "name": DATABASE, "schema": SCHEMA, "password": server.password}
    planning.by_ssh(tmp_path, "ana")
    (tmp_path / "muses-runbook.toml").write_text(SITE.format(**given, operator=OPERATOR % server.password))
    (tmp_path / "reader.toml").write_text(SITE.format(**given, operator=""))
    return tmp_path


@pytest.fixture
def forgotten(server: PostgresServer) -> Iterator[Callable[[], Connection]]:
    """Makes sessions that hold a lock and do nothing, as long as they are let."""
    made: list[Connection] = []

    def make() -> Connection:
        made.append(server.session("consulta-manual"))
        made[-1].execute("BEGIN; LOCK TABLE tbmu006_inscripcion IN ACCESS SHARE MODE")
        return made[-1]

    yield make
    for session in made:
        session.close()


def said(desk: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("MUSES", "LC_", "LANG", "XDG"))}
    variables = clean | {"HOME": str(desk), "MUSES_RUNBOOK_LANG": "en"}
    return subprocess.run([COMMAND, *arguments], cwd=desk, env=variables, capture_output=True, text=True, check=False)


def planned(desk: Path) -> subprocess.CompletedProcess[str]:
    return said(desk, "check", "DB-05", "--plan", "plan.json", "--settings", "reader.toml")


def is_alive(session: Connection) -> bool:
    try:
        session.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


def roles_seen(server: PostgresServer, since: int) -> set[str]:
    """Who logged in, by the server's own log, after so many bytes of it."""
    lines = (server.home / "log").read_text()[since:].splitlines()
    return {line.rpartition("user=")[2].partition(" ")[0] for line in lines if "connection authorized" in line}


def run_of(desk: Path) -> Any:
    newest = max((desk / "state" / "runs").glob("*/*.json"), key=lambda path: path.stat().st_mtime_ns)
    return json.loads(newest.read_text())


def test_planned_by_the_reader_approved_by_a_person_applied_by_the_operator(
    server: PostgresServer, desk: Path, forgotten: Callable[[], Connection]
) -> None:
    with closing(server.admin()) as admin:
        admin.execute("ALTER SYSTEM SET log_connections = on")
        admin.execute("SELECT pg_reload_conf()")
    until(lambda: server.session("probe").close() or "connection authorized" in (server.home / "log").read_text())
    session, log = forgotten(), (server.home / "log").stat().st_size
    made = planned(desk)
    assert made.returncode == Exit.CRITICAL, made.stderr
    assert roles_seen(server, log) == {"muses_reader"}
    assert f"muses-runbook apply {desk / 'plan.json'} --as NAME" in made.stdout
    assert not (desk / "state" / "journal.jsonl").exists()

    shown = said(desk, "show", "plan.json")
    assert "database.end_session(" in shown.stdout
    assert "0 of 1 approvals" in shown.stdout

    unsigned = said(desk, "apply", "plan.json")
    assert (unsigned.returncode, "0 of 1 approvals" in unsigned.stderr) == (Exit.REFUSED, True)
    assert roles_seen(server, log) == {"muses_reader"}

    approved = said(desk, "approve", "plan.json", "--as", "ana", "--reason", "ticket 4711", "--key", "ana")
    assert approved.returncode == Exit.OK, approved.stderr
    done = said(desk, "apply", "plan.json")
    assert done.returncode == Exit.OK, done.stderr + done.stdout
    assert "muses_operator" in roles_seen(server, log)
    assert not is_alive(session)
    [record] = run_of(desk)["records"]
    assert record["verification"]["proven"] == "fixed"
    assert record["decision"]["by"] == "ana"


def test_a_session_that_went_on_working_is_left_alone(desk: Path, forgotten: Callable[[], Connection]) -> None:
    one, other = forgotten(), forgotten()
    assert planned(desk).returncode == Exit.CRITICAL
    one.execute("COMMIT")  # the other one is as it was
    done = said(desk, "apply", "plan.json", "--as", "ana", "--reason", "ticket 4711", "--key", "ana")
    assert done.returncode == Exit.CRITICAL, done.stderr
    assert "Nothing of the approved plan ran" in done.stdout
    assert is_alive(one)
    assert is_alive(other)
    assert "(–)" in run_of(desk)["plan_file"]["refused"]["DB-05"]["values"]["changes"]


def test_a_plan_that_cannot_be_written_costs_no_report(desk: Path) -> None:
    (desk / "file").write_text("")
    done = said(desk, "check", "DB-05", "--plan", "file/plan.json", "--settings", "reader.toml")
    assert (done.returncode, "cannot be written" in done.stderr) == (Exit.NO_REPORT, True)
    assert [record["row"] for record in run_of(desk)["records"]] == ["DB-05"]


def test_the_nightly_check_of_a_site_that_signs_leaves_a_plan_and_says_so(
    desk: Path, forgotten: Callable[[], Connection]
) -> None:
    forgotten()
    night = said(desk, "check", "DB-05", "DB-02")
    assert night.returncode == Exit.CRITICAL, night.stderr
    [file] = (desk / "state" / "plans").glob("*.json")
    told = run_of(desk)["plan_file"]
    assert told["file"] == str(file)
    assert told["commands"] == [f"muses-runbook apply {file} --as NAME --reason 'WHY' --key ~/.ssh/id_ed25519"]
    [page] = (desk / "state" / "runs").glob("*/*.html")
    assert f"muses-runbook apply {file}" in page.read_text()
