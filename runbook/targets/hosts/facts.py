"""The facts of a host out of the sections that its script prints. Pure.

A section that is empty or strange gives None for its part and takes nothing else with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from runbook.targets.hosts.certificates import in_files
from runbook.targets.hosts.disks import parsed, read_only
from runbook.targets.hosts.script import KILLS_WITHIN, Sections
from runbook.targets.hosts.structs import Clock, HostFacts, Kill, Load, Memory, Share
from runbook.targets.hosts.units import failed, units

_KILLED = re.compile(r"\[?\s*(?P<at>\d+\.\d+)\]?.*?Killed process \d+,? \((?P<process>[^)]*)\)")


def facts(host: str, asked: Sequence[str], found: Sections, sent: float, received: float) -> HostFacts:
    """What the sections tell. ``sent`` and ``received`` are our clock's seconds around the command."""
    now = datetime.fromtimestamp(_seconds(found["clock"]), UTC)
    up = _first(found.get("up", ""))
    systemd = "systemd" in found
    return HostFacts(
        host=host,
        clock=clock(sent, _seconds(found["clock"]), _seconds(found["end"]), received),
        disks=tuple(parsed(host, found.get("df", ""))),
        up=None if up is None else timedelta(seconds=up),
        memory=_memory(found.get("memory", "")),
        load=_load(found.get("load", ""), found.get("cores", "")),
        handles=_handles(found.get("handles", "")),
        tasks=_tasks(found.get("load", ""), found.get("tasks", "")),
        read_only=read_only(found.get("mounts", ""), found.get("fstab", "")),
        systemd=systemd,
        asked=tuple(asked),
        failed=failed(found["failed"]) if systemd and "failed" in found else None,
        units=units(asked, found, now) if systemd and _answers(asked, found) else None,
        kills=_kills(found, now, up),
        killed=_counted(found.get("vmstat", "")),
        certificates=tuple(in_files(host, found.get("certificates", ""))),
    )


def clock(sent: float, began: float, ended: float, received: float) -> Clock:
    """The offset as NTP reckons it from four times: what is not the host's own work is the way there and back."""
    offset = ((began - sent) + (ended - received)) / 2
    way = max((received - sent) - (ended - began), 0.0)
    return Clock(offset=timedelta(seconds=offset), within=timedelta(seconds=way / 2))


def _answers(asked: Sequence[str], found: Sections) -> bool:
    """systemctl that prints nothing for names (a pattern alone may fit none) is not answering."""
    return not asked or bool(found.get("units", "").strip()) or all(set(name) & set("*?[") for name in asked)


def _seconds(shown: str) -> float:
    """``1700000000.123``; a date without fractions prints something else after the dot."""
    whole, _, part = shown.strip().partition(".")
    return float(f"{whole}.{part}") if part.isdecimal() else float(whole)


def _first(shown: str) -> float | None:
    word = shown.split(None, 1)[:1]
    return float(word[0]) if word and re.fullmatch(r"\d+(\.\d+)?", word[0]) else None


def _memory(shown: str) -> Memory | None:
    told = {name: int(amount) * 1024 for name, amount in re.findall(r"^(\w+):\s+(\d+) kB$", shown, re.MULTILINE)}
    total, available = told.get("MemTotal"), told.get("MemAvailable")
    if total is None or available is None:
        return None
    return Memory(total=total, available=available, swap=told.get("SwapTotal", 0), swap_free=told.get("SwapFree", 0))


def _load(shown: str, cores: str) -> Load | None:
    words, count = shown.split(), cores.strip()
    if len(words) < 3 or not count.isdecimal() or count == "0":
        return None
    one, five, fifteen = map(float, words[:3])
    return Load(one=one, five=five, fifteen=fifteen, cores=int(count))


def _handles(shown: str) -> Share | None:
    words = shown.split()
    return Share(used=int(words[0]) - int(words[1]), limit=int(words[2])) if len(words) == 3 else None


def _tasks(load: str, limits: str) -> Share | None:
    """All threads of the host against the smaller of the kernel's two limits."""
    running, told = re.search(r" \d+/(\d+) ", load), [int(word) for word in limits.split() if word.isdecimal()]
    return Share(used=int(running[1]), limit=min(told)) if running and told else None


def _counted(shown: str) -> int | None:
    found = re.search(r"^oom_kill (\d+)$", shown, re.MULTILINE)
    return int(found[1]) if found else None


def _kills(found: Sections, now: datetime, up: float | None) -> tuple[Kill, ...] | None:
    """By the journal, which outlives a reboot, else by the kernel's own log, whose times count from its start."""
    if _whole(found.get("kills", "")):
        return tuple(_killed(found["kills"], datetime.fromtimestamp(0, UTC)))
    if _whole(found.get("ring", "")) and up is not None:
        told = _killed(found["ring"], now - timedelta(seconds=up))
        return tuple(kill for kill in told if now - kill.at <= timedelta(seconds=KILLS_WITHIN))
    return None


def _whole(printed: str) -> bool:
    return printed.splitlines()[-1:] == ["rc 0"]


def _killed(printed: str, start: datetime) -> Iterator[Kill]:
    for line in printed.splitlines():
        if found := _KILLED.match(line):
            yield Kill(at=start + timedelta(seconds=float(found["at"])), process=found["process"])
