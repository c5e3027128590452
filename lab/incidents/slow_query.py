"""``slow-query``: the register of persons has grown and the index on the CURP is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, LiteralString

from lab.incidents import database
from lab.incidents.breakage import Breakage
from lab.incidents.truth import Truth
from lab.place import Place

if TYPE_CHECKING:
    import psycopg

#: Persons that are added: two scans of them all must cost well over the 50 ms that a record may cost at 20 a second.
GROWTH = 1_000_000
#: Their numbers start here, far above what the sequence reaches.
_FIRST = 1_000_000_000

_INDEXES: LiteralString = """
SELECT indexrelid::regclass::text FROM pg_index
JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
WHERE indrelid = 'tbmu002_persona'::regclass AND attname = 'curp'"""
# A day that no month has and the state ZZ: nobody's CURP. The names are as long as people's are.
_GROW: LiteralString = """
INSERT INTO tbmu002_persona (id_persona, curp, rfc, nombre, primer_apellido, segundo_apellido, fcreacion)
SELECT %(first)s + n, 'XXQ' || chr(65 + n / 1000000) || lpad((n %% 1000000)::text, 6, '0') || 'HZZBCD99',
    'XXQX009040ZZ9', 'FICTICIA INVENTADA', 'DELABORATORIO', 'NOEXISTE', localtimestamp - interval '1 year'
FROM generate_series(1, %(growth)s) AS n"""
_SHRINK: tuple[LiteralString, ...] = (
    "CREATE TEMPORARY TABLE kept ON COMMIT DROP AS SELECT * FROM tbmu002_persona WHERE id_persona < %(first)s",
    "TRUNCATE tbmu002_persona",
    "INSERT INTO tbmu002_persona SELECT * FROM kept",
)
_VALUES = {"first": _FIRST, "growth": GROWTH}


def _apply(place: Place) -> None:
    """The index goes first: the table then grows three times as fast."""
    with database.unseen(place) as connection:
        for (name,) in _indexes(connection):
            connection.execute(f"DROP INDEX {name}")  # as regclass quotes it
        if not _grown(connection):
            connection.execute(_GROW, _VALUES)
            connection.execute("VACUUM ANALYZE tbmu002_persona")


def _heal(place: Place) -> None:
    """The table is written anew without the growth: its file shrinks too, and consolidation waits for a moment only."""
    with database.unseen(place) as connection:
        if _grown(connection):
            with connection.transaction():
                connection.execute("LOCK TABLE tbmu002_persona")
                for statement in _SHRINK:
                    connection.execute(statement, _VALUES)
        if not _indexes(connection):
            connection.execute("SET ROLE muses_owner")
            connection.execute("CREATE INDEX tbmu002_persona_curp ON tbmu002_persona (curp)")
        connection.execute("ANALYZE tbmu002_persona")


def _is_broken(place: Place) -> bool:
    with database.unseen(place) as connection:
        return not _indexes(connection)


def _indexes(connection: psycopg.Connection[Any]) -> list[tuple[str]]:
    return connection.execute(_INDEXES).fetchall()


def _grown(connection: psycopg.Connection[Any]) -> bool:
    found = connection.execute("SELECT FROM tbmu002_persona WHERE id_persona > %s LIMIT 1", [_FIRST])
    return found.rowcount > 0


BREAKAGE = Breakage(
    name="slow-query",
    breaks="Quita el índice por CURP de tbmu002_persona, que ha crecido: cada registro recorre toda la tabla.",
    expect="ETL-01 incumplida; causa confirmada: consultas lentas (queries_are_slow), con el índice que falta.",
    applied=_apply,
    healed=_heal,
    shows=_is_broken,
    truth=Truth(
        "ETL-01",
        frozenset({"queries_are_slow"}),
        operations={"create_index": "tbmu002_persona", "analyze": "tbmu002_persona"},
        also={"ETL-02": frozenset({"queries_are_slow"}), "INDEX-05": frozenset({"index_is_missing"})},
    ),
)
