"""Twenty rows on ten booted hosts over SSH: ``python -m benchmarks.hosts``. Needs root, see tests/booted_hosts.py.

Both ends of every connection work on this one machine, so its cores bound all contestants alike. Every contestant
begins without an open connection in every turn.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.hosts import ours, peers
from benchmarks.measure import row, seconds
from tests.booted_hosts import BootedHost, booted

#: The rows together may take so many times as long as one connection and one round trip.
MOST, LEAST = 2.0, 10.0


def main() -> None:
    """Measure and print."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="mh-") as folder:
        home = Path(folder)
        started = time.perf_counter()
        try:
            with booted(options.hosts, home) as hosts:
                row(f"{len(hosts)} hosts booted", f"{time.perf_counter() - started:.1f} s", "–")
                _measure(hosts, home, options)
        except pytest.skip.Exception as reason:
            raise SystemExit(f"not here: {reason}") from None


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hosts", description=__doc__)
    parser.add_argument("--hosts", type=int, default=10)
    parser.add_argument("--turns", type=int, default=9, help="of ours; the peers take a third of them")
    parser.add_argument("--without-peers", action="store_true", help="only what needs no package")
    return parser.parse_args()


def _measure(hosts: tuple[BootedHost, ...], home: Path, options: argparse.Namespace) -> None:
    _certificates(hosts, home)
    file = ours.site_file(hosts, home)
    said = subprocess.run(ours.command(file), capture_output=True, text=True, check=False).stdout
    if lost := [row.id for row in ours.rows() if row.id not in said]:
        raise SystemExit(f"the command judges no {', '.join(lost)}:\n{said[-2000:]}")
    one, all_, rows, whole = [], [], [], []
    for turn in range(options.turns + 1):
        with _unconnected():
            first = ours.connected(file, 1)
        with _unconnected():
            together = ours.connected(file, len(hosts))
        with _unconnected():
            judged, verdicts = ours.judged(file)
        with _unconnected():
            command = seconds(ours.command(file))
        if turn:  # the first warms up
            for kept, value in zip((one, all_, rows, whole), (first, together, judged, command), strict=True):
                kept.append(value)
    for id, verdict in sorted(verdicts.items()):
        print(f"  {id} {verdict.state.name}: {verdict.summary}", file=sys.stderr)
    limit, ours_ = statistics.median(all_), statistics.median(rows)
    row("connection + one round trip, one host", f"{statistics.median(one) * 1000:.0f} ms", "–")
    row(f"the same, {len(hosts)} hosts at once", f"{limit * 1000:.0f} ms", "–")
    row(f"{len(verdicts)} rows on {len(hosts)} hosts, connections included", f"{ours_ * 1000:.0f} ms", "–")
    row("– ÷ connection + one round trip of them", f"{ours_ / limit:.2f}", f"≤ {MOST:g}")
    row("`muses-runbook check` of these rows, all reports", f"{statistics.median(whole):.2f} s", "–")
    if not options.without_peers:
        _beside(hosts, home, statistics.median(whole), max(options.turns // 3, 1))


def _beside(hosts: tuple[BootedHost, ...], home: Path, whole: float, turns: int) -> None:
    ansible, variables = peers.ansible(hosts, home)
    contestants = {
        "Ansible playbook, check mode": (ansible, variables),
        "pytest-testinfra": (peers.testinfra(hosts, home), {}),
    }
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(turns):
        for name, (command, more) in contestants.items():
            with _unconnected():
                started = time.perf_counter()
                control = {"ANSIBLE_SSH_CONTROL_PATH_DIR": os.environ["XDG_RUNTIME_DIR"]}
                done = subprocess.run(
                    command, capture_output=True, text=True, check=False, env=os.environ | more | control
                )
                taken[name].append(time.perf_counter() - started)
            if done.returncode:
                raise SystemExit(f"{name} failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    for name, values in taken.items():
        row(f"{name}, the same questions", f"{statistics.median(values):.1f} s", "–")
        row("– ÷ `muses-runbook check`", f"{statistics.median(values) / whole:.1f}", f"≥ {LEAST:g}")


def _certificates(hosts: tuple[BootedHost, ...], home: Path) -> None:
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    made = [*words, "-subj", "/CN=app", "-days", "90", "-keyout", str(home / "app.key"), "-out", str(home / "app.pem")]
    subprocess.run(made, check=True, capture_output=True)
    for host in hosts:
        host.write("/etc/ssl/app.pem", (home / "app.pem").read_text())


@contextmanager
def _unconnected() -> Iterator[None]:
    """No connection is open, and those that open are closed at the end."""
    with tempfile.TemporaryDirectory(prefix="mc-") as folder:
        before = os.environ.get("XDG_RUNTIME_DIR")
        os.environ["XDG_RUNTIME_DIR"] = folder
        try:
            yield
        finally:
            for control in Path(folder).rglob("*"):
                if control.is_socket():
                    subprocess.run(["ssh", "-O", "exit", "-S", str(control), "x"], capture_output=True, check=False)
            if before is None:
                del os.environ["XDG_RUNTIME_DIR"]
            else:
                os.environ["XDG_RUNTIME_DIR"] = before


if __name__ == "__main__":
    main()
