"""barman-cloud's backup of the same server, as it is: the files of the cluster, not a dump of the database."""

from __future__ import annotations

import os

from benchmarks.backup.pipes import installed, run, storage
from benchmarks.backup.processes import Measured
from benchmarks.purge.ground import Ground
from lab.place import BACKUP_BUCKET, DATABASE, SUPERUSER


def barman_cloud(ground: Ground, *flags: str) -> Measured:
    """``barman-cloud-backup`` from PyPI. Without an archive of the WAL, which is not measured, it restores nothing.

    Its checkpoint is immediate: by default it would wait for minutes for one that does not press the server.
    """
    place = ground.place
    program = place.home / "barman" / "bin" / "barman-cloud-backup"
    if not program.exists():
        installed(place.home / "barman", "barman[cloud]", "zstandard")
    outcome = Measured(f"barman-cloud-backup {' '.join(flags)}".strip(), note="physical, without its WAL")
    server = ["--host", str(place.sockets), "--port", str(place.ports.postgres), "--user", "postgres"]
    command = [str(program), "--cloud-provider", "aws-s3", "--endpoint-url", place.storage_url, *server]
    password = {"PGPASSWORD": place.secret(f"database-{SUPERUSER}")}
    with outcome.timed("uploaded"):
        run(
            outcome,
            {**os.environ, **storage(ground), **password},
            [*command, "--dbname", DATABASE, "--immediate-checkpoint", *flags, f"s3://{BACKUP_BUCKET}/barman", "bench"],
        )
    return outcome
