"""The runbook's own backup as a person runs it: the command in a process of its own, with its milestones' times."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from benchmarks.backup.processes import Looking, Measured
from benchmarks.purge.ground import BACKUP_PREFIX, Ground
from benchmarks.purge.ours import site_file
from lab.place import BACKUP_BUCKET, DATABASE
from runbook.targets.s3.backups import MANIFEST, Manifest

NAME = "muses-runbook"
#: What the steps are called here, by the milestone that ends each.
_STEPS = {
    "locked": "start",
    "snapshot taken": "guards and lease",
    "dumped": "dump",
    "data uploaded": "last part",
    "globals uploaded": "globals",
    "read back": "read back",
    "published": "published",
}
UPLOADED, DONE = "data uploaded", "published"


def measure(ground: Ground, settings: dict[str, object]) -> Measured:
    """Back ``sep_muses`` up: the seconds of its steps, from the start of the interpreter to its end."""
    site = site_file(ground, DATABASE, backup={"programs": str(ground.place.postgres), **settings})
    stamps, said = ground.place.home / "stamps", ground.place.home / "backup.said"
    stamps.unlink(missing_ok=True)
    command = [sys.executable, "-m", "benchmarks.backup.stamped", "run", "backup", "--execute", "--json"]
    started = time.monotonic()
    with said.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--settings", str(site)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "BENCH_STAMPS": str(stamps)},
        )
        looking = Looking({process.pid: NAME})
        process.wait()
        ended = time.monotonic()
    looking.close()
    if process.returncode or not stamps.exists():
        raise SystemExit(f"the backup ended with {process.returncode}:\n{said.read_text(errors='replace')[-5000:]}")
    return _measured(stamps, started, ended, looking)


def _measured(stamps: Path, started: float, ended: float, looking: Looking) -> Measured:
    outcome = Measured("muses-runbook run backup", peaks=looking.peaks, processor=looking.seconds)
    before = started
    for line in stamps.read_text().splitlines():
        moment, _, name = line.partition("\t")
        if name in _STEPS:
            outcome.parts[_STEPS[name]] = float(moment) - before
            before = float(moment)
    outcome.parts["end"] = ended - before
    return outcome


def uploaded(outcome: Measured) -> float:
    """Seconds until the data were whole in the bucket."""
    steps = list(_STEPS.values())
    return sum(outcome.parts[step] for step in steps[: steps.index("last part") + 1])


def manifest(ground: Ground) -> Manifest:
    """The manifest that was published last."""
    s3 = ground.s3("reader")
    listed = s3.list_objects_v2(Bucket=BACKUP_BUCKET, Prefix=BACKUP_PREFIX)["Contents"]
    newest = max((one for one in listed if one["Key"].endswith(MANIFEST)), key=lambda one: str(one["LastModified"]))
    return msgspec.json.decode(s3.get_object(Bucket=BACKUP_BUCKET, Key=newest["Key"])["Body"].read(), type=Manifest)
