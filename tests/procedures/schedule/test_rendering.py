"""The files of a schedule: as recorded, and as systemd, Kubernetes and a shell read them."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from procedures.schedule.jobs import KINDS, LONGEST_NAME, Schedule, label, schedule_of
from procedures.schedule.quoting import exec_line, word
from procedures.schedule.rendering import rendered
from runbook.errors import SettingsError
from runbook.targets.hosts.timers import JOBS, unit_name
from tests.procedures.schedule.sites import schedule_in, settings_in

HERE = Path(__file__).parent
FIELDS: dict[str, Any] = json.loads((HERE / "cronjob_fields.json").read_text())
FIXED = 'program = "/opt/muses-runbook/bin/muses-runbook"\nimage = "registry.example.invalid/muses-runbook:1"'
#: What a folder may be called and a unit, a crontab or a shell would take apart.
HOSTILE = "a b %n \"q\" 's' $HOME $(id) ;x \\y ñ #z"


def _help_of(program: str) -> str:
    found = shutil.which(program)
    return subprocess.run([found, "--help"], capture_output=True, text=True, check=True).stdout if found else ""


needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


@pytest.fixture
def hostile(tmp_path: Path) -> Schedule:
    """Every path lies in a folder with such a name (the program's as far as systemd lets it), the environment too."""
    folder = tmp_path / HOSTILE
    folder.mkdir()
    program = tmp_path / "a b %n $HOME $(id) ;x ñ #z" / "muses-runbook"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$0" "$@"\n')
    program.chmod(0o755)
    paths = {"program": program, "env": folder / "env", "state": folder / "state"}
    quoted = {name: json.dumps(str(path), ensure_ascii=False) for name, path in paths.items()}
    schedule = f'program = {quoted["program"]}\nenvironment_file = {quoted["env"]}\nimage = "x"'
    return schedule_in(folder, schedule, site=f"state = {quoted['state']}", environment='"p %n $r"')


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ("systemd", "muses-runbook-prod-backup.service"),
        ("systemd", "muses-runbook-prod-purge.timer"),
        ("cron", "muses-runbook-prod-schedule"),
        ("kubernetes", "muses-runbook-prod-check.yaml"),
    ],
)
def test_the_files_are_as_recorded(form: str, name: str, tmp_path: Path) -> None:
    """A change of a template is looked at: delete the golden file and run again to record it."""
    settings = msgspec.structs.replace(settings_in(tmp_path, FIXED), file=Path("/etc/muses-runbook/settings.toml"))
    found = rendered(schedule_of(settings), form)[name]
    golden = HERE / "golden" / name
    if not golden.exists():
        golden.write_text(found)
        pytest.fail(f"recorded {golden.name}: look at it, and run again")
    assert found == golden.read_text()


def test_every_job_has_its_units_and_one_left_out_has_none(tmp_path: Path) -> None:
    whole = rendered(schedule_in(tmp_path, FIXED), "systemd")
    assert set(whole) == {f"muses-runbook-prod-{job}.{kind}" for job in JOBS for kind in ("service", "timer")}
    fewer = rendered(schedule_in(tmp_path, FIXED + '\npurge = ""'), "systemd")
    assert set(whole) - set(fewer) == {"muses-runbook-prod-purge.service", "muses-runbook-prod-purge.timer"}
    none = "\n".join(f'{job.replace("-", "_")} = ""' for job in JOBS)
    assert rendered(schedule_in(tmp_path, none), "cron") == {}


@needs_systemd
@pytest.mark.parametrize("kind", ["plain", "hostile"])
def test_systemd_finds_nothing_wrong(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    schedule = request.getfixturevalue("hostile") if kind == "hostile" else schedule_in(tmp_path, zone="Europe/Madrid")
    done = verified(rendered(schedule, "systemd"), tmp_path / "units")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("sign", ['"', "'", "\\"])
def test_a_program_that_systemd_cannot_start_is_refused(sign: str, tmp_path: Path) -> None:
    """It says "Executable name contains special characters", however they are escaped."""
    program = json.dumps(f"/opt/a{sign}b/muses-runbook")
    with pytest.raises(SettingsError) as caught:
        rendered(schedule_in(tmp_path, f"program = {program}"), "systemd")
    assert caught.value.key == "environments.prod.schedule.program"


@needs_systemd
@pytest.mark.parametrize(
    ("right", "wrong", "complaint"),
    [
        ("Type=oneshot", "Type=sometimes", "sometimes"),
        ("03:30:00 America/Mexico_City", "03:30:00 America/Atlantis", "calendar"),
        ("SystemCallFilter=@system-service", "SystemCallFilter=@all-is-well", "all-is-well"),
    ],
)
def test_systemd_would_have_found_it(right: str, wrong: str, complaint: str, tmp_path: Path) -> None:
    """The test above can go red."""
    files = rendered(schedule_in(tmp_path), "systemd")
    assert any(right in content for content in files.values())
    done = verified({name: content.replace(right, wrong) for name, content in files.items()}, tmp_path / "units")
    assert complaint in done.stderr


@needs_systemd
@pytest.mark.skipif("--offline" not in _help_of("systemd-analyze"), reason="systemd-analyze is older than 250")
def test_the_service_is_little_exposed(tmp_path: Path) -> None:
    """systemd's own score, 0 best and 10 worst: up to 3 it says OK."""
    schedule = schedule_in(tmp_path)
    verified(rendered(schedule, "systemd"), tmp_path / "units")
    for job in schedule.jobs:
        words = ["systemd-analyze", "security", "--offline=true", str(tmp_path / "units" / f"{job.unit}.service")]
        said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        score = re.search(r"Overall exposure level for .*: ([\d.]+)", said)
        assert score is not None
        assert float(score[1]) < 3, said


def verified(files: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_text(content)
    names = [str(folder / name) for name in files]
    return subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *names], capture_output=True, text=True, check=False
    )


