"""The rows of the indexes on made-up targets: healthy, at the limit, beyond, blind; the causes and the plan."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from checks import _index_building, indexes
from runbook.errors import ProbeFailure
from runbook.model import Effect, Finding, Proof, Risk, State, Step
from runbook.rows import NoPlan, of
from runbook.targets.postgres.stored import ForeignKey, IndexUses, StoredIndex
from runbook.targets.postgres.structs import IndexProposal, Statement
from tests.checks.fakes import Told, diagnosed, failing, judged, proposal

DAY = timedelta(days=1)
LOOK_UP = "SELECT id_persona FROM tbmu002_persona WHERE curp = $1"
OTHER = "SELECT 1"


def key(**changes: Any) -> ForeignKey:
    plain: dict[str, Any] = {
        "table": "tbae010_error",
        "table_oid": 7,
        "column": "id_respuesta",
        "parent": "tbae009_respuesta",
        "rows": 50_000,
        "bytes": 10 << 20,
        "parent_deleted": 0,
        "index": None,
    }
    return ForeignKey(**{**plain, **changes})


def stored(name: str = "ix_curp", *columns: str, **changes: Any) -> StoredIndex:
    given = columns or ("curp",)
    plain: dict[str, Any] = {
        "schema": "muses_dev",
        "table": "tbmu002_persona",
        "name": name,
        "definition": f"CREATE INDEX {name} ON muses_dev.tbmu002_persona USING btree ({', '.join(given)})",
        "method": "btree",
        "key": given,
        "orders": ("1/0/0",) * len(given),
        "included": (),
        "predicate": "",
        "valid": True,
        "primary": False,
        "enforces": False,
        "identifies": False,
        "bytes": 100 << 20,
    }
    return StoredIndex(**{**plain, **changes})


def statement(query: str = LOOK_UP, mean: float = 0.2, calls: int = 100, id: str = "1") -> Statement:
    total = timedelta(seconds=mean * calls)
    return Statement(id=id, query=query, calls=calls, total=total, mean=total / calls, rows=calls)


def helping(**changes: Any) -> IndexProposal:
    made = proposal(statement=LOOK_UP)
    told = {"serves": (LOOK_UP,), "costs": ((made.cost_before, made.cost_after),), **changes}
    return msgspec.structs.replace(made, **told)


def uses(age: timedelta = 40 * DAY, **scans: int) -> IndexUses:
    return IndexUses(age=age, scans=scans, servers=1)


class TestForeignKeys:
    """INDEX-01."""

    check = staticmethod(indexes.check_foreign_keys_have_an_index)

    @pytest.mark.parametrize(
        ("found", "state"),
        [
            (key(index="hay"), State.OK),
            (key(rows=10_000), State.OK),
            (key(rows=10_001), State.WARNING),
            (key(rows=2_000_000), State.CRITICAL),
            (key(rows=2_000_000, parent="ctmu008_motivo_error"), State.OK),  # nobody deletes from a catalogue
            (key(rows=2_000_000, parent="tbmu020_alumno", parent_deleted=99), State.OK),
            (key(rows=2_000_000, parent="tbmu020_alumno", parent_deleted=100), State.CRITICAL),
        ],
    )
    def test_what_deletions_read_decides(self, found: ForeignKey, state: State) -> None:
        assert judged(self.check, database=Told(foreign_keys=(found,))).state is state

    def test_the_cause_is_what_the_planner_proves(self) -> None:
        helped = Told(foreign_keys=(key(),), index_proposals=(helping(),))
        assert diagnosed(self.check, database=helped)["foreign_key_lacks_its_index"].proof is Proof.CONFIRMED
        small = Told(foreign_keys=(key(),), index_proposals=())
        assert diagnosed(self.check, database=small)["foreign_key_lacks_its_index"].proof is Proof.RULED_OUT


class TestInvalid:
    """INDEX-02."""

    check = staticmethod(indexes.check_no_index_is_invalid)

    @pytest.mark.parametrize(
        ("found", "state"),
        [
            (stored(), State.OK),
            (stored(valid=False), State.WARNING),
            (stored(valid=False, phase="building index", percent=40.0), State.OK),
        ],
    )
    def test_a_leftover_is_told_and_a_build_is_none(self, found: StoredIndex, state: State) -> None:
        assert judged(self.check, database=Told(stored_indexes=(found,))).state is state

    def test_the_commands_are_a_persons(self) -> None:
        finding = diagnosed(self.check, database=Told(stored_indexes=(stored(valid=False),)))["build_was_interrupted"]
        (advice,) = map(str, finding.advice)
        assert "REINDEX INDEX CONCURRENTLY muses_dev.ix_curp;" in advice
        assert "DROP INDEX CONCURRENTLY muses_dev.ix_curp;" in advice
        assert of(self.check).treatment is None
        assert of(self.check).person is not None


class TestDuplicates:
    """INDEX-03."""

    check = staticmethod(indexes.check_no_index_is_duplicate)

    @pytest.mark.parametrize(
        ("others", "state"),
        [
            ((), State.OK),
            ((stored("b"),), State.WARNING),
            ((stored("b", bytes=1),), State.WARNING),
            ((stored("b", "curp", "rfc"),), State.WARNING),
            ((stored("b", "rfc", "curp"),), State.OK),
            ((stored("b", predicate="activo = 'A'"),), State.OK),
            ((stored("b", orders=("2/0/0",)),), State.OK),
            ((stored("b", table="tbmu020_alumno"),), State.OK),
            ((stored("b", valid=False),), State.OK),
        ],
    )
    def test_what_is_the_same(self, others: tuple[StoredIndex, ...], state: State) -> None:
        assert judged(self.check, database=Told(stored_indexes=(stored("ix_curp"), *others))).state is state

    def test_a_small_beginning_of_a_longer_one_may_stay(self) -> None:
        found = (stored("a", bytes=1 << 20), stored("b", "curp", "rfc"))
        assert judged(self.check, database=Told(stored_indexes=found)).state is State.OK

    def test_what_enforces_is_kept_whatever_its_name(self) -> None:
        both = (stored("a"), stored("b", enforces=True))
        finding = diagnosed(self.check, database=Told(stored_indexes=both))["index_is_spare"]
        (advice,) = map(str, finding.advice)
        assert advice.startswith("DROP INDEX CONCURRENTLY muses_dev.a;")
        assert "CREATE INDEX CONCURRENTLY a ON" in advice
        neither = (stored("a", enforces=True), stored("b", enforces=True))
        assert judged(self.check, database=Told(stored_indexes=neither)).state is State.OK


class TestUnused:
    """INDEX-04."""

    check = staticmethod(indexes.check_no_index_is_unused)

    def judged(self, found: StoredIndex, used: IndexUses | Exception, *keys: ForeignKey) -> Any:
        database = Told(stored_indexes=(found,), index_uses=used, foreign_keys=keys)
        return judged(self.check, database=database)

    @pytest.mark.parametrize(
        ("found", "used", "state"),
        [
            (stored(), uses(ix_curp=0), State.WARNING),
            (stored(), uses(ix_curp=1), State.OK),
            (stored(), uses(), State.OK),  # not counted is not unused
            (stored(), uses(31 * DAY, ix_curp=0), State.SKIPPED),
            (stored(primary=True), uses(ix_curp=0), State.OK),
            (stored(enforces=True), uses(ix_curp=0), State.OK),
            (stored(identifies=True), uses(ix_curp=0), State.OK),
            (stored(bytes=1 << 20), uses(ix_curp=0), State.OK),
        ],
    )
    def test_what_nobody_uses(self, found: StoredIndex, used: IndexUses, state: State) -> None:
        assert self.judged(found, used).state is state

    def test_a_foreign_keys_index_stays(self) -> None:
        held = key(table="tbmu002_persona", column="curp", index="ix_curp")
        assert self.judged(stored(), uses(ix_curp=0), held).state is State.OK

    def test_the_plan_is_a_persons(self) -> None:
        database = Told(stored_indexes=(stored(),), index_uses=uses(ix_curp=0), foreign_keys=())
        finding = diagnosed(self.check, database=database)["index_is_unused"]
        assert "DROP INDEX CONCURRENTLY muses_dev.ix_curp;" in str(finding.advice[0])
        assert of(self.check).treatment is None


class TestHeavyStatements:
    """INDEX-05."""

    check = staticmethod(indexes.check_heavy_statements_lack_no_index)

    @pytest.mark.parametrize(
        ("others", "state"),
        [(0, State.CRITICAL), (300, State.WARNING), (10_000, State.OK)],
    )
    def test_the_share_of_the_time_that_is_lost_decides(self, others: int, state: State) -> None:
        seen = (statement(), *([statement(OTHER, calls=others, id="2")] if others else []))
        assert judged(self.check, database=Told(statements=seen, index_proposals=(helping(),))).state is state

    @pytest.mark.parametrize(
        "seen",
        [
            (),
            (statement(mean=0.0005),),  # short
            (statement(mean=0.002, calls=10), statement(OTHER, id="2")),  # rare
            (statement("SELECT * FROM pg_class"),),  # not ours
        ],
    )
    def test_what_is_not_heavy_is_not_asked_about(self, seen: tuple[Statement, ...]) -> None:
        database = Told(statements=seen)  # has no proposals: asking would fail
        assert judged(self.check, database=database).state is State.OK

    def test_what_the_planner_does_not_prove_is_no_breach(self) -> None:
        doubtful = helping(proven=False)
        assert (
            judged(self.check, database=Told(statements=(statement(),), index_proposals=(doubtful,))).state is State.OK
        )

    def test_what_repeated_short_calls_cost_counts(self) -> None:
        seen = (statement(mean=0.002, calls=50_000),)
        assert judged(self.check, database=Told(statements=seen, index_proposals=(helping(),))).state is State.CRITICAL

    def test_the_finding_tells_what_a_person_should_know(self) -> None:
        long = helping(hot_lost=True, assumed=(1, 2), build_estimate=timedelta(hours=1))
        database = Told(statements=(statement(),), index_proposals=(long,))
        finding = diagnosed(self.check, database=database)["index_is_missing"]
        assert finding.proof is Proof.CONFIRMED
        assert len(finding.advice) == 3

    @pytest.mark.parametrize("kind", [ProbeFailure.BLIND, ProbeFailure.SLOW])
    def test_blind_is_not_green(self, kind: ProbeFailure) -> None:
        with pytest.raises(type(failing(kind))):
            judged(self.check, database=Told(statements=(statement(),), index_proposals=failing(kind)))


def planned(*proposals: IndexProposal) -> list[Step]:
    handles = [_index_building.handle(one) for one in proposals]
    finding = Finding(proof=Proof.CONFIRMED, summary=of(TestHeavyStatements.check).title, data={"indexes": handles})
    return list(indexes.build_what_is_missing({"index_is_missing": finding}))


def test_the_plan_builds_and_can_be_undone() -> None:
    where = {"column": "activo", "values": ["A"]}
    (step,) = planned(helping(where=where))
    assert (step.operation, step.risk, step.effect) == ("create_index", Risk.MEDIUM, Effect.CHANGE)
    assert step.arguments["where"] == where
    assert step.arguments["serves"] == [LOOK_UP]
    assert "curp WHERE activo IN (A)" in str(step.what)
    assert step.fingerprint == {"table_oid": 16400, "equivalent": None}
    assert step.undo is not None
    assert step.undo.operation == "drop_index"


def test_a_long_build_is_a_persons() -> None:
    short, long = helping(), helping(build_estimate=timedelta(minutes=6))
    assert len(planned(short, long)) == 1
    with pytest.raises(NoPlan) as caught:
        planned(long)
    assert "quiet hour" in str(caught.value.reason)


def test_without_proof_nothing_is_planned() -> None:
    with pytest.raises(NoPlan):
        planned()
