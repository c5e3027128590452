"""The facts of a host out of what its script prints: recorded on Debian 12, on old and on bare systems. Pure."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from runbook.settings import HostsSettings
from runbook.targets.hosts import script
from runbook.targets.hosts.certificates import end_of, in_files
from runbook.targets.hosts.disks import read_only
from runbook.targets.hosts.facts import clock, facts
from runbook.targets.hosts.structs import HostFacts, Share

RECORDED = """
clock
1795542785.5
up
86400.50 100.00
load
3.00 1.50 0.50 2/345 999
cores
2
memory
MemTotal:       1000 kB
MemFree:         100 kB
MemAvailable:    250 kB
SwapTotal:       400 kB
SwapFree:        100 kB
handles
900\t100\t1000
tasks
4000
32768
vmstat
oom_kill 2
df
Type 1B-blocks Used Avail Inodes IUsed Filesystem Mounted on
ext4 1000 900 100 100 90 /dev/vda /
mounts
/dev/vda / ext4 rw,relatime 0 0
/dev/vdb /srv ext4 ro,relatime 0 0
/dev/vdc /cdrom iso9660 ro 0 0
fstab
# <file system> <mount point>
UUID=1 / ext4 errors=remount-ro 0 1
UUID=2 /srv ext4 defaults 0 2
UUID=3 /cdrom iso9660 ro,noauto 0 0
systemd
degraded
failed
● logrotate.service loaded failed failed Rotate log files
app@2.service loaded failed failed App
units
Id=app@1.service
Names=app@1.service
LoadState=loaded
UnitFileState=enabled
ActiveState=active
SubState=running
Result=success
NRestarts=3
NeedDaemonReload=yes
ActiveEnterTimestamp=Tue 2026-11-24 17:50:00 UTC
ControlGroup=/system.slice/app@1.service
MemoryCurrent=950
MemoryMax=1000
TasksCurrent=7
TasksMax=10

