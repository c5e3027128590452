"""The commands as a person types them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner, Result

from procedures.schedule import installing
from runbook.cli import Exit
from runbook.commands.schedule import schedule
from runbook.errors import ActionError
from runbook.targets.hosts.timers import JOBS
from tests.procedures.schedule.sites import schedule_in, settings_in


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a site file."""
    monkeypatch.setenv("MUSES_RUNBOOK_LANG", "en")
    settings_in(tmp_path, 'image = "x:1"')
    (tmp_path / "units").mkdir()
    return tmp_path


def typed(desk: Path, *words: str) -> Result:
    """The outcome; ``exit_code`` is what the command returned, as the real program exits with."""
    words = (*words, "--settings", str(desk / "muses-runbook.toml"))
    found = CliRunner().invoke(schedule, words, standalone_mode=False, catch_exceptions=False)
    found.exit_code = int(found.return_value or 0)
    return found


def units(desk: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in (desk / "units").iterdir()}


def test_show_tells_when_and_what_happens_when_the_clock_changes(desk: Path) -> None:
    said = typed(desk, "show").stdout
    assert all(job in said for job in JOBS)
    assert "run backup --execute --once-a-day" in said
    assert "America/Mexico_City does not change its clock until" in said
    plain = json.loads(typed(desk, "show", "--json", "--as", "systemd").stdout)
    assert [job["job"] for job in plain["jobs"]] == list(JOBS)
    assert len(plain["files"]) == 2 * len(JOBS)
    assert plain["notes"]


def test_what_show_prints_for_kubernetes_and_cron_is_one_file(desk: Path) -> None:
    found = list(yaml.safe_load_all(typed(desk, "show", "--as", "kubernetes").stdout))
    assert [one["kind"] for one in found] == ["CronJob"] * len(JOBS)
    crontab = typed(desk, "show", "--as", "cron").stdout
    assert "CRON_TZ=America/Mexico_City\n" in crontab
    assert crontab.count("flock -n") == len(JOBS)


def test_install_is_dry_unless_told_otherwise(desk: Path) -> None:
    to = str(desk / "units")
    said = typed(desk, "install", "--to", to).stdout
    assert "+OnCalendar=*-*-* 03:30:00 America/Mexico_City" in said
    assert "Nothing was changed." in said
    assert "systemctl enable --now muses-runbook-prod-backup.timer" in said
    assert units(desk) == {}


def test_install_writes_what_show_shows_and_then_finds_nothing_to_do(desk: Path) -> None:
    to = str(desk / "units")
    done = json.loads(typed(desk, "install", "--to", to, "--execute", "--json").stdout)
    assert done["written"] is True
    assert units(desk) == json.loads(typed(desk, "show", "--as", "systemd", "--json").stdout)["files"]
    assert {file.stat().st_mode & 0o777 for file in (desk / "units").iterdir()} == {0o644}
    assert "The files are as they should be." in typed(desk, "install", "--to", to).stdout


def test_install_shows_a_difference_and_takes_away_what_is_no_longer_planned(desk: Path) -> None:
    to = str(desk / "units")
    typed(desk, "install", "--to", to, "--execute")
    (desk / "units" / "somebody-elses.timer").write_text("theirs")
    settings_in(desk, 'backup = "01:15"\npurge = ""')
    said = typed(desk, "install", "--to", to).stdout
    assert "-OnCalendar=*-*-* 03:30:00 America/Mexico_City\n+OnCalendar=*-*-* 01:15:00 America/Mexico_City" in said
    assert "+++ /dev/null" in said
    assert "systemctl stop muses-runbook-prod-purge.timer" in said
    typed(desk, "install", "--to", to, "--execute")
    assert not any("purge" in name for name in units(desk))
    assert units(desk)["somebody-elses.timer"] == "theirs"


def test_a_crontab_is_installed_under_a_name_that_cron_reads(desk: Path) -> None:
    said = typed(desk, "install", "--as", "cron", "--to", str(desk / "units"), "--execute").stdout
    assert list(units(desk)) == ["muses-runbook-prod-schedule"]
    assert "systemctl" not in said


def test_enable_needs_execute(desk: Path) -> None:
    done = CliRunner().invoke(schedule, ["install", "--enable", "--settings", str(desk / "muses-runbook.toml")])
    assert done.exit_code == click.UsageError.exit_code
    assert "--enable needs --execute" in done.output


def test_a_folder_that_is_not_there_is_said(desk: Path) -> None:
    with pytest.raises(ActionError, match=r"cannot be written: No such file"):
        typed(desk, "install", "--to", str(desk / "nowhere"), "--execute")


def test_a_write_that_fails_leaves_the_file_as_it_was(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    to = str(desk / "units")
    typed(desk, "install", "--to", to, "--execute")
    before = units(desk)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(installing.os, "fsync", full)
    settings_in(desk, 'backup = "01:15"')
    with pytest.raises(ActionError, match="No space left"):
        typed(desk, "install", "--to", to, "--execute")
    assert units(desk) == before


def test_what_systemctl_complains_of_is_said(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(words: tuple[str, ...], **options: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(words, 1, "", "Access denied")

    monkeypatch.setattr(installing.subprocess, "run", refused)
    with pytest.raises(ActionError, match="systemctl daemon-reload: Access denied"):
        installing.enable(schedule_in(desk), ())


@pytest.mark.skipif(Path("/run/systemd/system").is_dir(), reason="this machine's first process is systemd")
def test_status_without_systemd_is_unknown(desk: Path) -> None:
    done = typed(desk, "status", "--to", str(desk / "units"))
    assert done.exit_code == Exit.UNKNOWN
    assert done.stdout.startswith("cannot see: the host's first process is not systemd")
    plain = json.loads(typed(desk, "status", "--json").stdout)
    assert {job["state"] for job in plain["jobs"]} == {"UNKNOWN"}
