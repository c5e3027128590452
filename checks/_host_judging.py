"""What is judged of one host: its disks, memory, clock, load, certificates. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from checks._host_seen import each
from runbook.clock import now
from runbook.limits import Limits
from runbook.model import State
from runbook.text import Text, percent, size, text

if TYPE_CHECKING:
    from runbook.targets.hosts.hosts import Hosts
    from runbook.targets.hosts.structs import Certificate, Disk, HostFacts, Share

ZERO = timedelta(0)


def disk(disk: Disk, limits: Limits) -> None:
    """Judge the bytes and the inodes of a disk."""
    where = {"host": disk.host, "mount": disk.mount}
    said = text(
        "{host}: {mount} is {used} full, {free} are free",
        **where,
        used=percent(disk.used_percent),
        free=size(disk.free),
    )
    limits.judge(disk.used_percent, of=f"{disk.host}:{disk.mount}", summary=said)
    if disk.inodes_percent is not None:
        files = text("{host}: {used} of the inodes of {mount} are taken", **where, used=percent(disk.inodes_percent))
        limits.judge(disk.inodes_percent, of=inodes_of(disk), summary=files)


def inodes_of(disk: Disk) -> str:
    """The name under which a disk's inodes are judged and remembered."""
    return f"{disk.host}:{disk.mount} (inodes)"


def memory(facts: HostFacts, limits: Limits) -> None:
    """Judge how much of the memory is taken for good."""
    told = facts.memory
    if told is None or not told.total:
        _not_told(facts, "/proc/meminfo", limits)
        return
    used = 100 * (1 - told.available / told.total)
    shown = {"used": percent(used), "total": size(told.total), "available": size(told.available)}
    said = text("{host}: {used} of {total} of memory is taken, {available} are available", host=facts.host, **shown)
    limits.judge(used, of=facts.host, summary=said)


def swap(facts: HostFacts, limits: Limits) -> None:
    """Judge how much of the swap space is taken."""
    told = facts.memory
    if told is None:
        _not_told(facts, "/proc/meminfo", limits)
    elif not told.swap:
        limits.hold(State.OK, of=facts.host, summary=text("{host} has no swap space", host=facts.host))
    else:
        used = 100 * (1 - told.swap_free / told.swap)
        said = text(
            "{host}: {used} of {total} of swap space is taken",
            host=facts.host, used=percent(used), total=size(told.swap),
        )  # fmt: skip
        limits.judge(used, of=facts.host, summary=said)


def shares(facts: HostFacts, share: Share | None) -> dict[str, Any]:
    """The values that a text about a share of a host shows."""
    return {"host": facts.host, "used": share.used if share else None, "limit": share.limit if share else None}


def share(share: Share | None, host: str, said: Text, limits: Limits) -> None:
    """Judge so many of so many."""
    if share is None:
        limits.cannot_see(text("{host} does not tell its limits in {file}", host=host, file="/proc/sys"))
    else:
        limits.judge(share.percent, of=host, summary=said)


def clock(facts: HostFacts, limits: Limits) -> None:
    """Judge what is certain of the offset: what the way there and back may have cost is not held against a clock."""
    offset, within = facts.clock.offset, facts.clock.within
    shown = {"host": facts.host, "offset": abs(offset), "within": within}
    ahead = text("The clock of {host} is {offset} ahead of ours (right to {within})", **shown)
    behind = text("The clock of {host} is {offset} behind ours (right to {within})", **shown)
    limits.judge(max(abs(offset) - within, ZERO), of=facts.host, summary=ahead if offset > ZERO else behind)


def load(facts: HostFacts, limits: Limits) -> None:
    """Judge the load of five minutes for each processor."""
    told = facts.load
    if told is None:
        _not_told(facts, "/proc/loadavg", limits)
        return
    shown = {"one": told.one, "five": told.five, "fifteen": told.fifteen, "cores": told.cores}
    said = text("{host}: load {one}, {five}, {fifteen} on {cores} processors", host=facts.host, **shown)
    limits.judge(100 * told.five / told.cores, of=facts.host, summary=said)


def writable(facts: HostFacts, limits: Limits) -> None:
    """Judge whether what fstab wants writable is."""
    if facts.read_only is None:
        said = text("{host} names no mount in /etc/fstab to compare with", host=facts.host)
        limits.hold(State.SKIPPED, of=facts.host, summary=said)
    elif not facts.read_only:
        limits.hold(State.OK, of=facts.host, summary=text("{host} can write wherever it should", host=facts.host))
    for mount in facts.read_only or ():
        said = text("{host}: {mount} is read-only although /etc/fstab does not say so", host=facts.host, mount=mount)
        limits.hold(State.CRITICAL, of=f"{facts.host}:{mount}", summary=said)


def certificates(hosts: Hosts, limits: Limits) -> None:
    """Judge those in files on every host, and those shown to whoever connects."""
    if not hosts.watches_certificates:
        limits.skip(text("No certificate is watched: set hosts.certificates to files and host:port"))
        return
    for facts in each(hosts, limits):
        for certificate in facts.certificates:
            _certificate(certificate, f"{facts.host}:{certificate.where}", limits)
    for certificate in hosts.shown_certificates():
        _certificate(certificate, certificate.where, limits)


def _certificate(certificate: Certificate, called: str, limits: Limits) -> None:
    if certificate.ends is None:
        limits.cannot_see(certificate.problem or text("{certificate} does not tell its end", certificate=called))
        return
    left = certificate.ends - now()
    said = text("The certificate {certificate} ends on {date}", certificate=called, date=certificate.ends)
    limits.judge(left, of=called, summary=said)


def _not_told(facts: HostFacts, file: str, limits: Limits) -> None:
    limits.cannot_see(text("{host} does not tell its limits in {file}", host=facts.host, file=file))
