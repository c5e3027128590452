"""A throwaway cluster: nobody else's while it lives, and gone whatever becomes of who made it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from procedures.backup import unprivileged
from procedures.backup.clusters import Cluster, throwaway
from procedures.backup.programs import Programs
from procedures.backup.proof_folders import sweep
from runbook.errors import SettingsError
from runbook.targets.postgres.working import working
from tests.runbook.targets.servers_postgres import installations, until

_MAKER = """
import sys
from pathlib import Path
from procedures.backup.clusters import Cluster, throwaway
from procedures.backup.programs import Programs
with throwaway(Programs(Path(sys.argv[1]), 17), Path(sys.argv[2]), 1) as cluster:
    print((cluster.folder / "data" / "postmaster.pid").read_text().split()[0], flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def programs() -> Programs:
    return Programs(installations()["wheel"], 17)


@contextmanager
def maker(programs: Programs, place: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Another process with a cluster below ``place``, and the number of its server."""
    argv = [sys.executable, "-c", _MAKER, str(programs.folder), str(place)]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path.cwd())
    try:
        assert process.stdout is not None
        yield process, int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


def runs(number: int) -> bool:
    return b"postgres" in Path(f"/proc/{number}/cmdline").read_bytes() if Path(f"/proc/{number}").exists() else False


class Interrupted(BaseException):
    """Whatever ends a block early."""


def _look_and_fail(programs: Programs, place: Path, seen: list[Cluster]) -> None:
    with throwaway(programs, place, 1) as cluster:
        seen.append(cluster)
        with working(cluster.access(), "tests") as connection:
            assert setting(connection, "listen_addresses") == ""
            assert setting(connection, "shared_preload_libraries") == ""
            assert connection.info.host == str(cluster.sockets) != str(cluster.folder)
            connection.execute("CREATE ROLE otro LOGIN")
        with pytest.raises(psycopg.OperationalError, match="no pg_hba"):
            psycopg.connect(host=str(cluster.sockets), user="otro", dbname="postgres")
        for folder in (cluster.folder, cluster.sockets):
            assert folder.stat().st_mode & 0o077 == 0
        raise Interrupted


def test_a_cluster_is_ours_alone_and_goes_with_the_block_that_fails(programs: Programs, tmp_path: Path) -> None:
    place = tmp_path / ("sehr" * 25)  # too long for the address of a socket
    seen: list[Cluster] = []
    with pytest.raises(Interrupted):
        _look_and_fail(programs, place, seen)
    (cluster,) = seen
    assert list(place.iterdir()) == []
    assert not cluster.sockets.exists()


def test_ctrl_c_takes_a_cluster_away_and_the_next_run_what_a_killed_process_left(
    programs: Programs, tmp_path: Path
) -> None:
    with maker(programs, tmp_path) as (dying, left), maker(programs, tmp_path) as (interrupted, ended):
        assert sweep(tmp_path) == ()  # they live
        interrupted.send_signal(signal.SIGINT)
        dying.kill()
        dying.wait()
        until(lambda: interrupted.poll() is not None, patience=20)
        assert not runs(ended)
        assert runs(left)
        (folder,) = tmp_path.iterdir()
        assert sweep(tmp_path) == (folder,)
    assert not runs(left)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is refused by PostgreSQL")
def test_root_without_user_namespaces_runs_it_as_nobody(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "unshare" else which(name))
    unprivileged.unprivileged.cache_clear()
    place = Path(tempfile.mkdtemp())
    place.chmod(0o755)  # as the machine's own folder for such
    try:
        with throwaway(programs, place, 1) as cluster:
            assert (cluster.folder / "data").stat().st_uid == 65534
        assert list(place.iterdir()) == []
    finally:
        unprivileged.unprivileged.cache_clear()
        place.rmdir()


def test_without_room_nothing_is_begun(programs: Programs, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="to a folder with more room") as caught:
        throwaway(programs, tmp_path, 10**18).__enter__()
    assert caught.value.key == "backup.proof"
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_is_no_folder_is_the_settings(programs: Programs, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError) as caught:
        throwaway(programs, tmp_path / "file", 1).__enter__()
    assert caught.value.key == "backup.proof"


def test_a_client_alone_is_not_enough(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="install postgresql-17"):
        throwaway(Programs(tmp_path, 17), tmp_path / "place", 1).__enter__()
    assert list((tmp_path / "place").iterdir()) == []


def setting(connection: psycopg.Connection[dict[str, str]], name: str) -> str:
    return connection.execute("SELECT current_setting(%s) AS value", [name]).fetchall()[0]["value"]
