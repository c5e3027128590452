"""A real streaming replica: the purge keeps its lag under the limit, waits for it, and says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import pytest

from procedures.purge import outlook, running
from runbook.errors import ActionError
from tests.procedures.purge.aftermath import Waiting, deleted_so_far
from tests.procedures.purge.ground import Ground, Servers
from tests.runbook.targets.servers_postgres import Connection, standby_of, until

LIMIT = timedelta(milliseconds=300)
_CAUGHT_UP = "SELECT count(*) AS n FROM pg_stat_replication WHERE replay_lsn >= pg_current_wal_flush_lsn()"


@pytest.fixture(scope="module")
def replica(purge_servers: Servers) -> Iterator[Connection]:
    """One for the tests here."""
    with (
        standby_of(purge_servers.postgres, wal_receiver_status_interval="1s") as replica,
        closing(replica.admin()) as session,
    ):
        yield session


@pytest.fixture
def followed(replica: Connection, ground: Ground) -> Ground:
    """The ground, with a replica that has all of it."""
    ground.fill(400)
    caught_up(ground)
    return ground


def caught_up(ground: Ground) -> None:
    until(lambda: ground.admin.execute(_CAUGHT_UP).fetchall()[0]["n"] == 1, patience=20)


class Stalled(Waiting):
    """Lets the replica go on once the purge has waited for it for a while, and notes what was deleted meanwhile."""

    def __init__(self, ground: Ground, replica: Connection) -> None:
        super().__init__(lambda: replica.execute("SELECT pg_wal_replay_resume()"), times=3)
        self._ground = ground
        self.deleted: list[int] = []

    def seen(self) -> None:
        """How many rows are gone by now."""
        self.deleted.append(deleted_so_far(self._ground))


def test_a_replica_that_lags_is_waited_for(followed: Ground, replica: Connection) -> None:
    before = followed.tables()
    replica.execute("SELECT pg_wal_replay_pause()")
    site = followed.changed(throttle={"replica_lag": LIMIT}, chunk_rows=5)
    running.purge(site, watch=(watch := Stalled(followed, replica)))
    assert "lag" in watch.reasons[0]
    assert len(set(watch.deleted)) == 1, "it went on deleting while it waited"
    assert not any(batch["waiting"] for batch in followed.batches())
    followed.invariant(before)


def test_a_replica_that_keeps_up_is_not_waited_for_and_has_the_same_rows(followed: Ground, replica: Connection) -> None:
    before = followed.tables()
    running.purge(followed.changed(throttle={"replica_lag": timedelta(seconds=30)}), watch=(watch := Waiting(bool)))
    assert not watch.reasons
    followed.invariant(before)
    caught_up(followed)
    for table, lines in followed.tables().items():
        count = replica.execute(f"SELECT count(*) AS n FROM muses_dev.{table}").fetchall()[0]["n"]
        assert count == len(lines)


def test_a_purge_at_a_replica_is_refused(followed: Ground, replica: Connection) -> None:
    site = followed.changed(database={"host": replica.info.host, "port": replica.info.port})
    with pytest.raises(ActionError):
        running.purge(site)
    assert outlook.look(site).objections[0].template.startswith("This server is a standby")