Id=ssh.service
Names=ssh.service sshd.service
LoadState=loaded
UnitFileState=enabled
ActiveState=inactive
SubState=dead
Result=oom-kill
NRestarts=0
NeedDaemonReload=no
ActiveEnterTimestamp=
ControlGroup=
MemoryCurrent=[not set]
MemoryMax=infinity
TasksCurrent=18446744073709551615
TasksMax=18446744073709551615
groups
group /system.slice/app@1.service
oom_kill 1
fds 10 5 1024
fds 11 900 1024
fds 12 0 1024
restarts
{"UNIT":"app@1.service","__REALTIME_TIMESTAMP":"1"}
{"UNIT":"app@1.service","__REALTIME_TIMESTAMP":"2"}
rc 0
kills
1795540000.25 app1 kernel: Out of memory: Killed process 55 (python3) total-vm:1kB, anon-rss:1kB
rc 0
end
1795542785.6
"""
NAMES = tuple(line for line in RECORDED.splitlines() if line.isalpha() and line != "degraded")


def recorded(**changes: str | None) -> dict[str, str]:
    """The sections by name, some changed or (None) left out."""
    marked = "\n".join(f"@@x {line}" if line in NAMES else line for line in RECORDED.strip().splitlines())
    found = script.sections("@@x", marked)
    assert found is not None
    return {name: said for name, said in {**found, **changes}.items() if said is not None}


def told(*units: str, **changes: str | None) -> HostFacts:
    found = recorded(**changes)
    sent = 1795542785.3
    return facts("app1", units or ("app@*.service", "sshd.service", "none.service"), found, sent, sent + 0.5)


def test_all_that_is_told_is_understood() -> None:
    seen = told()
    assert seen.memory is not None
    assert (seen.memory.total, seen.memory.available, seen.memory.swap_free) == (1024000, 256000, 102400)
    assert seen.load is not None
    assert (seen.load.five, seen.load.cores) == (1.5, 2)
    assert (seen.handles, seen.tasks) == (Share(used=800, limit=1000), Share(used=345, limit=4000))
    assert (seen.up, seen.killed) == (timedelta(seconds=86400.5), 2)
    assert (seen.read_only, seen.failed) == (("/srv",), ("logrotate.service", "app@2.service"))
    assert [(kill.process, kill.at) for kill in seen.kills or ()] == [
        ("python3", datetime.fromtimestamp(1795540000.25, UTC))
    ]


def test_units_are_found_by_pattern_by_alias_and_by_absence() -> None:
    app, ssh, none = told().units or ()
    assert (app.name, app.active, app.enabled, app.stale) == ("app@1.service", True, "enabled", True)
    assert app.age == datetime.fromtimestamp(1795542785.5, UTC) - datetime(2026, 11, 24, 17, 50, tzinfo=UTC)
    assert (app.restarts, app.restarted, app.killed) == (3, 2, 1)
    assert (app.memory, app.memory_max, app.tasks, app.tasks_max) == (950, 1000, 7, 10)
    assert (app.files, app.files_hidden) == (Share(used=900, limit=1024), True)
    assert (ssh.name, ssh.active, ssh.age, ssh.result, ssh.restarted) == ("ssh.service", False, None, "oom-kill", 0)
    assert (ssh.memory, ssh.memory_max, ssh.tasks, ssh.tasks_max, ssh.files) == (None,) * 5
    assert (none.name, none.loaded) == ("none.service", False)


@pytest.mark.parametrize(
    ("changes", "blind"),
    [
        ({"systemd": None}, {"systemd": False, "units": None, "failed": None}),
        ({"units": ""}, {"units": None}),
        ({"kills": None, "ring": "rc 1"}, {"kills": None}),
        ({"kills": None, "ring": None}, {"kills": None}),
        ({"kills": "1795540000.25 app1 kernel: Killed process 5 (x)\nrc 124"}, {"kills": None}),
        ({"vmstat": ""}, {"killed": None}),
        ({"memory": "MemTotal: 5 kB"}, {"memory": None}),
        ({"load": "", "cores": "0"}, {"load": None, "tasks": None}),
        ({"handles": "", "tasks": ""}, {"handles": None, "tasks": None}),
        ({"fstab": "# UNCONFIGURED"}, {"read_only": None}),
        ({"up": ""}, {"up": None}),
    ],
)
def test_what_is_not_told_is_not_made_up_and_takes_nothing_with_it(
    changes: dict[str, Any], blind: dict[str, object]
) -> None:
    whole, seen = told(), told(**changes)
    known = {name: getattr(whole, name) for name in HostFacts.__struct_fields__}
    expected = {**known, **blind}
    assert {name: getattr(seen, name) for name in HostFacts.__struct_fields__} == expected


@pytest.mark.parametrize("printed", [None, "", "rc 1", '{"UNIT":"app@1.service"}\nrc 124'])
def test_a_journal_that_was_not_read_to_its_end_counts_no_restarts(printed: str | None) -> None:
    app, *_ = told(restarts=printed).units or ()
    assert (app.restarts, app.restarted) == (3, None)


def test_the_kernels_log_counts_from_the_start_and_the_day_before_is_over() -> None:
    ring = "[ 86000.5] Out of memory: Killed process 7 (java)\n[    1.0] Killed process 8, (old)\nrc 0"
    kills = told(kills=None, ring=ring, up="86500.0 1").kills or ()
    assert [kill.process for kill in kills] == ["java"]


def test_a_pattern_that_fits_nothing_is_a_unit_that_is_not_there() -> None:
    [unit] = told("other@*.service", units="").units or ()
    assert (unit.name, unit.loaded) == ("other@*.service", False)


def test_a_script_that_was_cut_tells_nothing() -> None:
    assert script.sections("@@x", "@@x clock\n1\n@@x df\nx\n") is None
    assert script.sections("@@x", "") is None
    assert script.sections("@@x", "@@x clock\ndate: not found\n@@x end\n1.0\n") is None


def test_what_a_host_prints_cannot_pass_for_a_section() -> None:
    found = script.sections("@@secret", "@@secret clock\n1.0\n@@other units\nx\n@@secret end\n1.0\n")
    assert found == {"clock": "1.0\n@@other units\nx\n", "end": "1.0\n"}


@pytest.mark.parametrize(
    ("ahead", "there", "back", "offset", "within"),
    [(0.0, 0.1, 0.1, 0.0, 0.1), (30.0, 0.1, 0.1, 30.0, 0.1), (-5.0, 0.3, 0.1, -4.9, 0.2), (0.0, 0.0, 0.0, 0.0, 0.0)],
)
def test_the_way_there_and_back_is_not_held_against_a_clock(
    ahead: float, there: float, back: float, offset: float, within: float
) -> None:
    worked = 0.25
    began = 1000 + there + ahead
    told = clock(1000, began, began + worked, 1000 + there + worked + back)
    assert told.offset.total_seconds() == pytest.approx(offset)
    assert told.within.total_seconds() == pytest.approx(within)
    assert abs(told.offset.total_seconds() - ahead) <= within + 1e-6, "the truth lies within"


def test_a_clock_without_fractions_is_understood() -> None:
    assert abs(told(clock="1795542785.%N").clock.offset) < timedelta(seconds=1)


def test_a_place_with_a_space_is_compared_too() -> None:
    assert read_only("/dev/x /a\\040b ext4 ro 0 0", "/dev/x /a\\040b ext4 defaults 0 0") == ("/a b",)


@pytest.mark.parametrize("days", [1, 400, 365 * 30])
def test_the_end_of_a_certificate_is_read_without_openssl(days: int, tmp_path: Path) -> None:
    """Made by openssl; ends after 2049 are written another way."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    key, file = tmp_path / "key", tmp_path / "cert"
    subject = ["-subj", "/CN=app", "-days", str(days), "-keyout", key, "-out", file]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", *subject],
        check=True, capture_output=True,
    )  # fmt: skip
    told = subprocess.run(["openssl", "x509", "-enddate", "-noout", "-in", file], capture_output=True, text=True)
    expected = datetime.strptime(told.stdout.strip(), "notAfter=%b %d %H:%M:%S %Y GMT").replace(tzinfo=UTC)
    [certificate] = in_files("app1", f"file /etc/x.pem\n{file.read_text()}")
    assert (certificate.where, certificate.ends) == ("/etc/x.pem", expected)


