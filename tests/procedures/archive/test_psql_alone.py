"""The archive is read without us: what the documentation says to type restores the rows, to the byte."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest

from lab.place import ARCHIVE_BUCKET, Place
from runbook.settings import ArchiveSettings, Secret
from runbook.targets.s3.archives import MANIFEST
from tests.procedures.archive.test_round_trip import same
from tests.procedures.archiver import Archiver, enrol
from tests.runbook.targets.servers_postgres import DATABASE, Connection, PostgresServer, installations
from tests.runbook.targets.servers_storage import root

TABLE = "tbae001_inscripcion"
HOW_TO = Path(__file__).parents[3] / "docs" / "how-to" / "archive.md"
_ZSTD = """\
import sys, zstandard
zstandard.ZstdDecompressor().copy_stream(sys.stdin.buffer, sys.stdout.buffer)
"""


def script() -> str:
    """The commands of the documentation, as they stand there."""
    found = re.search(r"<!-- psql alone -->\n```bash\n(.*?)```", HOW_TO.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return found[1]


def run(commands: str, folder: Path, postgres: PostgresServer) -> None:
    """Type the commands in a folder that holds the two files of a batch."""
    tools = folder / "tools"
    tools.mkdir()
    (tools / "psql").symlink_to(next(iter(installations().values())) / "psql")
    if shutil.which("zstd") is None:
        _tool(tools / "zstd", _ZSTD)
    if shutil.which("jq") is None:
        _tool(tools / "jq", "import json, sys\nprint(json.load(open(sys.argv[3]))[sys.argv[2][1:]], end='')\n")
    environment = {
        **os.environ,
        "PATH": f"{tools}:{os.environ['PATH']}",
        "PGHOST": str(postgres.home),
        "PGPORT": str(postgres.port),
        "PGUSER": "postgres",
        "PGDATABASE": DATABASE,
    }
    argv = ["bash", "-euo", "pipefail", "-c", commands]
    done = subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def batch(archiver: Archiver, admin: Connection, storage_place: Place, tmp_path: Path) -> Path:
    """A folder with the files of one batch, fetched; the table is gone."""
    return _batch(archiver, admin, storage_place, tmp_path / "batch")


def test_what_the_documentation_says_restores_a_batch(batch: Path, admin: Connection, postgres: PostgresServer) -> None:
    run(script(), batch, postgres)
    assert same(admin, TABLE, "original", "uuid") == 20


def test_what_age_encrypted_is_decrypted_first(
    archiver: Archiver, admin: Connection, storage_place: Place, postgres: PostgresServer, tmp_path: Path
) -> None:
    import pyrage

    identity = pyrage.x25519.Identity.generate()
    key = tmp_path / "key.txt"
    key.write_text(str(identity))
    archiver.settings = ArchiveSettings(
        prefix=archiver.settings.prefix,
        encryption="age",
        age_recipients=(str(identity.to_public()),),
        age_identity=Secret(file=key),
    )
    batch = _batch(archiver, admin, storage_place, tmp_path / "batch")
    sealed = batch / "rows.copy.zst.age"
    (batch / "rows.copy.zst").write_bytes(pyrage.decrypt(sealed.read_bytes(), [identity]))  # age -d -i key.txt
    run(script(), batch, postgres)
    assert same(admin, TABLE, "original", "uuid") == 20


def _batch(archiver: Archiver, admin: Connection, storage_place: Place, folder: Path) -> Path:
    folder.mkdir()
    enrol(admin, range(20))
    hard = "E'tab\\there\\nline \\\\N \\\\'"
    admin.execute(f"UPDATE {TABLE} SET calle = {hard}, nss = '' WHERE id_subsistema = 3")  # type: ignore[arg-type]
    admin.execute(f"CREATE TABLE original AS SELECT * FROM {TABLE}")
    manifest = archiver.archive(TABLE)
    admin.execute(f"DROP TABLE {TABLE}")
    for key in (manifest.object.key, manifest.object.key.rpartition("/")[0] + f"/{MANIFEST}"):
        body = root(storage_place).get_object(Bucket=ARCHIVE_BUCKET, Key=key)["Body"].read()
        (folder / key.rpartition("/")[2]).write_bytes(body)
    assert msgspec.json.decode((folder / MANIFEST).read_bytes())["table"] == TABLE
    return folder


def _tool(file: Path, source: str) -> None:
    """A stand-in for a tool that this machine lacks."""
    import sys

    file.write_text(f"#!{sys.executable}\n{source}")
    file.chmod(0o755)
