"""How the database guards itself: who may log in, how, with what rights, and over which wire. Reads only."""

from __future__ import annotations

from runbook.probes import probe
from runbook.targets.postgres.access import quoted, statement
from runbook.targets.postgres.activity import seeing
from runbook.targets.postgres.asking import MONITOR, Asking
from runbook.targets.postgres.connection import Line
from runbook.targets.postgres.failures import blind
from runbook.targets.postgres.guard_structs import AccessRule, Guard, LoginRole, PlainSessions, PublicRight
from runbook.text import text

#: What lets a role see pg_hba.conf.
RULES = "SELECT on pg_hba_file_rules and EXECUTE on pg_hba_file_rules()"


class GuardReadings(Asking):
    """What is read of the database's guard."""

    @probe()
    def guard(self) -> Guard:
        """The server's settings, its login roles, and what was given to PUBLIC. Needs no right: all are told."""
        with self._connections.reader() as reader:
            return guard(reader)

    @probe(needs=MONITOR)
    def plain_sessions(self) -> tuple[PlainSessions, ...]:
        """Who came over a network without TLS, most sessions first; ours too. Raises ProbeError(BLIND)."""
        with self._connections.reader() as reader:
            seeing(reader)
            return reader.structs(PlainSessions, statement("plain_sessions"))

    @probe(needs=f"PostgreSQL {RULES}")
    def access_rules(self) -> tuple[AccessRule, ...]:
        """The lines of pg_hba.conf as they stand in the file. Raises ProbeError(BLIND) with the two GRANTs."""
        with self._connections.reader() as reader:
            return access_rules(reader)


def guard(reader: Line) -> Guard:
    """What everybody is told of the server's guard."""
    told = reader.row(statement("guarding"))
    weak = None
    if told.pop("shows_verifiers"):
        weak = tuple(row["role"] for row in reader.rows(statement("weak_verifiers"), {}))
    return Guard(
        **told,
        weak_verifiers=weak,
        roles=reader.structs(LoginRole, statement("login_roles")),
        public=reader.structs(PublicRight, statement("public_rights"), {"schema": reader.access.settings.schema}),
    )


def access_rules(reader: Line) -> tuple[AccessRule, ...]:
    """The lines of pg_hba.conf. An empty file lets nobody in, so no line at all is no answer."""
    told = reader.row(statement("shows_rules"))
    rules = reader.structs(AccessRule, statement("access_rules")) if told["shown"] else ()
    if not rules:
        words = text(
            "The role {role} is not shown pg_hba.conf: GRANT SELECT ON pg_hba_file_rules TO {role}; "
            "GRANT EXECUTE ON FUNCTION pg_hba_file_rules() TO {role}",
            role=quoted(told["role"]),
        )
        raise blind(reader.access, words)
    return rules
