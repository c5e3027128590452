"""The same rows at a worker of a real cluster: judged there, explained here, and the same in the report."""

from __future__ import annotations

import dataclasses
import importlib
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from runbook import packs, rows, site_file
from runbook.engine import Engine
from runbook.errors import SettingsError
from runbook.model import Proof, Run, State
from runbook.settings import EnvironmentSettings, HostsSettings
from runbook.site import Site, open_site
from runbook.spreading import cluster as cluster_module
from runbook.spreading.away import may_travel
from tests.runbook.fakes import Quiet

distributed = pytest.importorskip("distributed")

#: A target that notes each reading, with the process that took it. At 30 it ends a process that is not ours.
SERVER = """
import os
from pathlib import Path
from runbook.probes import probe


class Server:
    def __init__(self, name, file, home):
        self.name, self.file, self.home = name, str(file), home

    @probe()
    def used(self, disk: int) -> float:
        with Path(self.file).open("a") as file:
            file.write(f"{os.getpid()} {self.name} {disk}\\n")
        if disk == 30 and os.getpid() != self.home:
            os._exit(1)
        return 90.0 + disk


class Travelling(Server):
    travels = True


class Lost(Travelling):
    def __reduce__(self):
        return (_lost, ())


def _lost():
    raise LookupError("not here")
"""
HEAD = """
from runbook.limits import Limits, Threshold
from runbook.model import Finding, Proof
from runbook.rows import diagnoses, row
from runbook.text import text
"""
ROW = '''
@row("AWAY-{number:02}", source="x", es="Hay lugar", threshold=Threshold(95, 97, unit="%"))
def check_{number}({server}, limits: Limits) -> None:
    """The disk has room."""
    limits.judge({server}.used({number}), of="disk")
'''
CAUSE = '''
@diagnoses(check_6, es="Está lleno")
def disk_is_full(far) -> Finding:
    """It is full."""
    return Finding(proof=Proof.CONFIRMED, summary=text("{used}", used=far.used(6)))
'''
ROWS = {**dict.fromkeys(range(7), "far"), 10: "near", 20: "lost", 30: "far"}
SITE = """
[site]
state = "{folder}/state"
executor = "{executor}"
[environments.here]
deadline = "30 s"
[environments.here.packs]
folders = ["{folder}/pack"]
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """One worker of this machine; where its scheduler is."""
    made = distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=True, host="127.0.0.1", dashboard_address=None, silence_logs=60
    )
    try:
        yield made.scheduler_address.replace("tcp://", "dask://")
    finally:
        made.close()


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A site with a pack whose rows this process knows, and no others."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "pack").mkdir()
    (folder / "pack" / "_server.py").write_text(SERVER)
    (folder / "pack" / "own.py").write_text(
        HEAD + "".join(ROW.format(number=number, server=server) for number, server in ROWS.items()) + CAUSE
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "_registry", {})
        for pack in packs.packs(_site(folder, "threads").settings):
            for source in pack.sources:
                source.load()
        yield folder


def _site(folder: Path, executor: str) -> Site:
    file = folder / "site.toml"
    file.write_text(SITE.format(folder=folder, executor=executor))
    return open_site(site_file.load(file))


def judged(folder: Path, executor: str, *ids: str) -> tuple[Run, list[tuple[int, str]]]:
    """The run of these rows, and its readings: the process of each, and what it read."""
    site, log = _site(folder, executor), folder / "readings"
    log.write_text("")
    module = importlib.import_module("._server", rows.find("AWAY-00").check.__module__.rpartition(".")[0])
    kinds = {"far": module.Travelling, "near": module.Server, "lost": module.Lost}
    targets = {name: kind(name, log, os.getpid()) for name, kind in kinds.items()}
    engine = Engine(site, Quiet(), run="R" + os.urandom(4).hex())
    for id in ids:
        engine.begin(rows.find(id), targets)
    engine.settle()
    lines = [line.partition(" ") for line in log.read_text().splitlines()]
    return engine.finish(), [(int(process), what) for process, _blank, what in lines]


SEVEN = tuple(f"AWAY-{number:02}" for number in range(7))


def told(run: Run) -> list[Any]:
    """What a report says of the rows, without its times."""
    return [
        (r.row, r.verdict.state, r.verdict.summary, r.verdict.measures, r.verdict.readings, r.findings, r.plan)
        for r in run.records
    ]


@pytest.mark.parametrize("singly", [0, 60])
def test_the_report_is_the_same_and_nothing_is_read_twice(
    desk: Path, cluster: str, singly: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_module, "SINGLY", singly)
    here, readings_here = judged(desk, "threads", *SEVEN)
    away, readings_away = judged(desk, cluster, *SEVEN)
    assert told(away) == told(here)
    assert {r.request: r.value for r in away.readings} == {r.request: r.value for r in here.readings}
    assert away.records[6].findings[0].proof is Proof.CONFIRMED
    assert {process for process, _what in readings_here} == {os.getpid()}
    assert os.getpid() not in {process for process, _what in readings_away}
    assert len(readings_away) == len(readings_here) == 7
    assert not [event for event in away.events if event.kind == "trouble"]


def test_what_does_not_travel_is_judged_here(desk: Path, cluster: str) -> None:
    run, readings = judged(desk, cluster, "AWAY-10", "AWAY-00")
    assert {what: process == os.getpid() for process, what in readings} == {"near 10": True, "far 0": False}
    assert [record.verdict.state for record in run.records] == [State.CRITICAL, State.OK]


def test_what_the_cluster_fails_at_is_judged_here_and_the_run_says_so(desk: Path, cluster: str) -> None:
    run, [(process, _what)] = judged(desk, cluster, "AWAY-20")
    assert (process, run.records[0].verdict.state) == (os.getpid(), State.CRITICAL)
    [trouble] = [event for event in run.events if event.kind == "trouble"]
    assert str(trouble.what) == "Rows were judged here, for the cluster failed: LookupError: not here"


def test_without_its_cluster_the_run_is_made_here_and_says_so(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_module, "PATIENCE", timedelta(seconds=0.2))
    run, readings = judged(desk, "dask://127.0.0.1:9", "AWAY-00")
    assert [process for process, _what in readings] == [os.getpid()]
    assert [str(event.what) for event in run.events if event.kind == "trouble"] == ["No Dask scheduler at 127.0.0.1:9"]


@pytest.mark.soak
def test_a_row_that_kills_its_worker_is_judged_here(desk: Path, cluster: str) -> None:
    run, readings = judged(desk, cluster, "AWAY-30")
    assert run.records[0].verdict.state is State.CRITICAL
    assert readings[-1] == (os.getpid(), "far 30")
    assert run.events[0].kind == "trouble"


def test_a_record_is_judged_here(desk: Path) -> None:
    site = dataclasses.replace(_site(desk, "dask://127.0.0.1:9"), record=())
    assert Engine(site, Quiet(), run="R1").finish().events[0].kind != "trouble"


@pytest.mark.parametrize(
    ("name", "travels"),
    [("database", True), ("scripts", True), ("prometheus", True), ("broker", False), ("logs", False), ("runs", False)],
)
def test_only_what_is_the_same_from_everywhere_travels(name: str, travels: bool) -> None:
    assert may_travel(name, object(), EnvironmentSettings()) is travels


@pytest.mark.parametrize(("address", "travels"), [("ssh://muses@app1", True), ("local://", False)])
def test_this_machine_as_a_host_does_not_travel(address: str, travels: bool) -> None:
    settings = EnvironmentSettings(hosts=HostsSettings(addresses=(address,)))
    assert may_travel("hosts", object(), settings) is travels


@pytest.mark.parametrize(("line", "words"), [('executor = "dusk"', "no executor"), ("rows_at_once = 0", "at least 1")])
def test_a_setting_that_cannot_be_meant_is_refused(tmp_path: Path, line: str, words: str) -> None:
    (tmp_path / "site.toml").write_text(f"[site]\n{line}\n[environments.here]\n")
    with pytest.raises(SettingsError, match=words):
        site_file.load(tmp_path / "site.toml")
