"""The words in which probes and operations say what they need, taken apart into rights.

One phrase for each kind of right; several are joined by ``,``, ``;`` or ``and``. A phrase that nobody understands is an
error and never passed over: a right that is not printed would be missed at three in the morning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

import msgspec

from runbook.errors import SettingsError

System = Literal["postgresql", "rabbitmq", "s3", "workers", "logs", "hosts", "prometheus"]


class Need(msgspec.Struct, frozen=True, order=True):
    """One right: at which system, which, and of what (a role, a bucket, a log) where the right does not say it."""

    system: System
    right: str
    of: str = ""


#: What a whole clause may be. ``{of}`` of the need is the pattern's group.
_CLAUSES: tuple[tuple[str, System, str], ...] = (
    (r"(?:PostgreSQL )?role (?:of the tables' owner)", "postgresql", "owner"),
    (r"(?:PostgreSQL )?role (\w+)", "postgresql", "member"),
    (r"(?:PostgreSQL )?SELECT on the tables of the schema", "postgresql", "select"),
    (r"(?:PostgreSQL )?SELECT on the sequences of the schema", "postgresql", "sequences"),
    (r"(?:PostgreSQL )?SELECT on the ledger of the purge", "postgresql", "ledger"),
    (r"(?:PostgreSQL )?SELECT on all large objects", "postgresql", "large objects"),
    (r"(?:PostgreSQL )?SELECT on ((?:\w+\.)?\w+)", "postgresql", "select on"),
    (r"(?:PostgreSQL )?EXECUTE on ((?:\w+\.)?\w+)\(\)", "postgresql", "execute"),
    (r"(?:PostgreSQL )?CREATE on the database", "postgresql", "create"),
    (r"(?:PostgreSQL )?CREATEDB", "postgresql", "createdb"),
    (r"(?:HypoPG or )?TEMPORARY on the database", "postgresql", "temporary"),
    (r"(?:PostgreSQL )?extension (\w+)", "postgresql", "extension"),
    (r"(?:PostgreSQL )?log(?:ging)? in", "postgresql", "log in"),
    (r"(?:RabbitMQ )?(?:user )?tag (\w+)", "rabbitmq", "tag"),
    (r"(?:RabbitMQ )?(?:a )?permission in the virtual host", "rabbitmq", "enter"),
    (r"(?:RabbitMQ )?permission to (?:read from|read) the (?:dead-letter )?queues", "rabbitmq", "read"),
    (r"(?:RabbitMQ )?permission to (?:write to|publish to|write) the (?:queues|exchanges)", "rabbitmq", "write"),
    (r"(?:RabbitMQ )?permission to configure the queues", "rabbitmq", "configure"),
    (r"access to the process manager", "workers", "see"),
    (r"change at the process manager", "workers", "change"),
    (r"read access to the (database|service)'s log", "logs", "read"),
    (r"a login by key", "hosts", "log in"),
    (r"the group (systemd-journal) to see restarts", "hosts", "group"),
    (r"the right to query", "prometheus", "query"),
)
#: What is said beside a right and is none.
_NO_RIGHT = (
    r"as everybody has it|a day back|any user may ask|systemd as the host's first process"
    r"|the host's key among the known ones|the operator's keys|for reading"
)
_JOINED = re.compile(r"\s*(?:[;,]|\band\b)\s*")
_BUCKETS = re.compile(r"(.*?)\s+on the (backup|archive) bucket")


def needs_of(words: str) -> frozenset[Need]:
    """The rights that the words name. Raises SettingsError naming the phrase that is not understood."""
    return frozenset(need for part in words.split(";") for need in _part(part.strip()))


def _part(part: str) -> Iterator[Need]:
    """What stands between two semicolons; a bucket is said once, behind all that is needed of it."""
    stored = _BUCKETS.fullmatch(part)
    for clause in filter(None, _JOINED.split(stored[1] if stored else part)):
        if stored and re.fullmatch(r"s3:\w+", clause):
            yield Need("s3", clause, stored[2])
        elif not re.fullmatch(_NO_RIGHT, clause):
            yield _clause(clause)


def _clause(clause: str) -> Need:
    for pattern, system, right in _CLAUSES:
        if found := re.fullmatch(pattern, clause):
            return Need(system, right, (found[1] if found.groups() else "") or "")
    raise SettingsError(f"nobody knows what grants {clause!r}: add its phrase to runbook/grants/needs.py")
