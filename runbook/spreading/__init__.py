"""Where the rows of a run are judged: on threads of this process, or away, at the workers of a cluster.

Only judging travels, which is most of the work where rows are many. Causes, plans and remedies of what is breached stay
here, with this machine's history, policy and locks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from runbook.errors import SettingsError
from runbook.job import Job
from runbook.probes import Readings
from runbook.site import Site
from runbook.spreading.home import Home
from runbook.text import Text

THREADS = "threads"


class Spread(Protocol):
    """Where jobs are begun; none of it waits."""

    #: Why rows were judged here that might have travelled; None where all went well.
    trouble: Text | None

    def begin(self, job: Job) -> None:
        """Have a row judged and found out about, some time from now."""

    def all_begun(self) -> None:
        """There are no more to come: nothing is held back."""

    def close(self) -> None:
        """The run's reading is over: what has not come back does not count any more."""


def spread(site: Site, run: str, readings: Readings, find_out: Callable[[Job], None]) -> Spread:
    """As the site's ``executor`` says; at home where the cluster is not there: the run says so."""
    home = Home(find_out, site.rows_at_once)
    if site.executor == THREADS or site.record is not None:
        return home
    from runbook.spreading.cluster import Cluster

    try:
        return Cluster(site, run, readings, home)
    except SettingsError as error:
        home.trouble = error.said
        return home
