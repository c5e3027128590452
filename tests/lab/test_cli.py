"""``lab`` on the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from lab.cli import lab
from lab.incidents import BREAKAGES
from lab.place import Place


def said(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(lab, arguments)
    assert result.exit_code == code, result.output
    return result.output


@pytest.mark.parametrize("command", [lab, *lab.commands.values()], ids=lambda command: str(command.name))
def test_each_help_shows_an_example(command: click.Command) -> None:
    with click.Context(command, info_name="lab") as context:
        assert "Ejemplo:" in command.get_help(context)


def test_status_of_a_running_lab(lab_place: Place) -> None:
    text = said("status", "--at", str(lab_place.home))
    assert "en marcha" in text
    assert "servicio-procesamiento-inicial:replica-02" in text
    found = json.loads(said("status", "--json", "--at", str(lab_place.home)))
    assert found["running"] is True
    assert len(found["servers"]) == 3
    assert [service["state"] for service in found["services"]].count("RUNNING") == 5
    assert found["broken"] == []
    assert found["unclear"] == {}


def test_status_of_a_lab_that_is_down(tmp_path: Path) -> None:
    Place.new(tmp_path)
    assert "detenido" in said("status", "--at", str(tmp_path))
    assert json.loads(said("status", "--json", "--at", str(tmp_path)))["running"] is False


@pytest.mark.parametrize("command", [("status",), ("down",), ("break", "worker-down"), ("heal", "worker-down")])
def test_where_there_is_no_lab_it_says_how_to_make_one(tmp_path: Path, command: tuple[str, ...]) -> None:
    assert "lab up --at" in said(*command, "--at", str(tmp_path / "nada"), code=1)
    assert not (tmp_path / "nada").exists()


def test_what_is_down_cannot_be_broken(tmp_path: Path) -> None:
    Place.new(tmp_path)
    assert "no está en marcha" in said("break", "worker-down", "--at", str(tmp_path), code=1)


def test_an_unknown_incident_gets_the_nearest_name(lab_place: Place) -> None:
    assert "¿quiso decir «worker-down»?" in said("break", "worker-dwn", "--at", str(lab_place.home), code=1)
    assert "hay: worker-down" in said("heal", "zzz", "--at", str(lab_place.home), code=1)


def test_an_incident_is_broken_shown_and_healed(lab_place: Place) -> None:
    at = ("--at", str(lab_place.home))
    assert "«check» debe decir:" in said("break", "worker-down", *at)
    try:
        assert "Roto: worker-down" in said("status", *at)
    finally:
        said("heal", "worker-down", *at)
    assert "Roto: nada" in said("status", *at)


def test_incidents_are_listed() -> None:
    assert said("incidents").count("«check»:") == len(BREAKAGES)


def test_importing_it_loads_no_driver() -> None:
    heavy = {"psycopg", "boto3", "pika", "msgspec", "supervisor", "xmlrpc", "subprocess", "lab.lifecycle"}
    code = f"import sys, lab.cli; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
