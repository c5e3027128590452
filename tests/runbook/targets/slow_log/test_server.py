"""The logs that a real server writes in its three forms: read here, compressed, through SSH, and by the probe."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import zstandard
from click.testing import CliRunner, Result

from lab.place import Place
from lab.servers import postgres
from runbook.commands.slow_queries import slow_queries
from runbook.errors import ProbeError, ProbeFailure
from runbook.settings import HostsSettings, LogsSettings
from runbook.targets.logs.logs import Logs
from tests.runbook.targets.servers_rabbitmq import until
from tests.runbook.targets.servers_sshd import Sshd, sshd

#: Nobody's: a CURP's form with a month that there is not.
CANARY = "XEXX009900HNEXXX04"
PREFIX = "%t <%p> %q%u@%d/%a | "
FORMS = {"stderr": "postgresql.log", "csv": "postgresql.csv", "json": "postgresql.json"}
SHAPE = "SELECT pg_sleep($1), $2"
_MORE = f"""
log_destination = 'stderr,csvlog,jsonlog'
log_filename = 'postgresql.log'
log_truncate_on_rotation = off
log_line_prefix = '{PREFIX}'
log_min_duration_statement = 100ms
log_lock_waits = on
deadlock_timeout = 50ms
log_temp_files = 0
log_checkpoints = on
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A real PostgreSQL that logs in all three forms what was asked of it."""
    place = Place.new(tmp_path_factory.mktemp("postgres"))
    postgres.prepare(place)
    [configuration] = place.home.rglob("postgresql.conf")
    configuration.write_text(configuration.read_text() + _MORE)
    with (place.logs / "out").open("wb") as out:
        process = subprocess.Popen(postgres.program(place).argv, stdout=out, stderr=out, start_new_session=True)
    try:
        until(lambda: connects(place), patience=20)
        work(place)
        until(
            lambda: all(b"statement canary" in (place.logs / name).read_bytes() for name in FORMS.values()), patience=10
        )
        yield place
    finally:
        process.send_signal(2)
        process.wait(20)


def connects(place: Place) -> bool:
    try:
        superuser(place).close()
    except psycopg.OperationalError:
        return False
    return True


def superuser(place: Place) -> psycopg.Connection[Any]:
    conninfo = psycopg.conninfo.make_conninfo(place.conninfo("superuser"), dbname="postgres")
    return psycopg.connect(conninfo, autocommit=True)


def work(place: Place) -> None:
    """Slow statements of one shape in three ways, a plan, a wait for a lock, a temporary file, an error."""
    with superuser(place) as one, superuser(place) as other:
        one.execute(f"SELECT pg_sleep(0.15), '{CANARY}' -- de {CANARY}")
        one.execute(f"select pg_sleep(0.15)\n,\n\t'{CANARY} \"o''tra\"\n2026-11-20 10:00:00 UTC,'")
        one.execute("SELECT pg_sleep(0.2), %s", [CANARY], prepare=True)
        one.execute("SET work_mem = '64kB'")
        one.execute("SELECT count(*) FROM (SELECT g FROM generate_series(1, 60000) g ORDER BY g::text) AS s")
        one.execute("LOAD 'auto_explain'")
        one.execute("SET auto_explain.log_min_duration = 100")
        one.execute(f"SELECT pg_sleep(0.12), '{CANARY}', 'plan'\nFROM generate_series(1, 1)")
        one.execute("SET auto_explain.log_min_duration = -1")
        one.execute("CREATE TABLE espera (id int, dato text)")
        other.execute("BEGIN")
        other.execute("LOCK TABLE espera")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            one.execute(f"SET lock_timeout = '80ms'; SELECT * FROM espera WHERE dato = '{CANARY}'")
        other.execute("ROLLBACK")
        one.execute("CHECKPOINT")
        with pytest.raises(psycopg.errors.UndefinedColumn):
            one.execute(f"SELECT statement canary FROM pg_class WHERE nada = '{CANARY}'")


def asked(*arguments: str) -> Result:
    return CliRunner().invoke(slow_queries, [*arguments, "--lang", "en"], standalone_mode=False)


def told(*arguments: str) -> dict[str, Any]:
    done = asked(*arguments, "--json")
    assert done.exception is None, done.exception
    found: dict[str, Any] = json.loads(done.output)
    return found


@pytest.mark.parametrize("form", FORMS)
def test_each_form_tells_the_same(server: Place, form: str) -> None:
    found = told(str(server.logs / FORMS[form]), *(["--prefix", PREFIX] if form == "stderr" else []))
    assert found["unread"] == 0
    shapes = {s["query"]: s for s in found["statements"]}
    slept = next(s for s in found["statements"] if s["count"] == 3)
    assert slept["query"].lower() == SHAPE.lower(), "written in other letters and bound, it is one statement"
    assert 500 <= slept["total_ms"] < 5000
    assert shapes["SELECT pg_sleep($1), $2, $3 FROM generate_series($4, $5)"]["count"] == 1, "auto_explain logs it too"
    assert found["waits"] == {"AccessShareLock": 1}
    assert (found["lock_timeouts"], found["checkpoints"]["count"] >= 1) == (1, True)
    assert found["temp_files"] >= 1
    assert found["errors"]["ERROR"] == 2


def test_literals_never_leave(server: Place) -> None:
    for name in FORMS.values():
        assert CANARY in (server.logs / name).read_text()
        for options in (["--json"], []):
            printed = asked(str(server.logs / name), "--prefix", PREFIX, "--top", "100", *options).output
            assert "pg_sleep" in printed
            assert not any(kept in printed for kept in (CANARY, "XEXX", "o''tra", "'plan'"))


def test_compressed_neighbours_count_too(server: Place, tmp_path: Path) -> None:
    log = server.logs / "postgresql.json"
    (tmp_path / "postgresql.json.2.gz").write_bytes(gzip.compress(log.read_bytes()))
    (tmp_path / "postgresql.json.1.zst").write_bytes(zstandard.compress(log.read_bytes()))
    shutil.copy(log, tmp_path / "postgresql.json")
    found = told(*map(str, sorted(tmp_path.iterdir())))
    assert [s["count"] for s in found["statements"] if s["query"].lower() == SHAPE.lower()] == [9]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    home = tmp_path_factory.mktemp("sshd")
    with sshd(home) as started:
        until(lambda: b"Server listening" in (home / "log").read_bytes(), patience=10)
        yield started


def test_through_ssh_with_patterns(server: Place, host: Sshd, tmp_path: Path) -> None:
    folder = tmp_path / "un registro; touch x"
    folder.mkdir()
    shutil.copy(server.logs / "postgresql.csv", folder / "a.csv")
    (folder / "a.csv.1.gz").write_bytes(gzip.compress((server.logs / "postgresql.csv").read_bytes()))
    found = told(f"ssh://prueba{folder}/a.csv*", "--ssh-config", str(host.config))
    assert [s["count"] for s in found["statements"] if s["query"].lower() == SHAPE.lower()] == [6]
    failed = asked(f"ssh://prueba{folder}/nada*", "--ssh-config", str(host.config)).exception
    assert isinstance(failed, ProbeError)
    assert "nada" in str(failed)


class TestProbe:
    """What the checks see: the last minutes, whatever the form, here or on a host."""

    def probe(self, *database: str, prefix: str | None = PREFIX, hosts: HostsSettings | None = None) -> dict[str, int]:
        target = Logs("logs", LogsSettings(database=database), environment="lab", hosts=hosts)
        return {s.query.lower(): s.count for s in target.slow_statements(prefix)}

    @pytest.mark.parametrize("form", FORMS)
    def test_each_form(self, server: Place, form: str) -> None:
        assert self.probe(str(server.logs / FORMS[form]))[SHAPE.lower()] == 3

    def test_a_host_and_its_compressed_logs(self, server: Place, host: Sshd, tmp_path: Path) -> None:
        (tmp_path / "postgresql.log.1.gz").write_bytes(gzip.compress((server.logs / "postgresql.log").read_bytes()))
        shutil.copy(server.logs / "postgresql.log", tmp_path / "postgresql.log")
        hosts = HostsSettings(addresses=("ssh://prueba",), ssh_config=host.config)
        assert self.probe(f"ssh://prueba{tmp_path}/postgresql.log", hosts=hosts)[SHAPE.lower()] == 6

    def test_a_log_of_another_kind_is_blind_not_empty(self, tmp_path: Path) -> None:
        log = tmp_path / "postgresql.log"
        log.write_text("no es un registro de PostgreSQL\nni esto\n")
        with pytest.raises(ProbeError) as caught:
            self.probe(str(log), prefix=None)
        assert caught.value.kind is ProbeFailure.BLIND
        log.write_text("")
        assert self.probe(str(log)) == {}

    def test_only_the_last_minutes_by_a_clock_without_zone(self, tmp_path: Path) -> None:
        local = datetime.now(UTC) - timedelta(hours=6)

        def record(minutes: float, message: str) -> str:
            stamp = f"{local - timedelta(minutes=minutes):%Y-%m-%d %H:%M:%S}.123 CST"
            return json.dumps({"timestamp": stamp, "error_severity": "LOG", "message": message}, ensure_ascii=False)

        lines = (
            record(90, "duration: 900.000 ms  statement: SELECT antiguo"),
            record(3, "duración: 1234.500 ms  sentencia: SELECT * FROM tbae001_inscripcion WHERE curp = 'X'"),
            record(2, "duration: 250.000 ms  execute <unnamed>: SELECT * FROM tbae001_inscripcion WHERE curp = $1"),
            record(1, "checkpoint complete: wrote 3 buffers; duration: 9.0 ms  nothing: at all"),
            record(0, "el archivo sigue"),
            '{"timestamp": "2026-',
        )
        (tmp_path / "postgresql.json").write_text("\n".join(lines))
        found = self.probe(str(tmp_path / "postgresql.json"), prefix=None)
        assert found == {"select * from tbae001_inscripcion where curp = $1": 2}
