"""The long ones: hundreds of random kills under writers, and every single passing of every milestone.

``make soak`` runs them; a short one of the first runs always.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from procedures.purge import milestones, outlook, running
from runbook.site import Site
from tests.procedures.killing import ANY
from tests.procedures.purge.aftermath import check_stopped, gone_on_with, settled
from tests.procedures.purge.ground import Ground, Servers, ground_on
from tests.procedures.purge.history import History, told, writers
from tests.procedures.purge.purging import Purger, small_pieces

SEED = 20261124
SMALL: dict[str, Any] = {"batch_rows": 30, "chunk_rows": 20}


@pytest.mark.parametrize("kills", [5, pytest.param(200, marks=pytest.mark.soak)])
def test_random_kills_under_writers(
    kills: int, forking: Purger, ground: Ground, record_property: Callable[[str, object], None]
) -> None:
    chance, began = random.Random(SEED + kills), time.monotonic()
    ground.fill(120)
    history, found = History(ground), Counter[str]()
    site = ground.changed(batch_rows=60, chunk_rows=20, workers=2, throttle={"lock_waiters": 100})
    with writers(ground, 2, SEED) as writing:
        while found["killed"] < kills:
            found[killed_somewhere(forking, ground, site, chance)] += 1
            assert sum(found.values()) < 3 * kills + 10, "it mostly comes to its end before it is killed"
            settled(ground)
            if found["killed"] % 5 == 0:
                history.check()
                found["checks"] += 1
        found["written"] = sum(writer.done for writer in writing)
    finish(ground, site)
    rows = history.check(quiet=True)
    record_property("found", f"{told(found)}, {rows} rows, seed {SEED}, {time.monotonic() - began:.0f} s")


def killed_somewhere(forking: Purger, ground: Ground, site: Site, chance: random.Random) -> str:
    """One purge, killed at a random milestone or at a random moment; how it ended."""
    if chance.random() < 0.6:
        ended = forking.purge(site, ground.home, at=ANY, nth=chance.randrange(1, 200))
    else:
        killing = threading.Timer(chance.random() * 1.5, forking.kill)
        forking.start(site, ground.home)
        killing.start()
        ended = forking.ended()
        killing.cancel()
        killing.join()
    assert ended.error is None or not ended.error.startswith("unexpected"), ended.error
    return "killed" if ended.killed else "refused" if ended.error else "came to its end"


def finish(ground: Ground, site: Site) -> None:
    """Nobody writes any more: the run comes to its end, and the next one takes what was changed under it."""
    for _ in range(3):
        purged = running.purge(site, confirmed=True)
    assert purged.deleted == 0
    assert outlook.look(site).survey.qualifying == 0


@pytest.mark.soak
def test_every_passing_of_every_milestone(
    forking: Purger,
    purge_servers: Servers,
    ground: Ground,
    tmp_path_factory: pytest.TempPathFactory,
    record_property: Callable[[str, object], None],
) -> None:
    """The kill matrix without gaps: as many cases as a run passes milestones."""
    cases = 0
    for name, times in passings(ground).items():
        for nth in range(1, times + 1):
            with ground_on(purge_servers, tmp_path_factory.mktemp("case")) as case:
                before, site = case.fill_partitioned(60), case.changed(**SMALL)
                assert forking.purge(site, case.home, at=name, nth=nth).killed, (name, nth)
                settled(case)
                check_stopped(case, before)
                gone_on_with(case, site, before)
                cases += 1
    record_property("found", f"{cases} cases")


def passings(ground: Ground) -> Counter[str]:
    """How often a run passes each milestone."""
    passed: list[str] = []
    ground.fill_partitioned(60)
    with pytest.MonkeyPatch.context() as patch, small_pieces():
        patch.setattr(milestones, "reached", passed.append)
        running.purge(ground.changed(**SMALL))
    return Counter(passed)
