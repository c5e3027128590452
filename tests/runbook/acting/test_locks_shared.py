"""One acting run across machines, on real servers: a machine is a state folder of its own, a death is a SIGKILL.

Every guard is tried with its input missing, malformed, stale and unreachable: it never acts.
"""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from runbook.acting import journal
from runbook.acting.locks import Hold, acting_alone
from runbook.commands import procedure
from runbook.engine import Engine
from runbook.errors import ActionError, LockError
from runbook.model import Outcome, Record
from runbook.settings import ActingSettings, EnvironmentSettings, Keys, Login, PolicySettings, Secret
from runbook.site import Site
from runbook.targets.postgres.database import Database
from runbook.targets.s3 import leases
from runbook.targets.s3.leases import StorageLease
from tests.faulty_store import FaultyStore
from tests.runbook.fakes import Quiet, Tank, drain_step, site_at, tank_row
from tests.runbook.targets.servers_postgres import Connection, PostgresServer, standby_of
from tests.runbook.targets.servers_storage import root
from tests.store_faults import deny, fail, unconditional

pytest_plugins = ("tests.runbook.shared_servers",)

PLACES = {"database": {"storage": None}, "storage": {"database": None}, "both": {}}


def without(settings: EnvironmentSettings, **changes: Any) -> EnvironmentSettings:
    return msgspec.structs.replace(settings, **changes)


@pytest.fixture(params=PLACES)
def somewhere(request: pytest.FixtureRequest, guarded: EnvironmentSettings) -> EnvironmentSettings:
    """The lock in the database, in the store, in both."""
    return without(guarded, **PLACES[request.param])


@pytest.fixture
def machine(tmp_path: Path) -> Any:
    """Begin an acting run on a machine."""
    with ExitStack() as running:

        def begin(settings: EnvironmentSettings, name: str) -> Hold:
            return running.enter_context(acting_alone(settings, "prod", tmp_path / name, f"run of {name}"))

        yield begin


def acts(settings: EnvironmentSettings, folder: Path) -> bool:
    """Whether an acting run may begin."""
    try:
        with acting_alone(settings, "prod", folder, "R"):
            return True
    except LockError:
        return False


def test_a_run_on_another_machine_is_refused_by_name(
    somewhere: EnvironmentSettings, machine: Any, tmp_path: Path
) -> None:
    machine(somewhere, "one").prove()
    with pytest.raises(LockError, match="run of one"):
        machine(somewhere, "two")
    assert not acts(somewhere, tmp_path / "three")


def test_who_ends_lets_go_at_once_and_the_epoch_grows(somewhere: EnvironmentSettings, tmp_path: Path) -> None:
    epochs = []
    for name in ("one", "two", "one"):
        with acting_alone(somewhere, "prod", tmp_path / name, "R") as hold:
            hold.prove()
            epochs.append(dict(hold.epochs))
    assert all(earlier[name] < later[name] for earlier, later in pairwise(epochs) for name in earlier)


HOLD = """
import pathlib, sys, msgspec
from runbook.acting.locks import acting_alone
from tests.procedures.purge.ground import decoded_settings
with acting_alone(decoded_settings(sys.argv[2].encode()), "prod", pathlib.Path(sys.argv[1]), "the dead one"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_killed_machine_blocks_the_database_no_moment_and_the_store_for_its_time(
    guarded: EnvironmentSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.procedures.purge.ground import encoded_settings

    words = [sys.executable, "-c", HOLD, str(tmp_path / "one"), encoded_settings(guarded).decode()]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        assert not acts(guarded, tmp_path / "two")
        other.kill()
    assert acts(without(guarded, storage=None), tmp_path / "two")
    assert not acts(without(guarded, database=None), tmp_path / "two")
    monkeypatch.setattr(leases, "LASTS", timedelta(seconds=-5))
    assert acts(guarded, tmp_path / "two")


def test_a_dead_run_s_lease_is_free_at_once_on_its_own_machine_only(
    guarded: EnvironmentSettings, machine: Any, tmp_path: Path
) -> None:
    """Who holds a machine's own lock knows that what lies in the store under its name is of the dead."""
    stored = without(guarded, database=None)
    hold = machine(stored, "one")
    name = hold.locks["storage"]._machine
    folder = tmp_path / "the same machine, where nobody has the kernel's lock"
    folder.mkdir()
    (folder / "acting-prod.id").write_text(name.rpartition(" ")[2])
    assert acts(stored, folder)
    with pytest.raises(LockError, match="another run took it"):
        hold.prove()
    machine(stored, "two")
    (folder / "acting-prod.id").write_text("")
    assert not acts(stored, folder)


