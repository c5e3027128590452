"""The same purge on a cluster: four worker processes, of which one is killed in the middle."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from procedures.purge import running
from runbook.errors import ActionError, SettingsError
from runbook.site import Site
from tests.faulty_store import FaultyStore
from tests.procedures.purge.aftermath import check_stopped, gone_on_with, settled
from tests.procedures.purge.dying_worker import die_at
from tests.procedures.purge.ground import Ground, Lines
from tests.store_faults import deny

distributed = pytest.importorskip("distributed")

SMALL: dict[str, Any] = {"batch_rows": 40, "chunk_rows": 10}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Workers on this machine, one thread each; one that dies is started again."""
    made = distributed.LocalCluster(
        n_workers=4, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None, silence_logs=50
    )
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def client(cluster: Any) -> Iterator[Any]:
    """Somebody else at the same cluster."""
    with distributed.Client(cluster, set_as_default=False) as client:
        client.wait_for_workers(4, timeout=60)
        yield client


@pytest.fixture
def before(ground: Ground) -> Lines:
    """Tables of several batches, one of them with partitions."""
    return ground.fill_partitioned(240)


@pytest.fixture
def site(ground: Ground, cluster: Any) -> Site:
    """The batches go to the cluster."""
    return ground.changed(executor=cluster.scheduler_address.replace("tcp://", "dask://"), **SMALL)


@pytest.mark.parametrize(
    "at",
    [
        "exported",
        "rows deleted, before commit",
        pytest.param("manifest written", marks=pytest.mark.soak),
        pytest.param("chunk committed", marks=pytest.mark.soak),
    ],
)
def test_a_worker_is_killed_in_the_middle(at: str, ground: Ground, before: Lines, site: Site, client: Any) -> None:
    mark = ground.home / "killed"
    client.run(die_at, at, mark)
    running.purge(site)
    assert mark.exists()
    ground.invariant(before)


def test_what_fails_at_a_worker_is_told_here(
    ground: Ground, before: Lines, site: Site, cluster: Any, faults: FaultyStore
) -> None:
    faults.inject(deny(), operation="PutObject", key="*/rows.copy.zst", times=None)
    through = ground.changed(endpoint=faults.url, executor=site.settings.purge.executor, **SMALL)
    with pytest.raises(ActionError, match=r"denies PutObject.*AccessDenied"):
        running.purge(through)
    settled(ground)
    check_stopped(ground, before)
    faults.clear()
    gone_on_with(ground, site, before)


def test_no_scheduler_there(ground: Ground, before: Lines) -> None:
    with pytest.raises(SettingsError, match="No Dask scheduler at"):
        running.purge(ground.changed(executor="dask://127.0.0.1:9"))
    ground.nothing_lost(before)
