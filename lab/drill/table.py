"""The results of drills as a table, for the terminal and for docs/drills.md. Pure."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from lab.drill.results import Result

_HEAD = (
    "Incidente",
    "Simulacros",
    "Causa bien",
    "Nombrada s",
    "Corregidos",
    "Probado s",
    "Erradas",
    "Fuera",
    "Total s",
)


def rows(results: Iterable[Result]) -> list[tuple[str, ...]]:
    """The head, one row for each breakage (pairs count for both), and the sum of all drills. Strings, ready to show.

    Seconds are medians and, behind the slash, what nine of ten stay under.
    """
    played = [result for result in results if not result.fault]
    by_name: dict[str, list[Result]] = defaultdict(list)
    for result in played:
        for name in result.broken:
            by_name[name].append(result)
    lines = [_row(name, by_name[name], [name]) for name in sorted(by_name)]
    return [_HEAD, *lines, _row("Todos", played, sorted(by_name))]


def remarks(results: Sequence[Result]) -> Iterator[str]:
    """What did not go as it should, one line each, and what the lab could not do."""
    for result in results:
        what = f"{result.series} n.º {result.number} ({' + '.join(result.broken)})"
        if result.fault:
            yield f"{what}: el laboratorio falló, no cuenta: {result.fault}"
        elif not result.perfect:
            yield f"{what}: {'; '.join(_faults(result))}"


def markdown(results: Sequence[Result]) -> str:
    """A Markdown table with its remarks."""
    head, *lines = rows(results)
    body = [head, tuple("---" if column == 0 else "---:" for column in range(len(head))), *lines]
    table = "\n".join(f"| {' | '.join(line)} |" for line in body)
    noted = "\n".join(f"- {remark}" for remark in remarks(results))
    return f"{table}\n\n{noted}\n" if noted else f"{table}\n"


def plain(results: Sequence[Result]) -> str:
    """The same for a terminal."""
    lines = rows(results)
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    table = "\n".join(
        "  ".join(
            cell.ljust(width) if not column else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )
    return "\n".join([table, *remarks(results)])


def _row(name: str, results: Sequence[Result], names: Sequence[str]) -> tuple[str, ...]:
    scores = [result.score for result in results if result.score]
    fixed = [result.fixed[each] for result in results for each in names if each in result.fixed]
    named = [at for score in scores for each, at in score.named.items() if each in names and at is not None]
    proven = [at for at in fixed if isinstance(at, float)]
    return (
        name,
        str(len(results)),
        f"{sum(result.named_right for result in results)}/{len(results)}",
        _seconds(named),
        f"{sum(at is not None for at in fixed)}/{len(fixed)}" if fixed else "—",
        _seconds(proven),
        str(sum(len(score.wrong) for score in scores)),
        str(sum(len(score.outside) for score in scores)),
        _seconds([sum(result.seconds.values()) for result in results]),
    )


def _seconds(values: Sequence[float]) -> str:
    if not values:
        return "—"
    if len(values) == 1:
        return f"{values[0]:.1f}"
    return f"{statistics.median(values):.1f} / {statistics.quantiles(values, n=10)[-1]:.1f}"


def _faults(result: Result) -> Iterator[str]:
    score = result.score
    if score is None:
        return
    yield from (f"no se nombró la causa de {name}" for name, at in score.named.items() if at is None)
    yield from (f"causa equivocada: {cause}" for cause in score.misnamed)
    yield from (f"acción errada: {action}" for action in score.wrong)
    yield from (f"acción fuera de la política: {action}" for action in score.outside)
    yield from (f"no se corrigió o no se probó: {name}" for name, at in result.fixed.items() if at is None)
