"""A run with everything in it: the incident the reports are judged by, and a hostile one with the same shape.

Its wording carries its own Spanish, as a row's title does, so that the catalogue of the product stays free of it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from runbook.model import (
    Action,
    Choice,
    Decision,
    Effect,
    Environment,
    Event,
    Evidence,
    Finding,
    Measure,
    Outcome,
    Plan,
    Proof,
    Proven,
    Reading,
    Record,
    Risk,
    Run,
    State,
    Step,
    Verdict,
    Verification,
)
from runbook.text import Instant, Quantity, Text, per_minute, percent, text

START = datetime(2026, 11, 24, 14, 31, 5, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """So many seconds after the run began."""
    return START + timedelta(seconds=seconds)


def both(english: str, spanish: str, /, **values: object) -> Text:
    """A wording in both languages, with the same fields."""
    said = text(english, **values)
    return Text(said.template, said.values, spanish)


def span(**amounts: float) -> Quantity:
    """A duration as a value."""
    return Quantity(timedelta(**amounts).total_seconds(), "s")


def incident() -> Run:
    """The night of 24 November: workers down and fixed, a big batch, no fresh backup, a host nobody can see."""
    return Run(
        id="20261124T143105Z-7c1f",
        environment=Environment(
            site="SEP-MUSES (laboratorio)",
            name="lab",
            timezone="America/Mexico_City",
            language="es",
            host="muses-guardia-01",
            versions={"muses-runbook": "0.1.0", "Python": "3.11.2", "PostgreSQL": "17.10", "RabbitMQ": "3.10.8"},
        ),
        started_at=START,
        ended_at=at(27.4),
        records=(
            skipped(),
            healthy("ETL-02"),
            queue(),
            etl(),
            *map(healthy, ("QUEUE-02", "STAGE-01", "DB-01")),
            backup(),
            host(),
        ),
        readings=readings(),
        events=events(),
        fixing=True,
    )


def replaced(**fields: Any) -> Run:
    """The same night with other rows, or another end."""
    return msgspec.structs.replace(incident(), **fields)


def queue() -> Record:
    """QUEUE-01: the workers are down, started again, and the queue shrinks."""
    breached = Verdict(
        state=State.CRITICAL,
        summary=both(
            "{queue} grows by {rate} and holds {depth}",
            "{queue} crece {rate} y tiene {depth}",
            queue="muses.recepcion",
            rate=per_minute(486),
            depth=Quantity(1432, "message"),
        ),
        measures=(growth(486, State.CRITICAL),),
        readings=("broker.queues(watched=True)",),
        judged_at=at(1.1),
    )
    calm = Verdict(
        state=State.OK,
        summary=both("{queue} shrinks by {rate}", "{queue} baja {rate}", queue="muses.recepcion", rate=per_minute(912)),
        measures=(growth(-912, State.OK),),
        judged_at=at(25.2),
    )
    return Record(
        row="QUEUE-01",
        title=both("The message queue does not grow without stopping.", "La cola de mensajes no crece sin parar"),
        why=both(
            "A queue that grows is work that students wait for: nothing behind it moves.",
            "Una cola que crece es trabajo que los estudiantes esperan: nada de lo que sigue avanza.",
        ),
        source="Guía de Operaciones §3",
        section="queue",
        verdict=breached,
        findings=(
            ruled_out(
                "worker_is_not_consuming",
                "A worker is alive but does not consume",
                "Un worker está vivo pero no consume",
                "No replica is alive",
                "Ninguna réplica está viva",
            ),
            down(),
            ruled_out(
                "database_refuses_the_workers",
                "The database refuses the workers",
                "La base de datos rechaza a los workers",
                "No connection error in 5 min of logs",
                "Ningún error de conexión en 5 min de bitácora",
            ),
            ruled_out(
                "too_few_consumers",
                "Too few consumers for what arrives",
                "Faltan consumidores para lo que llega",
                "There is no consumer to compare with",
                "No hay ningún consumidor con qué comparar",
            ),
        ),
        plan=Plan(
            remedy="restore_consumers",
            steps=(start("replica-01"), start("replica-02")),
            settles=timedelta(seconds=15),
            risk=Risk.MEDIUM,
            digest="9f2c",
        ),
        decision=Decision(
            choice=Choice.ACT,
            reason=both(
                "{risk} in {environment} acts by policy",
                "El riesgo {risk} en {environment} actúa por política",
                risk="medio",
                environment="lab",
            ),
            rule="environments.lab.policy.medium",
        ),
        actions=(acted(start("replica-01"), 3.0, 1.24, 0, 1), acted(start("replica-02"), 4.3, 1.18, 1, 2)),
        verification=Verification(proven=Proven.FIXED, verdict=calm, took=timedelta(seconds=19.7)),
        breached_since=at(-1122),
        trend=tuple((at(-3600 + 60 * n), _queue_rate(n)) for n in range(61)),
        trend_unit="1/min",
        took=timedelta(seconds=26.1),
    )


def _queue_rate(minute: int) -> float:
    wobble = ((minute * 37) % 11) - 5
    return float(4 + wobble if minute < 41 else min(486, 25 * (minute - 40)) + wobble * 3)


def growth(rate: float, state: State) -> Measure:
    """The queue's growth against the guide's limits."""
    return Measure(
        object="muses.recepcion",
        value=per_minute(rate),
        state=state,
        warning=per_minute(60),
        critical=per_minute(120),
    )


def down() -> Finding:
    """The confirmed cause of QUEUE-01."""
    return Finding(
        proof=Proof.CONFIRMED,
        name="initial_processing_is_down",
        cause=both("The initial-processing service is down", "El Servicio de Procesamiento Inicial está caído"),
        summary=both(
            "{running} of {wanted} replicas are running",
            "{running} de {wanted} réplicas en marcha",
            running=0,
            wanted=2,
        ),
        evidence=(
            Evidence(
                statement=both(
                    "The process manager lists both replicas as stopped",
                    "El supervisor da por detenidas las dos réplicas",
                ),
                source="workers.replicas()",
                sample=(
                    "servicio-procesamiento-inicial:replica-01  STOPPED  Nov 24 08:12",
                    "servicio-procesamiento-inicial:replica-02  STOPPED  Nov 24 08:12",
                ),
                count=2,
            ),
            Evidence(
                statement=both(
                    "The queue has {consumers}", "La cola tiene {consumers}", consumers=Quantity(0, "consumer")
                ),
                source="broker.queues(watched=True)",
            ),
            Evidence(
                statement=both(
                    "The last line of the log is {age} old",
                    "La última línea de la bitácora es de hace {age}",
                    age=timedelta(minutes=18, seconds=42),
                ),
                source="logs.errors('servicio-procesamiento-inicial')",
                sample=(
                    '{"timestamp": "2026-11-24T14:12:23Z", "level": "INFO", "message": "deteniendo: SIGTERM recibido"}',
                    '{"timestamp": "2026-11-24T14:12:23Z", "level": "WARNING", "message": "12 mensajes sin confirmar"}',
                ),
                count=14,
            ),
        ),
        advice=(
            both(
                "Ask who stopped the replicas at {time}",
                "Preguntar quién detuvo las réplicas a las {time}",
                time="08:12",
            ),
        ),
    )


def ruled_out(name: str, cause: str, causa: str, summary: str, resumen: str) -> Finding:
    """A cause that the evidence speaks against."""
    return Finding(
        proof=Proof.RULED_OUT,
        name=name,
        cause=both(cause, causa),
        summary=both(summary, resumen),
        evidence=(Evidence(statement=both(summary, resumen), source="logs.errors('servicio-procesamiento-inicial')"),),
    )


def start(replica: str) -> Step:
    """Start one replica; stopping it takes it back."""
    name = f"servicio-procesamiento-inicial:{replica}"
    stop = Step(
        what=both("Stop {name}", "Detener {name}", name=name),
        target="workers",
        operation="stop",
        arguments={"name": name},
        effect=Effect.CHANGE,
    )
    return Step(
        what=both("Start {name}", "Iniciar {name}", name=name),
        target="workers",
        operation="start",
        arguments={"name": name},
        fingerprint={"state": "STOPPED"},
        effect=Effect.CHANGE,
        undo=stop,
        touches=1,
        population=8,
    )


def acted(step: Step, began: float, took: float, before: int, after: int) -> Action:
    """A step that was done."""
    return Action(
        step=step,
        outcome=Outcome.DONE,
        started_at=at(began),
        took=timedelta(seconds=took),
        before={"state": "STOPPED", "running": before, "declared": 8},
        after={"state": "RUNNING", "running": after, "declared": 8},
    )


def etl() -> Record:
    """ETL-01: a very large batch; nothing to fix, and the time at which it will be done."""
    measures = (
        Measure(
            object="tbae001_inscripcion",
            value=span(minutes=31, seconds=40),
            state=State.WARNING,
            warning=span(minutes=15),
            critical=span(minutes=45),
            summary=both(
                "{table}: the oldest unfinished record waits {age}",
                "{table}: el registro sin terminar más antiguo espera {age}",
                table="tbae001_inscripcion",
                age=timedelta(minutes=31, seconds=40),
            ),
        ),
        Measure(
            object="tbae007_calificaciones",
            value=span(minutes=4, seconds=12),
            state=State.OK,
            warning=span(minutes=15),
            critical=span(minutes=45),
        ),
        Measure(
            object="tbae002_bajas",
            value=span(seconds=38),
            state=State.OK,
            warning=span(minutes=15),
            critical=span(minutes=45),
        ),
    )
    return Record(
        row="ETL-01",
        title=both("Records are consolidated in time.", "Latencia del Proceso ETL"),
        why=both(
            "Until a record is consolidated nobody can notify it to SIGED.",
            "Mientras un registro no se consolida, nadie puede notificarlo a SIGED.",
        ),
        source="Guía de Operaciones §2",
        section="etl",
        verdict=Verdict(
            state=State.WARNING, summary=measures[0].summary or text("x"), measures=measures, judged_at=at(1.4)
        ),
        findings=(
            Finding(
                proof=Proof.CONFIRMED,
                name="batch_is_very_large",
                cause=both(
                    "The consolidation service works on a very large batch",
                    "El Servicio de Consolidación está procesando un lote muy grande",
                ),
                summary=both(
                    "{waiting} of {subsystem} wait; {rate} are done a second",
                    "{waiting} de {subsystem} en espera; se terminan {rate}",
                    waiting=Quantity(184_320, "record"),
                    subsystem="TecNM",
                    rate=Quantity(212, "1/s"),
                ),
                evidence=(
                    Evidence(
                        statement=both(
                            "The batch is {times} times a usual one", "El lote es {times} veces uno usual", times=7.4
                        ),
                        source="database.batches()",
                        sample=(
                            "tbae001_inscripcion  TecNM  184,320  2026-11-24 07:58:12 → 08:03:47",
                            "tbae001_inscripcion  UPN      1,204  2026-11-24 08:11:02 → 08:11:09",
                        ),
                        count=12,
                    ),
                ),
            ),
            ruled_out(
                "queries_are_slow",
                "Queries are slow in sep_muses",
                "Consultas lentas en sep_muses",
                "No statement takes longer than last week",
                "Ninguna consulta tarda más que la semana pasada",
            ),
            Finding(
                proof=Proof.UNKNOWN,
                name="database_is_overloaded",
                cause=both("The database is overloaded", "Sobrecarga de la BD sep_muses"),
                summary=both("The load of the host could not be read", "No se pudo leer la carga del servidor"),
                evidence=(
                    Evidence(
                        statement=both(
                            "ssh: connect to host db1 port 22: Connection timed out",
                            "ssh: connect to host db1 port 22: Connection timed out",
                        ),
                        source="hosts.load()",
                    ),
                ),
            ),
        ),
        plan=Plan(
            remedy="relieve_consolidation",
            reason=both(
                "Nothing to fix: the batch will be done at {time}",
                "Nada que corregir: el lote terminará a las {time}",
                time=at(870),
            ),
        ),
        breached_since=at(-980),
        trend=tuple((at(-7200 + 120 * n), 120.0 + n * 8 + max(0, n - 40) * 65) for n in range(61)),
        trend_unit="s",
        took=timedelta(seconds=1.9),
    )


def backup() -> Record:
    """BACKUP-01: no fresh backup; a person decides."""
    return Record(
        row="BACKUP-01",
        title=both("The newest verified backup is young enough.", "Existe un respaldo verificado y reciente"),
        why=both(
            "Without it a lost disk is a lost school year.", "Sin él, perder un disco es perder un ciclo escolar."
        ),
        source="Guía de Operaciones §4.2",
        section="backups",
        verdict=Verdict(
            state=State.CRITICAL,
            summary=both(
                "The newest verified backup is {age} old",
                "El respaldo verificado más reciente tiene {age}",
                age=timedelta(days=2, hours=5, minutes=1),
            ),
            measures=(
                Measure(
                    object="s3://muses-respaldos/sep_muses/",
                    value=span(days=2, hours=5),
                    state=State.CRITICAL,
                    warning=span(hours=26),
                    critical=span(hours=50),
                ),
            ),
            judged_at=at(0.8),
        ),
        findings=(),
        plan=Plan(
            remedy="",
            reason=both(
                "Run the backup procedure and find out why the one of 03:30 did not run",
                "Ejecutar el procedimiento de respaldo y averiguar por qué no corrió el de las 03:30",
            ),
        ),
        decision=Decision(choice=Choice.LEAVE, reason=both("a person decides", "decide una persona"), rule="row"),
        breached_since=at(-10_800),
        took=timedelta(seconds=0.41),
    )


def host() -> Record:
    """HOST-01: the host is silent; the row is unknown, with the reason."""
    return Record(
        row="HOST-01",
        title=both("The hosts have disk room.", "Los servidores tienen espacio en disco"),
        source="Guía de Operaciones §2",
        section="hosts",
        verdict=Verdict(
            state=State.UNKNOWN,
            summary=both(
                "{host} gave no answer within {limit}",
                "{host} no respondió en {limit}",
                host="ssh://app2.muses.local",
                limit=timedelta(seconds=5),
            ),
            measures=(
                Measure(
                    object="app1:/var", value=percent(61), state=State.OK, warning=percent(80), critical=percent(90)
                ),
            ),
            judged_at=at(6.0),
        ),
        took=timedelta(seconds=5.02),
    )


def skipped() -> Record:
    """A row whose target the site file does not name."""
    return Record(
        row="NOTIFY-01",
        title=both("SIGED takes the notifications.", "SIGED recibe las notificaciones"),
        source="Guía de Operaciones §2",
        section="siged",
        verdict=Verdict(
            state=State.SKIPPED,
            summary=both(
                "siged is not configured; set {key} in the site file",
                "siged no está configurado; ponga {key} en el archivo del sitio",
                key="environments.lab.siged",
            ),
            judged_at=at(0.1),
        ),
    )


_HEALTHY: dict[str, tuple[str, str, str, Measure]] = {
    "ETL-02": (
        "Latency is not rising.",
        "La latencia del ETL no está aumentando",
        "etl",
        Measure(
            object="tbae001_inscripcion",
            value=per_minute(0.4),
            state=State.OK,
            warning=per_minute(5),
            critical=per_minute(15),
        ),
    ),
    "QUEUE-02": (
        "No message is dead.",
        "No hay mensajes muertos",
        "queue",
        Measure(
            object="muses.recepcion.muertos",
            value=Quantity(0, "message"),
            state=State.OK,
            warning=Quantity(0, "message"),
            critical=Quantity(100, "message"),
        ),
    ),
    "STAGE-01": (
        "Staging tables keep to their retention.",
        "Las tablas TBAE* están dentro de su retención",
        "staging",
        Measure(
            object="tbae001_inscripcion",
            value=span(days=71),
            state=State.OK,
            warning=span(days=97),
            critical=span(days=120),
        ),
    ),
    "DB-01": (
        "The database takes connections.",
        "La base de datos acepta conexiones",
        "database",
        Measure(object="muses_app", value=percent(38), state=State.OK, warning=percent(80), critical=percent(95)),
    ),
}


def healthy(row: str) -> Record:
    """A row in order."""
    title, titulo, section, measure = _HEALTHY[row]
    return Record(
        row=row,
        title=both(title, titulo),
        source="Guía de Operaciones §2",
        section=section,
        verdict=Verdict(
            state=State.OK,
            summary=text("{object}: {value}", object=measure.object, value=measure.value),
            measures=(measure,),
            judged_at=at(1.2),
        ),
        took=timedelta(seconds=0.3),
    )


def readings() -> tuple[Reading, ...]:
    """What was asked, and one answer that did not come."""
    asked = (
        ("broker", "queues(watched=True)", 0.31),
        ("database", "etl_latency(window=datetime.timedelta(seconds=900))", 0.84),
        ("storage", "backups()", 0.22),
        ("workers", "replicas()", 0.05),
    )
    fine = tuple(
        Reading(target=t, request=r, value={"n": 1}, taken_at=at(0.2), took=timedelta(seconds=s)) for t, r, s in asked
    )
    silent = Reading(
        target="hosts",
        request="disks()",
        taken_at=at(0.2),
        took=timedelta(seconds=5),
        error="hosts: disks() gave no answer within 5.0 s",
        failure="silent",
    )
    return (*fine, silent)


def events() -> tuple[Event, ...]:
    """The run's own timeline."""
    told: tuple[tuple[float, str, str, str, str], ...] = (
        (-10_800, "breach", "BACKUP-01", "First seen breached", "Visto en falla por primera vez"),
        (-1122, "breach", "QUEUE-01", "First seen breached", "Visto en falla por primera vez"),
        (0.0, "run", "", "The check began", "Comenzó la verificación"),
        (
            0.8,
            "CRITICAL",
            "BACKUP-01",
            "The newest verified backup is 2 d 5 h old",
            "El respaldo verificado más reciente tiene 2 d 5 h",
        ),
        (
            1.1,
            "CRITICAL",
            "QUEUE-01",
            "muses.recepcion grows by 486/min and holds 1,432 messages",
            "muses.recepcion crece 486/min y tiene 1,432 mensajes",
        ),
        (
            1.1,
            "cause",
            "QUEUE-01",
            "The initial-processing service is down",
            "El Servicio de Procesamiento Inicial está caído",
        ),
        (
            1.4,
            "WARNING",
            "ETL-01",
            "tbae001_inscripcion: the oldest unfinished record waits 31 min 40 s",
            "tbae001_inscripcion: el registro sin terminar más antiguo espera 31 min 40 s",
        ),
        (
            1.4,
            "cause",
            "ETL-01",
            "The consolidation service works on a very large batch",
            "El Servicio de Consolidación está procesando un lote muy grande",
        ),
        (
            3.0,
            "done",
            "QUEUE-01",
            "Start servicio-procesamiento-inicial:replica-01",
            "Iniciar servicio-procesamiento-inicial:replica-01",
        ),
        (
            4.3,
            "done",
            "QUEUE-01",
            "Start servicio-procesamiento-inicial:replica-02",
            "Iniciar servicio-procesamiento-inicial:replica-02",
        ),
        (
            6.0,
            "UNKNOWN",
            "HOST-01",
            "ssh://app2.muses.local gave no answer within 5 s",
            "ssh://app2.muses.local no respondió en 5 s",
        ),
        (25.2, "fixed", "QUEUE-01", "Fixed: the check passes again", "Corregido: el renglón vuelve a cumplirse"),
    )
    return tuple(Event(at=at(s), kind=kind, row=row, what=both(en, es)) for s, kind, row, en, es in told)


