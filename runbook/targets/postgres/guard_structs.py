"""What the probes of the database's guard give: who may come in, how, and what everybody may do."""

from __future__ import annotations

from typing import Literal

from runbook.targets.postgres.structs import Noun


class LoginRole(Noun, frozen=True, kw_only=True):
    """A role that logs in, or a superuser; ``member_of`` are all roles that it is a member of, near and far."""

    role: str
    logs_in: bool
    superuser: bool
    creates_roles: bool
    creates_databases: bool
    replicates: bool
    bypasses_policies: bool
    member_of: tuple[str, ...]


class PublicRight(Noun, frozen=True, kw_only=True):
    """Something that everybody may do with a schema, the database or a table of the site's schema."""

    kind: Literal["SCHEMA", "DATABASE", "TABLE"]
    object: str
    privilege: str


class Guard(Noun, frozen=True, kw_only=True):
    """How the server guards itself, as far as everybody is told.

    ``hashing`` is how it keeps new passwords: ``scram-sha-256`` or ``md5``. ``weak_verifiers`` are the login roles
    whose password is not kept as SCRAM; None where that is not shown to us, which is as it should be.
    """

    ssl: bool
    hashing: str
    weak_verifiers: tuple[str, ...] | None
    roles: tuple[LoginRole, ...]
    public: tuple[PublicRight, ...]


class AccessRule(Noun, frozen=True, kw_only=True):
    """A line of pg_hba.conf; ``address`` is empty for sockets, ``broken``: the server does not understand it."""

    line: int
    type: str
    databases: tuple[str, ...]
    roles: tuple[str, ...]
    address: str
    netmask: str
    method: str
    broken: bool


class PlainSessions(Noun, frozen=True, kw_only=True):
    """Sessions that came over a network without TLS."""

    role: str
    application: str
    client: str
    sessions: int
