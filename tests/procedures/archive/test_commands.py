"""The commands as a person types them: exit codes, JSON, what is masked, what the journal keeps."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lab import records
from runbook.acting import journal
from runbook.acting.locks import acting_on
from runbook.commands.run_archive import restore_archive, search_archive, verify_archive
from runbook.errors import LockError
from runbook.site import Site
from tests.procedures.archive.test_verifying import flipped
from tests.procedures.archiver import Archiver, enrol
from tests.runbook.targets.servers_postgres import Connection

COMMANDS = {"verify": verify_archive, "restore": restore_archive, "search": search_archive}
TABLE, RESPONSES = "tbae001_inscripcion", "tbae009_respuesta"


class Typed:
    """Types commands for one site file."""

    def __init__(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._file = file
        monkeypatch.setenv("MUSES_RUNBOOK_LANG", "en")

    def __call__(self, command: str, *words: str) -> Result:
        """The outcome; ``exit_code`` is what the command returned, as the real program exits with."""
        found = CliRunner().invoke(
            COMMANDS[command], [*words, "--settings", str(self._file)], standalone_mode=False, catch_exceptions=False
        )
        found.exit_code = int(found.return_value or 0)
        return found

    def json(self, command: str, *words: str) -> Any:
        """What it prints with --json."""
        return json.loads(self(command, *words, "--json").stdout)


@pytest.fixture
def typed(archive_site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Typed:
    """Commands with a site file that says what the site is."""
    settings = archive_site.settings
    assert settings.database is not None
    assert settings.storage is not None
    database, storage, archive = settings.database, settings.storage, settings.archive

    def secret(reference: Any) -> str:
        return f'{{ file = "{reference.file}" }}'

    def login(of: Any) -> str:
        return f'{{ user = "{of.user}", password = {secret(of.password)} }}'

    def keys(of: Any) -> str:
        return f"{{ access_key = {secret(of.access_key)}, secret_key = {secret(of.secret_key)} }}"

    file = tmp_path / "site.toml"
    file.write_text(
        f"""
