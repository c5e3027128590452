"""The least rights for some rows: each right with the commands that give it and take it away, and who needs it."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from runbook.errors import SettingsError
from runbook.grants import hosts, logs, managers
from runbook.grants.asked import Asked, asks
from runbook.grants.needs import Need, System, needs_of
from runbook.rows import Row
from runbook.settings import EnvironmentSettings
from runbook.targets.postgres import granting as sql
from runbook.targets.rabbitmq import granting as rabbitmq
from runbook.targets.s3.rights import bucket_of

Identity = typing.Literal["reader", "operator"]
_LOG_IN = Need("postgresql", "log in")
#: Rights that another stands on.
_STANDS_ON = {
    Need("postgresql", "select"): (Need("postgresql", "usage"),),
    Need("workers", "change"): (Need("workers", "see"),),
}
#: What a target asks for by being asked at all.
_ENTERED = {
    **dict.fromkeys(("database", "purge", "scripts"), _LOG_IN),
    "broker": Need("rabbitmq", "enter"),
}
_SYSTEMS: tuple[System, ...] = typing.get_args(System)
#: In the order in which they are given: one logs in first.
_ORDER = ("log in", "enter", "member", "owner", "usage", "select", "ledger")
_BACKUPS = (
    "s3:ListBucket, s3:ListBucketVersions, s3:ListBucketMultipartUploads, s3:GetObject, s3:GetObjectVersion, "
    "s3:GetObjectRetention, s3:PutObject, s3:DeleteObject, s3:DeleteObjectVersion, s3:AbortMultipartUpload "
    "on the backup bucket"
)
_ARCHIVED = "s3:ListBucket, s3:GetObject, s3:GetObjectVersion on the archive bucket"
#: The lock of acting runs, which whoever mends takes first: in the database when it answers, else in the store.
_ACTING = (
    "PostgreSQL CREATE on the database; s3:ListBucket, s3:ListBucketVersions, s3:GetObject, s3:PutObject, "
    "s3:DeleteObject, s3:DeleteObjectVersion on the backup bucket"
)
#: The procedures that no row's remedy runs, and what the operator needs for them.
PROCEDURES = {
    "run retention": f"{_BACKUPS}; EXECUTE on pg_control_system()",
    "run restore-test": f"{_BACKUPS}; EXECUTE on pg_control_system()",
    "run restore-backup": f"{_BACKUPS}; CREATEDB",
    "run restore-archive": f"PostgreSQL role of the tables' owner; {_ARCHIVED}",
}


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """One right of one identity. ``rows`` are the rows, and procedures, that need it.

    ``give`` and ``take`` are commands, or what to change where; an S3 action has none: a policy holds all of a bucket.
    """

    system: System
    identity: Identity
    need: Need
    give: str = ""
    take: str = ""
    rows: tuple[str, ...] = ()


def grants(rows: Sequence[Row], settings: EnvironmentSettings, *, everything: bool, owner: str) -> tuple[Grant, ...]:
    """The rights that reader and operator need for these rows, at the systems that the environment has.

    ``everything``: for the procedures too. ``owner`` is the role that the tables belong to.
    """
    needed: dict[tuple[Identity, Need], list[str]] = {}
    for identity, need, who in _needed(rows, everything, several=settings.acting.machines == "several"):
        needed.setdefault((identity, need), []).append(who)
    commands = _Commands(settings, owner, frozenset(needed))
    found = (
        Grant(
            system=need.system,
            identity=identity,
            need=need,
            rows=tuple(dict.fromkeys(who)),
            **dict(zip(("give", "take"), commands.of(identity, need), strict=True)),
        )
        for (identity, need), who in sorted(needed.items(), key=_place)
        if commands.known(need.system)
    )
    return tuple(grant for grant in found if grant.give or grant.need.system == "s3")


def needs(asked: Iterable[Asked]) -> frozenset[Need]:
    """The rights without which these probes and operations cannot do, with those that they stand on."""
    own = {need for one in asked for need in needs_of(one.needs)}
    own |= {below for need in own for below in _STANDS_ON.get(need, ())}
    return frozenset(own | {_LOG_IN} if any(need.system == "postgresql" for need in own) else own)


def _needed(rows: Sequence[Row], everything: bool, *, several: bool) -> Iterator[tuple[Identity, Need, str]]:
    for row in rows:
        asked = asks(row)
        yield from (("reader", need, row.id) for need in _whole(asked.probes))
        locking = [Asked("", "lock", _ACTING)] if several and asked.operations else []
        yield from (("operator", need, row.id) for need in _whole(asked.operations) | needs(locking))
    if everything:
        procedures = {name: needs([Asked("", name, words)]) for name, words in PROCEDURES.items()}
        yield from (("operator", need, name) for name, own in procedures.items() for need in own)


def _whole(asked: tuple[Asked, ...]) -> frozenset[Need]:
    """The same, with what lets one in where a target is asked."""
    return needs(asked) | {_ENTERED[one.target] for one in asked if one.target in _ENTERED}


def _place(entry: tuple[tuple[Identity, Need], list[str]]) -> tuple[object, ...]:
    (identity, need), _who = entry
    rank = _ORDER.index(need.right) if need.right in _ORDER else len(_ORDER)
    return _SYSTEMS.index(need.system), identity != "reader", rank, need


class _Commands:
    """What gives and takes a right in one environment."""

    def __init__(self, settings: EnvironmentSettings, owner: str, held: frozenset[tuple[Identity, Need]]) -> None:
        self._settings, self._owner, self._held = settings, owner, held
        self._ways: dict[System, tuple[object, Callable[[Identity, Need], tuple[str, str]]]] = {
            "postgresql": (settings.database, self._sql),
            "rabbitmq": (settings.broker, self._rabbitmq),
            "s3": (settings.storage, lambda identity, need: ("", "")),
            "workers": (settings.workers, lambda identity, need: managers.commands(settings, identity, need)),
            "logs": (settings.logs, lambda identity, need: logs.commands(settings, identity, need)),
            "hosts": (settings.hosts, lambda identity, need: hosts.commands(settings, identity, need)),
            "prometheus": (settings.prometheus, lambda identity, need: logs.prometheus(settings)),
        }

    def known(self, system: System) -> bool:
        """Whether the environment has such a system."""
        return self._ways[system][0] is not None

    def of(self, identity: Identity, need: Need) -> tuple[str, str]:
        """What gives and what takes it."""
        if need.system == "s3" and bucket_of(self._settings.storage, need.of) is None:
            return "", ""
        return self._ways[need.system][1](identity, need)

    def _sql(self, identity: Identity, need: Need) -> tuple[str, str]:
        database = self._settings.database
        assert database is not None  # noqa: S101 - asked by known()
        login = getattr(database, identity)
        named = sql.Named(
            role=login.user if login else f"muses_{identity}",
            database=database.name,
            schema=database.schema,
            owner=self._owner,
            ledger=self._settings.purge.state_schema,
        )
        try:
            give, take = sql.commands(need.right, need.of, named)
        except KeyError:
            raise SettingsError(
                f"nobody wrote the SQL of {need.right!r}: runbook/targets/postgres/granting.py"
            ) from None
        if need.right == "log in" and identity == "reader":
            give = f"{give}\n{sql.read_only(named.role)}"
        return give, take

    def _rabbitmq(self, identity: Identity, need: Need) -> tuple[str, str]:
        broker = self._settings.broker
        assert broker is not None  # noqa: S101 - asked by known()
        held = {other.right for who, other in self._held if who == identity and other.system == "rabbitmq"}
        return rabbitmq.commands(broker, identity, need.right, need.of, held)