@pytest.mark.parametrize("content", ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END", "unreadable"])
def test_a_file_without_a_certificate_says_so(content: str) -> None:
    [certificate] = in_files("app1", f"file /x\n{content}")
    assert certificate.ends is None
    assert "app1:/x" in str(certificate.problem)


def test_no_certificate_is_a_value_error() -> None:
    for der in (b"", b"\x30", b"\x30\x82\xff", bytes(40)):
        with pytest.raises(ValueError, match=r"no X\.509"):
            end_of(der)


def test_units_are_named_with_their_suffix_and_by_host() -> None:
    given = HostsSettings(
        addresses=("ssh://a@app1?port=1", "ssh://db1"), services=("x", "y@*", "z.timer"), services_of={"db1": ("pg",)}
    )
    assert given.units("ssh://a@app1?port=1") == ("x.service", "y@*.service", "z.timer")
    assert given.units("ssh://db1") == ("pg.service",)


@pytest.mark.parametrize(
    "changes", [{"services_of": {"app9": ("x",)}}, {"jump_host": "-oProxyCommand=x"}, {"jump_host": "a\nb"}]
)
def test_settings_that_cannot_be_meant_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises((ValueError, msgspec.ValidationError)):
        HostsSettings(addresses=("ssh://app1",), **changes)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(json.dumps({"addresses": ["ssh://app1"], **changes}), type=HostsSettings)
