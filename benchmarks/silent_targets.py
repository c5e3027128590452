"""Targets that accept a connection and never answer: what a run costs then."""

from __future__ import annotations

import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.healthy_check import healthy
from benchmarks.measure import COMMAND, row
from lab.testing import running_lab

DEADLINE = 8
OVERRIDE = "MUSES_RUNBOOK__ENVIRONMENTS__LAB__"


def silenced(port: int) -> dict[str, dict[str, str]]:
    """Per target: the variables that send the check to a port where nobody ever answers."""
    return {
        "PostgreSQL": {f"{OVERRIDE}DATABASE__PORT": str(port)},
        "RabbitMQ, HTTP": {f"{OVERRIDE}BROKER__MANAGEMENT_URL": f"http://127.0.0.1:{port}"},
        "RabbitMQ, AMQP": {f"{OVERRIDE}BROKER__MANAGEMENT_URL": "", f"{OVERRIDE}BROKER__PORT": str(port)},
        "S3": {f"{OVERRIDE}STORAGE__ENDPOINT_URL": f"http://127.0.0.1:{port}"},
        "SSH": {f"{OVERRIDE}HOSTS__ADDRESSES": f'["ssh://nobody@127.0.0.1:{port}"]'},
    }


@contextmanager
def silent_port() -> Iterator[int]:
    """A port that accepts (the kernel does) and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield server.getsockname()[1]


def main() -> None:
    """One at a time, then all together."""
    with tempfile.TemporaryDirectory() as folder, running_lab(Path(folder) / "lab") as place, silent_port() as port:
        check = [COMMAND, "check", "--settings", str(place.site_file), "--deadline", f"{DEADLINE}s"]
        healthy(check)
        cases = silenced(port)
        cases["all at once"] = {name: value for case in cases.values() for name, value in case.items()}
        for name, variables in cases.items():
            row(f"{name} silent, deadline {DEADLINE} s", f"{_seconds(check, variables):.1f} s", f"≤ {DEADLINE + 1} s")


def _seconds(check: list[str], variables: dict[str, str]) -> float:
    import os

    started = time.perf_counter()
    subprocess.run(check, env=os.environ | variables, capture_output=True, check=False)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