def test_what_is_in_a_home_folder_stays_readable(tmp_path: Path) -> None:
    at_home = schedule_in(tmp_path, 'program = "/home/ana/.venv/bin/muses-runbook"')
    apart = schedule_in(tmp_path, 'program = "/opt/muses-runbook/bin/muses-runbook"')
    assert "ProtectHome=read-only" in rendered(at_home, "systemd")["muses-runbook-prod-check.service"]
    assert "ProtectHome=yes" in rendered(apart, "systemd")["muses-runbook-prod-check.service"]


def test_the_state_folder_is_systemds_to_make_where_it_can(tmp_path: Path) -> None:
    usual = rendered(schedule_in(tmp_path), "systemd")["muses-runbook-prod-backup.service"]
    assert "StateDirectory=muses-runbook\n" in usual
    assert "ReadWritePaths=/var/lib/muses-runbook\n" in usual
    apart = rendered(schedule_in(tmp_path, site='state = "/srv/m"\nreports = "/srv/r"'), "systemd")
    assert "StateDirectory" not in apart["muses-runbook-prod-backup.service"]
    assert "ReadWritePaths=/srv/m\nReadWritePaths=/srv/r\n" in apart["muses-runbook-prod-backup.service"]


def test_the_nightly_pages_folder_may_be_written_to_and_a_bucket_needs_none(tmp_path: Path) -> None:
    def written(publish: str) -> list[str]:
        site = f'state = "/srv/m"\n[site.nightly]\npublish = "{publish}"'
        unit = rendered(schedule_in(tmp_path, FIXED, site=site), "systemd")["muses-runbook-prod-check.service"]
        assert "muses-runbook nightly --settings" in unit
        return re.findall("ReadWritePaths=(/srv.*)", unit)

    assert written("/srv/www") == ["/srv/m", "/srv/www"]
    assert written("s3://muses-paginas") == written("") == ["/srv/m"]


@pytest.mark.parametrize("name", ["a\nb", "a\tb", "ends in \\", " begins"])
def test_what_no_unit_can_hold_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot stand in a unit or a crontab"):
        schedule_in(tmp_path, environment=json.dumps(name))


def test_words_of_a_unit() -> None:
    assert word("/srv/plain-1.2_x") == "/srv/plain-1.2_x"
    assert word('a b%"\\') == '"a b%%\\"\\\\"'
    assert exec_line(("/opt/$x", "$y", "z")) == '"/opt/$x" "$$y" z'


