"""The rows of PostgreSQL beside check_pgactivity and check_postgres: ``python -m benchmarks.rows_postgres``.

The same server in state after state, with the same limits: where verdicts differ, the difference must be one of those
that are explained here. Then the time of all rows together, each contestant as it is started by people and schedulers.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from benchmarks.measure import row, seconds
from benchmarks.rows_postgres.explained import EXPLAINED
from benchmarks.rows_postgres.ours import Ours, command, judging, rows
from benchmarks.rows_postgres.peers import PACKAGES, SERVICES, Peers
from benchmarks.rows_postgres.states import BROKEN, STATES, State
from tests.runbook.targets.servers_broken import broken_server
from tests.runbook.targets.servers_postgres import Connection, PostgresServer, installations

LEAST = 10.0
TABLES = 1_000
BASELINE = {"work_mem": "4MB"}


class Compared:
    """What all said of each row in each state."""

    def __init__(self, peers: Peers, *, talks: bool) -> None:
        self._peers, self._talks = peers, talks
        self.same = self.differ = 0
        self.explained: set[tuple[str, str, str]] = set()
        self.unexplained: list[str] = []

    def look(self, server: PostgresServer, ours: Ours, state: str, wanted: tuple[str, ...] | None) -> None:
        """Ask everybody about the rows."""
        for id in wanted or rows():
            verdict, words = ours.judged(id)
            for peer in PACKAGES:
                if id in SERVICES[peer]:
                    self._hold(id, state, peer, (verdict, words), self._peers.asked(peer, id, server))

    def before(self, server: PostgresServer, ours: Ours, wanted: tuple[str, ...]) -> None:
        """Let everybody keep what he compares with later."""
        for id in wanted:
            ours.judged(id)
            for peer in PACKAGES:
                if id in SERVICES[peer]:
                    self._peers.asked(peer, id, server)

    def _hold(self, id: str, state: str, peer: str, ours: tuple[str, str], theirs: tuple[str, str]) -> None:
        line = f"{id} {state}: {ours[0]} ({ours[1]}) / {peer} {theirs[0]} ({theirs[1]})"
        if ours[0] == theirs[0]:
            self.same += 1
        elif (id, state, peer) in EXPLAINED:
            self.differ += 1
            self.explained.add((id, state, peer))
        else:
            self.unexplained.append(line)
        if self._talks:
            print(line)


def main() -> None:
    """Measure and print."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="rows-") as folder:
        peers = Peers(Path(folder))
        compared = Compared(peers, talks=options.verbose)
        for name, programs in installations().items():
            with _server(programs) as server:
                _through(server, compared, STATES)
                if name == options.timed:
                    _time(server, peers, Path(folder), options.turns)
                    _many_tables(server, options.turns)
            with broken_server(programs) as server:
                _through(server, compared, BROKEN)
    row("verdicts that are the same", str(compared.same), "–")
    row(f"– that differ, for {len(compared.explained)} reasons that are told", str(compared.differ), "–")
    row("– that differ for no reason", str(len(compared.unexplained)), "0")
    for key in sorted(compared.explained):
        print(*key, EXPLAINED[key], sep=" · ")
    if compared.unexplained:
        raise SystemExit("\n".join(compared.unexplained))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rows_postgres", description=__doc__)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--timed", default=next(reversed(installations())), help="the server that is timed")
    parser.add_argument("--verbose", action="store_true", help="print every verdict")
    return parser.parse_args()


@contextmanager
def _server(programs: Path) -> Iterator[PostgresServer]:
    server = PostgresServer(programs)
    try:
        server.start()
        server.make_tables()
        yield server
    finally:
        server.stop()


def _through(
    server: PostgresServer, compared: Compared, states: tuple[tuple[str, State, tuple[str, ...] | None], ...]
) -> None:
    """One state after the other; the first look at what needs a past is taken before it."""
    ours = Ours(server, baseline=BASELINE)
    try:
        for name, make, wanted in states:
            if wanted is not None:
                compared.before(server, ours, wanted)
            with make(server):
                compared.look(server, ours, name, wanted)
    finally:
        ours.database.close()


def _time(server: PostgresServer, peers: Peers, home: Path, turns: int) -> None:
    words = command(server, home)
    known = subprocess.run(words, capture_output=True, text=True, check=False)
    if known.returncode not in (0, 1):
        raise SystemExit(f"the command judges nothing: {known.stdout}{known.stderr}")
    taken: dict[str, list[float]] = {name: [] for name in ("ours", *PACKAGES)}
    judged = []
    for _ in range(turns):
        taken["ours"].append(seconds(words))
        judged.append(judging(server))
        for peer in PACKAGES:
            taken[peer].append(peers.seconds(peer, server))
    middle = {name: statistics.median(values) for name, values in taken.items()}
    row(f"`muses-runbook check` of {len(rows())} rows, all reports", f"{middle['ours']:.2f} s", "–")
    within = statistics.median(judged)
    row("the same rows within a run that has begun, connections included", f"{within * 1000:.0f} ms", "–")
    for peer in PACKAGES:
        count = len(set(SERVICES[peer].values()))
        row(f"{peer}, its {count} services for the same", f"{middle[peer]:.2f} s", "–")
        row("– ÷ `muses-runbook check`", f"{middle[peer] / middle['ours']:.1f}", f"≥ {LEAST:g}")
        row("– ÷ the rows within a run", f"{middle[peer] / within:.0f}", f"≥ {LEAST:g}")


def _many_tables(server: PostgresServer, turns: int) -> None:
    """The rows on a database of many tables, and what they cost it."""
    with closing(server.admin()) as admin:
        admin.execute("SET search_path TO muses_dev; SET ROLE muses_owner")
        for number in range(TABLES):
            admin.execute(
                f"CREATE TABLE x{number} (id serial PRIMARY KEY, a int, b text, c timestamp, d numeric);"
                f"INSERT INTO x{number} (a, b) SELECT n, 'word' FROM generate_series(1, 20) AS n;"
                f"CREATE INDEX ON x{number} (a)"
            )
        admin.execute("RESET ROLE; GRANT SELECT ON ALL TABLES IN SCHEMA muses_dev TO muses_reader")
        admin.execute("GRANT SELECT ON ALL SEQUENCES IN SCHEMA muses_dev TO muses_reader; ANALYZE")
        before = _spent(admin)
        taken = statistics.median(judging(server) for _ in range(turns))
        spent = (_spent(admin) - before) / turns
    row(f"the rows within a run, {TABLES} tables more", f"{taken * 1000:.0f} ms", "≤ 5 s")
    row("– the server's own time of it", f"{spent:.0f} ms, {spent / 600:.2f} % of a minute", "≤ 1 %")


def _spent(admin: Connection) -> float:
    """Milliseconds that the reader's statements have taken."""
    found = admin.execute(
        "SELECT coalesce(sum(total_exec_time + total_plan_time), 0) AS spent FROM public.pg_stat_statements"
        " WHERE userid = 'muses_reader'::regrole"
    ).fetchone()
    assert found is not None
    return float(found["spent"])


if __name__ == "__main__":
    main()
