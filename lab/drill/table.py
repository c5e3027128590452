"""The results of drills as a table: in Spanish for the terminal, in English for docs/drills.md. Pure."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from lab.drill.results import Result

Line = tuple[str, ...]

_SPANISH = {
    "head": "Incidente|Simulacros|Causa|Nombrada, s|Corregidos|Probado, s|Erradas|Fuera|Alarmas de más|Total, s",
    "all": "Todos",
    "fault": "el laboratorio falló: {}",
    "mute": "«check» no dio resultado: {}",
    "unnamed": "no se nombró la causa de {}",
    "misnamed": "causa equivocada: {}",
    "wrong": "acción errada: {}",
    "outside": "acción fuera de la política: {}",
    "alarm": "alarma de más: {}",
    "unfixed": "no se corrigió o no se probó: {}",
}
_ENGLISH = {
    "head": "Breakage|Drills|Cause right|Named, s|Fixed|Proven, s|Wrong actions|Outside policy|False alarms|In all, s",
    "all": "All",
    "fault": "the lab failed: {}",
    "mute": "`check` gave no run: {}",
    "unnamed": "the cause of {} was not named",
    "misnamed": "a wrong cause: {}",
    "wrong": "a wrong action: {}",
    "outside": "an action outside policy: {}",
    "alarm": "a false alarm: {}",
    "unfixed": "not fixed or not proven: {}",
}
_TITLES = ("## One breakage at a time", "## Two at once")


def plain(results: Sequence[Result]) -> str:
    """For a terminal."""
    lines = _lines(results, _SPANISH)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    shown = ["  ".join(map(str.rjust, line, widths)) for line in lines]
    return "\n".join([*shown, *_remarks(results, _SPANISH)])


def markdown(results: Sequence[Result]) -> str:
    """Drills with one breakage and with two, each with what did not go as it should."""
    kinds = [[each for each in results if (len(each.broken) > 1) is several] for several in (False, True)]
    return "\n\n".join(
        "\n".join([title, "", *_table(kind), "", *(f"- {remark}" for remark in _remarks(kind, _ENGLISH))]).rstrip()
        for title, kind in zip(_TITLES, kinds, strict=True)
        if kind
    )


def _table(results: Sequence[Result]) -> Iterator[str]:
    head, *lines = _lines(results, _ENGLISH)
    for line in (head, ("---", *["---:"] * (len(head) - 1)), *lines):
        yield f"| {' | '.join(line)} |"


def _lines(results: Iterable[Result], words: dict[str, str]) -> list[Line]:
    """The head, one line for each breakage (a pair counts for both), and the sum of all drills.

    Seconds are the median and, behind the slash, what nine of ten stay within.
    """
    played = [result for result in results if result.score]
    by_name: dict[str, list[Result]] = defaultdict(list)
    for result in played:
        for name in result.broken:
            by_name[name].append(result)
    lines = [_line(name, by_name[name], {name}) for name in sorted(by_name)]
    return [tuple(words["head"].split("|")), *lines, _line(words["all"], played, set(by_name))]


def _line(title: str, results: Sequence[Result], names: set[str]) -> Line:
    scores = [result.score for result in results if result.score]
    fixed = [at for result in results for name, at in result.fixed.items() if name in names]
    named = [at for score in scores for name, at in score.named.items() if name in names and at is not None]
    return (
        title,
        str(len(results)),
        f"{sum(result.named_right for result in results)}/{len(results)}",
        _seconds(named),
        f"{sum(at is not None for at in fixed)}/{len(fixed)}" if fixed else "—",
        _seconds([at for at in fixed if isinstance(at, float)]),
        str(sum(len(score.wrong) for score in scores)),
        str(sum(len(score.outside) for score in scores)),
        str(sum(len(score.alarms) for score in scores)),
        _seconds([sum(result.seconds.values()) for result in results]),
    )


def _seconds(values: Sequence[float]) -> str:
    if not values:
        return "—"
    ninth = sorted(values)[math.ceil(0.9 * len(values)) - 1]
    return f"{statistics.median(values):.1f} / {ninth:.1f}"


def _remarks(results: Iterable[Result], words: dict[str, str]) -> Iterator[str]:
    """What did not go as it should, one line a drill, and what the lab could not do."""
    for result in results:
        if not result.perfect or (result.score and result.score.alarms):
            what = f"{result.series} #{result.number} ({' + '.join(result.broken)})"
            yield f"{what}: {'; '.join(words[fault].format(about) for fault, about in _faults(result))}"


def _faults(result: Result) -> Iterator[tuple[str, str]]:
    if result.fault:
        yield "fault", result.fault
    if result.mute:
        yield "mute", result.mute
    if (score := result.score) is None:
        return
    yield from (("unnamed", name) for name, at in score.named.items() if at is None)
    yield from (("misnamed", cause) for cause in score.misnamed)
    yield from (("wrong", action) for action in score.wrong)
    yield from (("outside", action) for action in score.outside)
    yield from (("alarm", row) for row in score.alarms)
    yield from (("unfixed", name) for name, at in result.fixed.items() if at is None)
