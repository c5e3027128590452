"""A copy of the journal that the acting machine cannot rewrite: objects locked in compliance mode, or a table that its
role may only add to. Real servers; whoever rewrites the journal or the copy, with all rights of the machine, is seen.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from botocore.exceptions import ClientError

from lab.place import Place
from runbook.acting.copies import copy_of, open_journal
from runbook.acting.journal import Journal, lacking, unfinished, verify
from runbook.errors import JournalError
from runbook.settings import EnvironmentSettings, JournalSettings, Keys, Secret
from runbook.targets.postgres.journal_copy import journal_sql
from tests.faulty_store import FaultyStore
from tests.runbook.targets.servers_postgres import Connection, PostgresServer
from tests.runbook.targets.servers_storage import root
from tests.store_faults import deny

pytest_plugins = ("tests.runbook.shared_servers",)

LOCKED = "muses-bitacora"


@pytest.fixture
def stored(guarded: EnvironmentSettings) -> EnvironmentSettings:
    """A copy in the store."""
    journal = JournalSettings(copy="storage", name=guarded.purge.state_schema, bucket=LOCKED, lock_days=1)
    return msgspec.structs.replace(guarded, journal=journal)


@pytest.fixture
def tabled(
    guarded: EnvironmentSettings, guard_postgres: PostgresServer, guard_admin: Connection
) -> EnvironmentSettings:
    """A copy in the database, whose table a superuser made."""
    schema = f"copy_{guarded.purge.state_schema}"
    guard_admin.execute(journal_sql(schema, "muses_journal"))
    login = guard_postgres.login("muses_journal")
    journal = JournalSettings(copy="database", name="app1", login=login, schema=schema)
    return msgspec.structs.replace(guarded, journal=journal)


@pytest.fixture(params=["stored", "tabled"])
def copied(request: pytest.FixtureRequest) -> EnvironmentSettings:
    settings: EnvironmentSettings = request.getfixturevalue(request.param)
    return settings


def opened(settings: EnvironmentSettings, folder: Path) -> Journal:
    return open_journal(settings, "prod", folder)


def write(settings: EnvironmentSettings, folder: Path, count: int = 3) -> Journal:
    journal = opened(settings, folder)
    for number in range(count):
        journal.write("intent", run="R1", row="X-01", body={"n": number})
    return journal


def missing(settings: EnvironmentSettings, folder: Path) -> list[int]:
    """What ``audit verify`` finds the copy to lack."""
    copy = copy_of(settings, "prod")
    assert copy is not None
    return [entry.number for entry in lacking(verify(folder / "journal.jsonl"), copy.held())]


def test_every_entry_is_in_the_copy_before_the_next_thing_happens(copied: EnvironmentSettings, tmp_path: Path) -> None:
    write(copied, tmp_path)
    assert missing(copied, tmp_path) == []
    write(copied, tmp_path, 1)
    assert len(verify(tmp_path / "journal.jsonl")) == 4


def forged(entries: list[dict[str, Any]], folder: Path) -> None:
    """A journal with other words and a chain that fits."""
    file = folder / "journal.jsonl"
    file.unlink()
    journal = Journal(file)
    for entry in entries:
        journal.write(entry["kind"], run=entry["run"], row=entry["row"], body=entry["body"])


def rewritten(folder: Path) -> None:
    entries = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
    entries[1]["body"] = {"n": 99}
    forged(entries, folder)


def cut_off(folder: Path) -> None:
    lines = (folder / "journal.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "journal.jsonl").write_bytes(b"".join(lines[:-1]))


def begun_anew(folder: Path) -> None:
    (folder / "journal.jsonl").unlink()


@pytest.mark.parametrize("tamper", [rewritten, cut_off, begun_anew])
def test_a_journal_that_was_rewritten_with_a_chain_that_fits_is_seen_and_nothing_acts(
    tamper: Callable[[Path], None], copied: EnvironmentSettings, tmp_path: Path
) -> None:
    write(copied, tmp_path)
    tamper(tmp_path)
    verify(tmp_path / "journal.jsonl")  # by itself it looks whole
    with pytest.raises(JournalError, match=r"rewritten|cut off"):
        opened(copied, tmp_path)


def test_a_crash_between_the_disk_and_the_copy_is_made_up_for(copied: EnvironmentSettings, tmp_path: Path) -> None:
    write(copied, tmp_path)
    Journal(tmp_path / "journal.jsonl").write("result", run="R1", row="X-01", body={"intent": 3})
    assert missing(copied, tmp_path) == [4]
    opened(copied, tmp_path)
    assert missing(copied, tmp_path) == []


def test_the_machine_s_keys_neither_remove_nor_hide_what_is_in_the_store(
    stored: EnvironmentSettings, guard_place: Place, tmp_path: Path
) -> None:
    write(stored, tmp_path)
    s3, prefix = root(guard_place), f"{stored.journal.prefix}{stored.journal.name}/"
    for one in s3.list_object_versions(Bucket=LOCKED, Prefix=prefix)["Versions"]:
        with pytest.raises(ClientError):  # not even the owner, who may do everything, lifts it
            s3.delete_object(Bucket=LOCKED, Key=one["Key"], VersionId=one["VersionId"], BypassGovernanceRetention=True)
        s3.delete_object(Bucket=LOCKED, Key=one["Key"])  # a marker, which a plain list takes for nothing there
    assert missing(stored, tmp_path) == []
    cut_off(tmp_path)
    with pytest.raises(JournalError, match="cut off"):
        opened(stored, tmp_path)


def test_another_entry_beside_ours_is_seen(stored: EnvironmentSettings, guard_place: Place, tmp_path: Path) -> None:
    write(stored, tmp_path)
    key = f"{stored.journal.prefix}{stored.journal.name}/{2:012d}-{'f' * 64}.json"
    root(guard_place).put_object(Bucket=LOCKED, Key=key, Body=b"{}")
    with pytest.raises(JournalError, match="Entry 2 is not the one that was copied"):
        opened(stored, tmp_path)


def test_the_table_s_role_and_the_operator_change_nothing_in_it(
    tabled: EnvironmentSettings, guard_postgres: PostgresServer, tmp_path: Path
) -> None:
    import psycopg

    write(tabled, tmp_path)
    for role in ("muses_journal", "muses_operator", "muses_reader"):
        with guard_postgres.session(role=role) as session:
            session.execute("SET default_transaction_read_only = off")
            for words in ("UPDATE {}.journal SET line = ''", "DELETE FROM {}.journal", "TRUNCATE {}.journal"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    session.execute(words.format(tabled.journal.schema))
    assert missing(tabled, tmp_path) == []


@pytest.mark.parametrize(
    "grant",
    [
        "GRANT UPDATE ON {schema}.journal TO muses_journal",
        "GRANT DELETE ON {schema}.journal TO muses_operator",
        "GRANT TRUNCATE ON {schema}.journal TO muses_reader",
        "ALTER TABLE {schema}.journal OWNER TO muses_owner",
        "ALTER SCHEMA {schema} OWNER TO muses_owner",
    ],
)
def test_a_table_that_the_machine_could_rewrite_is_no_copy(
    grant: str, tabled: EnvironmentSettings, guard_admin: Connection, tmp_path: Path
) -> None:
    guard_admin.execute(grant.format(schema=tabled.journal.schema))
    with pytest.raises(JournalError, match="could rewrite the copy"):
        opened(tabled, tmp_path)


def unlocked_bucket(settings: EnvironmentSettings) -> EnvironmentSettings:
    assert settings.storage is not None
    return with_journal(settings, bucket=settings.storage.backup_bucket)


def no_bucket(settings: EnvironmentSettings) -> EnvironmentSettings:
    return with_journal(settings, bucket="no-existe")


def unreadable_keys(settings: EnvironmentSettings) -> EnvironmentSettings:
    keys = Keys(access_key=Secret(env="MUSES_NO_SUCH_KEY"), secret_key=Secret(env="MUSES_NO_SUCH_KEY"))
    return with_journal(settings, keys=keys)


def unreachable(settings: EnvironmentSettings) -> EnvironmentSettings:
    storage = msgspec.structs.replace(settings.storage, endpoint_url="http://127.0.0.1:9")
    return msgspec.structs.replace(settings, storage=storage)


def not_configured(settings: EnvironmentSettings) -> EnvironmentSettings:
    return msgspec.structs.replace(settings, storage=None, database=None)


def with_journal(settings: EnvironmentSettings, **changes: Any) -> EnvironmentSettings:
    return msgspec.structs.replace(settings, journal=msgspec.structs.replace(settings.journal, **changes))


@pytest.mark.parametrize("broken", [unlocked_bucket, no_bucket, unreadable_keys, unreachable, not_configured])
def test_a_copy_that_cannot_be_had_lets_nothing_act(
    broken: Callable[[EnvironmentSettings], EnvironmentSettings], stored: EnvironmentSettings, tmp_path: Path
) -> None:
    with pytest.raises(JournalError):
        write(broken(stored), tmp_path)
    assert unfinished(verify(tmp_path / "journal.jsonl")) == []


def test_a_table_that_is_not_there_or_a_login_that_is_not_let_in_lets_nothing_act(
    tabled: EnvironmentSettings, guard_admin: Connection, tmp_path: Path
) -> None:
    login = msgspec.structs.replace(tabled.journal.login, user="muses_nadie")
    with pytest.raises(JournalError, match="cannot be used"):
        write(with_journal(tabled, login=login), tmp_path)
    guard_admin.execute(f"DROP TABLE {tabled.journal.schema}.journal")
    with pytest.raises(JournalError, match="cannot be used"):
        write(tabled, tmp_path)


def test_an_intent_that_does_not_reach_the_copy_is_taken_back(
    stored: EnvironmentSettings, faults: FaultyStore, tmp_path: Path
) -> None:
    storage = msgspec.structs.replace(stored.storage, endpoint_url=faults.url)
    journal = opened(msgspec.structs.replace(stored, storage=storage), tmp_path)
    faults.inject(deny(), operation="PutObject", times=None)
    with pytest.raises(JournalError, match="Nothing acts"):
        journal.write("intent", run="R1", row="X-01", body={})
    entries = verify(tmp_path / "journal.jsonl")
    assert [(entry.kind, entry.body.get("outcome")) for entry in entries] == [("intent", None), ("result", "not run")]
    opened(stored, tmp_path)
    assert missing(stored, tmp_path) == []


def test_a_result_that_does_not_reach_the_copy_is_kept_and_sent_later(
    stored: EnvironmentSettings, faults: FaultyStore, tmp_path: Path
) -> None:
    storage = msgspec.structs.replace(stored.storage, endpoint_url=faults.url)
    journal = opened(msgspec.structs.replace(stored, storage=storage), tmp_path)
    intent = journal.write("intent", run="R1", row="X-01", body={})
    faults.inject(deny(), operation="PutObject")
    journal.write("result", run="R1", row="X-01", body={"intent": intent.number})
    assert missing(stored, tmp_path) == [2]
    journal.write("intent", run="R1", row="X-01", body={})
    assert missing(stored, tmp_path) == []
