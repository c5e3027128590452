"""Who may come into the database, how, and what everybody may do there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checks import _admission
from checks import _security_advice as advice
from checks._accepted import Holding
from runbook.limits import Limits
from runbook.rows import row

if TYPE_CHECKING:
    from runbook.targets.postgres.database import Database
    from runbook.targets.security.security import Security


@row(
    "SEC-02",
    source="CIS PostgreSQL Benchmark: TLS; CIS Controls 3.10",
    es="Nadie llega a la base de datos por la red sin TLS",
    person=advice.SESSIONS,
)
def check_sessions_are_encrypted(database: Database, security: Security, limits: Limits) -> None:
    """Nobody comes into the database over the network without TLS.

    Every statement of such a session, with the students' data in it, can be read on the way.
    """
    holding = Holding(limits, security.lists.accepted)
    _admission.judge_sessions(database.guard(), database.plain_sessions(), holding)


@row(
    "SEC-04",
    source="CIS PostgreSQL Benchmark y documentación de PostgreSQL: md5 está obsoleto, SCRAM-SHA-256",
    es="Las contraseñas nuevas de la base de datos se guardan con SCRAM",
    person=advice.HASHING,
)
def check_passwords_are_scram(database: Database, security: Security, limits: Limits) -> None:
    """The database keeps new passwords with SCRAM.

    An MD5 of a password is the password: whoever has it comes in, and guesses it in an afternoon.
    """
    _admission.judge_hashing(database.guard(), Holding(limits, security.lists.accepted))


@row(
    "SEC-05",
    source="CIS PostgreSQL Benchmark: privilegios; CIS Controls 5.1: inventario de cuentas",
    es="Solo son superusuarios y solo entran los roles de la lista",
    person=advice.ROLES,
)
def check_roles_are_listed(database: Database, security: Security, limits: Limits) -> None:
    """Only the roles on the list are superusers, and only they log in.

    A role that nobody remembers still has its password, and somebody does remember that.
    """
    lists, powers = security.lists, security.powers()
    wanted = _admission.allowed(lists, (powers.reader, powers.operator, *powers.applications))
    _admission.judge_roles(database.guard(), wanted, Holding(limits, lists.accepted))


@row(
    "SEC-07",
    source="CIS PostgreSQL Benchmark: pg_hba.conf sin trust",
    es="Nadie entra en la base de datos sin demostrar quién es",
    person=advice.RULES,
)
def check_nobody_is_trusted(database: Database, security: Security, limits: Limits) -> None:
    """Nobody comes into the database without proving who he is.

    With trust, whoever reaches the port is whom he says he is: the superuser, if he likes.
    """
    _admission.judge_rules(database.access_rules(), Holding(limits, security.lists.accepted))


@row(
    "SEC-08",
    source="CVE-2018-1058; documentación de PostgreSQL: CREATE en public no es de todos desde la versión 15",
    es="PUBLIC no puede crear nada ni toca las tablas",
    person=advice.PUBLIC,
)
def check_public_may_nothing(database: Database, security: Security, limits: Limits) -> None:
    """PUBLIC may make nothing, and touches no table.

    What everybody may make, others call by mistake; what everybody may read, every leaked password reads.
    """
    _admission.judge_public(database.guard(), Holding(limits, security.lists.accepted))
