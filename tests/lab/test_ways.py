"""The other ways to a lab's servers: another PostgreSQL, no namespaces, no network, programs that went away."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from lab import installed, orphans, supervision
from lab.errors import LabError
from lab.place import SUPERUSER, Place
from lab.servers import postgres, storage

SYSTEM = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter."""
    folder = Path(tempfile.mkdtemp(dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder
    if (folder / "place.json").exists():
        supervision.stop(Place.load(folder))
    shutil.rmtree(folder)


@pytest.fixture
def without_unshare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine on which only setpriv is to be had."""
    setpriv = shutil.which("setpriv")
    if os.geteuid() != 0 or setpriv is None:
        pytest.skip("needs root and setpriv")
    (tmp_path / "setpriv").symlink_to(setpriv)
    monkeypatch.setenv("PATH", str(tmp_path))
    postgres._unprivileged.cache_clear()
    yield
    postgres._unprivileged.cache_clear()


@pytest.mark.skipif(not SYSTEM, reason="the system has no PostgreSQL")
@pytest.mark.usefixtures("without_unshare")
def test_the_systems_postgres_serves_as_nobody_where_there_are_no_namespaces(open_folder: Path) -> None:
    place = Place.new(open_folder, postgres=SYSTEM[-1])
    supervision.launch(place, (postgres.program(place),))
    postgres.prepare(place)
    supervision.start(place, f"{postgres.NAME}:{postgres.NAME}")
    postgres.await_ready(place, time.monotonic() + 30)
    postgres.furnish(place)

    with psycopg.connect(place.conninfo(SUPERUSER)) as connection:
        assert connection.execute("SHOW server_version_num").fetchone() != ("170010",)
        assert connection.execute(f"SELECT count(*) > 0 FROM {place.schema}.ctmu009_subsistema").fetchone() == (True,)
        available = connection.execute("SELECT count(*) FROM pg_available_extensions WHERE name = 'hypopg'").fetchone()
        there = connection.execute("SELECT count(*) FROM pg_extension WHERE extname = 'hypopg'").fetchone()
    assert available == there
    assert (open_folder / "postgres" / "data").stat().st_uid == 65534

    supervision.stop(place)
    assert orphans.of(place) == []


def test_another_postgres_is_taken_where_the_old_one_went_away(tmp_path: Path) -> None:
    place = Place.new(tmp_path / "lab")
    draft = (place.home / "place.json").read_text().replace(str(place.postgres), str(tmp_path / "gone"))
    (place.home / "place.json").write_text(draft)
    assert Place.load(place.home).refreshed().postgres == installed.postgres_programs()


def test_a_folder_without_postgres_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(installed.POSTGRES, str(tmp_path))
    with pytest.raises(LabError, match="no está el programa «postgres»"):
        Place.new(tmp_path / "lab")


def test_without_a_network_the_storages_installer_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(storage.VARIABLE, str(tmp_path / "venv"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("UV_NO_INDEX", "1")
    with pytest.raises(LabError, match="no se pudo instalar el servidor de almacenamiento"):
        storage.install()
    assert not storage.installed()


def test_data_that_were_half_made_are_made_anew(tmp_path: Path) -> None:
    place = Place.new(tmp_path)
    half = tmp_path / "postgres" / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("17\n")
    postgres.prepare(place)
    assert (tmp_path / "postgres" / "data" / "global" / "pg_control").exists()
    assert not half.exists()
