"""The runbook's own purge as a person runs it: the command in a process of its own, its peak memory read off."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.purge.data import overdue
from benchmarks.purge.ground import BACKUP_PREFIX, Ground
from benchmarks.purge.outcome import Outcome
from lab.place import ARCHIVE_BUCKET, BACKUP_BUCKET, REGION
from lab.ports import LOOPBACK
from runbook.targets.s3 import archives

#: Between two looks at a process's peak memory, in seconds; the kernel keeps the peak, so only the last look is short.
LOOK = 0.02


class Purge:
    """The command, running on ``database``; ``wait`` says what it took."""

    def __init__(self, ground: Ground, database: str, before: str, settings: dict[str, Any]) -> None:
        self._ground, self._database, self._before = ground, database, before
        self._wanted = overdue(ground, database, before)
        self._said = ground.place.home / f"{database}.said"
        command = [sys.executable, "-m", "runbook", "run", "purge", "--execute", "--json"]
        site = site_file(ground, database, purge={"max_percent": 100.0, **settings})
        self._started = time.perf_counter()
        with self._said.open("wb") as output:
            self._process = subprocess.Popen(
                [*command, "--settings", str(site)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self) -> tuple[Outcome, int]:
        """Its outcome and the bytes of its peak memory, once it has ended.

        Raises SystemExit where it failed, left an overdue row, or archived other than it deleted.
        """
        peak = 0
        try:
            while self._process.poll() is None:
                peak = max(peak, _peak(self._process.pid))
                time.sleep(LOOK)
        finally:
            if self._process.poll() is None:
                self._process.terminate()
                self._process.wait(60)
        outcome = Outcome("muses-runbook run purge", rows=sum(self._wanted.values()))
        outcome.parts["whole process"] = time.perf_counter() - self._started
        self._prove()
        return outcome, peak

    def _prove(self) -> None:
        said = self._said.read_text(errors="replace")[-5000:]
        if self._process.returncode:
            raise SystemExit(f"the purge ended with {self._process.returncode}:\n{said}")
        left = overdue(self._ground, self._database, self._before)
        if any(left.values()):
            raise SystemExit(f"the purge left rows: {left}\n{said}")
        if (archived := _archived(self._ground, self._database)) != self._wanted:
            raise SystemExit(f"the archive holds {archived}, deleted were {self._wanted}")


def measure(ground: Ground, database: str, before: str, settings: dict[str, Any]) -> tuple[Outcome, int]:
    """Purge ``database``: what it took, start of the interpreter included, and the peak memory in bytes."""
    return Purge(ground, database, before, settings).wait()


def _archived(ground: Ground, database: str) -> dict[str, int]:
    """Rows that are archived by table, as the published manifests say."""
    s3, found = ground.s3("reader"), dict[str, int]()
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=ARCHIVE_BUCKET, Prefix=f"tbae/{database}/"):
        for entry in page.get("Contents", ()):
            if entry["Key"].endswith(f"/{archives.MANIFEST}"):
                body = s3.get_object(Bucket=ARCHIVE_BUCKET, Key=entry["Key"])["Body"].read()
                manifest = archives.decoded(body)
                found[manifest.table] = found.get(manifest.table, 0) + manifest.content.rows
    return found


def _peak(pid: int) -> int:
    """Bytes of the most memory that a process and its children have had, each; 0 where it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [child for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return 0
    own = next((int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM:")), 0)
    return own + sum(_peak(int(child)) for child in children)


def site_file(ground: Ground, database: str, **more: dict[str, Any]) -> Path:
    """The settings of a site that may do all by itself; ``more`` are further tables, such as ``purge``."""
    place = ground.place
    secrets = {
        f"{identity} {kind}": {"file": str(place.secret_file(name.format(identity)))}
        for identity in ("reader", "operator")
        for kind, name in (
            ("password", "database-muses_{}"),
            ("access", "storage-{}-access-key"),
            ("secret", "storage-{}-secret-key"),
        )
    }
    tables: dict[str, dict[str, Any]] = {
        "site": {"environment": "bench", "language": "en", "state": str(place.home / f"state-{database}")},
        "environments.bench.database": {
            "host": LOOPBACK,
            "port": place.ports.postgres,
            "name": database,
            "schema": place.schema,
            **{i: {"user": f"muses_{i}", "password": secrets[f"{i} password"]} for i in ("reader", "operator")},
        },
        "environments.bench.storage": {
            "endpoint_url": place.storage_url,
            "region": REGION,
            "backup_bucket": BACKUP_BUCKET,
            "backup_prefix": BACKUP_PREFIX,
            "archive_bucket": ARCHIVE_BUCKET,
            **{
                i: {"access_key": secrets[f"{i} access"], "secret_key": secrets[f"{i} secret"]}
                for i in ("reader", "operator")
            },
        },
        **{f"environments.bench.{name}": table for name, table in more.items()},
        "environments.bench.policy": {"low": "act", "medium": "act", "high": "act"},
    }
    file = place.home / f"{database}.toml"
    file.write_text("\n".join(f"[{name}]\n{_toml(table)}" for name, table in tables.items()))
    return file


def _toml(table: dict[str, Any]) -> str:
    return "".join(f"{key} = {_value(value)}\n" for key, value in table.items())


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_value(inner)}" for key, inner in value.items()) + " }"
    return json.dumps(value)
