"""What the reader and the operator may do in the database, what they lack, and the exact SQL that mends it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

from runbook.errors import ProbeError, ProbeFailure
from runbook.targets.postgres.access import Access, Identity, quoted, statement
from runbook.targets.postgres.connection import ANSWER_SECONDS, Line, mapped, opened
from runbook.targets.rights import Right
from runbook.text import Text, text

#: By kind of right: the objects that were asked about, and whether it is held.
Held = dict[str, dict[str, bool]]


def rights(access: Access) -> tuple[Right, ...]:
    """The rights of the reader, then of the operator where there is one, tried by logging in as each."""
    identities: tuple[Identity, ...] = ("reader", "operator") if access.settings.operator else ("reader",)
    return tuple(right for identity in identities for right in _of(access, identity))


def _of(access: Access, identity: Identity) -> Iterator[Right]:
    role = quoted(access.login(identity).user)
    logs_in = text("{role} logs in to {database}", role=role, database=access.settings.name)
    try:
        held = _held(access, identity)
    except ProbeError as error:
        if error.kind is not ProbeFailure.DENIED:
            raise
        yield Right(what=logs_in, held=False, mend=_let_in(access, role, error), identity=identity)
        return
    yield Right(what=logs_in, held=True, identity=identity)
    found = _reader(access, role, held) if identity == "reader" else _operator(role, held)
    for what, allowed, mend in found:
        yield Right(what=what, held=allowed, mend=mend, identity=identity)


def _held(access: Access, identity: Identity) -> Held:
    held: Held = {}
    with closing(opened(access, identity)) as connection:
        ends_at = time.monotonic() + ANSWER_SECONDS
        with mapped(access, connection, ends_at):
            line = Line(access, connection, ends_at)
            for row in line.rows(statement("held_rights"), {"schema": access.settings.schema}):
                held.setdefault(row["kind"], {})[row["object"]] = row["held"]
    return held


def _let_in(access: Access, role: str, error: ProbeError) -> str:
    database = quoted(access.settings.name)
    mends = {
        "28P01": f"\\password {role}",
        "28000": f"pg_hba.conf: host {database} {role} samehost scram-sha-256",
        "42501": f"GRANT CONNECT ON DATABASE {database} TO {role};",
    }
    return mends.get(error.code or "", str(error.said))


def _reader(access: Access, role: str, held: Held) -> Iterator[tuple[Text, bool, str]]:
    schema, database = quoted(access.settings.schema), quoted(access.settings.name)
    monitor, signal = held["member"]["pg_monitor"], held["member"]["pg_signal_backend"]
    yield text("{role} sees other sessions", role=role), monitor, f"GRANT pg_monitor TO {role};"
    yield from _schema(access, role, held)
    for readable in held.get("select", {}).values():
        what = text("{role} reads the tables of {schema}", role=role, schema=schema)
        yield what, readable, f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role};"
    for readable in held.get("sequences", {}).values():
        what = text("{role} reads the sequences of {schema}", role=role, schema=schema)
        yield what, readable, f"GRANT SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {role};"
    for harmless in held.get("no write", {}).values():
        what = text("{role} changes no table of {schema}", role=role, schema=schema)
        yield what, harmless, f"REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA {schema} FROM {role};"
    for harmless in held.get("no create", {}).values():
        what = text("{role} creates nothing in {schema}", role=role, schema=schema)
        yield what, harmless, f"REVOKE CREATE ON SCHEMA {schema} FROM {role};"
    yield text("{role} ends no session", role=role), not signal, f"REVOKE pg_signal_backend FROM {role};"
    yield from _no_superuser(role, held)
    counted = held["extension"]["pg_stat_statements"]
    yield text("{database} counts its statements", database=database), counted, "CREATE EXTENSION pg_stat_statements;"
    provable = held["extension"]["hypopg"] or any(held["temporary"].values())
    what = text("{role} can prove that an index helps", role=role)
    yield what, provable, f"GRANT TEMPORARY ON DATABASE {database} TO {role};"


def _schema(access: Access, role: str, held: Held) -> Iterator[tuple[Text, bool, str]]:
    schema = quoted(access.settings.schema)
    exists = any(held["schema"].values())
    yield text("The schema {schema} exists", schema=schema), exists, f"{access.setting}.schema"
    for usable in held.get("usage", {}).values():
        what = text("{role} uses the schema {schema}", role=role, schema=schema)
        yield what, usable, f"GRANT USAGE ON SCHEMA {schema} TO {role};"


def _operator(role: str, held: Held) -> Iterator[tuple[Text, bool, str]]:
    monitor, signal = held["member"]["pg_monitor"], held["member"]["pg_signal_backend"]
    yield text("{role} sees other sessions", role=role), monitor, f"GRANT pg_monitor TO {role};"
    yield text("{role} ends sessions", role=role), signal, f"GRANT pg_signal_backend TO {role};"
    for owner, owned in held.get("owner", {}).items():
        what = text("{role} builds indexes and analyses tables of {owner}", role=role, owner=quoted(owner))
        yield what, owned, f"GRANT {quoted(owner)} TO {role};"
    yield from _no_superuser(role, held)


def _no_superuser(role: str, held: Held) -> Iterator[tuple[Text, bool, str]]:
    (least,) = held["no superuser"].values()
    yield text("{role} is no superuser", role=role), least, f"ALTER ROLE {role} NOSUPERUSER;"
