"""A year of nights in the history and on their page: ``python -m benchmarks.nights --rows 500 --nights 365``.

Times are medians of five, in a process that has the file open: the wall's, and the processor's, which a busy machine
does not lengthen.
"""

from __future__ import annotations

import argparse
import gc
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import reports
from benchmarks.measure import row
from reports.language import Language
from runbook.cli import RARELY
from runbook.commands.nightly.index import Past, index_of
from runbook.history import History
from runbook.history.nights import Nights
from runbook.incidents import incidents
from runbook.model import Environment, Measure, Record, Run, State, Verdict, worst_of
from runbook.settings import EnvironmentSettings, Settings
from runbook.text import Quantity, bilingual, text

_YEAR = timedelta(days=400)
_CHANCE = random.Random(8)


def main() -> None:
    """Write the year, ask it everything, draw its page."""
    options = _options()
    gc.set_threshold(*RARELY)  # as the command line does
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "history.sqlite"
        for environment in _names(options.environments):
            _write(file, environment, options)
        what = f"{options.rows} rows × {options.nights} nights × {options.environments} environments"
        size = sum(one.stat().st_size for one in file.parent.glob("history.sqlite*"))
        each = size / options.environments / 1e6
        row(f"{what}, {options.objects} objects a row: the file, for each environment", f"{each:.1f} MB", "< 100 MB")
        _ask(file)
        _draw(file, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.nights", description=__doc__)
    for name, default in (("rows", 500), ("nights", 365), ("objects", 3), ("environments", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    return parser.parse_args()


def _names(count: int) -> list[str]:
    return [f"env-{number}" for number in range(count)]


def _write(file: Path, environment: str, options: argparse.Namespace) -> None:
    history, nights = History(file, environment), Nights(file, environment)
    began = time.process_time()
    for night in range(options.nights, 0, -1):
        run = _run(environment, datetime.now(UTC) - timedelta(days=night - 1, minutes=5), options)
        history.keep(run, worst_of(run), file.parent / run.id)
        nights.note(run.started_at, run.id, worst_of(run))
    took = (time.process_time() - began) / options.nights
    reports.write(run, file.parent / run.id, ("json",), Language("es"))
    history.close()
    nights.close()
    row("to keep one run of them, let go of what is old included", f"{took * 1000:.0f} ms of processor", "-")


def _run(environment: str, at: datetime, options: argparse.Namespace) -> Run:
    where = Environment(site="s", name=environment, timezone="America/Mexico_City", language="es")
    records = tuple(_record(number, at, options.objects) for number in range(options.rows))
    id = f"{at:%Y%m%dT%H%M%SZ}-{_CHANCE.randbytes(4).hex()}"
    return Run(id=id, environment=where, started_at=at, ended_at=at + timedelta(seconds=15), records=records)


def _record(number: int, at: datetime, objects: int) -> Record:
    state = _CHANCE.choices([State.OK, State.WARNING, State.CRITICAL], [97, 2, 1])[0] if number % 10 == 0 else State.OK
    at += timedelta(milliseconds=number)
    measures = tuple(
        Measure(object=f"muses.cola.de-nombre-largo-{place}", value=Quantity(_CHANCE.random() * 90, "%"), state=state)
        for place in range(objects)
    )
    verdict = Verdict(state=state, summary=text("x"), measures=measures, judged_at=at)
    return Record(row=f"ROW-{number:03}", title=bilingual("A row of the runbook", "Un renglón"), verdict=verdict)


def _ask(file: Path) -> None:
    questions: dict[str, Callable[[History], object]] = {
        "kept(), the year's runs": lambda history: history.kept(_YEAR),
        "verdicts() of one row, the year": lambda history: history.verdicts(_YEAR, "ROW-010"),
        "verdicts() of all rows, 30 days": lambda history: history.verdicts(timedelta(days=30)),
        "verdicts() of all rows, the year": lambda history: history.verdicts(_YEAR),
        "troubled(), the year's verdicts of the rows that were ever breached": lambda history: history.troubled(_YEAR),
        "measures() of one row, the year": lambda history: history.measures(_YEAR, "ROW-010"),
        "measures() of all rows, 30 days": lambda history: history.measures(timedelta(days=30)),
        "samples() of one object, the year": lambda history: history.samples("ROW-010", _OBJECT, _YEAR),
        "breached_since() of one row": lambda history: history.breached_since("ROW-010"),
        "incidents() of the year": lambda history: incidents(history, _YEAR),
    }
    history = History(file, "env-0")
    for what, ask in questions.items():
        taken = [_taken(lambda ask=ask: ask(history)) for _ in range(6)][1:]  # type: ignore[misc]
        wall, processor = (statistics.median(values) * 1000 for values in zip(*taken, strict=True))
        row(what, f"{wall:.1f} ms ({processor:.1f} of processor)", "< 200 ms")
    history.close()


_OBJECT = "muses.cola.de-nombre-largo-1"


def _draw(file: Path, options: argparse.Namespace) -> None:
    from reports.nights import render

    settings = Settings(environments={name: EnvironmentSettings() for name in _names(options.environments)})
    began = time.process_time()
    pasts = [Past(name, History(file, name), Nights(file, name).all()) for name in settings.environments]
    index = index_of(settings, pasts, file.parent)
    gathered = time.process_time()
    page = render(index, Language("es"))
    drawn = time.process_time() - gathered
    row("the index page", f"{len(page) / 1000:.0f} kB, {page.count(b'<polyline')} lines of values", "< 1 MB")
    row("to gather it, to draw it", f"{gathered - began:.2f} s, {drawn:.2f} s of processor", "-")


def _taken(ask: Callable[[], object]) -> tuple[float, float]:
    began, spent = time.perf_counter(), time.process_time()
    ask()
    return time.perf_counter() - began, time.process_time() - spent


if __name__ == "__main__":
    main()
