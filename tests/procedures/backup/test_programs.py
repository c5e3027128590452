"""PostgreSQL's programs: of the server's own major version, or an error that names the package that has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from procedures.backup import programs
from procedures.backup.programs import Failed, Programs, environment, failed, programs_of
from runbook.errors import SettingsError
from tests.runbook.targets.servers_postgres import installations

WHEEL = installations()["wheel"]


def said_to_be(folder: Path, version: str, *names: str) -> Path:
    """Programs that say that they are of this version, and do nothing else."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or ("pg_dump",):
        (folder / name).write_text(f'#!/bin/sh\necho "{name} (PostgreSQL) {version}"\n')
        (folder / name).chmod(0o755)
    return folder


@pytest.mark.parametrize(
    ("version", "major"),
    [("15.10", 15), ("17.10", 17), ("18beta1", 18), ("15.10 (Debian 15.10-0+deb12u1)", 15), ("16devel", 16)],
)
def test_the_folder_of_the_setting_is_taken_where_it_fits(tmp_path: Path, version: str, major: int) -> None:
    folder = said_to_be(tmp_path, version)
    assert programs_of(major, folder) == Programs(folder, major)


@pytest.mark.parametrize(("server", "client"), [(15, "17.2"), (17, "15.10"), (16, "15.10")])
def test_a_newer_pg_dumps_output_does_not_restore_on_an_older_server(tmp_path: Path, server: int, client: str) -> None:
    """Client major = server major, in both directions."""
    with pytest.raises(SettingsError, match=f"PostgreSQL {client[:2]}; the server is {server}") as caught:
        programs_of(server, said_to_be(tmp_path, client))
    assert caught.value.key == "backup.programs"


def test_a_folder_without_programs(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="holds programs of PostgreSQL –"):
        programs_of(15, tmp_path)


@pytest.mark.parametrize("script", ["exit 1", "echo pg_dump of the unknown", "kill -9 $$"])
def test_a_program_that_does_not_say_its_version_is_none(tmp_path: Path, script: str) -> None:
    (tmp_path / "pg_dump").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "pg_dump").chmod(0o755)
    with pytest.raises(SettingsError, match="–"):
        programs_of(15, tmp_path)


def test_where_no_folder_fits_the_package_is_named() -> None:
    with pytest.raises(SettingsError, match=r"install postgresql-client-14, or set backup\.programs"):
        programs_of(14, None)


def test_the_first_place_whose_version_fits_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By what the programs say, not by the name of their folder."""
    newer, right = said_to_be(tmp_path / "15", "16.1"), said_to_be(tmp_path / "other", "15.2")
    monkeypatch.setattr(programs, "_places", lambda major: iter([tmp_path / "none", newer, right]))
    assert programs_of(15, None).folder == right


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("pg_restore", "postgresql-client-15"),
        ("psql", "postgresql-client-15"),
        ("pg_dumpall", "postgresql-client-15"),
        ("initdb", "postgresql-15"),
        ("postgres", "postgresql-15"),
    ],
)
def test_a_missing_program_names_the_package_that_has_it(tmp_path: Path, name: str, package: str) -> None:
    found = programs_of(15, said_to_be(tmp_path, "15.1"))
    with pytest.raises(SettingsError, match=f"install {package}$"):
        found.path(name)


def test_the_real_ones_are_found() -> None:
    found = programs_of(17, WHEEL)
    assert found.path("pg_restore") == str(WHEEL / "pg_restore")


def test_a_failure_has_the_programs_last_words_or_its_code() -> None:
    error = failed("pg_dump", 1, b"pg_dump: warning\npg_dump: error: connection lost\n")
    assert isinstance(error, Failed)
    assert str(error) == "pg_dump failed: pg_dump: error: connection lost"
    assert str(failed("pg_dump", -9, b" \n")) == "pg_dump failed: exit -9"
    assert "\ufffd" in str(failed("pg_dump", 1, b"\xff"))


def test_the_environment_is_ours_and_nothing_of_the_users_libpq(monkeypatch: pytest.MonkeyPatch) -> None:
    """A PGOPTIONS or a PGSERVICE of whoever starts it decides nothing; arguments would be for all to see."""
    for name in ("PGOPTIONS", "PGSERVICE", "PGHOST", "PGSSLMODE", "PGPASSFILE"):
        monkeypatch.setenv(name, "theirs")
    made = environment({"host": "db", "port": 5433, "dbname": "sep_muses", "user": "op", "password": "s", "x": 1})
    ours = {name: value for name, value in made.items() if name.startswith("PG")}
    assert ours == {
        "PGHOST": "db",
        "PGPORT": "5433",
        "PGDATABASE": "sep_muses",
        "PGUSER": "op",
        "PGPASSWORD": "s",
        "PGCONNECT_TIMEOUT": "10",
        "PGTZ": "UTC",
    }
    assert made["PATH"]
