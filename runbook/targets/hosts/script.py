"""The one command that tells all about a host: a script for a POSIX shell that prints sections. Pure.

It changes nothing, needs no right (what only root may see is left out, never made up) and no program beyond those of
a bare system; a section whose program lacks is empty. Each run has a mark of its own before its sections, so that
nothing a host prints (a unit's name, a line of a log) can pass for one.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

#: How far back automatic restarts of units are counted, and kills for want of memory.
RESTARTS_WITHIN, KILLS_WITHIN = 3600, 86400
#: One command tells bytes and inodes; ``-l`` because a network file system whose server is gone hangs it.
DF = "df -l -B1 --output=fstype,size,used,avail,itotal,iused,source,target"
PROPERTIES = (
    "Id", "Names", "LoadState", "UnitFileState", "ActiveState", "SubState", "Result", "NRestarts", "NeedDaemonReload",
    "ActiveEnterTimestamp", "MainPID", "ControlGroup", "MemoryCurrent", "MemoryMax", "TasksCurrent", "TasksMax",
)  # fmt: skip
#: systemd's own identifier of "Scheduled restart job".
_RESTARTED = "5eb03494b6584870a536b337290809b3"
#: So many processes of a unit are looked at: each costs the host a moment.
_PROCESSES = 64

_KERNEL = """
s clock; date +%s.%N
s up; cat /proc/uptime
s load; cat /proc/loadavg
s cores; nproc || grep -c ^processor /proc/cpuinfo
s memory; cat /proc/meminfo
s handles; cat /proc/sys/fs/file-nr
s tasks; cat /proc/sys/kernel/threads-max /proc/sys/kernel/pid_max
s vmstat; grep '^oom_kill ' /proc/vmstat
s df; t {df}
s mounts; cat /proc/self/mounts
s fstab; cat /etc/fstab
"""
_UNITS = """
if test -d /run/systemd/system; then
s systemd
s failed; t systemctl list-units --state=failed --plain --no-legend --no-pager --full
s units; set -- {units}
if test $# -gt 0; then shown=$(t systemctl show --no-pager --property={properties} -- "$@"); printf '%s\\n' "$shown"
s groups; printf '%s\\n' "$shown" | sed -n 's/^ControlGroup=\\(..*\\)/\\1/p' | while IFS= read -r g; do
  echo "group $g"
  for f in "/sys/fs/cgroup$g/memory.events" "/sys/fs/cgroup/memory$g/memory.oom_control"; do
    test -r "$f" && grep '^oom_kill ' "$f"
  done
  for c in "/sys/fs/cgroup$g" "/sys/fs/cgroup/unified$g" "/sys/fs/cgroup/systemd$g"; do
    test -r "$c/cgroup.procs" && break
  done
  head -n {processes} "$c/cgroup.procs" | while read -r p; do
    set -- /proc/$p/fd/*
    if test -L "$1"; then used=$#; else used=$(stat -c %s /proc/$p/fd); fi
    while read -r a b c l rest; do
      case "$a $b $c" in 'Max open files') echo "fds $p ${{used:-0}} $l";; esac
    done </proc/$p/limits
  done
done
fi
for j in /var/log/journal/*/system.journal /run/log/journal/*/system.journal; do
  if test -r "$j"; then
    s restarts; t journalctl -q --no-pager -o json --output-fields=UNIT --since -{restarts}s MESSAGE_ID={restarted}
    echo "rc $?"
    s kills; {{ t journalctl -q --no-pager -o short-unix --since -{kills}s _TRANSPORT=kernel; echo "rc $?"; }} |
      grep -E 'Killed process|^rc ' | tail -n 50
    read=yes; break
  fi
done
fi
test "$read" || {{ s ring; {{ dmesg; echo "rc $?"; }} | grep -E 'Killed process|^rc ' | tail -n 50; }}
"""
_FILES = """
s certificates; for f in {files}; do echo "file $f"
  if test -r "$f"; then sed -n '/-----BEGIN [A-Z ]*CERTIFICATE-----/,/-----END/p' "$f" | head -c 65536
  else echo unreadable; fi
done
"""
_SCRIPT = """exec 2>/dev/null; export LC_ALL=C TZ=UTC
s() {{ echo "{mark} $1"; }}
t() {{ if command -v timeout >/dev/null; then timeout 1 "$@"; else "$@"; fi; }}
{body}
s end; date +%s.%N"""

Sections = dict[str, str]


def command(mark: str, units: Sequence[str] = (), files: Sequence[str] = ()) -> str:
    """One line for any shell that starts ours. ``units`` may be systemd's patterns; ``files`` are certificates."""
    body = _KERNEL.format(df=DF) + _UNITS.format(
        units=shlex.join(units),
        properties=",".join(PROPERTIES),
        processes=_PROCESSES,
        restarts=RESTARTS_WITHIN,
        restarted=_RESTARTED,
        kills=KILLS_WITHIN,
    )
    if files:
        body += _FILES.format(files=shlex.join(files))
    return f"exec /bin/sh -c {shlex.quote(_SCRIPT.format(mark=mark, body=body))}"


def sections(mark: str, printed: str) -> Sections | None:
    """What each section printed, by its name. None where the script did not come to its end: nothing is known then."""
    parts = re.split(rf"^{re.escape(mark)} (\w+)\n?", printed, flags=re.MULTILINE)
    found = dict(zip(parts[1::2], parts[2::2], strict=True))
    told = all(found.get(name, "").strip()[:1].isdecimal() for name in ("clock", "end"))
    return found if told else None
