"""Single rows and tables for the purge's tests, and what the purge makes of them."""

from __future__ import annotations

import uuid as uuids
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import zstandard
from psycopg import sql

from procedures.purge import finding, milestones, outlook, ruling, running, surveying
from procedures.purge.selection import Rules, joined, qualifies
from procedures.purge.tables import Table
from runbook.site import Site
from runbook.targets.postgres.working import working
from runbook.targets.s3 import archives
from runbook.targets.s3.archives import Manifest
from tests.procedures.purge.ground import ARCHIVE, Ground
from tests.runbook.targets.servers_postgres import Connection

OLD, NEW = "2025-01-01 12:00:00", "2999-01-01 12:00:00"
INSCRIPTIONS, DROPOUTS, RESPONSES, ERRORS = "tbae001_inscripcion", "tbae002_bajas", "tbae009_respuesta", "tbae010_error"


def record(
    admin: Connection,
    uuid: str | None = None,
    *,
    table: str = DROPOUTS,
    status: int | None = 3,
    time: Any = OLD,
    **more: Any,
) -> str:
    """One record; its uuid."""
    uuid = uuid or str(uuids.uuid4())
    insert(admin, table, uuid=uuid, id_estatus_procesamiento=status, fecha_actualizacion=time, **more)
    return uuid


def response(admin: Connection, uuid: str, *, status: int = 3, time: str = NEW) -> str:
    """The response to a record; its number."""
    values = {"uuid": uuid, "id_estatus_procesamiento": status, "fecha_respuesta": time}
    return str(insert(admin, RESPONSES, **values)["id_respuesta"])


def error(admin: Connection, response: str) -> str:
    """An error of a response; its number."""
    return str(insert(admin, ERRORS, id_respuesta=response, id_motivo_error=1)["id_error"])


def insert(admin: Connection, table: str, **values: Any) -> dict[str, Any]:
    """One row; its key."""
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING {}").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, values)),
        sql.SQL(", ").join(sql.Placeholder() * len(values)),
        sql.Identifier(_key(table)),
    )
    (row,) = admin.execute(statement, list(values.values())).fetchall()
    return row


def make_table(admin: Connection, name: str, columns: str, *, rest: str = "") -> None:
    """A table of records that the purge finds, with ``columns`` beside those that it needs; the services own it."""
    admin.execute(
        f"CREATE TABLE {name} (uuid varchar(36) PRIMARY KEY, id_estatus_procesamiento int, "
        f"fecha_actualizacion timestamp(6){columns and ', '}{columns}) {rest}"
    )
    belong(admin, name)


def belong(admin: Connection, *names: str) -> None:
    """The tables belong to the services, as the others do; the reader may read them."""
    for name in names:
        admin.execute(f"ALTER TABLE {name} OWNER TO muses_owner")
        admin.execute(f"GRANT SELECT ON {name} TO muses_reader; GRANT ALL ON {name} TO muses_app")


@contextmanager
def looked(site: Site) -> Iterator[tuple[Connection, tuple[Table, ...], Rules]]:
    """A session as the operator, the tables and the rules that a run beginning now would have."""
    place = outlook.place_of(site)
    with working(place.access, "purge") as connection:
        found = finding.find_tables(connection, place.access.settings, place.purge)
        rules = ruling.rules_of(connection, found, place.access.settings, place.purge, site.environment.timezone)
        yield connection, found, rules


def goes(site: Site, table: str = DROPOUTS) -> set[str]:
    """The keys of the rows of a table that are to go."""
    with looked(site) as (connection, found, rules):
        statement = "SELECT staged.{key}::text AS key FROM ONLY {table} AS staged{joined} WHERE {qualifies}"
        return {
            row["key"]
            for one in found
            if one.root == table
            for row in connection.execute(
                sql.SQL(statement).format(
                    key=sql.Identifier(one.key[0]),
                    table=sql.Identifier(one.schema, one.name),
                    joined=joined(one, rules),
                    qualifies=qualifies(one, rules),
                )
            )
        }


def survey(site: Site) -> surveying.Survey:
    """What there is and what of it is to go, as the operator sees it."""
    place = outlook.place_of(site)
    with looked(site) as (connection, found, rules):
        given = (place.access.settings, place.purge, site.environment.timezone)
        return surveying.survey(connection, found, rules, *given)


def surveyed(site: Site, table: str = DROPOUTS) -> surveying.TableSurvey:
    """What a survey says of one table."""
    (found,) = [one for one in survey(site).tables if one.table == table]
    return found


def keys(admin: Connection, table: str = DROPOUTS) -> set[str]:
    """The keys of all rows that a table holds."""
    return {row["key"] for row in admin.execute(f"SELECT {_key(table)}::text AS key FROM {table}").fetchall()}


def _key(table: str) -> str:
    return {RESPONSES: "id_respuesta", ERRORS: "id_error"}.get(table, "uuid")


def deleted(purged: running.Purged) -> dict[str, int]:
    """How many rows went, by table, of the tables that lost any."""
    return {table.name: table.deleted for table in purged.tables if table.deleted}


def refused(purged: running.Purged) -> dict[str, list[str]]:
    """The reasons for which tables were left out."""
    return {table.name: [str(reason) for reason in table.refused] for table in purged.tables if table.refused}


def batches_of(ground: Ground) -> list[tuple[Manifest, list[bytes]]]:
    """All that is published: each manifest with the plain COPY lines of its object, as anyone could read them."""
    found = []
    pages = ground.s3.get_paginator("list_objects_v2").paginate(Bucket=ARCHIVE, Prefix=ground.prefix)
    for name in [one["Key"] for page in pages for one in page.get("Contents", ())]:
        if name.endswith(f"/{archives.MANIFEST}"):
            manifest = archives.decoded(ground.s3.get_object(Bucket=ARCHIVE, Key=name)["Body"].read())
            about = {"Bucket": ARCHIVE, "Key": manifest.object.key, "VersionId": manifest.object.version}
            body = ground.s3.get_object(**about)["Body"].read()
            found.append((manifest, zstandard.ZstdDecompressor().decompressobj().decompress(body).split(b"\n")[:-1]))
    return found


def archived(ground: Ground) -> dict[str, list[str]]:
    """The keys of all archived rows, by the table of their manifest."""
    found: dict[str, list[str]] = {}
    for manifest, lines in batches_of(ground):
        found.setdefault(manifest.table, []).extend(line.split(b"\t")[2].decode() for line in lines)
    return {table: sorted(rows) for table, rows in found.items()}


class Stop(Exception):
    """Ends a purge at a milestone; what the purge would do of itself after it does not happen either."""


@contextmanager
def at(name: str, act: Any, *, nth: int = 1) -> Iterator[None]:
    """Do something at the ``nth`` time that the purge reaches a milestone."""
    times, others = 0, milestones.reached

    def reached(milestone: str) -> None:
        nonlocal times
        others(milestone)
        times += milestone == name
        if milestone == name and times == nth:
            act()

    with patch.object(milestones, "reached", reached):
        yield
    assert times >= nth, f"{name} was reached {times} times"


def stop() -> None:
    """For ``at``: end the purge there."""
    raise Stop


def stopped(ground: Ground, milestone: str, site: Site | None = None, *, nth: int = 1) -> None:
    """A purge that came as far as that milestone."""
    with at(milestone, stop, nth=nth):
        try:
            running.purge(site or ground.site)
        except Stop:
            return
    raise AssertionError("the purge came to its end")
