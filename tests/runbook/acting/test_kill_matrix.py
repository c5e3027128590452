"""The kill matrix of acting runs: SIGKILL at every boundary, for every remedy. Nothing done twice, nothing unreported.

Real servers, a real process manager, real processes. After each death: the next ``check`` says what the run did, what
it began, and holds that against the target; the next acting run closes it and does what is missing, once. A normal run
tries those boundaries between which something changes, and some remedies at the worst; the soak is the whole matrix.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import ClassVar

import msgspec
import pytest

from lab.place import Place
from runbook.acting import journal, milestones
from runbook.model import Record, State
from runbook.settings import ArchiveSettings, EnvironmentSettings, JournalSettings, WorkersSettings
from runbook.targets.opening import KINDS
from tests.procedures.purge.ground import publish_backup
from tests.runbook.acting.dying import (
    APPLICATION,
    INDEX,
    KEPT,
    REMEDIES,
    TABLE,
    Dying,
    dying_process,
    quick,
    run,
    site_at,
    starts,
)
from tests.runbook.targets.servers_postgres import Connection, PostgresServer, until
from tests.runbook.targets.servers_storage import root
from tests.runbook.targets.servers_supervisor import USER, supervisord

pytest_plugins = ("tests.runbook.shared_servers",)

#: The service that each remedy mends: how many replicas it has, and how many are up before.
SERVICES = {"start": ("caido", 1, 0), "restart": ("atorado", 1, 1), "roll": ("viejo", 2, 2), "scale": ("poco", 2, 1)}
CONFIGURATION = """
[supervisord]
nodaemon=true
logfile={home}/supervisord.log
pidfile={home}/supervisord.pid
{user}
[unix_http_server]
file={home}/s.sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""
PROGRAM = """
[program:{service}]
command=sh -c "echo {service}:replica-%(process_num)02d >> {home}/{service}.starts; exec sleep 1000"
process_name=replica-%(process_num)02d
numprocs={count}
numprocs_start=1
autostart=false
startsecs=0
"""
#: Those that are a whole procedure, with a kill matrix of their own; here they pass the boundaries around it.
PROCEDURES = ("backup", "purge")
#: Records that a purge takes.
OLD = """
INSERT INTO muses_dev.tbae002_bajas (uuid, id_subsistema, id_estatus_procesamiento, fecha_actualizacion)
SELECT gen_random_uuid()::text, 1, 3, now() - interval '200 days' FROM generate_series(1, 5)
"""
#: Before this nothing was begun, and after that nothing is left open.
BEGUN, ENDED = milestones.MILESTONES.index("begin written"), milestones.MILESTONES.index("end written")
#: From here on an intent is in the journal; from there on its result is.
INTENT, RESULT = milestones.MILESTONES.index("intent written"), milestones.MILESTONES.index("result written")
DONE = milestones.MILESTONES.index("step done")
#: The boundaries between which something changes, and for other remedies the worst one.
CHANGING = (
    "begin written",
    "attempt noted",
    "intent written",
    "lock proven",
    "step done",
    "result written",
    "verified",
)
SHORT = [
    *(("end_session", name) for name in (*CHANGING, "end written")),
    *((remedy, "step done") for remedy in ("create_index", "restart")),
]
WHOLE = [(remedy, name) for remedy in REMEDIES for name in milestones.MILESTONES if (remedy, name) not in SHORT]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where a supervisord keeps the services."""
    home = tmp_path_factory.mktemp("sup")
    programs = (PROGRAM.format(home=home, service=name, count=count) for name, count, _ in SERVICES.values())
    with supervisord(home, CONFIGURATION.format(home=home, user=USER) + "".join(programs)):
        yield home


@pytest.fixture(scope="module")
def dying(folder: Path, request: pytest.FixtureRequest) -> Iterator[Dying]:
    with dying_process(folder) as process:
        yield process
    counted = f"{len(Case.passed)} of {len({*SHORT, *WHOLE})} deaths"
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():  # type: ignore[union-attr]
        print(f"\nkill matrix: {counted}: nothing done twice, nothing unreported")


@pytest.fixture
def settings(guarded: EnvironmentSettings, folder: Path, guard_postgres: PostgresServer) -> EnvironmentSettings:
    """Both locks, and a copy of the journal that nobody rewrites."""
    workers = WorkersSettings(url=f"unix://{folder}/s.sock", queue="muses.recepcion", max_replicas=8)
    number = guarded.purge.state_schema
    copy = JournalSettings(copy="storage", name=number, bucket="muses-bitacora", lock_days=1)
    return msgspec.structs.replace(
        guarded,
        workers=workers,
        journal=copy,
        storage=msgspec.structs.replace(guarded.storage, backup_prefix=f"{number}/"),
        archive=ArchiveSettings(prefix=f"{number}/", encryption="none", storage_class="STANDARD"),
        backup=msgspec.structs.replace(guarded.backup, programs=guard_postgres.programs),
        purge=msgspec.structs.replace(guarded.purge, max_percent=100, build_missing_indexes=True),
    )


@pytest.fixture
def break_it(
    guard_postgres: PostgresServer,
    guard_admin: Connection,
    guard_place: Place,
    settings: EnvironmentSettings,
    folder: Path,
) -> Iterator[Callable[[str], None]]:
    """Breaks what a remedy mends, whatever was there before."""
    with ExitStack() as made:

        def broken(remedy: str) -> None:
            if remedy == "end_session":
                for _ in range(KEPT + 1):
                    made.callback(guard_postgres.session(APPLICATION).close)
            elif remedy == "create_index":
                guard_admin.execute(f"DROP INDEX IF EXISTS muses_dev.{INDEX}")
            elif remedy == "purge":
                guard_admin.execute(OLD)
                publish_backup(root(guard_place), bucket="muses-guardias", prefix=settings.storage.backup_prefix)
            elif remedy == "analyze":
                guard_admin.execute(f"SELECT pg_stat_reset_single_table_counters('muses_dev.{TABLE}'::regclass)")
            elif remedy in SERVICES:
                _stand(folder, *SERVICES[remedy])

        yield broken


@pytest.mark.parametrize(("remedy", "name"), SHORT)
def test_killed(remedy: str, name: str, case: Case) -> None:
    case.goes_through(remedy, name)


@pytest.mark.soak
@pytest.mark.parametrize(("remedy", "name"), WHOLE)
def test_killed_anywhere(remedy: str, name: str, case: Case) -> None:
    case.goes_through(remedy, name)


class Case:
    """One machine that acts, is killed, is looked at and acts again."""

    passed: ClassVar[set[tuple[str, str]]] = set()

    def __init__(
        self, settings: EnvironmentSettings, home: Path, dying: Dying, break_it: Callable[[str], None]
    ) -> None:
        self.settings, self.home, self.dying, self.break_it = settings, home, dying, break_it

    def goes_through(self, remedy: str, name: str) -> None:
        """The whole of it."""
        self.break_it(remedy)
        assert self.dying.act(self.settings, self.home, remedy, "R1", at=name) is None
        self.check_report(remedy, milestones.MILESTONES.index(name))
        assert self.dying.act(self.settings, self.home, remedy, "R2", late=True) is not None
        self.check_once(remedy)
        self.passed.add((remedy, name))

    def check_report(self, remedy: str, at: int) -> None:
        """The next check says what was done and what was begun, as it is."""
        said = self.look(remedy, "L1")
        before = State.SKIPPED  # there is no journal yet
        assert said.verdict.state is (before if at < BEGUN else State.WARNING if at < ENDED else State.OK)
        steps = [one for one in said.verdict.measures if "#" in one.object]
        assert len(steps) == (INTENT <= at < RESULT)
        if steps:
            seen = "done" if at >= DONE else "not done"
            expected = "halfway" if remedy in ("roll", *PROCEDURES) else seen
            assert f"is {expected}" in str(steps[0].summary)
        evidence = [one for finding in said.findings for one in finding.evidence]
        assert len(evidence) == (INTENT <= at < ENDED)
        assert len(self.done()) == (at >= DONE)

    def check_once(self, remedy: str) -> None:
        """The next acting run has done what was missing, and nothing twice; nothing is open, the copy agrees."""
        assert self.look(remedy, "L2").verdict.state is State.OK
        assert set(Counter(self.done()).values()) == {1}, self.done()
        entries = journal.verify(self.home / "state" / "journal.jsonl")
        assert journal.unfinished(entries) == []
        assert {entry.row for entry in entries if entry.kind == "intent"} <= {f"KILL-{remedy}"}
        if remedy in SERVICES:
            service, _, up = SERVICES[remedy]
            again = Counter(starts(self.folder, service).values())
            assert again == {"start": {1: 1}, "restart": {2: 1}, "roll": {2: 2}, "scale": {1: 2}}[remedy], up

    def look(self, remedy: str, id: str) -> Record:
        """A dry check: what the row of the runs says. That of the remedy is judged too."""
        checked = run(site_at(self.settings, self.home, fixing=False), remedy, id)
        mended, runs = checked.records
        if id == "L2":
            assert mended.verdict.state is State.OK, mended.verdict
        return runs

    def done(self) -> list[str]:
        """What was really done, a line each."""
        world = self.home / "world"
        return world.read_text().splitlines() if world.exists() else []

    @property
    def folder(self) -> Path:
        """Where the replicas note their starts."""
        assert self.settings.workers is not None
        return Path((self.settings.workers.url or "").removeprefix("unix://")).parent


@pytest.fixture
def case(
    settings: EnvironmentSettings,
    tmp_path: Path,
    dying: Dying,
    break_it: Callable[[str], None],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Case:
    monkeypatch.setenv("MUSES_TEST_STARTS", str(folder))
    quick(monkeypatch.setattr)
    return Case(settings, tmp_path, dying, break_it)


def _stand(folder: Path, service: str, count: int, up: int) -> None:
    """The first ``up`` replicas of a service run, started once; the others never were."""
    from xmlrpc.client import ServerProxy

    from supervisor.xmlrpc import SupervisorTransport

    with ServerProxy("http://127.0.0.1", transport=SupervisorTransport(serverurl=f"unix://{folder}/s.sock")) as proxy:
        proxy.supervisor.stopProcessGroup(service)
        (folder / f"{service}.starts").unlink(missing_ok=True)
        for number in range(1, up + 1):
            proxy.supervisor.startProcess(f"{service}:replica-{number:02d}")
    until(lambda: sum(starts(folder, service).values()) == up)


def test_every_milestone_is_in_the_matrix(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    passed: list[str] = []
    monkeypatch.setattr(milestones, "reached", passed.append)
    case.break_it("end_session")
    run(site_at(case.settings, case.home, fixing=True), "end_session", "R1")
    assert tuple(passed) == milestones.MILESTONES
    assert len({*SHORT, *WHOLE}) == len(REMEDIES) * len(milestones.MILESTONES)


#: Operations without a place in the matrix: what takes another one back is begun by a run that goes on, and what the
#: target tells nothing of lets nothing act until a person has looked.
APART = {"stop", "drop_index", "replay"}


def test_every_operation_of_every_target_is_in_the_matrix() -> None:
    """Who adds an operation says here how far a killed one got, or that a person must look."""
    declared = set()
    for module, kind in KINDS.values():
        target = getattr(importlib.import_module(module), kind)
        declared |= {name for name in dir(target) if hasattr(getattr(target, name), "__effect__")}
    assert declared - APART == set(REMEDIES)
