"""QUEUE-01 and QUEUE-02: when they are breached, which cause they name, what they would do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from checks.queue import (
    check_no_dead_letters,
    check_queue_does_not_grow,
    messages_are_poisoned,
    put_dead_letters_back,
    restore_consumers,
)
from runbook import clock
from runbook.errors import HistoryError, ProbeFailure
from runbook.model import Finding, Proof, Risk, State
from runbook.rows import NoPlan
from runbook.settings.broker import ReplaySettings
from runbook.targets.workers.replicas import Service
from tests.checks import fakes
from tests.checks.fakes import Told, Workers, connections, consumer, errors, group, line, queue, replica, replicas

C, R, U = Proof.CONFIRMED, Proof.RULED_OUT, Proof.UNKNOWN
CAUSES = (
    "initial_processing_is_down",
    "worker_is_not_consuming",
    "database_refuses_the_workers",
    "too_few_consumers",
)


def verdict(*queues: Any, history: Any = None, **settings: Any) -> Any:
    broker = Told(queues=queues)
    return fakes.judged(
        check_queue_does_not_grow, settings=settings, broker=broker, history=history or fakes.NoHistory()
    )


def findings(**changes: Any) -> dict[str, Finding]:
    """Diagnoses on a lab in which all is well but what is changed."""
    told: dict[str, Any] = {
        "queue": queue(),
        "replicas": replicas(1, 2),
        "consumers": (consumer(1), consumer(2)),
        "errors": errors(),
        "connections": connections(),
        "sessions": (),
        **changes,
    }
    return fakes.diagnosed(
        check_queue_does_not_grow,
        broker=Told(queues=(told["queue"],), consumers=told["consumers"]),
        workers=workers_of(told),
        logs=Told(errors=told["errors"]),
        database=Told(connections=told["connections"], sessions=told["sessions"]),
    )


def workers_of(told: dict[str, Any]) -> Workers:
    given = {"services": told["services"]} if "services" in told else {}
    workers = Workers(replicas=told["replicas"], **given)
    vars(workers).update(told.get("workers", {}))
    return workers


def plan(found: dict[str, Finding]) -> list[Any]:
    return list(restore_consumers(found, Workers(replicas=replicas())))


class TestGrowth:
    """The check."""

    @pytest.mark.parametrize(
        ("given", "state"),
        [
            pytest.param(queue(), State.OK, id="empty"),
            pytest.param(queue(*line(0, 499)), State.OK, id="little waits, however fast it came"),
            pytest.param(queue(*line(5000, 5000)), State.OK, id="some wait and it does not grow"),
            pytest.param(queue(*line(1000, 1060)), State.OK, id="grows at the limit"),
            pytest.param(queue(*line(1000, 1070)), State.WARNING, id="grows beyond the limit"),
            pytest.param(queue(*line(1000, 1832)), State.WARNING, id="at the critical limit"),
            pytest.param(queue(*line(1000, 1900)), State.CRITICAL, id="grows far beyond"),
            pytest.param(queue(*line(9000, 1000)), State.OK, id="drains"),
            pytest.param(queue(*line(30_000, 25_000)), State.OK, id="at the depth's limit, but drains"),
            pytest.param(queue(*line(25_000, 25_000)), State.OK, id="at the depth's limit"),
            pytest.param(queue(*line(25_001, 25_001)), State.WARNING, id="deeper than the largest usual lot"),
            pytest.param(queue(*line(50_001, 50_001)), State.CRITICAL, id="deeper than half an hour's work"),
            pytest.param(queue(*line(60_010, 60_000)), State.CRITICAL, id="drains, but in four days"),
            pytest.param(queue(*line(3, 3), consumers=0), State.CRITICAL, id="nobody takes what waits"),
            pytest.param(queue(consumers=0), State.OK, id="nobody needs to take anything"),
            pytest.param(
                queue(*line(900, 900), acknowledge_rate=0.0), State.CRITICAL, id="stands still with consumers"
            ),
            pytest.param(
                queue(samples=(), growth_per_minute=None, messages=900, ready=900), State.UNKNOWN, id="no samples"
            ),
        ],
    )
    def test_state(self, given: Any, state: State) -> None:
        assert verdict(given).state is state

    def test_growth_that_is_over_is_fine(self) -> None:
        samples = (*line(0, 3000, timedelta(seconds=40))[:-1], *line(3000, 2400, timedelta(seconds=20)))
        shifted = tuple((at - timedelta(seconds=20), count) for at, count in samples[:12]) + samples[12:]
        assert verdict(queue(*shifted)).state is State.OK

    def test_growth_that_began_within_the_window_is_told_at_its_full_pace(self) -> None:
        fell = line(800, 0, timedelta(seconds=30), 7)
        rose = line(0, 600, timedelta(seconds=30), 7)
        samples = tuple((at - timedelta(seconds=30), count) for at, count in fell[:-1]) + rose
        assert "grows by 1200 1/min" in str(verdict(queue(*samples)).summary)

    def test_a_burst_within_the_window_is_no_growth_without_stopping(self) -> None:
        samples = (*line(0, 2000, timedelta(seconds=55))[:3], *line(2000, 2000, timedelta(seconds=40)))
        assert verdict(queue(*samples)).state is State.OK

    def test_two_samples_are_completed_from_earlier_runs(self) -> None:
        given = queue(*line(2000, 2020, timedelta(seconds=1), 2), source="amqp", acknowledge_rate=None)
        assert verdict(given).state is State.CRITICAL
        calm = fakes.NoHistory((fakes.now() - timedelta(seconds=50), 1990.0))
        assert verdict(given, history=calm).state is State.OK

    def test_a_broken_history_makes_it_coarser_only(self) -> None:
        broken = Told(samples=HistoryError("disk full"))
        assert verdict(queue(*line(1000, 1900)), history=broken).state is State.CRITICAL

    def test_no_queue_is_no_proof(self) -> None:
        assert verdict().state is State.UNKNOWN

    def test_all_queues_are_judged_and_the_worst_comes_first(self) -> None:
        found = verdict(queue(name="calm"), queue(*line(1000, 1900), name="wild"))
        assert found.measures[0].object == "wild"
        assert {m.object for m in found.measures} == {"calm", "wild", "calm (messages)", "wild (messages)"}
        assert "wild grows by 900 1/min, 1900 messages wait" in str(found.summary)

    def test_one_blind_queue_is_seen_beside_a_calm_one(self) -> None:
        blind = queue(name="blind", samples=(), growth_per_minute=None)
        assert verdict(queue(), blind).state is State.UNKNOWN


DOWN = {"queue": queue(*line(0, 900), consumers=0, acknowledge_rate=0.0), "replicas": replicas(), "consumers": ()}
STUCK = {"queue": queue(*line(0, 900), consumers=0, acknowledge_rate=0.0), "consumers": ()}
MADE = fakes.now()
REFUSED = {
    "queue": queue(*line(0, 900), acknowledge_rate=0.0, unacknowledged=40),
    "errors": errors(group("database")),
    "connections": connections(20),
}
FEW = {"queue": queue(*line(0, 900), arrival_rate=100.0, acknowledge_rate=80.0)}


@pytest.fixture
def standing_clock() -> Iterator[None]:
    """The clock of the told situations, which were made when this file was read: a minute ago in a long run."""
    with clock.standing_at(MADE):
        yield


@pytest.mark.usefixtures("standing_clock")
class TestCauses:
    """The diagnoses."""

    @pytest.mark.parametrize(
        ("situation", "expected"),
        [
            pytest.param(DOWN, (C, R, R, R), id="down"),
            pytest.param(STUCK, (R, C, R, R), id="stuck without a consumer"),
            pytest.param(
                {"queue": queue(*line(0, 900), acknowledge_rate=0.0, unacknowledged=40)},
                (R, C, R, R),
                id="stuck with unacknowledged messages",
            ),
            pytest.param(REFUSED, (R, R, C, R), id="the database refuses"),
            pytest.param(FEW, (R, R, R, C), id="too few"),
            pytest.param({"queue": queue(*line(0, 900))}, (R, R, R, C), id="no capacity to spare: one more helps"),
            pytest.param({}, (R, R, R, R), id="all is well"),
            pytest.param(
                {**REFUSED, "connections": fakes.failing(ProbeFailure.LIMIT)},
                (R, R, C, R),
                id="we are refused like the workers",
            ),
            pytest.param(
                {
                    **REFUSED,
                    "connections": fakes.failing(ProbeFailure.REFUSED),
                    "sessions": fakes.failing(ProbeFailure.REFUSED),
                },
                (R, R, C, R),
                id="the database is away for all",
            ),
            pytest.param(
                {**REFUSED, "connections": connections()}, (R, R, C, R), id="refused for another reason than a limit"
            ),
            pytest.param(
                {**STUCK, "errors": errors(group("database", ago=4 * fakes.MINUTE))},
                (R, C, R, R),
                id="stuck, and the errors in the log are over",
            ),
            pytest.param(
                {
                    **DOWN,
                    "errors": errors(
                        group("database", ago=4 * fakes.MINUTE), last_line_at=fakes.now() - 4 * fakes.MINUTE
                    ),
                },
                (C, R, R, R),
                id="down since the database refused, which it does no more",
            ),
            pytest.param(
                {**FEW, "connections": connections(20)}, (R, R, R, C), id="at the limit, but nobody was refused"
            ),
            pytest.param(
                {**FEW, "queue": queue(*line(0, 900), arrival_rate=None, acknowledge_rate=None, source="amqp")},
                (R, U, R, U),
                id="without rates",
            ),
            pytest.param(
                {
                    **DOWN,
                    "errors": fakes.failing(ProbeFailure.ABSENT, "logs"),
                    "connections": fakes.failing(ProbeFailure.DENIED),
                },
                (C, R, U, R),
                id="down, and neither log nor database can be seen",
            ),
            pytest.param(
                {
                    **FEW,
                    "sessions": tuple(
                        fakes.session(
                            n, "active", application=f"{fakes.PROCESSING}:replica-0{n}", wait_event_type="Lock"
                        )
                        for n in (1, 2)
                    ),
                },
                (R, R, R, R),
                id="the replicas wait for locks",
            ),
        ],
    )
    def test_proofs(self, situation: dict[str, Any], expected: tuple[Proof, ...]) -> None:
        assert fakes.proofs(findings(**situation)) == dict(zip(CAUSES, expected, strict=True))

    def test_every_finding_has_evidence(self) -> None:
        for situation in (DOWN, STUCK, REFUSED, FEW):
            assert all(finding.evidence for finding in findings(**situation).values() if finding.proof is C)

    def test_samples_are_capped_and_counted(self) -> None:
        evidence = findings(**REFUSED)["database_refuses_the_workers"].evidence[0]
        assert (len(evidence.sample), evidence.count) == (5, 10)
        assert evidence.source == f"log: {fakes.PROCESSING}"

    def test_who_holds_the_connections_is_named(self) -> None:
        found = findings(**REFUSED)["database_refuses_the_workers"]
        assert any("servicio-procesamiento-inicial:replica-01: 20" in evidence.sample for evidence in found.evidence)

    def test_crashed_replicas_are_down_while_the_rest_does_not_keep_up(self) -> None:
        fallen = (replica(1), replica(2, "FATAL", problem="exited too quickly"), *replicas(declared=8)[2:])
        growing = queue(*line(0, 900), consumers=1, growth_per_minute=900.0)
        found = findings(replicas=fallen, queue=growing)["initial_processing_is_down"]
        assert found.proof is C
        assert [handle["name"] for handle in found.data["start"]] == [replica(2).name]
        assert any("exited too quickly" in line for evidence in found.evidence for line in evidence.sample)

    def test_a_crashed_replica_does_not_matter_while_the_rest_keeps_up(self) -> None:
        found = findings(replicas=(replica(1), replica(2, "FATAL")), queue=queue(*line(0, 0), growth_per_minute=-1.0))
        assert found["initial_processing_is_down"].proof is R

    def test_replicas_that_were_stopped_together_are_started_together(self) -> None:
        stopped = (
            replica(1, "STOPPED", timedelta(seconds=30)),
            replica(2, "STOPPED", timedelta(seconds=31)),
            replica(3, "STOPPED", timedelta(days=1)),
            replica(4, "STOPPED", None),
        )
        found = findings(**{**DOWN, "replicas": stopped})["initial_processing_is_down"]
        assert [handle["name"] for handle in found.data["start"]] == [replica(1).name, replica(2).name]

    def test_a_replica_on_its_way_up_is_not_down(self) -> None:
        starting = (replica(1, "STARTING", timedelta(seconds=1)), *replicas()[1:])
        assert findings(**{**DOWN, "replicas": starting})["initial_processing_is_down"].proof is R

    def test_only_the_stuck_replica_is_restarted(self) -> None:
        found = findings(queue=queue(*line(0, 900), consumers=1), consumers=(consumer(2),))["worker_is_not_consuming"]
        assert [handle["name"] for handle in found.data["restart"]] == [replica(1).name]

    @pytest.mark.parametrize("consumers", [fakes.failing(ProbeFailure.NOT_CONFIGURED, "broker"), (consumer(7),)])
    def test_all_are_restarted_where_clients_do_not_say_who_they_are(self, consumers: Any) -> None:
        found = findings(queue=queue(*line(0, 900), consumers=1), consumers=consumers)["worker_is_not_consuming"]
        assert len(found.data["restart"]) == 2

    def test_a_replica_just_started_is_given_time(self) -> None:
        young = tuple(replica(number, since=timedelta(seconds=2)) for number in (1, 2))
        assert findings(**{**STUCK, "replicas": young})["worker_is_not_consuming"].proof is U


class TestRefusals:
    """When errors of the database in a log are over."""

    @pytest.mark.parametrize(
        ("ago", "count", "works", "expected"),
        [
            pytest.param(1, 100, True, C, id="a moment ago: some are refused while others work"),
            pytest.param(5, 100, True, R, id="they came every second and stopped"),
            pytest.param(8, 10, True, C, id="they came every few seconds and may go on"),
            pytest.param(11, 10, True, R, id="over, and messages are finished"),
            pytest.param(11, 10, False, R, id="over: the log went on with other things"),
            pytest.param(1, 1, True, C, id="one, just now"),
        ],
    )
    def test_proof(self, ago: float, count: int, works: bool, expected: Proof) -> None:
        told = errors(group("database", ago=timedelta(seconds=ago), count=count), last_line_at=fakes.now())
        found = findings(errors=told, queue=queue(*line(0, 900), acknowledge_rate=20.0 if works else 0.0))
        assert found["database_refuses_the_workers"].proof is expected

    @pytest.mark.parametrize(
        ("count", "expected"),
        [
            pytest.param(4, C, id="they came every 20 s: the next may"),
            pytest.param(100, R, id="they came every second: over, something else keeps the service silent"),
            pytest.param(1, U, id="one alone: nobody knows"),
        ],
    )
    def test_older_errors_while_nothing_else_is_logged(self, count: int, expected: Proof) -> None:
        """Bug: of a database that had refused a while ago, a worker that hung since was told to be refused still."""
        ago = timedelta(seconds=40)
        told = errors(group("database", ago=ago, count=count), last_line_at=fakes.now() - ago)
        found = findings(errors=told, queue=queue(*line(0, 900), acknowledge_rate=0.0))
        assert found["database_refuses_the_workers"].proof is expected


class TestNumbers:
    """How many replicas."""

    def test_the_number_is_arrival_by_capacity_with_headroom(self) -> None:
        found = findings(**FEW)["too_few_consumers"]
        assert (found.data["running"], found.data["to"]) == (2, 3)
        assert "100 1/s arrive and 2 replicas finish 80 1/s: 3 replicas are needed" in str(found.summary)
        assert any("÷ 40 1/s of each replica × 1.2" in str(evidence.statement) for evidence in found.evidence)
        assert str(found.advice[0]) == "With 3 replicas the 900 messages that wait are done in 45 s"

    @pytest.mark.parametrize(
        ("arrival", "used", "to"),
        [
            pytest.param(200.0, 4, 6, id="enough room"),
            pytest.param(400.0, 4, 8, id="no more than declared"),
            pytest.param(200.0, 18, 4, id="no more than the role's connections"),
            pytest.param(200.0, 20, 2, id="none"),
        ],
    )
    def test_the_number_is_bounded(self, arrival: float, used: int, to: int) -> None:
        given = queue(*line(0, 900), arrival_rate=arrival, acknowledge_rate=80.0)
        assert findings(queue=given, connections=connections(used))["too_few_consumers"].data["to"] == to

    @pytest.mark.parametrize(
        "changes", [{"max_connections": 30, "used": 26}, {"database_limit": 20, "database_used": 19}]
    )
    def test_server_and_database_bound_it_too(self, changes: dict[str, int]) -> None:
        given = queue(*line(0, 900), arrival_rate=200.0, acknowledge_rate=80.0)
        assert findings(queue=given, connections=connections(**changes))["too_few_consumers"].data["to"] == 3

    def test_nothing_is_added_when_the_room_is_not_known(self) -> None:
        found = findings(**{**FEW, "connections": fakes.failing(ProbeFailure.DENIED)})
        assert found["too_few_consumers"].data["to"] == 2


class TestRemedy:
    """The plan."""

    def test_starts_what_is_down(self) -> None:
        stopped = tuple(replica(number, "STOPPED", timedelta(seconds=30)) for number in (1, 2))
        steps = plan(findings(**{**DOWN, "replicas": stopped}))
        assert [(s.operation, s.arguments["name"], s.fingerprint) for s in steps] == [
            ("start", replica(1).name, {"state": "STOPPED"}),
            ("start", replica(2).name, {"state": "STOPPED"}),
        ]
        assert all(s.undo is not None and s.undo.operation == "stop" for s in steps)

    def test_restarts_what_is_stuck(self) -> None:
        steps = plan(findings(**STUCK))
        assert [(s.operation, s.fingerprint["pid"]) for s in steps] == [("restart", 101), ("restart", 102)]

    def test_scales_what_is_too_few(self) -> None:
        (step,) = plan(findings(**FEW))
        assert (step.operation, step.arguments) == ("scale", {"service": fakes.PROCESSING, "to": 3})
        assert (step.fingerprint, step.touches, step.population) == ({"running": 2}, 1, 8)
        assert step.undo is not None
        assert step.undo.arguments["to"] == 2

    def test_does_nothing_while_the_database_refuses(self) -> None:
        with pytest.raises(NoPlan, match="while the database refuses it"):
            plan(findings(**REFUSED))

    def test_does_nothing_while_the_database_might_refuse(self) -> None:
        blind = {"errors": fakes.failing(ProbeFailure.ABSENT), "connections": fakes.failing(ProbeFailure.DENIED)}
        with pytest.raises(NoPlan, match="cannot be seen"):
            plan(findings(**DOWN, **blind))

    def test_says_so_when_the_limits_allow_no_more(self) -> None:
        with pytest.raises(NoPlan, match="One more replica needs 1 connections; 0 are free"):
            plan(findings(**FEW, connections=connections(20)))
        with pytest.raises(NoPlan, match="no more than the 2 replicas"):
            plan(findings(**FEW, workers={"max_replicas": 2}))

    def test_has_nothing_to_do_when_all_is_well(self) -> None:
        assert plan(findings()) == []


def numbered(wanted: int, running: int, **changes: Any) -> tuple[Service, ...]:
    """The service as Kubernetes or a Swarm has it: a number, and no replicas with names that last."""
    plain: dict[str, Any] = {"wanted": wanted, "running": running, "numbered": True, "version": "u/3"}
    return (Service(name=fakes.PROCESSING, **{**plain, **changes}),)


PODS = tuple(replica(n, declared=False, life=f"uid-{n}", pid=None, keeper="Kubernetes") for n in (1, 2))
BUSY = {"queue": queue(*line(0, 900), arrival_rate=200.0, acknowledge_rate=80.0), "replicas": PODS}


class TestNumberedServices:
    """Process managers that keep a number: what the causes and the plan make of it."""

    def test_the_plan_names_the_version_and_undoes_to_the_number_before(self) -> None:
        (step,) = plan(findings(**BUSY, services=numbered(2, 2)))
        assert (step.arguments["to"], step.fingerprint) == (6, {"running": 2, "version": "u/3"})
        assert step.undo is not None
        assert (step.undo.arguments["to"], step.undo.fingerprint) == (2, {"running": 6})

    def test_the_words_say_the_arithmetic_and_the_plan_keeps_to_it(self) -> None:
        told = {
            **BUSY,
            "services": numbered(2, 2),
            "connections": connections(12),
            "workers": {"connections_per_replica": 5},
        }
        found = findings(**told)
        said = [str(e.statement) for e in found["too_few_consumers"].evidence]
        assert "4 more replicas need 20 connections; 8 are free" in said
        assert plan(found)[0].arguments["to"] == 3
        with pytest.raises(NoPlan, match="4 more replicas need 20 connections; 4 are free"):
            plan(findings(**{**told, "connections": connections(16)}))

    def test_the_sites_own_maximum_counts_too(self) -> None:
        limits = {"connections_per_replica": 5, "max_connections": 18}
        found = findings(**BUSY, services=numbered(2, 2), workers=limits)["too_few_consumers"]
        assert found.data["to"] == 3
        assert any("need 20 connections; 8 are free" in str(e.statement) for e in found.evidence)

    def test_a_number_that_an_autoscaler_owns_is_left_to_it(self) -> None:
        found = findings(**BUSY, services=numbered(2, 2, owner="HorizontalPodAutoscaler muses (2–4)"))
        assert found["too_few_consumers"].proof is C
        assert "raise its limits there" in str(found["too_few_consumers"].advice[0])
        with pytest.raises(NoPlan, match=r"belongs to HorizontalPodAutoscaler muses \(2–4\)"):
            plan(found)

    def test_what_cannot_be_seen_is_not_counted(self) -> None:
        found = findings(**BUSY, services=numbered(2, 2, unseen=("app2: silent",)))
        assert found["too_few_consumers"].proof is U
        assert "app2: silent" in str(found["too_few_consumers"].summary)
        none = findings(**{**DOWN, "replicas": ()}, services=numbered(0, 0, unseen=("app2: silent",)))
        assert none["initial_processing_is_down"].proof is U

    def test_a_service_scaled_to_none_gets_one(self) -> None:
        (step,) = plan(findings(**{**DOWN, "replicas": ()}, services=numbered(0, 0)))
        assert (step.operation, step.arguments["to"], step.fingerprint["running"]) == ("scale", 1, 0)

    def test_replicas_that_fall_by_themselves_are_not_started(self) -> None:
        fallen = tuple(
            replica(n, "BACKOFF", declared=False, problem="CrashLoopBackOff", keeper="Kubernetes") for n in (1, 2)
        )
        found = findings(**{**DOWN, "replicas": fallen}, services=numbered(2, 0))
        down = found["initial_processing_is_down"]
        assert down.proof is C
        assert "CrashLoopBackOff" in str(down.advice[0])
        assert down.evidence[0].source == "Kubernetes"
        assert plan(found) == []

    def test_stuck_ones_are_restarted_by_their_life_or_all_in_turn(self) -> None:
        told = {**STUCK, "replicas": PODS}
        steps = plan(findings(**told, services=numbered(2, 2)))
        assert [(s.operation, s.fingerprint["life"]) for s in steps] == [("restart", "uid-1"), ("restart", "uid-2")]
        (step,) = plan(findings(**told, services=numbered(2, 2, whole=True)))
        assert (step.operation, step.fingerprint, step.touches) == ("roll", {"running": 2, "version": "u/3"}, 2)


class TestDeadLetters:
    """QUEUE-02."""

    def verdict(self, *messages: int, earlier: Any = ()) -> Any:
        queues = tuple(queue(messages=count, name="muses.recepcion.muertos") for count in messages)
        return fakes.judged(check_no_dead_letters, broker=Told(dead_letters=queues), history=fakes.NoHistory(*earlier))

    @pytest.mark.parametrize(
        ("messages", "state"), [(0, State.OK), (1, State.WARNING), (100, State.WARNING), (101, State.CRITICAL)]
    )
    def test_state(self, messages: int, state: State) -> None:
        assert self.verdict(messages).state is state

    def test_says_how_many_are_new(self) -> None:
        found = self.verdict(25, earlier=((fakes.now(), 20.0),))
        assert "25 messages, 5 of them since" in str(found.summary)

    @pytest.mark.parametrize(
        ("told", "growth", "proof"),
        [
            (errors(group("message")), 0.0, C),
            (errors(group("database")), 5.0, R),
            (errors(), 0.0, U),
            (errors(lines=0), 5.0, U),
        ],
    )
    def test_cause(self, told: Any, growth: float, proof: Proof) -> None:
        broker = Told(dead_letters=(queue(growth_per_minute=growth),))
        assert messages_are_poisoned(Workers(), broker, Told(errors=told)).proof is proof


class TestReplay:
    """QUEUE-02: whether the cause is gone, and the plan that puts the dead letters back."""

    HOUR = timedelta(hours=1)
    NEW = (replica(1, since=timedelta(minutes=5)), replica(2, since=timedelta(minutes=6)))
    OLD = (replica(1, since=timedelta(hours=2)), replica(2, since=timedelta(hours=2)))

    def found(
        self,
        *earlier: tuple[timedelta, float],
        messages: int = 25,
        running: Any = NEW,
        told: Any = None,
        **work: Any,
    ) -> dict[str, Finding]:
        dead = queue(messages=messages, name="muses.recepcion.muertos")
        return fakes.diagnosed(
            check_no_dead_letters,
            workers=Workers(replicas=tuple(running)),
            broker=Told(dead_letters=(dead,), queues=(queue(**{"ready": 0, **work}),)),
            logs=Told(errors=told or errors()),
            history=fakes.NoHistory(*((fakes.now() - ago, count) for ago, count in earlier)),
        )

    def proof(self, *earlier: tuple[timedelta, float], **told: Any) -> Proof:
        return self.found(*earlier, **told)["cause_is_gone"].proof

    @pytest.mark.parametrize(
        ("told", "expected"),
        [
            pytest.param({}, C, id="none came for an hour, and the workers are new since"),
            pytest.param({"messages": 0}, R, id="there is none"),
            pytest.param({"running": OLD}, R, id="the workers are those that rejected them"),
            pytest.param({"running": (NEW[0], replica(2, since=timedelta(days=1)))}, R, id="one of them is"),
            pytest.param({"running": (replica(1, since=None),)}, U, id="how old the workers are is not known"),
            pytest.param({"running": ()}, R, id="nobody runs"),
            pytest.param({"consumers": 0}, R, id="nobody consumes"),
            pytest.param({"ready": 101}, R, id="the workers have enough to do"),
            pytest.param(
                {"told": errors(group("message", ago=timedelta(minutes=1)))},
                R,
                id="the new workers reject messages too",
            ),
            pytest.param(
                {"told": errors(group("message", ago=timedelta(minutes=30)))}, C, id="only the old workers rejected"
            ),
            pytest.param(
                {"told": msgspec.structs.replace(errors(), unseen=("app2: silent",))},
                U,
                id="part of the log cannot be read",
            ),
        ],
    )
    def test_cause_is_gone(self, told: dict[str, Any], expected: Proof) -> None:
        assert self.proof((self.HOUR, 25.0), **told) is expected

    def test_new_ones_that_came_a_moment_ago(self) -> None:
        assert self.proof((self.HOUR, 25.0), (timedelta(minutes=10), 24.0)) is R
        assert self.proof((self.HOUR, 24.0), (timedelta(minutes=14), 25.0)) is R
        assert self.proof((self.HOUR, 24.0), (timedelta(minutes=16), 25.0)) is C

    def test_what_no_earlier_run_saw_is_not_known(self) -> None:
        assert self.proof() is U

    def test_the_plan_says_how_many_go_first_and_that_nothing_takes_it_back(self) -> None:
        settings = ReplaySettings(most=10)
        (step,) = put_dead_letters_back(self.found((self.HOUR, 25.0)), Replaying(settings))
        assert (step.operation, step.arguments) == ("replay", {"queue": "muses.recepcion.muertos", "most": 10})
        assert (step.fingerprint, step.risk, step.undo) == ({"messages": 25}, Risk.HIGH, None)
        assert "Put 10 of 25 messages" in str(step.what)
        assert "5 first" in str(step.what)
        assert "cannot be undone" in str(step.what)

    def test_there_is_no_plan_while_the_cause_is_there(self) -> None:
        found = self.found((self.HOUR, 25.0), running=self.OLD)
        with pytest.raises(NoPlan, match="nothing shows a change"):
            list(put_dead_letters_back(found, Replaying(ReplaySettings())))


class Replaying:
    """The broker as the remedy asks it."""

    dead_letter_names = ("muses.recepcion.muertos",)

    def __init__(self, replaying: ReplaySettings) -> None:
        self.replaying = replaying
