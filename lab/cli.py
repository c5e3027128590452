"""``lab``: bring up a small real SEP-MUSES on this machine, break it, look at it, heal it, take it down."""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

if TYPE_CHECKING:
    from lab.lifecycle import Status
    from lab.place import Place
    from lab.supervision import Process

_at = click.option(
    "--at",
    "home",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="MUSES_LAB_HOME",
    default=".lab",
    show_default=True,
    help="Carpeta del laboratorio.",
)


@click.group()
def lab() -> None:
    """Un SEP-MUSES pequeño y real en esta máquina, para practicar incidentes.

    \b
    Ejemplo:
      muses-runbook lab up
      muses-runbook lab break worker-down
      muses-runbook check
      muses-runbook lab down
    """


@lab.command()
@_at
@click.option("--schema", help="Esquema de las tablas; solo al crear el laboratorio.  [muses_dev]")
@click.option(
    "--postgres",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Carpeta con los programas de otro PostgreSQL (initdb, postgres …).",
)
def up(home: Path, schema: str | None, postgres: Path | None) -> None:
    """Arranca el laboratorio; lo crea si no existe.

    \b
    Ejemplo:
      muses-runbook lab up --at /tmp/lab --postgres /usr/lib/postgresql/15/bin
    """
    from lab import lifecycle

    with told_plainly(), _interruptible():
        place, seconds = lifecycle.timed(lambda: lifecycle.up(home, schema=schema, postgres=postgres, say=_say))
    click.echo(f"Laboratorio listo en {seconds:.1f} s. Archivo de configuración: {place.site_file}")


@lab.command()
@_at
def down(home: Path) -> None:
    """Detiene todos los procesos del laboratorio; los datos se conservan.

    \b
    Ejemplo:
      muses-runbook lab down
    """
    from lab import lifecycle

    with told_plainly():
        _, seconds = lifecycle.timed(lambda: lifecycle.down(home))
    click.echo(f"Laboratorio detenido en {seconds:.1f} s; sus datos siguen en {home}")


@lab.command()
@_at
@click.option("--json", "as_json", is_flag=True, help="En JSON, para programas.")
def status(home: Path, as_json: bool) -> None:
    """Muestra los servidores, los servicios y lo que está roto.

    \b
    Ejemplo:
      muses-runbook lab status --json
    """
    from lab import lifecycle

    with told_plainly():
        found = lifecycle.status(home)
    click.echo(_as_json(found) if as_json else "\n".join(_lines(found)))


@lab.command(name="break")
@click.argument("name", metavar="NOMBRE")
@_at
def break_(name: str, home: Path) -> None:
    """Provoca el incidente NOMBRE (véase «lab incidents»).

    \b
    Ejemplo:
      muses-runbook lab break worker-down
    """
    from lab.incidents import BREAKAGES

    with told_plainly():
        place = _running(home)
        breakage = BREAKAGES[_known(name)]
        breakage.apply(place)
    click.echo(f"Roto: {breakage.breaks}\n«check» debe decir: {breakage.expect}")


@lab.command()
@click.argument("name", metavar="NOMBRE")
@_at
def heal(name: str, home: Path) -> None:
    """Deshace el incidente NOMBRE.

    \b
    Ejemplo:
      muses-runbook lab heal worker-down
    """
    from lab.incidents import BREAKAGES

    with told_plainly():
        place = _running(home)
        BREAKAGES[_known(name)].heal(place)
    click.echo(f"Sanado: {name}")


@lab.command()
def incidents() -> None:
    """Lista los incidentes: qué rompe cada uno y qué debe decir «check».

    \b
    Ejemplo:
      muses-runbook lab incidents
    """
    from lab.incidents import BREAKAGES

    for name, breakage in BREAKAGES.items():
        click.echo(f"{name}\n    rompe:   {breakage.breaks}\n    «check»: {breakage.expect}")


def _running(home: Path) -> Place:
    from lab import supervision
    from lab.errors import LabError
    from lab.place import Place

    place = Place.load(home)
    if not supervision.responds(place):
        raise LabError(f"el laboratorio de {home} no está en marcha; arránquelo con «lab up --at {home}»")
    return place


def _known(name: str) -> str:
    from difflib import get_close_matches

    from lab.errors import LabError
    from lab.incidents import BREAKAGES

    if name in BREAKAGES:
        return name
    near = get_close_matches(name, BREAKAGES, 1)
    hint = f"¿quiso decir «{near[0]}»?" if near else f"hay: {', '.join(BREAKAGES)}"
    raise LabError(f"no hay un incidente «{name}»; {hint}")


def _say(what: str, seconds: float) -> None:
    click.echo(f"  {what}  {seconds:.1f} s" if seconds else f"  {what}")


def _lines(found: Status) -> Iterator[str]:
    yield f"Laboratorio en {found.place.home}: {'en marcha' if found.running else 'detenido'}"
    for process in (*found.servers, *(p for p in found.services if p.pid or p.state != "STOPPED")):
        yield f"  {process.label:<44} {process.state:<9} {f'pid {process.pid}' if process.pid else ''}".rstrip()
    if found.servers:
        yield f"Roto: {', '.join(found.broken) or 'nada'}"
    for name, reason in found.unclear.items():
        yield f"No se puede saber si está roto {name}: {reason}"


def _as_json(found: Status) -> str:
    def shown(process: Process) -> dict[str, object]:
        numbers = {"pid": process.pid or None, "since": process.since or None}
        return {"name": process.label, "state": process.state, **numbers}

    return json.dumps(
        {
            "home": str(found.place.home),
            "site": str(found.place.site_file),
            "running": found.running,
            "servers": [shown(process) for process in found.servers],
            "services": [shown(process) for process in found.services],
            "broken": list(found.broken),
            "unclear": found.unclear,
        },
        ensure_ascii=False,
        indent=2,
    )


@contextlib.contextmanager
def told_plainly() -> Iterator[None]:
    """Say what is wrong in one message, without a traceback."""
    from lab.errors import LabError

    try:
        yield
    except LabError as error:
        raise click.ClickException(str(error)) from error


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C and SIGTERM unwind, once: a second one must not stop the taking down."""

    def interrupt(_signal: int, _frame: object) -> NoReturn:
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {each: signal.signal(each, interrupt) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except KeyboardInterrupt:
        click.echo("Interrumpido: no queda ningún proceso del laboratorio.", err=True)
        raise click.exceptions.Exit(130) from None
    finally:
        for each, handling in before.items():
            signal.signal(each, handling)
