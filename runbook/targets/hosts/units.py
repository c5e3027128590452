"""systemd's units out of what systemctl, the cgroups and the journal print. Pure."""

from __future__ import annotations

import fnmatch
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from runbook.targets.hosts.script import Sections
from runbook.targets.hosts.structs import Share, Unit

_STAMP = re.compile(r"[A-Z][a-z]{2} (\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2})(?:\.\d+)? UTC")
#: What old versions of systemd print for "no limit" and for "not known".
_NO_NUMBER = 2**64 - 1
Properties = Mapping[str, str]


def units(asked: Sequence[str], found: Sections, now: datetime) -> tuple[Unit, ...]:
    """The units in the order asked for; a name or pattern that fits none as a Unit that is not loaded."""
    told = [block for block in blocks(found.get("units", "")) if block.get("Id")]
    restarted, groups = _restarted(found.get("restarts")), _groups(found.get("groups", ""))
    made: dict[str, Unit] = {}
    for name in asked:
        fitting = [block for block in told if _fits(name, block)]
        for block in fitting:
            made[block["Id"]] = _unit(block, groups.get(block.get("ControlGroup", ""), []), restarted, now)
        if not fitting:
            made[name] = Unit(name=name, loaded=False)
    return tuple(made.values())


def failed(printed: str) -> tuple[str, ...]:
    """The names in a list of units, whatever mark stands before them."""
    lines = (line.lstrip("●*× ").split() for line in printed.splitlines())
    return tuple(words[0] for words in lines if words)


def blocks(printed: str) -> Iterator[dict[str, str]]:
    """What ``systemctl show`` prints: a unit's properties, an empty line, the next."""
    for block in filter(None, printed.strip().split("\n\n")):
        yield dict(line.split("=", 1) for line in block.splitlines() if "=" in line)


def moment(shown: str | None) -> datetime | None:
    """``Wed 2026-11-25 09:30:00 UTC``; None for ``n/a`` and for nothing."""
    found = _STAMP.fullmatch(shown or "")
    return datetime.fromisoformat(f"{found[1]}T{found[2]}").replace(tzinfo=UTC) if found else None


def _fits(name: str, block: Properties) -> bool:
    return any(fnmatch.fnmatchcase(known, name) for known in (block["Id"], *block.get("Names", "").split()))


def _unit(block: Properties, group: Sequence[str], restarted: Counter[str] | None, now: datetime) -> Unit:
    name, since = block["Id"], moment(block.get("ActiveEnterTimestamp"))
    state = block.get("ActiveState", "")
    files, hidden = _files(group)
    return Unit(
        name=name,
        loaded=block.get("LoadState") == "loaded",
        state=state,
        sub=block.get("SubState", ""),
        enabled=block.get("UnitFileState", ""),
        result=block.get("Result", ""),
        stale=block.get("NeedDaemonReload") == "yes",
        age=now - since if since and state in ("active", "reloading") else None,
        restarts=_number(block.get("NRestarts")) or 0,
        restarted=None if restarted is None else restarted[name],
        memory=_number(block.get("MemoryCurrent")),
        memory_max=_number(block.get("MemoryMax")),
        tasks=_number(block.get("TasksCurrent")),
        tasks_max=_number(block.get("TasksMax")),
        killed=_killed(group),
        files=files,
        files_hidden=hidden,
    )


def _number(shown: str | None) -> int | None:
    """None for ``infinity``, ``[not set]`` and the number that stands for them."""
    return int(shown) if shown and shown.isdecimal() and int(shown) != _NO_NUMBER else None


def _groups(printed: str) -> dict[str, list[str]]:
    """The lines of each cgroup, by its path."""
    found: dict[str, list[str]] = {}
    for line in printed.splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "group":
            current = found.setdefault(rest, [])
        elif found:
            current.append(line)
    return found


def _killed(group: Sequence[str]) -> int | None:
    counts = [int(words[1]) for words in map(str.split, group) if words[0] == "oom_kill" and words[1].isdecimal()]
    return max(counts, default=None)


def _files(group: Sequence[str]) -> tuple[Share | None, bool]:
    """The process nearest its limit, and whether others were hidden: a kernel that tells no number tells 0."""
    told = [words for words in map(str.split, group) if words[0] == "fds" and len(words) == 4]
    seen = [Share(used=int(used), limit=int(limit)) for _, _, used, limit in told if used != "0" and limit.isdecimal()]
    hidden = any(used == "0" for _, _, used, _ in told)
    return max(seen, key=lambda share: share.percent, default=None), hidden


def _restarted(printed: str | None) -> Counter[str] | None:
    """Restarts by unit out of the journal's JSON lines; None where it was not read to its end."""
    if printed is None or "rc 0" not in printed.splitlines()[-1:]:
        return None
    entries = (json.loads(line) for line in printed.splitlines() if line.startswith("{"))
    return Counter(str(entry.get("UNIT")) for entry in entries)
