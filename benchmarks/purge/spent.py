"""Where the time of a contestant goes: processor seconds by process, and the database's statements by their time.

Processor seconds say more than the clock on a machine that others use too.
"""

from __future__ import annotations

import os
import resource
from pathlib import Path

from benchmarks.purge.ground import Ground

_TICKS = os.sysconf("SC_CLK_TCK")
_STATEMENTS = """
SELECT sum(calls), sum(total_exec_time) AS took, sum(rows), left(regexp_replace(query, '\\s+', ' ', 'g'), 120) AS begins
FROM public.pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid
WHERE d.datname = %s GROUP BY begins ORDER BY took DESC LIMIT %s
"""


def processor(ground: Ground) -> dict[str, float]:
    """Processor seconds up to now: of this process with what it started and awaited, and of each server."""
    of_servers = {name: _of_tree(pid) for name, pid in ground.pids.items()}
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {"client": sum(usage.ru_utime + usage.ru_stime for usage in usages), **of_servers}


def since(before: dict[str, float], ground: Ground) -> dict[str, float]:
    """What was spent from ``before`` on."""
    return {name: seconds - before[name] for name, seconds in processor(ground).items()}


def forget_statements(ground: Ground) -> None:
    """Start the database's statistics of statements anew."""
    with ground.admin() as admin:
        admin.execute("SELECT public.pg_stat_statements_reset()")


def statements(ground: Ground, database: str, most: int = 12) -> list[str]:
    """The statements that took most of the database's time, a line each."""
    with ground.admin() as admin:
        found = admin.execute(_STATEMENTS, [database, most]).fetchall()
    return [f"{total / 1000:8.2f} s {calls:8,} × {rows:10,} rows  {query}" for calls, total, rows, query in found]


def _of_tree(pid: int) -> float:
    """A process, its ended children, and its living ones."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / _TICKS + sum(_of_tree(int(child)) for child in children)
