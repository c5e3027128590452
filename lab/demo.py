"""``muses-runbook demo``: the whole loop on a small real SEP-MUSES, from the break to the report."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click

COMMAND = (sys.executable, "-m", "runbook")
#: How long the lab may take to show that something is right or wrong.
PATIENCE = 60.0


@click.command(
    help="Rompe el laboratorio, verifica, corrige, comprueba y deja el informe.",
    epilog="Ejemplo: muses-runbook demo --incident too-few-consumers",
)
@click.option("--incident", default="worker-down", show_default=True, metavar="NOMBRE", help="Cuál de «lab incidents».")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default="informes",
    show_default=True,
    help="Carpeta en la que queda el informe.",
)
def demo(incident: str, output: Path) -> int:
    """The five acts, each by the very command that a person would type."""
    with tempfile.TemporaryDirectory(prefix="muses-demo-") as folder:
        home = Path(folder) / "lab"
        try:
            return _play(incident, home, output)
        finally:
            _act("El laboratorio se detiene; no queda ningún proceso")
            _run("lab", "down", "--at", str(home))


def _play(incident: str, home: Path, output: Path) -> int:
    site = home / "site.toml"
    _act("Arranca un SEP-MUSES pequeño y real: PostgreSQL, RabbitMQ, almacenamiento S3 y los servicios")
    if _run("lab", "up", "--at", str(home)) != 0:
        return 1
    _wait_until("todo esté bien", site, breached=False)
    _act(f"Algo se rompe: {incident}")
    if _run("lab", "break", incident, "--at", str(home)) != 0:
        return 1
    _wait_until("el incidente se note", site, breached=True)
    _act("muses-runbook check: qué renglón se incumple, por qué, y qué haría el remedio")
    _run("check", "--settings", str(site), "--output", str(output / "1-antes"))
    _act("muses-runbook check --fix: el remedio, y la prueba de que funcionó")
    code = _run("check", "--fix", "--settings", str(site), "--output", str(output / "2-despues"))
    _say_where(output)
    return code


def _wait_until(what: str, site: Path, *, breached: bool) -> None:
    """Check quietly until a row is breached, or none is."""
    click.echo(f"  … se espera a que {what}")
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        states = _states(site)
        if breached and states & {"WARNING", "CRITICAL"}:
            return
        if not breached and states <= {"OK", "SKIPPED"}:
            return
    raise click.ClickException(f"en {PATIENCE:.0f} s no se logró que {what}")


def _states(site: Path) -> set[str]:
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [*COMMAND, "check", "--json", "--format", "json", "--settings", str(site), "--output", folder],
            capture_output=True,
            check=False,
        )
    if not done.stdout:
        raise click.ClickException(done.stderr.decode(errors="replace").strip())
    run: dict[str, Any] = json.loads(done.stdout)
    return {record["verdict"]["state"] for record in run["records"]}


def _say_where(output: Path) -> None:
    _act("El informe")
    for page in sorted(output.resolve().rglob("*.html")):
        click.echo(f"  {page.as_uri()}")


def _run(*arguments: str) -> int:
    return subprocess.run([*COMMAND, *arguments], check=False).returncode


def _act(title: str) -> None:
    click.secho(f"\n▶ {title}", bold=True)
