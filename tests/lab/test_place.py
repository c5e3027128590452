"""Where a lab lives: kept in its folder, its ports free, its secrets private."""

from __future__ import annotations

import os
import socket
from dataclasses import astuple
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from lab.errors import LabError
from lab.place import Place
from lab.ports import LOOPBACK, free_ports


def test_a_place_is_kept_in_its_folder(tmp_path: Path) -> None:
    place = Place.new(tmp_path / "lab", schema="muses_qa")
    assert Place.load(tmp_path / "lab") == place
    assert place.schema == "muses_qa"
    assert place.sockets == place.home / "run"


def test_two_labs_are_never_founded_in_one_folder(tmp_path: Path) -> None:
    Place.new(tmp_path)
    with pytest.raises(LabError, match="ya hay un laboratorio"):
        Place.new(tmp_path)


def test_where_no_lab_is_it_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="lab up --at"):
        Place.load(tmp_path)


def test_a_damaged_file_is_told_from_a_missing_one(tmp_path: Path) -> None:
    (tmp_path / "place.json").write_text("{")
    with pytest.raises(LabError, match="dañado"):
        Place.load(tmp_path)


def test_a_port_that_was_taken_meanwhile_is_replaced_and_the_others_stay(tmp_path: Path) -> None:
    place = Place.new(tmp_path)
    with socket.create_server((LOOPBACK, place.ports.amqp)):
        again = place.refreshed()
    assert again.ports.amqp != place.ports.amqp
    assert again.ports.postgres == place.ports.postgres
    assert Place.load(tmp_path) == again


def test_ports_differ() -> None:
    assert len(set(astuple(free_ports()))) == 5


def test_sockets_get_a_private_folder_with_a_short_path(tmp_path: Path) -> None:
    place = Place.new(tmp_path / ("x" * 80))
    assert len(os.fsencode(place.sockets)) <= 80
    assert place.sockets.stat().st_mode & 0o777 == 0o700
    again = place.refreshed()
    assert not place.sockets.exists()
    again.sockets.rmdir()


def test_a_secret_is_invented_once_and_private(tmp_path: Path) -> None:
    place = Place.new(tmp_path)
    secret = place.secret("broker-muses_app")
    assert len(secret) == 32
    assert place.secret("broker-muses_app") == secret
    assert place.secret_file("broker-muses_app").stat().st_mode & 0o777 == 0o600
    place.keep_secret("broker-muses_app", "otro")
    assert place.broker_password("muses_app") == "otro"
    assert [path.name for path in (tmp_path / "secrets").iterdir()] == ["broker-muses_app"]


def test_a_connection_string_says_what_was_meant(tmp_path: Path) -> None:
    place = Place.new(tmp_path / "un 'lab' \\")
    place.keep_secret("database-superuser", r"it's \ odd")
    parts = conninfo_to_dict(place.conninfo("superuser"))
    assert parts["host"] == str(place.sockets)
    assert parts["password"] == r"it's \ odd"
    assert conninfo_to_dict(place.conninfo("muses_app"))["user"] == "muses_app"
