"""The smallest set of indexes that serves a workload: greedily, each index by what it still saves less what it costs.

Pure. A statement uses one index of those offered for a table: its cost under a set is the lowest under any of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from runbook.targets.postgres.candidates import Candidate

#: What does not even halve a statement's cost is not worth telling of.
WORTH = 2.0
#: A longer index must be better by this much: each column costs at every insert.
_SHORTER_IS_BETTER = 1.1
#: The share of the whole gain below which an index is left out, or merged into a longer one that begins with it.
_TOO_LITTLE, _MERGED = 0.001, 0.1


@dataclass(frozen=True)
class Load:
    """One statement: how often it runs, its cost as things stand, and its cost with each candidate that it uses."""

    calls: float
    before: float
    after: dict[int, float]


@dataclass(frozen=True)
class Priced:
    """A candidate and what keeping it up costs in the time in which the calls were counted, in the planner's units."""

    candidate: Candidate
    upkeep: float = 0.0


def chosen(loads: Sequence[Load], priced: Sequence[Priced]) -> tuple[int, ...]:
    """The places of the candidates worth having, the one that saves most first."""
    found: list[int] = []
    while (best := _next(loads, priced, found)) is not None:
        found.append(best)
    kept = _merged(loads, priced, found)
    whole = _saved(loads, kept)
    return tuple(one for one in kept if whole - _saved(loads, _without(kept, one)) >= _TOO_LITTLE * whole)


def _next(loads: Sequence[Load], priced: Sequence[Priced], found: Sequence[int]) -> int | None:
    """The shortest of those that are about as good as the best."""
    now = [_cost(load, found) for load in loads]
    net = {
        place: _gain(loads, now, place) - one.upkeep
        for place, one in enumerate(priced)
        if place not in found and _worth(loads, now, place)
    }
    good = {place: gain for place, gain in net.items() if gain > _least(loads, priced, found, place)}
    if not good:
        return None
    near = [place for place, gain in good.items() if gain * _SHORTER_IS_BETTER >= max(good.values())]
    return min(near, key=lambda place: (_size(priced[place].candidate), -good[place]))


def _least(loads: Sequence[Load], priced: Sequence[Priced], found: Sequence[int], place: int) -> float:
    """A longer one in the place of one that is chosen must be worth the change."""
    shorter = [one for one in found if priced[one].candidate.begins(priced[place].candidate)]
    return _MERGED * _saved(loads, shorter)


def _size(candidate: Candidate) -> tuple[int, bool]:
    """Of two that are as short, the one for all rows last: the other is smaller."""
    return len(candidate.columns), candidate.where is None


def _worth(loads: Sequence[Load], now: Sequence[float], place: int) -> bool:
    return any(place in load.after and cost >= WORTH * load.after[place] for load, cost in zip(loads, now, strict=True))


def _merged(loads: Sequence[Load], priced: Sequence[Priced], found: list[int]) -> list[int]:
    """Without those that begin another one, where that serves their statements nearly as well."""
    kept = list(found)
    for one in sorted(found, key=lambda place: len(priced[place].candidate.columns)):
        longer = [other for other in kept if priced[one].candidate.begins(priced[other].candidate)]
        lost = _saved(loads, kept) - _saved(loads, _without(kept, one))
        if longer and lost <= _MERGED * _saved(loads, [one]):
            kept.remove(one)
    return kept


def _without(places: Iterable[int], one: int) -> list[int]:
    return [place for place in places if place != one]


def _cost(load: Load, places: Iterable[int]) -> float:
    return min((load.before, *(load.after[place] for place in places if place in load.after)))


def _gain(loads: Sequence[Load], now: Sequence[float], place: int) -> float:
    pairs = zip(loads, now, strict=True)
    return sum(load.calls * max(cost - load.after.get(place, cost), 0.0) for load, cost in pairs)


def _saved(loads: Sequence[Load], places: Sequence[int]) -> float:
    return sum(load.calls * (load.before - _cost(load, places)) for load in loads)
