"""One command over several environments and sites: each is a process, and none of them hides another."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from runbook import cli, site_file
from runbook.commands import apart
from runbook.commands.check_many import Outcome, judge_all
from runbook.errors import SettingsError
from runbook.model import State, worst_of
from tests.runbook.commands.places import DEAF, DIES, HANGS, SLOW, row, site
from tests.runbook.test_cli import COMMAND, said

#: Long enough for a process to come to its rows.
PATIENCE = timedelta(seconds=2)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """Two sites that can be read and one that cannot; one environment is fine, one warns, one dies."""
    folder = tmp_path_factory.mktemp("sites")
    site(folder, "A", prod=row(50), qa=row(95), dies=DIES)
    site(folder, "B", prod=row(10))
    (folder / "C.toml").write_text("[environments.prod\n")
    files = [word for name in "ABC" for word in ("--settings", f"{name}.toml")]
    return folder, said(
        "check", "OWN-01", *files, "--all-environments", "--output", "out", "--lang", "en", folder=folder
    )


@pytest.fixture(scope="module")
def matrix(many: tuple[Path, subprocess.CompletedProcess[str]]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((many[0] / "out" / "matrix.json").read_bytes())
    return found


def test_each_environment_is_judged_whatever_happens_to_the_others(matrix: dict[str, Any]) -> None:
    states = {(one["site"], one["environment"]): one["state"] for one in matrix["environments"]}
    assert states == {
        ("A", "prod"): "OK",
        ("A", "qa"): "WARNING",
        ("A", "dies"): "UNKNOWN",
        ("B", "prod"): "OK",
        ("C", "(all)"): "UNKNOWN",
    }
    [own] = matrix["rows"]
    assert [one and one["state"] for one in own["judged"]] == ["OK", "WARNING", None, "OK", None]


def test_the_exit_code_is_the_worst(many: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    assert many[1].returncode == cli.Exit.WARNING


def test_who_was_not_judged_is_told_with_the_reason(many: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    shown = many[1].stdout
    assert re.search(r"UNKNOWN +A · dies +The run was ended by SIGKILL", shown)
    assert re.search(r"UNKNOWN +C · \(all\) +C\.toml:1: not valid TOML", shown)
    assert "A · dies was not judged" in many[1].stderr


def test_each_has_its_own_reports_and_the_matrix_leads_there(
    many: tuple[Path, subprocess.CompletedProcess[str]], matrix: dict[str, Any]
) -> None:
    out = many[0] / "out"
    page = (out / "matrix.html").read_text()
    for name, place in zip(("A-prod", "A-qa", "A-dies", "B-prod"), matrix["environments"], strict=False):
        reports = sorted(file.suffix for file in (out / name).glob("*")) if (out / name).exists() else []
        assert reports == ([".html", ".json", ".md", ".xml"] if place["run"] else [])
        assert (f"{name}/{place['run']}.html" in page) is (place["run"] is not None)
    assert f"A-qa/{matrix['environments'][1]['run']}.html#row-OWN-01" in page


def test_each_keeps_its_own_history(many: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    history = said("history", "--settings", "A.toml", "--env", "qa", "--json", folder=many[0])
    assert len(json.loads(history.stdout)) == 1


def test_what_hangs_is_ended_and_what_does_not_heed_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "GRACE", timedelta(seconds=1.5))
    hangs = HANGS.format(pipe=os.devnull)
    file = site(tmp_path, "A", slow=SLOW, hangs=hangs, deaf=DEAF + hangs)
    slow, *others = judge_all(site_file.load(file), ["slow", "hangs", "deaf"], rows=["OWN-01"], patience=PATIENCE)
    assert {str(one.error) for one in (slow, *others)} == {"It did not end within 2 s and was ended"}
    assert [one.run for one in others] == [None, None]
    assert slow.run is not None
    assert (slow.run.interrupted, worst_of(slow.run)) == (True, State.UNKNOWN)
    assert slow.folder == tmp_path / "A" / "runs" / slow.run.id


def test_an_interrupt_ends_all_and_shows_what_there_is(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    file = site(tmp_path, "A", hangs=HANGS.format(pipe=str(pipe)))
    asked = [
        sys.executable,
        str(COMMAND),
        "check",
        "OWN-01",
        "--settings",
        str(file),
        "--settings",
        "none.toml",
        "--json",
    ]
    with subprocess.Popen(asked, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=tmp_path) as process:
        pipe.read_text()  # it is there
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
    assert process.returncode == cli.Exit.INTERRUPTED
    assert [one["state"] for one in json.loads(out)["environments"]] == ["UNKNOWN", "UNKNOWN"]


def test_with_one_site_file_its_mistakes_are_raised(tmp_path: Path) -> None:
    file = site(tmp_path, "A", prod=row(50))
    done = said("check", "--settings", str(file), "--env", "prod", "--env", "prd", folder=tmp_path)
    assert done.returncode == cli.Exit.SETTINGS
    assert "did you mean 'prod'" in done.stderr
    with pytest.raises(SettingsError, match="did you mean 'prod'"):
        judge_all(site_file.load(file), ["prd"])


@pytest.mark.parametrize("option", [("--watch",), ("--plan", "x"), ("--replay", "x"), ("--format", "nagios")])
def test_what_belongs_to_one_run_is_refused(option: tuple[str, ...], tmp_path: Path) -> None:
    file = site(tmp_path, "A", prod=row(50), qa=row(50))
    done = said("check", "--settings", str(file), "--all-environments", *option, folder=tmp_path)
    assert (done.returncode, "is about one environment" in done.stderr) == (cli.Exit.USAGE, True)


def test_sites_of_one_name_are_told_apart(tmp_path: Path) -> None:
    from runbook.commands.places import places

    (tmp_path / "x").mkdir()
    one, other = site(tmp_path, "A", prod=row(50)), site(tmp_path / "x", "A", prod=row(50))
    assert [place.site for place in places((one, other), (), every=True)] == [f"A ({one})", f"A ({other})"]


def test_the_outcome_is_as_the_nightly_takes_it() -> None:
    assert Outcome._fields[:4] == ("environment", "run", "error", "folder")
