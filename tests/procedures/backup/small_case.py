"""The fixtures of the tests that break backups: a plugin of the modules that name it, upon the folder's own servers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from botocore.retries.quota import RetryQuota
from botocore.retries.standard import ExponentialBackoff

from procedures.backup import running
from runbook.targets.s3 import promises
from tests.faulty_store import FaultyStore, faulty_store
from tests.procedures.backup.dying import Dying, dying_process, small_pieces
from tests.procedures.backup.making import DATABASE, Case, MakePrograms, adopted, close_stores, furnish
from tests.procedures.purge.ground import Servers
from tests.runbook.targets.servers_postgres import installations


@pytest.fixture(scope="session")
def small_database(backup_servers: Servers) -> Iterator[Servers]:
    """The servers, with the small database."""
    furnish(backup_servers)
    yield backup_servers
    close_stores()


@pytest.fixture
def case(small_database: Servers, tmp_path: Path) -> Iterator[Case]:
    """An empty prefix."""
    with closing(small_database.postgres.admin(DATABASE)) as admin:
        yield Case(small_database, admin, tmp_path)


@pytest.fixture(scope="session")
def one_backup(small_database: Servers, tmp_path_factory: pytest.TempPathFactory) -> tuple[Case, str]:
    """A real one, of which others are copies."""
    with closing(small_database.postgres.admin(DATABASE)) as admin:
        case = Case(small_database, admin, tmp_path_factory.mktemp("one"))
        return case, running.backup(case.site).folder


@pytest.fixture
def earlier(case: Case, one_backup: tuple[Case, str]) -> str:
    """The folder of a good backup that was there before: what happens to it is never anything."""
    return adopted(case, *one_backup)


@pytest.fixture(scope="session")
def dying_backups() -> Iterator[Dying]:
    """A process whose children back up and are killed."""
    with dying_process() as process:
        yield process


@pytest.fixture
def dying(dying_backups: Dying, found_out: promises.Promises) -> Dying:
    """The same, which need not find out what the storage does."""
    dying_backups.tried = found_out
    return dying_backups


@pytest.fixture(scope="session")
def found_out(one_backup: tuple[Case, str]) -> promises.Promises:
    """What the storage was found to do."""
    return promises.tried_promises(one_backup[0].store, f"{one_backup[0].prefix}tries/")


@pytest.fixture
def trusting(found_out: promises.Promises, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the storage really does is found out once, not by each backup."""
    monkeypatch.setattr(promises, "tried_promises", lambda *given, **named: found_out)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small pieces and parts, so that a small dump has a middle; and no waiting between tries."""
    small_pieces(monkeypatch.setattr)
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda self, context: 0.01)
    monkeypatch.setattr(RetryQuota, "acquire", lambda self, amount: True)


@pytest.fixture(scope="session")
def proxy(backup_servers: Servers) -> Iterator[FaultyStore]:
    """In front of the storage, one for all tests."""
    with faulty_store(backup_servers.storage) as store:
        yield store


@pytest.fixture
def faults(proxy: FaultyStore) -> FaultyStore:
    """The proxy, without faults."""
    proxy.clear()
    return proxy


@pytest.fixture
def programs(tmp_path: Path) -> MakePrograms:
    """Makes folders of programs of which some are scripts: ``{real}`` in one is the real program of its name."""
    real = installations()["wheel"]

    def make(**scripts: str) -> Path:
        folder = tmp_path / "programs"
        folder.mkdir()
        for name in ("pg_dump", "pg_dumpall", "pg_restore", "psql"):
            script = scripts.get(name, 'exec {real} "$@"').replace("{real}", str(real / name))
            asked = f'case "$1" in --version) exec {real / name} --version;; esac'
            (folder / name).write_text(f"#!/bin/sh\n{asked}\n{script}\n")
            (folder / name).chmod(0o755)
        return folder

    return make
