"""What is open that should be shut: wires, makers' accounts, buckets, files, powers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from checks._accepted import Holding
from runbook import clock
from runbook.limits import Limits
from runbook.model import State
from runbook.text import Text, text

if TYPE_CHECKING:
    from runbook.targets.hosts.structs import Certificate
    from runbook.targets.s3.exposure import Exposure
    from runbook.targets.s3.promised import Promise
    from runbook.targets.security.structs import DefaultAccount, Endpoint, InClear, Kept, Powers

#: What a store keeps of a promise, and what breaking it is worth; what it does not say is no proof either way.
_KEPT, _BROKEN = "kept", "broken"
#: Encryptions of the archive that the server must prove, object by object.
PROVEN = ("sse-s3", "sse-kms")


def judge_wires(endpoints: Iterable[Endpoint], holding: Holding) -> None:
    """Each address of the site file."""
    for endpoint in endpoints:
        holding.hold(*_wire(endpoint))


def _wire(endpoint: Endpoint) -> tuple[State, str, Text]:
    known = {"where": endpoint.where, "setting": endpoint.setting}
    if endpoint.local:
        return State.OK, endpoint.setting, text("{where} is on this machine: nothing goes over a network", **known)
    match endpoint.wire:
        case "verified":
            return State.OK, endpoint.setting, text("{where} is reached by TLS, and proves who it is", **known)
        case "encrypted":
            said = text("{where} is reached by TLS, but need not prove who it is: see {setting}", **known)
            return State.WARNING, endpoint.setting, said
        case "optional":
            said = text("{where} is reached by TLS only where nobody in between takes it away: see {setting}", **known)
            return State.WARNING, endpoint.setting, said
    return State.CRITICAL, endpoint.setting, text("{where} is reached without TLS: see {setting}", **known)


def judge_certificates(found: Iterable[Certificate], limits: Limits) -> None:
    """How long each certificate still lasts."""
    now = clock.now()
    for certificate in found:
        if certificate.ends is None:
            limits.cannot_see(certificate.problem or text("{where} shows no certificate", where=certificate.where))
            continue
        said = text("The certificate of {where} ends on {ends}", where=certificate.where, ends=certificate.ends)
        limits.judge(certificate.ends - now, of=certificate.where, summary=said)


def judge_accounts(tried: Iterable[DefaultAccount], limits: Limits, holding: Holding) -> None:
    """Each account of a maker: one that lets in is anybody's."""
    for one in tried:
        known = {"system": one.system, "account": one.account}
        of = f"{one.system} {one.account}"
        if one.opens is None:
            limits.cannot_see(one.problem or text("{account} of {system} could not be tried", **known))
        elif one.opens:
            said = text("The {system} lets {account} in with what its maker gave it, or nothing", **known)
            holding.hold(State.CRITICAL, of, said)
        else:
            holding.hold(State.OK, of, text("The {system} does not let {account} in", **known))


def judge_buckets(found: Iterable[Exposure], encryption: str, limits: Limits, holding: Holding) -> None:
    """Each bucket: open to others, versions, encryption; ``encryption`` is what the archive's settings ask for."""
    for one in found:
        _judge_privacy(one, limits, holding)
        for name, promise in (("versioning", one.versioning), ("default encryption", one.default_encryption)):
            if promise.denied:
                limits.cannot_see(_denied(one, name))
            else:
                holding.hold(_promised(promise), f"{one.bucket} ({name})", promise.words)
        if one.object is not None and encryption in PROVEN:
            known = {"object": one.object, "algorithm": one.encryption}
            said = text("the storage returns {object} as encrypted with {algorithm}", **known)
            if one.encryption is None:
                said = text("the storage returns {object} without a word of encryption", object=one.object)
            holding.hold(State.OK if one.encryption else State.CRITICAL, f"{one.bucket} (encryption)", said)


def _judge_privacy(one: Exposure, limits: Limits, holding: Holding) -> None:
    """What is configured, and what came of trying without a key: one proof of shut is enough, one of open too."""
    of, state = f"{one.bucket} (private)", one.private.state.value
    if one.to_anyone:
        said = text("bucket {bucket} is given to who comes without a key", bucket=one.bucket)
        holding.hold(State.CRITICAL, of, said)
    elif state == _BROKEN:
        holding.hold(State.CRITICAL, of, one.private.words)
    elif state == _KEPT:
        holding.hold(State.OK, of, one.private.words)
    elif one.to_anyone is False and not one.private.denied:
        said = text("bucket {bucket} is refused to who comes without a key; more is not told", bucket=one.bucket)
        holding.hold(State.OK, of, said)
    else:
        limits.cannot_see(_denied(one, "private") if one.private.denied else one.private.words)


def _denied(one: Exposure, promise: str) -> Text:
    return text("{bucket}: the store denies the reader {promise}", bucket=one.bucket, promise=promise)


def _promised(promise: Promise) -> State:
    return {_KEPT: State.OK, _BROKEN: State.WARNING}.get(promise.state.value, State.SKIPPED)


def judge_files(kept: Iterable[Kept], limits: Limits, holding: Holding) -> None:
    """Each file of the settings: who else reads a credential, who else changes what it says."""
    for file in kept:
        if file.problem is not None:
            limits.cannot_see(file.problem)
            continue
        holding.hold(*_file(file))


def _file(file: Kept) -> tuple[State, str, Text]:
    known = {"path": file.path, "setting": file.setting}
    if file.others_write:
        return State.CRITICAL, file.setting, text("everybody on this machine may change {path} ({setting})", **known)
    if file.others_read and file.holds == "credential":
        return State.CRITICAL, file.setting, text("everybody on this machine may read {path} ({setting})", **known)
    if file.group_writes:
        return State.WARNING, file.setting, text("a group may change {path} ({setting})", **known)
    return State.OK, file.setting, text("only its owner changes {path}, and no stranger reads a credential", **known)


def judge_clear(found: Iterable[InClear], holding: Holding) -> None:
    """Each credential that stands in the site file."""
    found = tuple(found)
    for one in found:
        said = text("{setting} holds a credential in clear ({kind})", setting=one.setting, kind=one.kind)
        holding.hold(State.CRITICAL, one.setting, said)
    if not found:
        holding.hold(State.OK, "site (values)", text("no setting holds a credential in clear"))


def judge_powers(powers: Powers, risks: Mapping[str, str], holding: Holding) -> None:
    """Where a remedy of high risk acts without a person. ``risks``: row → the risk of its remedy."""
    if powers.high:
        said = text("the policy lets every remedy of high risk act by itself")
        holding.hold(State.WARNING, "policy.high", said)
    for row in powers.rows:
        if risks.get(row) == "high":
            said = text("the policy lets row {row} act by itself, whose remedy is of high risk", row=row)
            holding.hold(State.WARNING, f"policy.rows.{row}", said)
    for window in powers.windows:
        said = text("in the window {window} remedies of high risk act by themselves", window=window)
        holding.hold(State.WARNING, f"policy.windows.{window}", said)
    for target in powers.alike:
        said = text("who reads the {target} is who changes it: a check could change something", target=target)
        holding.hold(State.CRITICAL, f"{target} (identities)", said)
    if not (powers.high or powers.rows or powers.windows):
        holding.hold(State.OK, "policy", text("no remedy of high risk acts by itself"))
