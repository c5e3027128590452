"""A thousand rows over two hundred targets of 50 ms each, beside the ideal: on threads, and at a Dask cluster.

The ideal is what waiting alone takes: rows × 50 ms / places to wait at. The rows are those of a pack, as a site has
them, and the engine judges them as in any run; pytest's collecting is in the last line, the whole command.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.measure import COMMAND, row, seconds
from runbook import packs, rows, site_file
from runbook.engine import Engine
from runbook.model import State
from runbook.plugin import Alone
from runbook.run_id import new_run_id
from runbook.site import open_site

ROWS, TARGETS, TAKES, PLACES, WORKERS = 1_000, 200, 0.05, 20, 4
RUNS = 3

SERVER = '''
"""A target that answers after a while."""
import time
from runbook.probes import probe

class Server:
    travels = True
    def __init__(self, name):
        self.name = name
    @probe()
    def used(self, disk: int) -> float:
        time.sleep({takes})
        return 40.0 + disk
'''
FIXTURES = """
import pytest
from ._server import Server

def _server(name):
    @pytest.fixture(scope="session", name=name)
    def server():
        return Server(name)
    return server

for _number in range({targets}):
    globals()[f"server_{{_number:03}}"] = _server(f"server_{{_number:03}}")
"""
HEAD = "from runbook.limits import Limits, Threshold\nfrom runbook.rows import row\n"
ROW = '''
@row("FLEET-{number:04}", source="benchmark", es="El disco tiene espacio", threshold=Threshold(90, 97, unit="%"))
def check_{number:04}(server_{server:03}, limits: Limits) -> None:
    """The disk has room."""
    limits.judge(server_{server:03}.used({disk}), of="disk {disk}")
'''
#: Lives until its standard input ends.
CLUSTER = """
import sys
import distributed
if __name__ == "__main__":
    with distributed.LocalCluster(
        n_workers={workers}, threads_per_worker={threads}, dashboard_address=None, silence_logs=50
    ) as made:
        print(made.scheduler_address, flush=True)
        sys.stdin.read()
"""
SITE = """
[site]
state = "{folder}/state"
executor = "{executor}"
rows_at_once = {places}
[environments.fleet]
deadline = "60 s"
[environments.fleet.packs]
folders = ["{folder}/pack"]
"""


def main() -> None:
    """The median of three of each; the first at the cluster starts its workers' imports and is not counted."""
    ideal = ROWS * TAKES / PLACES
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        _write_pack(folder / "pack")
        threads = _median(_site(folder, "threads"))
        with cluster() as address:
            away = _median(_site(folder, address))
        command = seconds([COMMAND, "check", "-m", "filas", "--settings", str(_site(folder, "threads")), "-q"])
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    row(f"{ROWS} rows, {TARGETS} targets, {TAKES * 1000:.0f} ms each, ideal at {PLACES} places", f"{ideal:.2f} s", load)
    row(f"{PLACES} threads", f"{threads:.2f} s = {ideal / threads:.2f} of the ideal", "≥ 0.9")
    row(f"{WORKERS} Dask workers", f"{away:.2f} s = {ideal / away:.2f} of the ideal", "≥ 0.9")
    row("the whole `check` on threads, collected and reported", f"{command:.2f} s", "–")


def _median(site: Path) -> float:
    _judged(site)
    return statistics.median(_judged(site) for _turn in range(RUNS))


def _judged(file: Path) -> float:
    """Seconds from the first row begun until the last is judged."""
    site = open_site(site_file.load(file))
    for pack in packs.packs(site.settings):
        fixtures = pack.fixtures() if pack.fixtures else None
        for source in pack.sources:
            source.load()
    servers = {f"server_{n:03}": fixtures.Server(f"server_{n:03}") for n in range(TARGETS)}
    fleet = [one for one in rows.declared() if one.id.startswith("FLEET-")]
    engine = Engine(site, Alone(site), run=new_run_id())
    began = time.perf_counter()
    for one in fleet:
        engine.begin(one, {name: servers[name] for name in one.targets})
    engine.settle()
    took = time.perf_counter() - began
    run = engine.finish()
    bad = [str(r.verdict.summary) for r in run.records if r.verdict.state is not State.OK]
    assert not bad, (len(bad), bad[:3], took)
    assert len(run.readings) == len(run.records) == ROWS, len(run.readings)
    assert not any(event.kind == "trouble" for event in run.events), run.events[0]
    return took


def _write_pack(folder: Path) -> None:
    folder.mkdir()
    (folder / "_server.py").write_text(SERVER.format(takes=TAKES))
    (folder / "conftest.py").write_text(FIXTURES.format(targets=TARGETS))
    each = ROWS // TARGETS
    text = (ROW.format(number=n, server=n // each, disk=n % each) for n in range(ROWS))
    (folder / "filas.py").write_text(HEAD + "".join(text))


def _site(folder: Path, executor: str) -> Path:
    file = folder / f"{executor.partition(':')[0]}.toml"
    file.write_text(SITE.format(folder=folder, executor=executor, places=PLACES))
    return file


@contextmanager
def cluster() -> Iterator[str]:
    """Four workers of this machine, each a process with its share of the places; their address.

    The scheduler is a process of its own, as it is where there is one: it takes nothing of the run's.
    """
    command = [sys.executable, "-c", CLUSTER.format(workers=WORKERS, threads=PLACES // WORKERS)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as made:
        assert made.stdin
        assert made.stdout
        yield made.stdout.readline().strip().replace("tcp://", "dask://")
        made.stdin.close()


if __name__ == "__main__":
    main()