def test_a_shell_gets_the_command_whole(hostile: Schedule, tmp_path: Path) -> None:
    """What cron hands to its shell, run by one: the program sees each word as it was meant."""
    [crontab] = rendered(hostile, "cron").values()
    lines = [line for line in crontab.splitlines() if re.match(r"\d", line)]
    assert len(lines) == len(JOBS)
    hostile.state.mkdir()
    for line, job in zip(lines, hostile.jobs, strict=True):
        handed = as_cron_hands_it(line.split(" ", 6)[6])
        done = subprocess.run(["/bin/sh", "-c", handed], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines() == [*job.argv, "--quiet"]


def test_a_job_that_still_runs_keeps_the_next_one_away(hostile: Schedule) -> None:
    hostile.state.mkdir()
    [crontab] = rendered(hostile, "cron").values()
    line = next(line for line in crontab.splitlines() if re.match(r"\d", line))
    lock = hostile.state / f"{hostile.jobs[0].label}.lock"
    handed = f"flock -n {shlex.quote(str(lock))} sh -c {shlex.quote(as_cron_hands_it(line.split(' ', 6)[6]))}"
    done = subprocess.run(["/bin/sh", "-c", handed], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (75, "")


def as_cron_hands_it(command: str) -> str:
    """crontab(5): ``%`` ends the command, ``\\%`` is ``%``."""
    assert not re.search(r"(?<!\\)%", command)
    return command.replace("\\%", "%")


def test_every_cronjob_has_only_fields_that_the_api_has(tmp_path: Path, hostile: Schedule) -> None:
    for schedule in (schedule_in(tmp_path, FIXED), hostile):
        for content in rendered(schedule, "kubernetes").values():
            [found] = yaml.safe_load_all(content)
            assert (found["apiVersion"], found["kind"]) == ("batch/v1", "CronJob")
            prove(found, "V1CronJob", "CronJob")


def test_the_check_of_fields_would_have_found_it(tmp_path: Path) -> None:
    [first, *_rest] = rendered(schedule_in(tmp_path, FIXED), "kubernetes").values()
    for right, wrong in (("timeZone", "timezone"), ("concurrencyPolicy: Forbid", "concurrencyPolicy: 3")):
        with pytest.raises(AssertionError):
            prove(yaml.safe_load(first.replace(right, wrong)), "V1CronJob", "CronJob")


def test_a_cronjob_says_when_in_which_zone_and_never_twice(tmp_path: Path) -> None:
    schedule = schedule_in(tmp_path, FIXED, zone="Europe/Madrid")
    specs = {
        job: yaml.safe_load(rendered(schedule, "kubernetes")[f"muses-runbook-prod-{job}.yaml"])["spec"] for job in JOBS
    }
    assert {job: spec["schedule"] for job, spec in specs.items()} == {
        "backup": "30 3 * * *", "purge": "30 4 * * 0", "check": "0 5 * * *",
        "retention": "30 5 * * *", "restore-test": "0 6 * * 6",
    }  # fmt: skip
    for job, spec in specs.items():
        assert (spec["timeZone"], spec["concurrencyPolicy"]) == ("Europe/Madrid", "Forbid")
        pod = spec["jobTemplate"]["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        [container] = pod["containers"]
        assert container["command"][1 : 1 + len(KINDS[job].words)] == list(KINDS[job].words)
        assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_a_cronjob_needs_an_image(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        rendered(schedule_in(tmp_path), "kubernetes")
    assert caught.value.key == "environments.prod.schedule.image"


@pytest.mark.parametrize("environment", ["prod", "Producción", "a_b", "a-b", "x" * 80, "x" * 81, "%", "-"])
def test_a_label_is_one_that_kubernetes_takes(environment: str) -> None:
    for job in JOBS:
        assert re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", label(environment, job))
        assert len(label(environment, job)) <= LONGEST_NAME


def test_different_environments_never_share_a_name() -> None:
    names = ["prod", "Prod", "a_b", "a-b", "a b", "x" * 80, "x" * 81, "a.b", "%", "-"]
    for job in JOBS:
        assert len({label(name, job) for name in names}) == len(names)
        assert len({unit_name(name, job) for name in names}) == len(names)


def test_a_units_name_is_escaped_as_systemd_does(tmp_path: Path) -> None:
    escape = shutil.which("systemd-escape")
    if escape is None:
        pytest.skip("systemd-escape is not installed")
    for name in ("Producción", "a b", "50%", "a/b"):
        said = subprocess.run([escape, "--", name], capture_output=True, text=True, check=True).stdout.strip()
        expected = said if "/" not in name else "a\\x2fb"
        assert unit_name(name, "check") == f"muses-runbook-{expected}-check"


def prove(value: Any, kind: str, where: str) -> None:
    """The value is of the kind, by Kubernetes' API as its Python client 37.0.2 has it (``cronjob_fields.json``)."""
    if listed := re.fullmatch(r"[Ll]ist\[(.+)\]", kind):
        assert isinstance(value, list), where
        for item in value:
            prove(item, listed[1], where)
    elif mapped := re.fullmatch(r"[Dd]ict\[str, (.+)\]", kind):
        assert isinstance(value, dict), where
        for key, item in value.items():
            prove(item, mapped[1], f"{where}.{key}")
    elif kind in FIELDS:
        assert isinstance(value, dict), where
        assert set(value) - {"apiVersion", "kind"} <= set(FIELDS[kind]["fields"]), (where, set(value))
        assert set(FIELDS[kind]["required"]) <= set(value), where
        for key, item in value.items():
            prove(item, FIELDS[kind]["fields"].get(key, "str"), f"{where}.{key}")
    else:
        assert type(value).__name__ == kind, (where, value, kind)


def test_times_that_are_none_are_refused_with_their_line(tmp_path: Path) -> None:
    for wrong in ('purge = "Dom 04:30"', 'user = "a b"', 'on_failure = "x y"', 'image = "a b"'):
        with pytest.raises(SettingsError) as caught:
            settings_in(tmp_path, wrong)
        assert caught.value.key == "environments.prod.schedule"
        assert caught.value.line is not None
