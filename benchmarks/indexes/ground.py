"""A PostgreSQL of the benchmark's own with the lab's tables, many rows, and no secondary index, as in production."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg

from benchmarks.purge import data
from benchmarks.purge import ground as servers
from lab.place import Place
from runbook.settings import DatabaseSettings, Login, Secret
from runbook.targets.postgres.database import Database

_INDEXES = """
SELECT format('DROP INDEX %s', indexrelid::regclass) FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
WHERE relnamespace = 'muses_dev'::regnamespace AND NOT indisunique
"""
#: The core tables: a person and a student for every third enrolment, one enrolment in a thousand not told to SIGED.
_CORE = (
    "TRUNCATE tbmu002_persona, tbmu020_alumno, tbmu006_inscripcion",
    """
    INSERT INTO tbmu002_persona (id_persona, curp, rfc, nombre, primer_apellido, segundo_apellido, activo, fcreacion)
    SELECT n, curp, 'XXQX009040ZZ9', 'FICTICIA INVENTADA', 'DELABORATORIO', 'NOEXISTE',
        CASE WHEN n % 50 = 0 THEN 'B' ELSE 'A' END, localtimestamp
    FROM (SELECT row_number() OVER () AS n, curp_actual AS curp
        FROM (SELECT DISTINCT curp_actual FROM tbae001_inscripcion) AS curps) AS people
    """,
    """
    INSERT INTO tbmu020_alumno (id_alumno, id_persona, id_subsistema, matricula, fcreacion)
    SELECT id_persona, id_persona, id_persona % 12 + 1, 'LAB' || id_persona, localtimestamp FROM tbmu002_persona
    """,
    """
    INSERT INTO tbmu006_inscripcion (id_alumno, id_subsistema, id_turno, fecha_inscripcion, fcreacion, notificado_siged)
    SELECT 1 + n % (SELECT max(id_alumno) FROM tbmu020_alumno), n % 12 + 1, n % 3, localtimestamp, localtimestamp,
        n % 1000 <> 0 FROM generate_series(1, {rows}) AS n
    """,
)


@contextlib.contextmanager
def filled(rows: int, programs: Path | None) -> Iterator[servers.Ground]:
    """``rows`` enrolments, their answers and errors, and the register; the server is gone afterwards."""
    home = Path(tempfile.mkdtemp(prefix="muses-bench-"))
    try:
        place = Place.new(home, postgres=programs)
        with servers._database(place) as pid:
            ground = servers.Ground(place, {"PostgreSQL": pid})
            _fill(ground, rows)
            yield ground
    finally:
        shutil.rmtree(home, ignore_errors=True)


def database(ground: servers.Ground) -> Database:
    """The target, as a site file would make it."""
    place = ground.place
    logins = {
        identity: Login(user=f"muses_{identity}", password=Secret(file=place.secret_file(f"database-muses_{identity}")))
        for identity in ("reader", "operator")
    }
    settings = DatabaseSettings(port=place.ports.postgres, schema=place.schema, **logins)
    return Database("database", settings, environment="bench", timezone="America/Mexico_City")


def _fill(ground: servers.Ground, rows: int) -> None:
    data.fill(ground, rows)
    with ground.admin() as admin:
        for (drop,) in admin.execute(_INDEXES).fetchall():
            admin.execute(drop)
        admin.execute("SET session_replication_role = replica")
        for words in _CORE:
            admin.execute(words.format(rows=rows))
    with ground.admin() as admin:
        admin.execute("VACUUM (ANALYZE)")
        admin.execute("CHECKPOINT")
        # What was written to fill the tables is no part of the load that the reads are weighed against.
        admin.execute("SELECT pg_stat_reset()")
        admin.execute("SELECT pg_stat_statements_reset()")


def has_hypopg(connection: psycopg.Connection[object]) -> bool:
    """Whether the server can be made to believe in an index."""
    return connection.execute("SELECT FROM pg_extension WHERE extname = 'hypopg'").rowcount > 0
