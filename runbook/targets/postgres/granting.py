"""Each right in the database as the SQL that gives it and the SQL that takes it away, for a superuser to run.

Giving twice does no harm. What every role has by PUBLIC (logging in, TEMPORARY, some functions) is given by name all
the same, so that a database where PUBLIC has nothing serves too; taking it away says nothing to PUBLIC.
"""

from __future__ import annotations

from typing import NamedTuple

from runbook.targets.postgres.access import quoted


class Named(NamedTuple):
    """The names that the SQL is about: as they are, not quoted."""

    role: str
    database: str
    schema: str
    owner: str = "muses_owner"
    ledger: str = "muses_runbook"


#: Right → what gives it, what takes it away. ``of`` is a role, a function or a table that the right itself names.
_SQL = {
    "log in": (
        "DO $$ BEGIN CREATE ROLE {role} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;"
        "  -- then, in psql: \\password {role}\n"
        "GRANT CONNECT ON DATABASE {database} TO {role};",
        "REVOKE CONNECT ON DATABASE {database} FROM {role};",
    ),
    "member": ("GRANT {of} TO {role};", "REVOKE {of} FROM {role};"),
    "owner": ("GRANT {owner} TO {role};  -- whom the tables belong to", "REVOKE {owner} FROM {role};"),
    "usage": ("GRANT USAGE ON SCHEMA {schema} TO {role};", "REVOKE USAGE ON SCHEMA {schema} FROM {role};"),
    "select": (
        "GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role};\n"
        "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema} GRANT SELECT ON TABLES TO {role};",
        "REVOKE SELECT ON ALL TABLES IN SCHEMA {schema} FROM {role};\n"
        "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema} REVOKE SELECT ON TABLES FROM {role};",
    ),
    "sequences": (
        "GRANT SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {role};\n"
        "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema} GRANT SELECT ON SEQUENCES TO {role};",
        "REVOKE SELECT ON ALL SEQUENCES IN SCHEMA {schema} FROM {role};\n"
        "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema} REVOKE SELECT ON SEQUENCES FROM {role};",
    ),
    "ledger": (
        "DO $$ BEGIN IF to_regnamespace({ledger_name}) IS NOT NULL THEN\n"
        "    GRANT USAGE ON SCHEMA {ledger} TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA {ledger} TO {role};\n"
        "END IF; END $$;  -- the first purge makes it, and grants this itself",
        "DO $$ BEGIN IF to_regnamespace({ledger_name}) IS NOT NULL THEN\n"
        "    REVOKE SELECT ON ALL TABLES IN SCHEMA {ledger} FROM {role}; REVOKE USAGE ON SCHEMA {ledger} FROM {role};\n"
        "END IF; END $$;",
    ),
    "select on": ("GRANT SELECT ON {of} TO {role};", "REVOKE SELECT ON {of} FROM {role};"),
    "execute": ("GRANT EXECUTE ON FUNCTION {of}() TO {role};", "REVOKE EXECUTE ON FUNCTION {of}() FROM {role};"),
    "temporary": (
        "GRANT TEMPORARY ON DATABASE {database} TO {role};  -- not needed where HypoPG is installed",
        "REVOKE TEMPORARY ON DATABASE {database} FROM {role};",
    ),
    "create": ("GRANT CREATE ON DATABASE {database} TO {role};", "REVOKE CREATE ON DATABASE {database} FROM {role};"),
    "createdb": ("ALTER ROLE {role} CREATEDB;", "ALTER ROLE {role} NOCREATEDB;"),
    "extension": ("CREATE EXTENSION IF NOT EXISTS {of};", "DROP EXTENSION {of};"),
    "large objects": (
        "DO $$ DECLARE large oid; BEGIN FOR large IN SELECT oid FROM pg_largeobject_metadata LOOP\n"
        "    EXECUTE format('GRANT SELECT ON LARGE OBJECT %s TO %I', large, {role_name});\n"
        "END LOOP; END $$;  -- once more whenever another owner has made new ones",
        "DO $$ DECLARE large oid; BEGIN FOR large IN SELECT oid FROM pg_largeobject_metadata LOOP\n"
        "    EXECUTE format('REVOKE SELECT ON LARGE OBJECT %s FROM %I', large, {role_name});\n"
        "END LOOP; END $$;",
    ),
}
#: What makes a reader unable to change anything by mistake; it is no right, and stands behind them.
READ_ONLY = "ALTER ROLE {role} SET default_transaction_read_only = on;"


def commands(right: str, of: str, named: Named) -> tuple[str, str]:
    """What gives a right and what takes it away. Raises KeyError for a right that nobody wrote SQL for."""
    names = {name: quoted(value) for name, value in named._asdict().items()}
    literals = {"ledger_name": _literal(quoted(named.ledger)), "role_name": _literal(named.role)}
    give, take = (_unlike(words, named).format(of=of, **names, **literals) for words in _SQL[right])
    return give, take


def read_only(role: str) -> str:
    """The SQL that makes all of a role's transactions read-only unless it says otherwise."""
    return READ_ONLY.format(role=quoted(role))


def _unlike(words: str, named: Named) -> str:
    """The SQL with its dollar quotes unlike anything in a name, which would end them."""
    tag = "$$"
    while any(tag in name for name in named):
        tag = f"$muses{len(tag)}$"
    return words.replace("$$", tag)


def _literal(words: str) -> str:
    return "'" + words.replace("'", "''") + "'"
