"""The consolidation's latency (Guía de Operaciones §2 and §3): is it too high, is it rising, and why."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from checks import _batches, _consolidation, _latency, _overload, _pace, _past, _relief, _statements
from runbook import clock
from runbook.limits import Limits, Number, Threshold
from runbook.model import Finding, Risk, Step
from runbook.rows import Findings, diagnoses, remedies, row
from runbook.text import bilingual

if TYPE_CHECKING:
    from runbook.history import History
    from runbook.targets.logs.logs import Logs
    from runbook.targets.postgres.database import Database
    from runbook.targets.prometheus.prometheus import Prometheus
    from runbook.targets.workers.workers import Workers

LIMITS = Threshold(warning=timedelta(minutes=15), critical=timedelta(minutes=45))
STEPS = (
    bilingual(
        "Analyse the database's logs: look for slow queries (slow query log)",
        "Analizar logs de BD: buscar consultas lentas (slow query log)",
    ),
    bilingual(
        "Check the indexes: make sure that the tables tbae* and tbmu* have the right indexes",
        "Verificar índices: asegurarse de que las tablas tbae* y tbmu* tengan los índices adecuados",
    ),
)
#: What the causes, which both rows share, are judged by.
CAUSES: dict[str, Number] = {
    "window": timedelta(minutes=5),
    # The usual value of log_min_duration_statement.
    "slow_statement": timedelta(milliseconds=500),
    # Three minutes of work at the service level's pace, 50,000 records in 30 min.
    "large_lot": 5_000,
    # The service level's own time.
    "pace_window": timedelta(minutes=30),
    **_overload.SETTINGS,
}


@row(
    "ETL-01",
    source="Guía de Operaciones §2: Latencia del Proceso ETL, > 15 min warning, > 45 min critical",
    es="La latencia del proceso ETL está dentro de su límite",
    threshold=LIMITS,
    settings=CAUSES,
    steps=STEPS,
)
def check_etl_latency(database: Database, limits: Limits) -> None:
    """The latency of the ETL process is within its limit.

    A record that waits in the exchange tables is a student who is not yet enrolled. The oldest unfinished record
    counts beside the mean: a mean over finished ones looks healthy while nothing finishes.
    """
    _latency.judge(database.etl_latency(limits.span("window")), limits)


@row(
    "ETL-02",
    source="Guía de Operaciones §3: la latencia del ETL está aumentando",
    es="La latencia del ETL no está aumentando",
    threshold=LIMITS,
    settings=CAUSES
    | {
        "look_back": timedelta(hours=2),
        "horizon": timedelta(minutes=30),
        # Fewer or closer samples show noise, not a trend.
        "least_samples": 5,
        "least_span": timedelta(minutes=10),
    },
    steps=STEPS,
)
def check_etl_latency_is_not_rising(database: Database, history: History, limits: Limits) -> None:
    """The latency of the ETL is not rising.

    A trend tells of the breach before it happens: while there is still time to act calmly.
    """
    now = clock.now()
    for object, value in _latency.current(database.etl_latency(limits.span("window"))):
        past = _latency.past(history, object, limits)
        samples = (*past.samples, (now, value.total_seconds()))
        if len(samples) >= limits.number("least_samples") and now - samples[0][0] >= limits.span("least_span"):
            _latency.judge_trend(object, samples, limits)
        _past.tell(past, object, limits)
    limits.skip(_latency.too_few(limits))


@row(
    "ETL-03",
    source="Nivel de servicio: 50,000 registros procesados en menos de 30 minutos; warning al 80 %",
    es="50,000 registros se procesan en menos de 30 minutos",
    threshold=Threshold(warning=timedelta(minutes=24), critical=timedelta(minutes=30)),
    settings={
        # The window of row ETL-01, so that the tables are read once for both.
        "window": CAUSES["window"],
        "pace_window": CAUSES["pace_window"],
        # Three minutes of work at the service level's pace: with less a service may rest between two rounds.
        "least_records": 5_000,
        "least_time": timedelta(minutes=1),
    },
)
def check_service_level(database: Database, limits: Limits) -> None:
    """50,000 records are processed within 30 minutes.

    Only a service that has work can be slow: its pace is told while thousands of records are waiting at once.
    """
    _pace.look_and_judge(database, limits)


@diagnoses(check_etl_latency, es="Consultas lentas en sep_muses")
@diagnoses(check_etl_latency_is_not_rising, es="Consultas lentas en sep_muses")
def queries_are_slow(database: Database, logs: Logs, limits: Limits) -> Finding:
    """Slow queries in sep_muses."""
    slow = limits.span("slow_statement")
    seen = _statements.look(database, logs, slow)
    proposals = database.index_proposals(_statements.suspects(seen))
    return _statements.slow(seen, proposals, database.tables(), slow)


@diagnoses(check_etl_latency, es="Sobrecarga de la BD sep_muses")
@diagnoses(check_etl_latency_is_not_rising, es="Sobrecarga de la BD sep_muses")
def database_is_overloaded(database: Database, limits: Limits) -> Finding:
    """Overload of the database sep_muses."""
    return _overload.overloaded(_overload.look(database), limits)


@diagnoses(check_etl_latency, es="El Servicio de Consolidación está procesando un lote muy grande")
@diagnoses(check_etl_latency_is_not_rising, es="El Servicio de Consolidación está procesando un lote muy grande")
def batch_is_very_large(database: Database, history: History, limits: Limits) -> Finding:
    """The consolidation service is processing a very large lot."""
    return _batches.very_large(_batches.look(database, history, limits), limits)


@diagnoses(check_etl_latency, es="El Servicio de Consolidación está caído o no avanza")
@diagnoses(check_etl_latency_is_not_rising, es="El Servicio de Consolidación está caído o no avanza")
def consolidation_is_not_working(
    workers: Workers, database: Database, logs: Logs, prometheus: Prometheus, limits: Limits
) -> Finding:
    """The consolidation service is down or does not get on."""
    return _consolidation.not_working(
        workers.consolidation,
        workers.replicas(),
        database.batches(),
        database.consolidation_rate(limits.span("window")),
        database.sessions(),
        _consolidation.errors(logs, workers.consolidation),
        _consolidation.pace(prometheus, workers.consolidation),
    )


# The fix shows once the backlog is done and the last slow record has left the window.
@remedies(check_etl_latency, risk=Risk.MEDIUM, settles=timedelta(minutes=15))
@remedies(check_etl_latency_is_not_rising, risk=Risk.MEDIUM, settles=timedelta(minutes=15))
def relieve_the_consolidation(findings: Findings) -> Iterator[Step]:
    """Start what is down, end the root blocker, create the index that is proven; a large lot only takes time."""
    return _relief.steps(findings)
