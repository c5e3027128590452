"""Readings of logs and of Prometheus as a run takes them: masked, recorded, and served again from the record."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec

from runbook.probes import Readings, reading_through
from runbook.settings import PrometheusSettings
from runbook.targets.prometheus.prometheus import Prometheus
from tests.runbook.targets.logs.saying import SERVICE, line, logs
from tests.runbook.targets.servers_http import answering

CANARY = "XEXX990231HDFXXX09"


def test_errors_with_what_they_share(tmp_path: Path) -> None:
    bad = [line(f"Rechazado {CANARY}", age=n, lote="L-9", curp=CANARY, nombre="Fulana Canaria") for n in range(1, 6)]
    (tmp_path / "a.log").write_text("\n".join(bad) + "\n")
    target, live = logs(f"{tmp_path}/a.log"), Readings()
    with reading_through(live):
        found = target.errors(SERVICE)
    assert [(one.field, one.value) for one in found.groups[0].shared] == [("lote", "L-9")]
    record = msgspec.json.encode(live.taken())
    assert CANARY.encode() not in record
    assert b"Fulana" not in record
    (tmp_path / "a.log").unlink()
    with reading_through(Readings(record=live.taken())):
        assert target.errors(SERVICE) == found


def test_series_of_prometheus() -> None:
    values = {"resultType": "matrix", "result": [{"metric": {"queue": "q"}, "values": [[1764000000.5, "3"]]}]}
    with answering(lambda _: (200, {"status": "success", "data": values})) as server:
        settings = PrometheusSettings(url=f"http://{server.netloc}")
        target, live = Prometheus("prometheus", settings, environment="lab"), Readings()
        with reading_through(live):
            found = target.past("queue_messages", "q", timedelta(hours=1))
            assert target.past("queue_messages", "q", timedelta(hours=1)) == found
        assert len(server.asked) == 1, "one reading a run"
    with reading_through(Readings(record=live.taken())):
        assert target.past("queue_messages", "q", timedelta(hours=1)) == found
