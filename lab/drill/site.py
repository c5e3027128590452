"""The site file of a drill: the lab's own, with what takes seconds there taking less.

The rows, the remedies and the guards are the same; only how long is waited before something counts differs. Each drill
has a past of its own: what was tried in the last one is no attempt at this.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from lab import site
from lab.incidents import database
from lab.place import Place
from lab.servers import postgres

#: Where the runbook remembers what it tried, in the database.
SCHEMA = "muses_runbook"
#: Table of the site file → what differs from the lab's.
FASTER: dict[str, dict[str, Any]] = {
    "limits.QUEUE-01": {"window": "10 s"},
    "limits.ETL-01": {"warning": "5 s", "critical": "20 s", "window": "5 s"},
    "limits.ETL-02": {"window": "5 s"},
    "limits.DB-05": {"warning": "5 s", "critical": "5 s"},
    "settling": {
        "QUEUE-01": "12 s",
        # Nothing of the lab's policy mends it, and every remedy of another row would wait for it so long.
        "QUEUE-02": "3 s",
        "ETL-01": "20 s",
        "DB-01": "8 s",
        "DB-03": "8 s",
        "DB-05": "8 s",
        "INDEX-05": "12 s",
        "STAGE-01": "8 s",
        "BACKUP-01": "8 s",
    },
    "policy": {"cooldown": "2 s", "attempts": 3},
}


def write(place: Place, policy: str) -> Path:
    """Write ``home/drill/site.toml`` with an empty past beside it, and return it.

    ``policy`` is ``act`` for the lab's own; ``ask`` or ``never`` let nothing act.
    """
    found = file(place)
    shutil.rmtree(found.with_name("state"), ignore_errors=True)
    found.parent.mkdir(exist_ok=True)
    found.write_text(site.toml(tables(place, policy)))
    return found


def file(place: Place) -> Path:
    """Where the drills' site file lies, once it is written."""
    return place.home / "drill" / "site.toml"


def forget(place: Place) -> None:
    """Empty what the database remembers: attempts of acting runs, where it has such a table, and what statements cost.

    An index that the last drill's pile of records asks for is no part of this one.
    """
    there = "SELECT FROM pg_tables WHERE schemaname = %s AND tablename = 'attempt'"
    with database.unseen(place) as connection:
        if connection.execute(there, [SCHEMA]).rowcount:
            connection.execute(f"TRUNCATE {SCHEMA}.attempt")
    postgres.forget_statements(place)


def tables(place: Place, policy: str) -> dict[str, dict[str, Any]]:
    """The lab's tables with the drill's differences."""
    found = dict(site.tables(place))
    found["site"] = {**found["site"], "state": str(place.home / "drill" / "state")}
    for name, differs in FASTER.items():
        found[f"environments.lab.{name}"] = {**found.get(f"environments.lab.{name}", {}), **differs}
    if policy != "act":
        found["environments.lab.policy"] |= {**dict.fromkeys(("low", "medium", "high"), policy), "rows": {}}
    return found
