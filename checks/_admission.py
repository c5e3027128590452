"""Who may come into the database, how, and as what. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from checks._accepted import Holding
from runbook.limits import Limits
from runbook.model import State
from runbook.text import text

if TYPE_CHECKING:
    from runbook.settings.security import SecuritySettings
    from runbook.targets.postgres.guard_structs import AccessRule, Guard, LoginRole, PlainSessions
    from runbook.targets.security.structs import Powers

SCRAM = "scram-sha-256"
#: Address and mask of a line that is meant for the whole world.
_EVERYWHERE = frozenset({("all", ""), ("0.0.0.0", "0.0.0.0"), ("::", "::")})  # noqa: S104
#: Roles of the server that only read what it does: the reader may hold these, and no other.
_READING = frozenset(
    {"pg_monitor", "pg_read_all_settings", "pg_read_all_stats", "pg_stat_scan_tables", "pg_read_all_data"}
)
#: What ``muses-runbook grants`` prints for the operator beside them.
_ACTING = _READING | {"pg_signal_backend"}
#: Roles of the server that lead to its files or its shell: as good as a superuser.
_AS_GOOD = frozenset({"pg_execute_server_program", "pg_write_server_files", "pg_read_server_files"})


class Allowed(NamedTuple):
    """Who may log in beside the superusers; None where the site keeps no list."""

    superusers: frozenset[str]
    logins: frozenset[str] | None


def judge_sessions(guard: Guard, plain: Iterable[PlainSessions], holding: Holding) -> None:
    """Each role and address that came over a network without TLS."""
    plain = tuple(plain)
    for one in plain:
        said = text(
            "{role} comes from {client} without TLS, in {sessions} sessions ({application})",
            role=one.role,
            client=one.client,
            sessions=one.sessions,
            application=one.application or "–",
        )
        holding.hold(State.WARNING if guard.ssl else State.CRITICAL, f"{one.role}@{one.client}", said)
    if not plain:
        said = text("every session that came over a network came by TLS")
        if not guard.ssl:
            said = text("the server offers no TLS, and no session came over a network")
        holding.hold(State.OK, "sessions", said)


def judge_hashing(guard: Guard, holding: Holding) -> None:
    """How new passwords are kept, and which of the old ones are not so, where that is shown."""
    known = {"algorithm": guard.hashing}
    state = State.OK if guard.hashing == SCRAM else State.CRITICAL
    holding.hold(state, "new passwords", text("new passwords are kept as {algorithm}", **known))
    if guard.weak_verifiers is None:
        hidden = text("how the passwords of today are kept is for superusers to see only: see what a person decides")
        holding.hold(State.SKIPPED, "old passwords", hidden)
        return
    for role in guard.weak_verifiers:
        holding.hold(State.WARNING, role, text("the password of {role} is not kept as SCRAM", role=role))


def allowed(lists: SecuritySettings, known: Iterable[str | None]) -> Allowed:
    """The site's lists; ``known`` are the roles that the site file names anyway."""
    logins = frozenset(lists.login_roles) | {role for role in known if role}
    return Allowed(frozenset(lists.superusers), logins if lists.login_roles else None)


def judge_roles(guard: Guard, wanted: Allowed, holding: Holding) -> None:
    """Each role that is a superuser or comes near it, and each that logs in, against the lists."""
    for role in guard.roles:
        _judge_role(role, wanted, holding)
    strangers = sorted(role.role for role in guard.roles if role.logs_in and role.role not in wanted.superusers)
    if wanted.logins is None:
        said = text("these roles log in: {roles}; no list says which may: security.login_roles", roles=_few(strangers))
        holding.hold(State.SKIPPED, "login roles", said)


def _judge_role(role: LoginRole, wanted: Allowed, holding: Holding) -> None:
    known = {"role": role.role}
    if role.role in wanted.superusers:
        holding.hold(State.OK, role.role, text("{role} may be a superuser", **known))
        return
    if role.superuser:
        holding.hold(State.CRITICAL, role.role, text("{role} is a superuser, and the site lists no such one", **known))
    elif near := _near(role, wanted.superusers):
        said = text("{role} can become a superuser: {how}", **known, how=", ".join(near))
        holding.hold(State.CRITICAL, role.role, said)
    elif wanted.logins is not None and role.role not in wanted.logins:
        holding.hold(State.WARNING, role.role, text("{role} logs in, and the site lists no such role", **known))
    else:
        holding.hold(State.OK, role.role, text("{role} is no superuser and cannot become one", **known))


