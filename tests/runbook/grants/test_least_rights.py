"""Every row with exactly the printed rights on real servers, and with each right taken away in turn: never a false OK.

The rights and the rows are read from the declarations: a new row, or a new phrase of ``needs=``, is covered as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import chain
from typing import Any

import pytest

from lab.place import Place
from runbook.commands.catalogue import load_rows
from runbook.errors import ActionError
from runbook.grants.asked import asks
from runbook.grants.granting import Grant, needs
from runbook.grants.needs import Need
from runbook.model import State, Verdict
from runbook.rows import Row
from tests.runbook.grants.ground import Broker, Ground, Judged, asked_by, used

ROWS = tuple(row for row in load_rows() if row.check.__module__.startswith("checks."))  # not those of other tests
PROVEN = ("postgresql", "rabbitmq", "s3")


def rights(system: str) -> list[Need]:
    """What any row needs of the reader to be judged, at one system."""
    found = chain.from_iterable(needs(asks(row).check) for row in ROWS)
    return sorted({need for need in found if need.system == system})


def named(need: Need) -> str:
    return " ".join(filter(None, (need.right, need.of)))


def asking(system: str) -> list[Row]:
    return [row for row in ROWS if any(need.system == system for need in needs(asks(row).check))]


@pytest.fixture(scope="module")
def ground(lab_place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """All rights are given; whoever takes one away gives it back."""
    broker = Broker(tmp_path_factory.mktemp("broker"))
    ground = Ground(lab_place, tmp_path_factory.mktemp("least"), broker)
    try:
        broker.start(ground.password)
        with ground.role(), ground.key(), ground.archived():
            ground.execute(*(grant.give for grant in ground.rights(ROWS, "postgresql")))
            ground.allow(ground.rights(ROWS, "s3"))
            for grant in ground.rights(ROWS, "rabbitmq"):
                broker.run(grant.give)
            yield ground
    finally:
        broker.kill()
        ground.close()


@pytest.fixture(scope="module")
def whole(ground: Ground) -> Judged:
    """All rows with all their rights."""
    return ground.judged([row for system in PROVEN for row in asking(system)])


def test_with_the_printed_rights_nothing_is_denied_or_blind(whole: Judged) -> None:
    refused = [r for r in whole.readings if r.failure in ("denied", "blind")]
    assert not refused, [(r.target, r.request, r.error) for r in refused]
    assert sum(verdict.state is State.OK for verdict in whole.verdicts.values()) > len(whole.verdicts) / 2


def test_all_that_was_read_had_been_seen_in_the_rows_code(whole: Judged) -> None:
    judged = [row for row in ROWS if row.id in whole.verdicts]
    unseen = {one: row.id for row in judged for one in whole.verdicts[row.id].readings if not asked_by(one, row)}
    assert unseen == {}


@pytest.mark.parametrize("need", rights("postgresql"), ids=named)
def test_without_one_right_in_the_database_no_row_is_ok_that_needs_it(
    ground: Ground, whole: Judged, need: Need
) -> None:
    grant = of(ground, need)
    ground.execute(grant.take)
    try:
        never_falsely_ok(ground, whole, need)
    finally:
        ground.execute(grant.give)


@pytest.mark.parametrize("need", rights("rabbitmq"), ids=named)
def test_without_one_right_at_the_broker_no_row_is_ok_that_needs_it(ground: Ground, whole: Judged, need: Need) -> None:
    grant = of(ground, need)
    ground.broker.run(grant.take)
    try:
        never_falsely_ok(ground, whole, need)
    finally:
        ground.broker.run(grant.give)


@pytest.mark.parametrize("action", sorted({need.right for need in rights("s3")}))
def test_without_one_action_on_the_buckets_no_row_is_ok_that_needs_it(
    ground: Ground, whole: Judged, action: str
) -> None:
    given = ground.rights(ROWS, "s3")
    ground.allow([grant for grant in given if grant.need.right != action])
    try:
        never_falsely_ok(ground, whole, *(grant.need for grant in given if grant.need.right == action))
    finally:
        ground.allow(given)


def operations() -> list[tuple[str, Need]]:
    """The operations on the database that some remedy may do, each with every right that it declares."""
    found = {one for row in ROWS for one in asks(row).operations if one.target == "database"}
    told = ((one.name, need) for one in found for need in needs([one]))
    return sorted((name, need) for name, need in told if need.right != "log in")  # the owner's members get in by that


#: What each operation is tried with; ``end_session`` is given a session to end.
TRIED: dict[str, dict[str, Any]] = {
    "analyze": {"table": "tbae005_asistencias"},
    "create_index": {"table": "tbae005_asistencias", "columns": ["curp"], "name": "ix_muses_tbae005_asistencias_curp"},
    "drop_index": {"name": "ix_muses_tbae005_asistencias_curp"},
}


@pytest.fixture(scope="module")
def acting(ground: Ground) -> Ground:
    """The operator holds all that the remedies need in the database."""
    ground.execute(*(grant.give for grant in ground.rights(ROWS, "postgresql", "operator")))
    return ground


@pytest.mark.parametrize("name", sorted({name for name, _ in operations()}))
def test_the_operator_acts_with_the_printed_rights(acting: Ground, name: str) -> None:
    with doing(acting, name) as act:
        act()


@pytest.mark.parametrize(("name", "need"), operations(), ids=lambda one: one if isinstance(one, str) else named(one))
def test_without_one_right_the_operator_does_nothing_and_says_so(acting: Ground, name: str, need: Need) -> None:
    (grant,) = (grant for grant in acting.rights(ROWS, "postgresql", "operator") if grant.need == need)
    with doing(acting, name) as act:
        acting.execute(grant.take)
        try:
            with pytest.raises(ActionError):
                act()
        finally:
            acting.execute(grant.give)


@contextmanager
def doing(ground: Ground, name: str) -> Iterator[Callable[[], None]]:
    """An operation made ready; calling it raises ActionError where it does not happen."""
    with closing(ground.database()) as database, ExitStack() as ready:
        if name == "end_session":
            asked, fingerprint = ready.enter_context(ground.session(database))
        else:
            asked, fingerprint = TRIED[name], {}
        if name == "drop_index":
            database.create_index(**TRIED["create_index"], fingerprint={})
        if name == "create_index":
            ready.callback(ground.execute, f"DROP INDEX IF EXISTS {ground.place.schema}.{asked['name']}")
        yield lambda: getattr(database, name)(**asked, fingerprint=fingerprint)


@pytest.mark.soak
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_row_is_judged_with_what_is_printed_for_it_alone(ground: Ground, row: Row) -> None:
    """Nothing is denied to it, and it is not blind."""
    given, own = ground.rights(ROWS, "postgresql"), {grant.need for grant in ground.rights([row], "postgresql")}
    ground.execute(*(grant.take for grant in given if grant.need not in own and grant.need.right != "extension"))
    ground.allow(ground.rights([row], "s3"))
    try:
        found = ground.judged([row])
        refused = [one for one in found.readings if one.failure in ("denied", "blind")]
        assert not refused, [(one.request, one.error) for one in refused]
    finally:
        ground.execute(*(grant.give for grant in given))
        ground.allow(ground.rights(ROWS, "s3"))


def of(ground: Ground, need: Need) -> Grant:
    (grant,) = (grant for grant in ground.rights(ROWS, need.system) if grant.need == need)
    return grant


def never_falsely_ok(ground: Ground, whole: Judged, *taken: Need) -> None:
    """A row that is OK without a right saw all that it had seen with it.

    Skipped, visibly, where no row of this lab was judged by it: a promise of a bucket may be proven in another way.
    """
    affected = [row for row in ROWS if needing(row, whole, taken)]
    less = ground.judged(affected)
    still = [row for row in affected if less.verdicts[row.id].state is State.OK]
    wrong = {row.id: str(less.verdicts[row.id].summary) for row in still if saw_less(row, less, whole, taken)}
    assert not wrong
    if len(still) == len(affected):
        pytest.skip(f"no row of this lab needed {', '.join(map(named, taken))}")


def saw_less(row: Row, less: Judged, whole: Judged, taken: Collection[Need]) -> bool:
    """Of the database and the broker each reading must be the same, of the store each thing that was found in order."""
    if all(need.system == "s3" for need in taken):
        return not in_order(whole.verdicts[row.id]) <= in_order(less.verdicts[row.id])
    return any(seen(less, one) != seen(whole, one) for one in needing(row, whole, taken))


def in_order(verdict: Verdict) -> set[str]:
    return {measure.object for measure in verdict.measures if measure.state is State.OK}


def needing(row: Row, whole: Judged, taken: Collection[Need]) -> list[str]:
    """The readings that the row was judged by and that one of these rights is needed for."""
    verdict = whole.verdicts.get(row.id)
    return [one for one in verdict.readings if used(one, row) & set(taken)] if verdict else []


def seen(judged: Judged, request: str) -> object:
    """The value of a reading; its failure where it has none."""
    found = (one for one in judged.readings if f"{one.target}.{one.request}" == request)
    return next(((one.value, one.failure) for one in found), None)
