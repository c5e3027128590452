"""A lab comes up from nothing, goes down without a trace, and survives any kill in between."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from lab import installed, lifecycle, orphans, supervision
from lab.errors import LabError
from lab.place import SUPERUSER, Place
from lab.servers import postgres

LAB = (sys.executable, "-c", "from lab.cli import lab; lab()")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A folder for a lab, with a path too long for sockets and with what shells and formats trip over."""
    home = tmp_path / f"laboratorio de prácticas 100% {'x' * 40}"
    yield home
    if (home / "place.json").exists():
        lifecycle.down(home)
    shutil.rmtree(home, ignore_errors=True)


def until(true: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def all_run(place: Place) -> bool:
    status = lifecycle.status(place.home)
    started = [process for process in status.services if process.running]
    return status.running and len(started) == 5 and not status.broken and not status.unclear


def finished_records(place: Place) -> int:
    """Those that are on disk: the lab's server does not wait for it at each commit."""
    with psycopg.connect(place.conninfo(SUPERUSER), autocommit=True) as connection:
        row = connection.execute(f"SELECT count(*) FROM {place.schema}.tbae009_respuesta").fetchone()
        connection.execute("CHECKPOINT")
    assert row is not None
    return int(row[0])


def test_comes_up_from_nothing_quickly_and_goes_down_without_a_trace(home: Path) -> None:
    steps: dict[str, float] = {}
    place, seconds = lifecycle.timed(lambda: lifecycle.up(home, say=lambda what, took: steps.update({what: took})))
    assert all_run(place)
    assert not place.sockets.is_relative_to(home), "the path of home is too long for sockets"
    assert (place.logs / "postgresql.log").exists()

    _, down_seconds = lifecycle.timed(lambda: lifecycle.down(home))
    assert orphans.of(place) == []
    assert not place.sockets.exists()
    print(f"\nlab up {seconds:.1f} s {steps}, lab down {down_seconds:.1f} s")
    assert seconds < 20


@pytest.mark.soak
def test_up_and_down_can_be_repeated_and_keep_the_data(home: Path) -> None:
    place = lifecycle.up(home)
    running = {process.label: process.pid for process in supervision.processes(place)}
    assert lifecycle.up(home) == place
    assert {process.label: process.pid for process in supervision.processes(place)} == running
    before = finished_records(place)

    lifecycle.down(home)
    lifecycle.down(home)
    again = lifecycle.up(home)
    assert finished_records(again) >= before > 0
    assert all_run(again)


def test_what_a_lost_supervisor_leaves_is_ended_by_up_and_by_down(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = lifecycle.up(home)
    kill(place, supervisor_pid(place))
    left = orphans.of(place)
    assert left, "servers and services go on without their supervisor"

    place = lifecycle.up(home)
    assert not set(left) & set(orphans.of(place))
    assert all_run(place)

    monkeypatch.setattr(supervision, "_RPC_PATIENCE", 0.5)
    os.kill(supervisor_pid(place), signal.SIGSTOP)
    lifecycle.down(home)
    assert orphans.of(place) == []


def test_comes_back_with_its_data_after_postgres_and_then_everything_was_killed(home: Path) -> None:
    place = lifecycle.up(home)
    before = finished_records(place)
    (server,) = (process for process in supervision.processes(place) if process.group == "postgresql")
    kill(place, server.pid)
    assert lifecycle.up(home) == place, "the supervisor brings it back, up only waits for it"
    assert finished_records(place) >= before

    kill(place, *orphans.of(place))
    place = lifecycle.up(home)
    assert finished_records(place) >= before
    assert all_run(place)


@pytest.mark.soak
def test_two_labs_stand_side_by_side(tmp_path: Path) -> None:
    homes, schemas = (tmp_path / "uno", tmp_path / "dos"), ("muses_dev", "muses_qa")
    try:
        with ThreadPoolExecutor(2) as at_once:
            one, two = at_once.map(lambda home, schema: lifecycle.up(home, schema=schema), homes, schemas)
        assert not set(vars(one.ports).values()) & set(vars(two.ports).values())
        assert finished_records(one)
        assert finished_records(two)
        lifecycle.down(one.home)
        assert orphans.of(one) == []
        assert all_run(two)
    finally:
        for home in homes:
            lifecycle.down(home)


@pytest.mark.parametrize(("how", "after"), [(signal.SIGINT, 0.1), (signal.SIGTERM, 1.0)])
def test_interrupting_up_leaves_no_process(home: Path, how: signal.Signals, after: float) -> None:
    going_up = start_up(home, after)
    going_up.send_signal(how)
    output, _ = going_up.communicate(timeout=30)
    assert going_up.returncode == 130, output
    assert "Interrumpido" in output
    assert orphans.of(Place.load(home)) == []


def test_an_up_that_was_killed_halfway_can_be_repeated(home: Path) -> None:
    going_up = start_up(home, 0.6)
    going_up.kill()
    going_up.communicate()
    assert all_run(lifecycle.up(home))


@pytest.mark.soak
def test_a_server_that_will_not_start_says_why_and_leaves_nothing(home: Path) -> None:
    place = Place.new(home)
    postgres.prepare(place)
    (home / "postgres" / "data" / "PG_VERSION").write_text("9\n")
    with pytest.raises(LabError, match="PostgreSQL termina nada más arrancar") as raised:
        lifecycle.up(home)
    assert "incompatible with server" in str(raised.value)
    assert orphans.of(place) == []


def test_without_rabbitmq_it_says_how_to_get_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(installed.RABBITMQ, str(home))
    with pytest.raises(LabError, match=r"apt-get install rabbitmq-server.*dpkg -x"):
        lifecycle.up(home)
    assert orphans.of(Place.load(home)) == []


def test_a_lab_keeps_its_schema(home: Path) -> None:
    Place.new(home, schema="muses_qa")
    with pytest.raises(LabError, match="muses_qa"):
        lifecycle.up(home, schema="muses_dev")


def start_up(home: Path, after: float) -> subprocess.Popen[str]:
    """``lab up`` as a user starts it, ``after`` seconds beyond the first process of the lab."""
    argv = (*LAB, "up", "--at", str(home))
    going_up = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    until(lambda: (home / "place.json").exists() and orphans.of(Place.load(home)))
    time.sleep(after)
    return going_up


def kill(place: Place, *pids: int) -> None:
    """Kill them (some may end by themselves when others do) and wait until they are gone."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    until(lambda: not set(pids) & set(orphans.of(place)))


def supervisor_pid(place: Place) -> int:
    return int((place.sockets / "supervisord.pid").read_text())
