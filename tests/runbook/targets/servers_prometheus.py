"""A real Prometheus with a past: two hours of samples are made with promtool, so that no test waits for them."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.runbook.targets.servers_network import free_port

PROGRAMS = ("prometheus", "promtool")


def reason_against() -> str | None:
    """Why there is none here; None where there is."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    return f"{missing[0]} is not installed (apt-get install prometheus)" if missing else None


def openmetrics(now: float, step: int = 15, span: int = 7200) -> str:
    """Two hours up to now: a queue that grows as two replicas see it, a latency that rises, tables that grow."""
    moments = [now - span + n * step for n in range(span // step + 1)]
    lines = ["# TYPE queue_messages_ready gauge"]
    for replica in ("proc-1", "proc-2"):
        labels = f'queue="muses.recepcion",instance="{replica}"'
        lines += [f"queue_messages_ready{{{labels}}} {1000 + 50 * n} {at:.3f}" for n, at in enumerate(moments)]
    lines += ["# TYPE etl_latency_seconds gauge"]
    lines += [f"etl_latency_seconds {300 + n} {at:.3f}" for n, at in enumerate(moments)]
    lines += ["# TYPE events_processed counter"]
    for replica in ("cons-1", "cons-2"):
        labels = f'service="servicio-consolidacion",instance="{replica}"'
        lines += [f"events_processed_total{{{labels}}} {30 * n} {at:.3f}" for n, at in enumerate(moments)]
    lines += ["# TYPE hueco gauge"]
    lines += [f"hueco {'NaN' if n % 2 else n} {at:.3f}" for n, at in enumerate(moments) if n < 40]
    return "\n".join((*lines, "# EOF", ""))


@contextmanager
def running(folder: Path) -> Iterator[int]:
    """The server's port; the server is gone at the end."""
    data, samples, config = folder / "data", folder / "past.om", folder / "prometheus.yml"
    samples.write_text(openmetrics(time.time() - 1))
    config.write_text("global: {scrape_interval: 15s}\n")
    make = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(samples), str(data)]
    subprocess.run(make, check=True, capture_output=True)
    port = free_port()
    served = [f"--config.file={config}", f"--storage.tsdb.path={data}", f"--web.listen-address=127.0.0.1:{port}"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(["prometheus", *served], stdout=log, stderr=log, cwd=folder)
        try:
            _until_ready(port, server, folder / "log")
            yield port
        finally:
            server.terminate()
            server.wait(20)


def _until_ready(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    from http.client import HTTPConnection

    ends_at = time.monotonic() + 30
    while time.monotonic() < ends_at and server.poll() is None:
        connection = HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            connection.request("GET", "/-/ready")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.03)
        finally:
            connection.close()
    raise AssertionError(log.read_text())