def test_a_lost_session_is_a_lost_lock(guarded: EnvironmentSettings, machine: Any, guard_admin: Connection) -> None:
    alone = without(guarded, storage=None)
    first = machine(alone, "one")
    end_sessions(guard_admin)
    machine(alone, "two").prove()
    with pytest.raises(LockError, match="cannot be proven"):
        first.prove()


def test_a_pooler_that_gives_the_session_away_and_a_new_epoch_are_seen(
    guarded: EnvironmentSettings, machine: Any, guard_admin: Connection
) -> None:
    hold = machine(without(guarded, storage=None), "one")
    hold.prove()
    guard_admin.execute(f"UPDATE {guarded.purge.state_schema}.acting SET epoch = epoch + 1")
    with pytest.raises(LockError, match="was lost"):
        hold.prove()
    guard_admin.execute(f"UPDATE {guarded.purge.state_schema}.acting SET epoch = epoch - 1")
    with pytest.raises(LockError, match="was lost"):
        hold.prove()  # once is for good


def test_a_session_without_the_advisory_lock_has_none(
    guarded: EnvironmentSettings, machine: Any, guard_admin: Connection
) -> None:
    hold = machine(without(guarded, storage=None), "one")
    hold.locks["database"]._connection.execute("SELECT pg_advisory_unlock_all()")
    with pytest.raises(LockError, match="was lost"):
        hold.prove()