[site]
state = "{archive_site.state_folder}"
[environments.lab.database]
port = {database.port}
name = "{database.name}"
schema = "{database.schema}"
reader = {login(database.reader)}
operator = {login(database.operator)}
[environments.lab.storage]
endpoint_url = "{storage.endpoint_url}"
backup_bucket = "{storage.backup_bucket}"
archive_bucket = "{storage.archive_bucket}"
reader = {keys(storage.reader)}
operator = {keys(storage.operator)}
[environments.lab.archive]
prefix = "{archive.prefix}"
encryption = "{archive.encryption}"
storage_class = "{archive.storage_class}"
"""
    )
    return Typed(file, monkeypatch)


def kept(site: Site) -> list[tuple[str, dict[str, Any]]]:
    """The journal, its chain proven."""
    return [(entry.kind, entry.body) for entry in journal.verify(site.state_folder / "journal.jsonl")]


def test_verify(typed: Typed, archiver: Archiver, admin: Connection) -> None:
    assert typed("verify").exit_code == 3  # an empty archive is not a proven one
    enrol(admin, range(10))
    archiver.archive(TABLE, run="A")
    found = typed("verify")
    assert (found.exit_code, found.stdout.partition(":")[0]) == (0, "1 of 1 batches are as they were archived")
    archiver.archive(TABLE, run="B", spoil=flipped)
    broken = typed("verify")
    assert broken.exit_code == 2
    assert f"✗ {TABLE} B 2" in broken.stdout
    assert "SHA-256" in broken.stderr
    assert typed("verify", "--run", "A", "--json").exit_code == 0
    assert typed.json("verify")["problems"][0]["damaged"] is True
    assert typed.json("verify", "--sample", "1")["published"] == 2


def test_a_format_of_the_future_is_not_damage(typed: Typed, archiver: Archiver, archive_site: Site) -> None:
    prefix = archive_site.settings.archive.prefix
    archiver.store.put_new(f"{prefix}sep_muses/muses_dev.{TABLE}/R/batch-00001-x/manifest.json", b'{"format": 9}')
    assert typed("verify").exit_code == 3
    assert typed("search", "--uuid", "x").exit_code == 3


def test_restore_is_dry_and_then_journalled(
    typed: Typed, archiver: Archiver, admin: Connection, archive_site: Site
) -> None:
    uuids = enrol(admin, range(10))
    archiver.archive(TABLE)
    archiver.archive(RESPONSES)
    dry = typed("restore", "--uuid", uuids[2])
    assert dry.exit_code == 0
    assert "Nothing was changed" in dry.stdout
    assert not (archive_site.state_folder / "journal.jsonl").exists()
    done = typed.json("restore", "--uuid", uuids[2], "--execute")
    assert [table["restored"] for table in done["tables"]] == [1, 1]
    intent, result = kept(archive_site)
    assert (intent[0], intent[1]["asked"]["uuids"]) == ("intent", [uuids[2]])
    assert (result[0], result[1]["outcome"], result[1]["intent"]) == ("result", "done", 1)


def test_restore_lists_conflicts(typed: Typed, archiver: Archiver, admin: Connection) -> None:
    (uuid,) = enrol(admin, [1])
    archiver.archive(TABLE)
    admin.execute(f"UPDATE {TABLE} SET grupo = 'Z'")
    found = typed("restore", "--all", "--into-table", "--execute")
    assert found.exit_code == 1
    assert f"1 are in the table in another state and stay as they are: {uuid}" in found.stdout


def test_restore_that_fails_is_journalled_too(
    typed: Typed, archiver: Archiver, admin: Connection, archive_site: Site
) -> None:
    enrol(admin, [1])
    archiver.archive(TABLE, spoil=flipped)
    with pytest.raises(Exception, match="is damaged"):
        typed("restore", "--all", "--execute")
    assert [(kind, body.get("outcome")) for kind, body in kept(archive_site)] == [
        ("intent", None),
        ("result", "failed"),
    ]
    assert typed("restore", "--all", "--execute", "--skip-damaged").exit_code == 2


def test_restore_must_be_told_what(typed: Typed) -> None:
    for words in ((), ("--execute",), ("--all", "--uuid", "x")):
        with pytest.raises(Exception, match="say what to restore"):
            typed("restore", *words)


def test_search_masks_unless_told_and_told_is_kept(
    typed: Typed, archiver: Archiver, admin: Connection, archive_site: Site
) -> None:
    enrol(admin, range(10))
    archiver.archive(TABLE)
    curp, student = records.curp(4), records.enrolment(4)
    asked = ("search", "--curp-hash", hashlib.sha256(curp.encode()).hexdigest())
    masked = typed(*asked)
    assert masked.exit_code == 0
    assert "curp_actual: ‹curp_actual›" in masked.stdout
    assert "1 found; 1 batches with 10 rows were looked through" in masked.stdout
    for words in (masked.stdout, json.dumps(typed.json(*asked), ensure_ascii=False)):
        assert curp not in words
        assert not any(str(student[name]) in words for name in ("nombre", "telefono_fijo", "correo_personal", "rfc"))
    assert not (archive_site.state_folder / "journal.jsonl").exists()
    assert curp in typed(*asked, "--reveal").stdout
    ((kind, body),) = kept(archive_site)
    assert (kind, body["asked"]["hash"]) == ("reveal", asked[2])
    assert body["who"]


def test_nobody_is_shown_what_the_journal_cannot_keep(
    typed: Typed, archiver: Archiver, admin: Connection, archive_site: Site
) -> None:
    enrol(admin, [1])
    archiver.archive(TABLE)
    with acting_on("lab", archive_site.state_folder), pytest.raises(LockError):
        typed("search", "--table", TABLE, "--reveal")


def test_a_curp_in_place_of_its_hash_is_not_repeated(typed: Typed) -> None:
    with pytest.raises(Exception, match="never the CURP itself") as refused:
        typed("search", "--curp-hash", records.curp(4))
    assert records.curp(4) not in str(refused.value)


def test_nothing_found_says_how_much_was_looked_through(typed: Typed, archiver: Archiver, admin: Connection) -> None:
    enrol(admin, range(10))
    archiver.archive(TABLE)
    found = typed("search", "--uuid", "00000000-0000-0000-0000-000000000000")
    assert found.exit_code == 0
    assert "0 found; 1 batches with 10 rows were looked through" in found.stdout


def test_search_by_sql(typed: Typed, archiver: Archiver, admin: Connection) -> None:
    enrol(admin, range(10))
    archiver.archive(TABLE)
    found = typed.json("search", "--sql", "select count(*) as n, min(nombre) as who from archive")
    assert found["rows"] == [{"n": "10", "who": "‹nombre›"}]
    assert found["looked_through"] == 10


def test_hostile_words_reach_no_terminal(typed: Typed, archiver: Archiver, admin: Connection) -> None:
    admin.execute("INSERT INTO tbae002_bajas (uuid, motivo_baja) VALUES ('x', E'a\\x1b[2Jb\\nc')")
    archiver.archive("tbae002_bajas")
    found = typed("search", "--uuid", "x")
    assert "motivo_baja: ab c" in found.stdout
    assert "\x1b" not in found.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_every_option_and_an_example(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = CliRunner().invoke(COMMANDS[command], ["--help"]).stdout
    assert "muses-runbook run" in shown
    assert all(getattr(option, "help", "") for option in COMMANDS[command].params)
