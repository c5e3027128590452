"""check_pgactivity and check_postgres as their manuals say, asked what our rows ask, with the same limits.

They log in as the superuser, by the socket: so nothing is hidden from them.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from tests.runbook.targets.servers_postgres import DATABASE, PostgresServer

PACKAGES = ("check-pgactivity", "check-postgres")
PGACTIVITY, POSTGRES = PACKAGES
_PROGRAMS = {PGACTIVITY: "usr/lib/nagios/plugins/check_pgactivity", POSTGRES: "usr/bin/check_postgres"}
STATES = {0: "OK", 1: "WARNING", 2: "CRITICAL", 3: "UNKNOWN"}

#: Row → what it is called there and its limits. Where a row is missing nothing there asks the same.
SERVICES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    PGACTIVITY: {
        "DB-01": ("backends", "-w", "80%", "-c", "90%"),
        "DB-02": ("connection",),
        "DB-04": ("longest_query", "-w", "1s", "-c", "1h"),
        "DB-05": ("oldest_idlexact", "-w", "1s", "-c", "1h"),
        "DB-06": ("oldest_2pc", "-w", "1s", "-c", "1h"),
        "DB-07": ("max_freeze_age", "-w", "300000000", "-c", "1000000000"),
        "DB-09": ("table_bloat", "-w", "50%", "-c", "80%", "--dbinclude", DATABASE),
        "DB-10": ("sequences_exhausted", "-w", "85%", "-c", "95%"),
        "DB-11": ("checksum_errors",),
        "DB-12": ("streaming_delta", "-w", "1MB", "-c", "10GB"),
        "DB-13": ("replication_slots", "-w", "wal=64", "-c", "wal=640"),
        "DB-14": ("archiver", "-w", "10", "-c", "15"),
        "DB-16": ("commit_ratio", "-w", "rollback_ratio=10", "-c", "rollback_ratio=50"),
        "DB-17": ("temp_files", "-w", "1MB", "-c", "10GB"),
        "DB-19": ("settings",),
        "DB-20": ("settings",),
        "INDEX-02": ("invalid_indexes",),
    },
    POSTGRES: {
        "DB-01": ("backends", "-w", "80%", "-c", "90%"),
        "DB-02": ("connection",),
        "DB-04": ("txn_time", "-w", "1s", "-c", "1h"),
        "DB-05": ("txn_idle", "-w", "1s", "-c", "1h"),
        "DB-06": ("prepared_txns", "-w", "1", "-c", "3600"),
        "DB-07": ("txn_wraparound", "-w", "300000000", "-c", "1000000000"),
        "DB-09": ("bloat", "-w", "50%", "-c", "80%"),
        "DB-10": ("sequence", "-w", "85%", "-c", "95%", "--skipcycled"),
        "DB-13": ("replication_slots", "-w", "1GB", "-c", "10GB"),
        "DB-14": ("archive_ready", "-w", "10", "-c", "15"),
        "DB-16": ("commitratio", "-w", "90%", "-c", "50%"),
    },
}


class Peers:
    """The programs of the Debian packages, unpacked below a folder; nothing is installed."""

    def __init__(self, home: Path) -> None:
        self._home = home
        for package in PACKAGES:
            subprocess.run(["apt-get", "download", "-q", package], cwd=home, check=True, capture_output=True)
        for package in home.glob("*.deb"):
            subprocess.run(["dpkg", "-x", str(package), str(home)], check=True, capture_output=True)

    def asked(self, peer: str, row: str, server: PostgresServer) -> tuple[str, str]:
        """Its verdict on a row, and its own first line."""
        done = self._run(peer, SERVICES[peer][row], server)
        said = (done.stdout.strip().splitlines() or done.stderr.strip().splitlines() or [""])[0]
        return STATES.get(done.returncode, f"exit {done.returncode}"), said.split("|")[0].strip()

    def seconds(self, peer: str, server: PostgresServer) -> float:
        """All of its services for our rows, one after the other, as a scheduler starts them."""
        started = time.perf_counter()
        for service in dict.fromkeys(SERVICES[peer].values()):
            self._run(peer, service, server)
        return time.perf_counter() - started

    def _run(self, peer: str, service: tuple[str, ...], server: PostgresServer) -> subprocess.CompletedProcess[str]:
        name, *limits = service
        where = ["-h", str(server.home), "-p", str(server.port), "-U", "postgres"]
        if peer == PGACTIVITY:
            kept = ["--status-file", str(self._home / f"status-{server.port}"), "--tmpdir", str(self._home)]
            words = ["-s", name, *limits, *where, "-d", DATABASE, *kept]
        else:
            words = [
                f"--action={name}",
                *limits,
                "-H",
                where[1],
                "-p",
                where[3],
                "-u",
                "postgres",
                f"--dbname={DATABASE}",
            ]
        return subprocess.run(
            ["perl", str(self._home / _PROGRAMS[peer]), *words],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"PATH": f"{_client()}:{os.environ['PATH']}", "LC_ALL": "C"},
        )


def _client() -> Path:
    """The folder of the newest psql of the system."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/psql"), key=lambda path: float(path.parts[-3]))
    if not found:
        raise SystemExit("not here: both need psql (Debian: postgresql-client)")
    return found[-1].parent