def test_who_was_paused_longer_than_the_lease_lasts_has_lost_it(
    guarded: EnvironmentSettings, machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = without(guarded, database=None)
    first = machine(stored, "one")
    monkeypatch.setattr(leases, "LASTS", timedelta(seconds=-5))
    machine(stored, "two").prove()
    with pytest.raises(LockError, match="another run took it"):
        first.prove()


def test_who_was_paused_while_all_of_it_was_swept_has_lost_it_too(
    guarded: EnvironmentSettings, machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """His next number is free again, and lower than the others'."""
    stored = without(guarded, database=None)
    first = machine(stored, "one")
    monkeypatch.setattr(leases, "LASTS", timedelta(seconds=-5))
    monkeypatch.setattr(leases, "_OLD", timedelta(seconds=-5))
    second = machine(stored, "two")
    for _ in range(3):
        second.prove()
    store = second.locks["storage"]._store
    for one in store.versions(stored.acting.lease_prefix)[:2]:
        store.remove(one.key, one.version)
    with pytest.raises(LockError, match="another run took it"):
        first.prove()


def test_of_many_who_come_at_once_one_gets_the_lease(guarded: EnvironmentSettings) -> None:
    assert guarded.storage is not None
    won, lost, start = [], [], threading.Barrier(6)

    def come(name: str) -> None:
        lease = StorageLease(guarded.storage, guarded.backup, guarded.acting.lease_prefix)  # type: ignore[arg-type]
        start.wait()
        try:
            lease.take(name)
            won.append(lease)
        except LockError:
            lost.append(name)

    threads = [threading.Thread(target=come, args=(str(n),)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, 5)
    won[0].prove()
    won[0].release()


def refused_login(settings: EnvironmentSettings) -> EnvironmentSettings:
    database = msgspec.structs.replace(settings.database, operator=Login(user="muses_operator"))
    return without(settings, database=database)


def elsewhere(settings: EnvironmentSettings) -> EnvironmentSettings:
    return without(settings, database=msgspec.structs.replace(settings.database, port=9))


def no_right(settings: EnvironmentSettings) -> EnvironmentSettings:
    """A role that may not make the lock's table."""
    login = msgspec.structs.replace(settings.database.operator, user="muses_stranger")  # type: ignore[union-attr]
    return without(settings, database=msgspec.structs.replace(settings.database, operator=login))


def no_operator(settings: EnvironmentSettings) -> EnvironmentSettings:
    return without(settings, database=msgspec.structs.replace(settings.database, operator=None))


def store_elsewhere(settings: EnvironmentSettings) -> EnvironmentSettings:
    return without(settings, storage=msgspec.structs.replace(settings.storage, endpoint_url="http://127.0.0.1:9"))


def no_bucket(settings: EnvironmentSettings) -> EnvironmentSettings:
    return without(settings, storage=msgspec.structs.replace(settings.storage, backup_bucket="no-existe"))


def wrong_keys(settings: EnvironmentSettings) -> EnvironmentSettings:
    keys = Keys(access_key=Secret(env="MUSES_NO_SUCH_KEY"), secret_key=Secret(env="MUSES_NO_SUCH_KEY"))
    return without(settings, storage=msgspec.structs.replace(settings.storage, operator=keys))


Broken = Callable[[EnvironmentSettings], EnvironmentSettings]
NO_DATABASE: list[Broken] = [refused_login, elsewhere, no_right, no_operator]
NO_STORE: list[Broken] = [store_elsewhere, no_bucket, wrong_keys]


@pytest.mark.parametrize("database", NO_DATABASE)
def test_without_the_database_the_store_does_and_without_both_nothing_acts(
    database: Broken, guarded: EnvironmentSettings, tmp_path: Path
) -> None:
    broken = database(guarded)
    assert acts(broken, tmp_path)
    neither = without(broken, storage=None)
    assert not acts(neither, tmp_path)
    assert acts(without(neither, acting=ActingSettings(machines="one")), tmp_path)


@pytest.mark.parametrize("store", NO_STORE)
def test_without_the_store_the_database_does_and_without_both_nothing_acts(
    store: Broken, guarded: EnvironmentSettings, tmp_path: Path
) -> None:
    broken = store(guarded)
    assert acts(broken, tmp_path)
    needing_both = msgspec.structs.replace(broken.acting, needs="all")
    assert not acts(without(broken, acting=needing_both), tmp_path)
    with pytest.raises(LockError, match=r"another machine acts .* acting\.machines"):  # noqa: SIM117
        with acting_alone(elsewhere(broken), "prod", tmp_path, "R"):
            pass


def test_an_environment_with_nothing_that_others_reach_needs_no_lock_of_theirs(tmp_path: Path) -> None:
    assert acts(EnvironmentSettings(), tmp_path)


@pytest.mark.parametrize(
    ("key", "body"),
    [
        ("000000000007.json", b"not json"),
        ("000000000007.json", b'{"holder": 3}'),
        ("000000000007.json", b""),
        ("7.json", b'{"holder": "x"}'),
        ("notes.txt", b"hello"),
    ],
)
def test_a_lease_that_cannot_be_read_lets_nothing_act(
    key: str, body: bytes, guarded: EnvironmentSettings, guard_place: Any, tmp_path: Path
) -> None:
    """Also where the database's lock was had, and where the site says that there is one machine: it may be wrong."""
    assert guarded.storage is not None
    root(guard_place).put_object(Bucket=guarded.storage.backup_bucket, Key=guarded.acting.lease_prefix + key, Body=body)
    assert not acts(guarded, tmp_path)
    one = msgspec.structs.replace(guarded.acting, machines="one")
    assert not acts(without(guarded, acting=one), tmp_path)


def test_a_store_that_writes_over_what_is_there_gives_no_lease(
    guarded: EnvironmentSettings, faults: FaultyStore, tmp_path: Path
) -> None:
    """Two could take it, and each would believe it to be his."""
    faults.inject(unconditional(), operation="PutObject", times=None)
    broken = without(guarded, storage=msgspec.structs.replace(guarded.storage, endpoint_url=faults.url))
    assert acts(broken, tmp_path), "the database's lock is enough"
    with pytest.raises(LockError, match="writes over what is there"):  # noqa: SIM117
        with acting_alone(without(broken, database=None), "prod", tmp_path, "R"):
            pass


@pytest.mark.parametrize("operation", ["PutObject", "ListObjectsV2"])
def test_a_lease_that_cannot_be_proven_is_lost(
    operation: str, guarded: EnvironmentSettings, faults: FaultyStore, machine: Any
) -> None:
    storage = msgspec.structs.replace(guarded.storage, endpoint_url=faults.url)
    hold = machine(without(guarded, storage=storage, database=None), "one")
    hold.prove()
    faults.inject(deny(), operation=operation)
    with pytest.raises(LockError, match="cannot be proven"):
        hold.prove()


def test_a_store_that_is_gone_halfway_is_a_lost_lock(
    guarded: EnvironmentSettings, faults: FaultyStore, machine: Any
) -> None:
    hold = machine(without(guarded, storage=msgspec.structs.replace(guarded.storage, endpoint_url=faults.url)), "one")
    faults.inject(fail(), times=None)
    with pytest.raises(LockError, match="cannot be proven"):
        hold.prove()


def test_a_lost_lock_stops_before_the_next_action(
    guarded: EnvironmentSettings, guard_admin: Connection, tmp_path: Path
) -> None:
    tank = Tank(25)
    tank.on_drain = lambda: end_sessions(guard_admin)
    row = tank_row(steps=lambda t: [drain_step(t, to=22), drain_step(Tank(22), to=0)])
    record = run_of(without(guarded, storage=None), tank, tmp_path, row)
    assert tank.drained == 1
    assert [action.outcome for action in record.actions] == [Outcome.DONE]
    assert record.decision is not None
    entries = journal.verify(tmp_path / "journal.jsonl")
    assert [e.body.get("outcome") for e in entries if e.kind == "result"] == ["done", "not run"]
    assert journal.unfinished(entries) == []


def run_of(settings: EnvironmentSettings, tank: Tank, folder: Path, row: Any, id: str = "R1") -> Record:
    site = with_settings(site_at(folder), settings)
    engine = Engine(site, Quiet(), run=id)
    engine.begin(row, {"tank": tank})
    engine.settle()
    engine.treat()
    [record] = engine.finish().records
    site.history.close()
    return record


def with_settings(site: Site, settings: EnvironmentSettings) -> Site:
    return dataclasses.replace(site, settings=settings)


def end_sessions(admin: Connection) -> None:
    """End the operator's sessions, and wait until they are gone."""
    admin.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'muses_operator'")


def test_the_session_that_holds_the_lock_is_never_ended(guarded: EnvironmentSettings, machine: Any) -> None:
    hold = machine(without(guarded, storage=None), "one")
    pid = hold.locks["database"]._connection.info.backend_pid
    database = Database("database", guarded.database, environment="prod", timezone="America/Mexico_City")
    [ours] = [session for session in database.sessions() if session.pid == pid]
    with pytest.raises(ActionError, match="one of ours"):
        database.end_session(fingerprint={}, **ours.identity)
    database.close()
    hold.prove()


def test_the_reader_looks_into_the_schema_that_the_lock_made(
    guarded: EnvironmentSettings, machine: Any, guard_postgres: PostgresServer
) -> None:
    """The purge's ledger lies there too: whether there is one is asked before there is."""
    machine(guarded, "one")
    with guard_postgres.session(role="muses_reader") as reader:
        words = f"SELECT to_regclass('{guarded.purge.state_schema}.purge_run') IS NULL AS none"
        assert reader.execute(words).fetchone() == {"none": True}


@pytest.mark.soak
def test_a_standby_gives_no_lock(guarded: EnvironmentSettings, guard_postgres: PostgresServer, tmp_path: Path) -> None:
    with standby_of(guard_postgres) as standby:
        database = msgspec.structs.replace(guarded.database, port=standby.port)
        with pytest.raises(LockError, match="is a standby"):  # noqa: SIM117
            with acting_alone(without(guarded, database=database, storage=None), "prod", tmp_path, "R"):
                pass


@pytest.mark.soak
def test_a_frozen_session_costs_its_time_and_is_a_lost_lock(
    guarded: EnvironmentSettings, machine: Any, guard_postgres: PostgresServer
) -> None:
    hold, began = machine(without(guarded, storage=None), "one"), time.monotonic()
    with guard_postgres.frozen(hold.locks["database"]._connection.info.backend_pid):
        with pytest.raises(LockError, match="cannot be proven"):
            hold.prove()
        assert time.monotonic() - began < 10


def test_what_another_machine_tried_counts_here_too(guarded: EnvironmentSettings, tmp_path: Path) -> None:
    """Each machine alone would have tried it twice as often."""
    policy = PolicySettings(medium="act", attempts=2, cooldown=timedelta(0))
    settings = without(guarded, storage=None, policy=policy)
    for name in ("one", "two"):
        assert run_of(settings, Tank(25), tmp_path / name, tank_row(), id=name).actions
    tank = Tank(25)
    record = run_of(settings, tank, tmp_path / "three", tank_row(), id="three")
    assert tank.drained == 0
    assert record.decision is not None
    assert record.decision.rule == "policy.attempts"
    assert "Fixed 2 times in 86400 s on tank" in str(record.decision.reason)


def test_the_cooldown_is_everybody_s(guarded: EnvironmentSettings, tmp_path: Path) -> None:
    settings = without(guarded, storage=None, policy=PolicySettings(medium="act", cooldown=timedelta(minutes=10)))
    assert run_of(settings, Tank(25), tmp_path / "one", tank_row(), id="one").actions
    record = run_of(settings, Tank(25), tmp_path / "two", tank_row(), id="two")
    assert record.decision is not None
    assert record.decision.rule == "policy.cooldown"


def test_a_ledger_of_all_machines_that_cannot_be_read_lets_nothing_act(
    guarded: EnvironmentSettings, guard_admin: Connection, tmp_path: Path
) -> None:
    settings = without(guarded, storage=None)
    assert acts(settings, tmp_path)
    guard_admin.execute(f"ALTER TABLE {settings.purge.state_schema}.attempt RENAME COLUMN targets TO otherwise")
    tank = Tank(25)
    record = run_of(settings, tank, tmp_path, tank_row())
    assert tank.drained == 0
    assert record.decision is not None
    assert record.decision.rule == "history"


def test_a_procedure_holds_the_same_locks_and_waits_for_nobody(
    guarded: EnvironmentSettings, machine: Any, tmp_path: Path
) -> None:
    class Course:
        alone, id, row = True, "P1", "PURGE"
        site = with_settings(site_at(tmp_path / "two"), guarded)
        began = 0

        def act(self, board: object) -> None:
            Course.began += 1
            assert not acts(guarded, tmp_path / "three")

        def outcome(self) -> dict[str, Any]:
            return {}

    procedure._act(Course(), None)
    hold = machine(guarded, "one")
    with pytest.raises(LockError, match="run of one"):
        procedure._act(Course(), None)
    hold.prove()
    assert Course.began == 1
    entries = journal.verify(tmp_path / "two" / "journal.jsonl")
    assert [(entry.kind, entry.body.get("outcome")) for entry in entries] == [("intent", None), ("result", "done")]