def _near(role: LoginRole, superusers: frozenset[str]) -> list[str]:
    powers = (("CREATEROLE", role.creates_roles), ("BYPASSRLS", role.bypasses_policies))
    return [name for name, held in powers if held] + sorted(set(role.member_of) & (_AS_GOOD | superusers))


def judge_rules(rules: Iterable[AccessRule], holding: Holding) -> None:
    """Each line of pg_hba.conf that lets in too easily; the lines count by themselves, whatever stands above them."""
    good = 0
    for rule in rules:
        found = _wrong(rule)
        good += not found
        for state, why in found:
            said = text(
                "line {line} of pg_hba.conf ({kind} {databases} {roles} {address} {method}): {why}",
                line=rule.line,
                kind=rule.type,
                databases=",".join(rule.databases),
                roles=",".join(rule.roles),
                address=rule.address or "–",
                method=rule.method,
                why=why,
            )
            holding.hold(state, f"pg_hba.conf:{rule.line}", said)
    holding.hold(State.OK, "pg_hba.conf", text("{count} lines of pg_hba.conf let nobody in too easily", count=good))


def _wrong(rule: AccessRule) -> list[tuple[State, str]]:
    """What is wrong with a line, in the words of the file itself, which both languages use."""
    if rule.broken:
        return [(State.WARNING, "error")]
    if rule.method == "reject":
        return []
    found = []
    afar = rule.type != "local" and not _is_loopback(rule.address)
    if rule.method == "trust":
        found.append((State.CRITICAL, "trust"))
    if rule.method in ("password", "ident", "md5") and rule.type != "local":
        worst = State.CRITICAL if rule.method != "md5" and afar and rule.type != "hostssl" else State.WARNING
        found.append((worst, rule.method))
    if afar and rule.type in ("host", "hostnossl", "hostgssenc", "hostnogssenc"):
        found.append((State.WARNING, f"{rule.type}, not hostssl"))
    if (rule.address, rule.netmask) in _EVERYWHERE:
        found.append((State.WARNING, "0.0.0.0/0"))
    return found


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.partition("/")[0]).is_loopback
    except ValueError:
        return address in ("localhost", "samehost")


def judge_public(guard: Guard, holding: Holding) -> None:
    """Each thing that everybody may do: personal data to anybody is the worst of it."""
    for right in guard.public:
        known = {"privilege": right.privilege, "kind": right.kind, "object": right.object}
        state = State.CRITICAL if right.kind == "TABLE" else State.WARNING
        said = text("everybody who logs in has {privilege} ON {kind} {object}", **known)
        holding.hold(state, f"{right.kind} {right.object} ({right.privilege})", said)
    if not guard.public:
        holding.hold(State.OK, "PUBLIC", text("PUBLIC may make nothing, and touches no table of the schema"))


def judge_identities(guard: Guard, powers: Powers, lists: SecuritySettings, limits: Limits, holding: Holding) -> None:
    """What the reader and the operator hold beyond what ``muses-runbook grants`` prints."""
    roles = {role.role: role for role in guard.roles}
    owners = frozenset(lists.operator_roles)
    for name, may, worst in (
        (powers.reader, _READING, State.CRITICAL),
        (powers.operator, _ACTING | owners, State.WARNING),
    ):
        if name is None:
            continue
        if name not in roles:
            limits.cannot_see(text("there is no role {role} that logs in", role=name))
            continue
        _judge_identity(roles[name], may, worst, holding)


def _judge_identity(role: LoginRole, may: frozenset[str], worst: State, holding: Holding) -> None:
    powers = (
        ("SUPERUSER", role.superuser),
        ("CREATEROLE", role.creates_roles),
        ("REPLICATION", role.replicates),
        ("BYPASSRLS", role.bypasses_policies),
    )
    beyond = [name for name, held in powers if held] + sorted(set(role.member_of) - may)
    if beyond:
        said = text("{role} holds more than is granted to it: {beyond}", role=role.role, beyond=", ".join(beyond))
        holding.hold(State.CRITICAL if role.superuser else worst, role.role, said)
    else:
        holding.hold(State.OK, role.role, text("{role} holds nothing that is not granted to it", role=role.role))


def _few(names: list[str], most: int = 12) -> str:
    return ", ".join(names[:most]) + (f" … ({len(names)})" if len(names) > most else "")