HOSTILE = (
    "<script>alert(1)</script> | `x` \"q\" 'a' ]]> [bold]b[/bold] \x1b[31mred\x1b[0m \x1b]0;title\x07"
    " \u202egnp.exe\u202c \x00\x08 {0} {x} @team #1 **b** &amp; \udcff\nsecond"
)


def hostile(words: str = HOSTILE) -> Run:
    """The same run with hostile words in every string a target could have said."""
    return _poisoned(incident(), words)


def _poisoned(value: Any, words: str) -> Any:
    match value:
        case Text():
            return Text("{said}", {"said": words})
        case Environment():
            return msgspec.structs.replace(
                value, site=words, name=words, host=words, timezone=words, versions={words: words}
            )
        case Quantity():
            return Quantity(value.value, value.unit)
        case Instant() | State() | Proof() | Risk() | Effect() | Choice() | Outcome() | Proven():
            return value
        case msgspec.Struct():
            return msgspec.structs.replace(
                value,
                **{
                    f: _poisoned(getattr(value, f), words)
                    for f in value.__struct_fields__
                    if f not in ("direction", "unit")
                },
            )
        case tuple():
            return tuple(_poisoned(inner, words) for inner in value)
        case dict():
            return {words: words, **{k: _poisoned(v, words) for k, v in value.items()}}
        case str():
            return words
        case _:
            return value
