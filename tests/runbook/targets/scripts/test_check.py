"""The whole way from the command line: a site's script, its findings, its waiver, its replay."""

from __future__ import annotations

import hashlib
import re
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from runbook import cli
from tests.runbook.targets.servers_postgres import PASSWORD, PostgresServer
from tests.runbook.test_cli import said

SITE = """
[site]
state = "{folder}/state"
[environments.here]
waivers_file = "waivers.toml"
[environments.here.database]
port = {port}
reader = {{ user = "muses_reader", password = {{ file = "{password}" }} }}
[environments.here.sql_rows]
folders = ["sql"]
params = {{ motivo = "inventado" }}
"""
SCRIPT = """-- Bajas con un motivo que no debe ser
-- params: motivo
-- warning: count > 0
SELECT uuid, curp, motivo_baja FROM tbae002_bajas WHERE motivo_baja = :'motivo'
"""


@pytest.fixture
def desk(tmp_path: Path, postgres: PostgresServer) -> Path:
    postgres.make_tables()
    leave(postgres, "1")
    (tmp_path / "sql").mkdir()
    (tmp_path / "sql" / "bajas.sql").write_text(SCRIPT)
    (tmp_path / "waivers.toml").touch()
    site = SITE.format(folder=tmp_path, port=postgres.port, password=postgres.password)
    (tmp_path / "muses-runbook.toml").write_text(site)
    return tmp_path


def leave(postgres: PostgresServer, uuid: str) -> None:
    with closing(postgres.admin()) as admin:
        admin.execute(
            "INSERT INTO muses_dev.tbae002_bajas (uuid, curp, motivo_baja, id_estatus_procesamiento)"
            f" VALUES ('{uuid}', 'INVENTADA', 'inventado', 1)"
        )


@pytest.mark.parametrize("postgres", ["wheel"], indirect=True)
def test_a_script_is_a_row_from_its_findings_to_its_waiver(desk: Path, postgres: PostgresServer) -> None:
    found = said("check", "bajas", "--output", "out", folder=desk)
    assert found.returncode == cli.Exit.WARNING, found.stderr
    (table,), (hashes,) = (desk / "out").glob("*.csv"), (desk / "out").glob("*.sha256")
    assert table.read_text("utf-8-sig") == "uuid,curp,motivo_baja\n1,‹curp›,inventado\n"
    assert hashes.read_text().split()[0] == hashlib.sha256(table.read_bytes()).hexdigest()
    assert not re.search(f"INVENTADA|{PASSWORD}", "".join(p.read_text() for p in (desk / "out").iterdir()))

    other = said("check", "BAJAS", "--param", "motivo=otro", "--output", "none", folder=desk)
    assert other.returncode == cli.Exit.OK, other.stdout

    (stored,) = (desk / "out").glob("*.json")
    assert said("check", "BAJAS", "--replay", str(stored), "--output", "r", folder=desk).returncode == cli.Exit.WARNING

    people = ("--owner", "Ana", "--approver", "Luis", "--reason", "x", "--until", waivable_day())
    (desk / "waivers.toml").write_text(said("waive", "BAJAS", *people, "--run", "out", folder=desk).stdout)
    accepted = said("check", "BAJAS", "--output", "w", folder=desk)
    assert (accepted.returncode, "WAIVED" in accepted.stdout) == (cli.Exit.OK, True), accepted.stdout
    leave(postgres, "2")
    worse = said("check", "BAJAS", "--output", "x", folder=desk)
    assert (worse.returncode, "Does not apply" in worse.stdout) == (cli.Exit.WARNING, True), worse.stdout


def waivable_day() -> str:
    return (datetime.now(UTC).date() + timedelta(days=30)).isoformat()
