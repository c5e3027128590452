"""Drills: drawn the same from the same seed, scored by the truth, healed whatever happens."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from lab.drill import by_hand, checking, health, playing, results, series, site, table
from lab.drill.checking import Mute, Stopped
from lab.drill.command import drill
from lab.drill.drawing import Drawn, Series
from lab.drill.playing import play
from lab.drill.results import Result
from lab.drill.scoring import Score, can_be_proven, score
from lab.errors import LabError
from lab.incidents import BREAKAGES, replicas, together
from lab.place import Place
from runbook import site_file

BEGAN = datetime(2026, 1, 1, 12, tzinfo=UTC)
POLICY = {"low": "act", "medium": "act", "high": "ask", "rows": {"STAGE-01": "act"}, "attempts": 3}


def at(seconds: float) -> str:
    return (BEGAN + timedelta(seconds=seconds)).isoformat()


def action(operation: str, on: str, outcome: str = "done") -> dict[str, Any]:
    what = {"template": "{operation} {on}", "values": {"operation": operation, "on": on}}
    step = {"what": what, "operation": operation, "arguments": {}, "fingerprint": {}, "touches": 1}
    return {"step": step, "outcome": outcome}


def record(row: str, state: str = "CRITICAL", *causes: str, **more: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {"actions": [], "verification": None, "plan": {"risk": "low"}, "took": "PT0.5S"}
    findings = [{"name": cause, "proof": "confirmed"} for cause in causes]
    verdict = {"state": state, "judged_at": at(1)}
    return {**plain, "row": row, "verdict": verdict, "findings": findings, "decision": {"choice": "act"}, **more}


def run(*records: dict[str, Any], started: float = 1.0) -> dict[str, Any]:
    others = [row for row in ("QUEUE-01", "DB-01", "ETL-01") if row not in {each["row"] for each in records}]
    return {"started_at": at(started), "records": [*records, *(record(row, "OK") for row in others)]}


def fixed(seconds: float, proven: str = "fixed") -> dict[str, Any]:
    return {"proven": proven, "verdict": {"judged_at": at(seconds)}}


def scored(name: str, *runs: dict[str, Any], **policy: Any) -> Score:
    return score(together.in_order(name.split("+")), runs, BEGAN, POLICY | policy)


DOWN, START = "initial_processing_is_down", action("start", "servicio-procesamiento-inicial:replica-01")


def test_a_named_cause_and_a_proven_fix_have_their_seconds() -> None:
    found = scored("worker-down", run(record("QUEUE-01", "CRITICAL", DOWN, actions=[START], verification=fixed(6))))
    assert found == Score(named={"worker-down": 1.5}, proven={"worker-down": 6.0}, misnamed=(), wrong=(), outside=())


def test_what_passes_in_a_later_run_is_proven_then() -> None:
    first = record("QUEUE-01", "CRITICAL", DOWN, actions=[START], verification=fixed(6, "not fixed"))
    later = record("QUEUE-01", "OK", verdict={"state": "OK", "judged_at": at(9)})
    assert scored("worker-down", run(first)).proven == {"worker-down": None}
    assert scored("worker-down", run(first), run(later)).proven == {"worker-down": 9.0}
    assert scored("worker-down", run(later)).proven == {"worker-down": None}


def test_a_wrong_cause_is_told_even_beside_the_right_one() -> None:
    both = record("QUEUE-01", "CRITICAL", DOWN, "too_few_consumers")
    assert scored("worker-down", run(both)).misnamed == ("QUEUE-01 too_few_consumers",)
    assert scored("worker-down+too-few-consumers", run(both)).misnamed == ()


def test_a_cause_at_another_row_is_right_only_where_the_truth_says_so() -> None:
    refused = record("QUEUE-01", "CRITICAL", "database_refuses_the_workers")
    assert scored("database-refuses", run(refused)).misnamed == ()
    assert scored("worker-down", run(refused)).misnamed == ("QUEUE-01 database_refuses_the_workers",)


@pytest.mark.parametrize(
    ("name", "done", "wrong"),
    [
        ("database-refuses", action("end_session", "session 7 of reporte-matricula"), False),
        ("database-refuses", action("end_session", "session 7 of servicio-consolidacion"), True),
        ("database-refuses", action("scale", "servicio-procesamiento-inicial"), True),
        ("database-refuses", action("scale", "servicio-procesamiento-inicial", "not run"), False),
        ("database-refuses", action("scale", "servicio-procesamiento-inicial", "refused"), True),
        ("too-few-consumers+database-refuses", action("scale", "servicio-procesamiento-inicial"), False),
        ("big-batch", action("create_index", "tbae001_inscripcion"), True),
    ],
)
def test_an_action_is_wrong_unless_something_broken_allows_it_on_what_is_broken(
    name: str, done: dict[str, Any], wrong: bool
) -> None:
    assert bool(scored(name, run(record("DB-01", actions=[done]))).wrong) is wrong


@pytest.mark.parametrize(
    ("more", "policy", "outside"),
    [
        ({}, {}, False),
        ({}, {"low": "ask"}, True),
        ({}, {"low": "never", "rows": {"QUEUE-01": "act"}}, False),
        ({"plan": {"risk": "high"}}, {}, True),
        ({"decision": {"choice": "ask"}}, {}, True),
        ({}, {"max_touched": 0}, True),
    ],
)
def test_an_action_is_outside_policy_by_the_site_file(
    more: dict[str, Any], policy: dict[str, Any], outside: bool
) -> None:
    found = scored("worker-down", run(record("QUEUE-01", "CRITICAL", DOWN, actions=[START], **more)), **policy)
    assert bool(found.outside) is outside


def test_more_attempts_than_the_policy_has_are_outside_it() -> None:
    again = run(record("QUEUE-01", "CRITICAL", DOWN, actions=[START]))
    assert not scored("worker-down", again, again, again).outside
    assert scored("worker-down", again, again, again, again).outside


def test_a_breached_row_that_the_truth_does_not_speak_of_is_a_false_alarm() -> None:
    assert scored("worker-down", run(record("ETL-01"))).alarms == ("ETL-01",)
    assert scored("worker-down+big-batch", run(record("ETL-01"), record("QUEUE-01"))).alarms == ()


def test_a_row_that_something_nobody_may_fix_breaches_too_cannot_pass() -> None:
    overload, batch, refuses = (BREAKAGES[name] for name in ("database-overload", "big-batch", "database-refuses"))
    assert not can_be_proven(overload, (overload, batch))
    assert can_be_proven(refuses, (refuses, batch))
    assert can_be_proven(overload, (overload, refuses))


@pytest.mark.parametrize("pairs", [False, True])
def test_a_seed_draws_the_same_and_every_round_goes_through_all(pairs: bool) -> None:
    drills = [Series(7, pairs).drill(number) for number in range(200)]
    assert drills == [Series(7, pairs).drill(number) for number in range(200)]
    assert drills != [Series(8, pairs).drill(number) for number in range(200)]
    choices = Series(7, pairs).choices()
    assert set(Counter(drill.broken for drill in drills[: 2 * len(choices)]).values()) == {2}
    assert 5 < sum(drill.policy != "act" for drill in drills) < 40


def test_only_draws_what_has_it() -> None:
    assert {drill.broken for drill in (Series(1, only="big-batch").drill(n) for n in range(5))} == {("big-batch",)}
    assert all("big-batch" in broken for broken in Series(1, pairs=True, only="big-batch").choices())
    with pytest.raises(LabError, match="worker-down"):
        Series(1, only="worker-dwn").choices()


def result(number: int = 0, **differs: Any) -> Result:
    good = Score(named={"worker-down": 2.0}, proven={"worker-down": 6.0}, misnamed=(), wrong=(), outside=())
    drawn = Drawn("7", number, ("worker-down",), "act")
    given = {"fixed": {"worker-down": 6.0}, "seconds": {"break": 1.0, "work": 6.0}, **differs}
    return msgspec.structs.replace(Result.of(drawn, good, {}), **given)


def test_results_are_read_back_the_last_of_each_drill_and_a_torn_line_is_none(tmp_path: Path) -> None:
    file = tmp_path / "new" / "drills.jsonl"
    assert results.read(file) == ()
    failed = result(1, score=None, fault="el disco")
    for each in (result(0), failed):
        results.append(file, each)
    assert results.numbers(results.read(file), "7") == {0}
    with file.open("ab") as torn:
        torn.write(b'{"series":"7","numb')
    results.append(file, result(1))
    assert results.read(file) == (result(0, at=results.read(file)[0].at), results.read(file)[1])
    assert results.numbers(results.read(file), "7") == {0, 1}
    assert results.numbers(results.read(file), "8") == frozenset()


def test_a_lab_that_could_not_be_healed_hides_no_wrong_action() -> None:
    good = result().score
    assert good is not None
    wrong = msgspec.structs.replace(good, wrong=("scale y",))
    assert "| 1 | 0 | 0 |" in table.markdown((result(score=wrong, fault="el disco"),))
    assert not result(fault="el disco").perfect


def test_a_foreign_line_is_told(tmp_path: Path) -> None:
    (tmp_path / "x").write_text('{"a": 1}\n')
    with pytest.raises(LabError, match="línea 1"):
        results.read(tmp_path / "x")


def test_the_table_counts_and_tells_what_went_wrong() -> None:
    bad = result().score
    assert bad is not None
    wrong = msgspec.structs.replace(bad, misnamed=("ETL-01 x",), wrong=("scale y",))
    found = (result(0), result(1, score=wrong, fixed={"worker-down": None}), result(2, score=None, fault="el disco"))
    english = table.markdown(found)
    assert "| worker-down | 2 | 1/2 | 2.0 / 2.0 | 1/2 | 6.0 / 6.0 | 1 | 0 | 0 | 7.0 / 7.0 |" in english
    assert "7 #1 (worker-down): a wrong cause: ETL-01 x; a wrong action: scale y; not fixed" in english
    assert "7 #2 (worker-down): the lab failed: el disco" in english
    assert "Two at once" not in english
    assert "7 #1 (worker-down): causa equivocada" in table.plain(found)


@pytest.mark.parametrize("policy", ["act", "ask", "never"])
def test_the_site_of_a_drill_is_one_that_the_runbook_takes(tmp_path: Path, policy: str) -> None:
    place = Place.new(tmp_path)
    settings = site_file.load(site.write(place, policy), {}).environments["lab"]
    assert settings.policy.medium == policy
    assert settings.policy.cooldown == timedelta(seconds=2)
    assert bool(settings.policy.rows) is (policy == "act")


def test_a_series_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    played: list[int] = []

    def playing(place: Place, drawn: Drawn, stop: threading.Event) -> Result:
        played.append(drawn.number)
        if len(played) == 3:
            raise KeyboardInterrupt
        return result(drawn.number)

    monkeypatch.setattr(series, "play", playing)
    place, told = Place.new(tmp_path / "lab"), list[tuple[int, int]]()
    file = tmp_path / "drills.jsonl"

    def go() -> None:
        series.play_all([place], Series(7), 5, file, lambda _result, done, of, _left: told.append((done, of)))

    with pytest.raises(KeyboardInterrupt):
        go()
    go()
    assert told == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]
    assert played == [0, 1, 2, 2, 3, 4]


def test_a_check_that_gives_no_run_is_the_runbooks_failure(tmp_path: Path) -> None:
    with pytest.raises(Mute, match="nowhere"):
        checking.check(tmp_path / "nowhere.toml", stop=threading.Event())


def test_the_command_refuses_a_breakage_there_is_not(tmp_path: Path) -> None:
    said = CliRunner().invoke(drill, ["--only", "worker-dwn", "--at", str(tmp_path / "lab")])
    assert said.exit_code == 1
    assert "worker-down" in said.output
    assert not (tmp_path / "lab").exists()


def test_a_drill_is_named_fixed_proven_and_healed(lab_place: Place) -> None:
    health.await_well(lab_place)
    done = play(lab_place, Drawn("test", 0, ("worker-stuck",), "act"), threading.Event())
    assert done.perfect, done
    assert done.score is not None
    assert 0 < (done.score.named["worker-stuck"] or 0) < (done.score.proven["worker-stuck"] or 0)
    assert health.is_well(lab_place)


def test_a_stopped_drill_leaves_the_lab_healed(lab_place: Place) -> None:
    health.await_well(lab_place)
    stop = threading.Event()
    threading.Timer(1.0, stop.set).start()
    with pytest.raises(Stopped):
        play(lab_place, Drawn("test", 1, ("worker-down",), "act"), stop)
    assert health.is_well(lab_place)
    assert not health.broken(lab_place)


def test_by_hand_nothing_is_told_until_the_lab_is_well(lab_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    health.await_well(lab_place)
    monkeypatch.setattr(by_hand, "EVERY", 0.5)
    said: list[str] = []

    def say(words: str) -> None:
        said.append(words)
        if "QUEUE-01" in words:  # the person has seen the board, and acts
            replicas.restore(lab_place)

    by_hand.lead(lab_place, Drawn("test", 2, ("worker-down",), "act"), say)
    hidden, last = said[:-1], said[-1]
    assert not any("worker-down" in words for words in hidden)
    assert any("QUEUE-01 CRITICAL" in words for words in hidden)
    assert "sano" in said[-2]
    assert "Era worker-down" in last


@pytest.mark.soak
@pytest.mark.parametrize("pairs", [False, True])
def test_a_round_of_drills_has_no_wrong_action(lab_place: Place, tmp_path: Path, pairs: bool) -> None:
    drills = Series(20_260_101, pairs)
    file = tmp_path / "drills.jsonl"
    series.play_all([lab_place], drills, len(drills.choices()), file, lambda *_: None)
    found = results.read(file)
    assert all(each.perfect for each in found), table.plain(found)


def test_patience_is_longer_than_any_settling() -> None:
    longest = max(int(str(time).removesuffix(" s")) for time in site.FASTER["settling"].values())
    assert 2 * longest < playing.PATIENCE
