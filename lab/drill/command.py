"""``muses-runbook drill``: break the lab at random, let the runbook or a person mend it, and score it."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lab.cli import told_plainly

if TYPE_CHECKING:
    from lab.drill.drawing import Series
    from lab.drill.results import Result

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(
    help=(
        "Rompe el laboratorio al azar, deja que «check --fix» lo corrija y lo califica: segundos hasta nombrar la "
        "causa y hasta la corrección probada, acciones erradas, acciones fuera de la política. Con --by-hand corrige "
        "una persona. Los resultados se añaden a un archivo: una serie interrumpida sigue donde quedó."
    ),
    epilog="Ejemplo: muses-runbook drill --count 30 --seed 7 --labs 2",
)
@click.option("--seed", type=int, help="Semilla: la misma da los mismos simulacros.  [al azar]")
@click.option("--count", type=click.IntRange(1), default=1, show_default=True, help="Cuántos simulacros.")
@click.option("--pairs", is_flag=True, help="Dos incidentes a la vez.")
@click.option("--only", metavar="NOMBRE", help="Siempre con este incidente (véase «lab incidents»).")
@click.option("--labs", type=click.IntRange(1, 16), default=1, show_default=True, help="Laboratorios a la vez.")
@click.option("--by-hand", is_flag=True, help="No dice qué rompió; corrige una persona, y el reloj corre.")
@click.option(
    "--at",
    "home",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="MUSES_LAB_HOME",
    default=".lab",
    show_default=True,
    help="Carpeta del laboratorio; se arranca si no lo está.",
)
@click.option("--results", type=_FILE, metavar="ARCHIVO", help="Dónde se añaden.  [CARPETA/drills.jsonl]")
@click.option("--markdown", type=_FILE, metavar="ARCHIVO", help="Escribe además la tabla de todos los resultados.")
@click.option("--json", "as_json", is_flag=True, help="Los resultados en JSON, para programas.")
def drill(
    seed: int | None,
    count: int,
    pairs: bool,
    only: str | None,
    labs: int,
    by_hand: bool,
    home: Path,
    results: Path | None,
    markdown: Path | None,
    as_json: bool,
) -> int:
    """Play a series, see the help."""
    from lab.drill.drawing import Series

    series = Series(random.randrange(1_000_000) if seed is None else seed, pairs, only)  # noqa: S311
    with told_plainly():
        series.choices()
        if by_hand:
            return _by_hand(series, home)
        return _series(series, count, labs, home, results or home / "drills.jsonl", markdown, as_json)


def _series(series: Series, count: int, labs: int, home: Path, file: Path, markdown: Path | None, as_json: bool) -> int:
    from lab.drill import results
    from lab.drill.labs import running
    from lab.drill.series import play_all

    click.echo(f"Serie {series.name}: {count} simulacros en {labs} laboratorios; resultados en {file}", err=True)
    try:
        with running(home, labs, _say) as places:
            play_all(places, series, count, file, _tell)
    finally:
        found = tuple(each for each in results.read(file) if each.series == series.name)
        _show(found, as_json)
        if markdown is not None:
            _write(markdown, results.read(file))
    return 0 if all(result.perfect for result in found) else 1


def _by_hand(series: Series, home: Path) -> int:
    from lab.drill.by_hand import lead
    from lab.drill.labs import running

    with running(home, 1, _say) as (place,):
        lead(place, series.drill(0), click.echo)
    return 0


def _tell(result: Result, done: int, of: int, left: float) -> None:
    mark = "falló el laboratorio" if result.fault else "bien" if result.perfect else "MAL"
    took = sum(result.seconds.values())
    rest = f"faltan {left / 60:.0f} min" if left > 90 else f"faltan {left:.0f} s"
    click.echo(f"  {done}/{of}  {' + '.join(result.broken)}  {mark}  {took:.1f} s  {rest}", err=True)


def _show(found: tuple[Result, ...], as_json: bool) -> None:
    import msgspec

    from lab.drill import table

    if as_json:
        click.echo(msgspec.json.encode(found))
    elif found:
        click.echo(table.plain(found))


def _write(file: Path, found: tuple[Result, ...]) -> None:
    from lab.drill import table

    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(table.markdown(found), encoding="utf-8")


def _say(what: str, seconds: float) -> None:
    click.echo(f"  {what}  {seconds:.1f} s", err=True)
