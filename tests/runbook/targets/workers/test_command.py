"""What only the site's own commands have: whatever they print, however they end."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path

import pytest

from runbook.errors import ActionError, ProbeFailure
from runbook.settings import WorkersSettings
from runbook.settings.workers import CommandSettings
from runbook.targets.workers.replicas import Replica
from runbook.targets.workers.workers import Workers
from tests.runbook.targets.workers.failing import failing
from tests.runbook.targets.workers.grounds import SERVICE, do, made


def listing(tmp_path: Path, script: str, **commands: tuple[str, ...]) -> Workers:
    file = tmp_path / "lista"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    settings = CommandSettings(list=(str(file),), timeout=timedelta(seconds=1), **commands)
    return made(WorkersSettings(kind="command", queue="q", command=settings))


def test_lines(tmp_path: Path) -> None:
    workers = listing(
        tmp_path, f"echo '{SERVICE} uno up 90'; echo; echo '{SERVICE}  dos   Down'; echo 'otro tres rara'"
    )
    told: tuple[Replica, ...] = workers.replicas()
    assert [(r.name, r.state, r.running) for r in told] == [
        ("uno", "RUNNING", True),
        ("dos", "STOPPED", False),
        ("tres", "UNKNOWN", False),
    ]
    assert [r.since for r in told] == [timedelta(seconds=90), None, None]


@pytest.mark.parametrize(
    ("script", "said"),
    [
        pytest.param("true", "printed nothing", id="nothing"),
        pytest.param("echo '[{\"service\": 3}]'", "neither JSON nor lines", id="other JSON"),
        pytest.param("echo '['", "neither JSON nor lines", id="half JSON"),
        pytest.param("echo 'a b'", "printed a b", id="too few words"),
        pytest.param("echo 'a b up mucho'", "a b up mucho", id="no seconds"),
        pytest.param("echo 'a --force up'", "--force", id="a name like an option"),
        pytest.param("echo roto >&2; exit 3", "ended with 3: roto", id="fails"),
    ],
)
def test_an_answer_that_is_none_is_never_an_empty_list(tmp_path: Path, script: str, said: str) -> None:
    error = failing(listing(tmp_path, script).replicas)
    assert error.kind is ProbeFailure.BROKEN
    assert said in str(error)


def test_one_that_hangs_ends_in_its_time_with_all_its_children(tmp_path: Path) -> None:
    workers = listing(tmp_path, f"sleep 100 & echo $! >{tmp_path}/child; wait")
    began = time.monotonic()
    assert failing(workers.replicas).kind is ProbeFailure.SILENT
    assert time.monotonic() - began < 3
    child = int((tmp_path / "child").read_text())
    while _alive(child):
        assert time.monotonic() - began < 5
        time.sleep(0.01)


def test_one_that_is_not_there_or_may_not_be_run(tmp_path: Path) -> None:
    absent = made(WorkersSettings(kind="command", queue="q", command=CommandSettings(list=("/no/existe",))))
    assert failing(absent.replicas).kind is ProbeFailure.REFUSED
    assert [right.held for right in absent.rights()] == [False]
    workers = listing(tmp_path, "true")
    (tmp_path / "lista").chmod(0o644)
    assert failing(workers.replicas).kind is ProbeFailure.DENIED


def test_what_the_site_has_no_command_for_is_refused_with_the_setting(tmp_path: Path) -> None:
    workers = listing(tmp_path, f"echo '{SERVICE} uno down'")
    with pytest.raises(ActionError, match=r"set workers\.command\.start") as caught:
        do(workers, "start", {}, name="uno")
    assert caught.value.refused


def test_no_shell_reads_a_name(tmp_path: Path) -> None:
    name = "a$(touch${IFS}hostil)"
    workers = listing(tmp_path, f"echo '{SERVICE} {name} down'", start=("touch", "{name}"))
    assert "name" in str(failing(lambda: do(workers, "start", {}, name=name)))
    assert not (tmp_path / "hostil").exists()


def test_what_a_command_says_is_masked(tmp_path: Path) -> None:
    secret = "postgresql://muses:no-es-una-clave-1234@bd/sep_muses"
    assert "no-es-una-clave-1234" not in str(failing(listing(tmp_path, f"echo {secret} >&2; exit 1").replicas))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
