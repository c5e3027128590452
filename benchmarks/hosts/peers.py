"""The same twenty questions by an Ansible playbook in check mode, and by plain pytest-testinfra.

Both are set as well as their documentation says: Ansible with pipelining, shared connections and a fork a host, facts
gathered once; testinfra with its own modules. Neither forecasts disks, measures clocks to the round trip or counts
restarts by the hour: where the row does more, they ask the nearest that one command of theirs tells.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

from tests.booted_hosts import BootedHost

PACKAGE = "ansible-core>=2.18,<2.20"

#: One shell line a row, which fails where the row would; what Ansible's own facts tell is asserted instead.
_ASSERTED = {
    "HOST-01": "ansible_mounts | selectattr('size_available', 'lt', 1) | list | length == 0",
    "HOST-02": "ansible_facts.services['ssh.service'].state == 'running'",
    "HOST-03": "ansible_facts.services['ssh.service'].status == 'enabled'",
    "HOST-06": "ansible_memory_mb.nocache.free > 100",
    "HOST-08": "ansible_memory_mb.swap.used <= ansible_memory_mb.swap.total",
    "HOST-15": "ansible_loadavg['5m'] / ansible_processor_vcpus < 100",
}
LINES = {
    "HOST-04": "test $(systemctl show -p NRestarts --value ssh) -lt 3",
    "HOST-05": "test -n \"$(systemctl show -p ActiveEnterTimestamp --value ssh)\"",
    "HOST-07": "systemctl show -p MemoryCurrent -p MemoryMax ssh",
    "HOST-09": "awk '{exit $1 > $3}' /proc/sys/fs/file-nr",
    "HOST-10": "ls /proc/$(systemctl show -p MainPID --value ssh)/fd",
    "HOST-11": "! journalctl -k --since -24h -q | grep -q 'Killed process'",
    "HOST-12": "df -i -l",
    "HOST-13": "date +%s.%N",
    "HOST-14": "test -r /etc/ssl/app.pem",
    "HOST-16": "test -z \"$(systemctl list-units --state=failed --plain --no-legend)\"",
    "HOST-17": "cat /proc/sys/kernel/pid_max",
    "HOST-18": "cat /proc/self/mounts",
    "HOST-19": "systemctl show -p TasksCurrent -p TasksMax ssh",
    "HOST-20": "test $(systemctl show -p NeedDaemonReload --value ssh) = no",
}  # fmt: skip

_TESTS = """
def test_host_01(host): assert "%" in host.check_output("df -l")
def test_host_02(host): assert host.service("ssh").is_running
def test_host_03(host): assert host.service("ssh").is_enabled
def test_host_06(host): assert "MemAvailable" in host.file("/proc/meminfo").content_string
def test_host_08(host): assert "SwapTotal" in host.file("/proc/meminfo").content_string
def test_host_15(host): assert float(host.file("/proc/loadavg").content_string.split()[1]) < 100
"""


def ansible(hosts: Sequence[BootedHost], home: Path) -> tuple[list[str], dict[str, str]]:
    """The command of the playbook, and its variables. Installs ansible-core below ``home`` first."""
    folder = home / "ansible"
    venv.create(folder, with_pip=True)
    pip = [str(folder / "bin/python"), "-m", "pip", "install", "-q", "--disable-pip-version-check", PACKAGE]
    subprocess.run(pip, check=True)
    (home / "playbook.yml").write_text(_playbook())
    (home / "inventory").write_text("".join(f"{host.name}\n" for host in hosts))
    variables = {
        "ANSIBLE_FORKS": str(len(hosts)),
        "ANSIBLE_PIPELINING": "True",
        "ANSIBLE_SSH_ARGS": f"-F {hosts[0].ssh_config} -o ControlMaster=auto -o ControlPersist=60s",
        "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3",
        "ANSIBLE_HOME": str(home / "ansible-home"),
        "ANSIBLE_LOCALHOST_WARNING": "False",
        "LC_ALL": "C.UTF-8",
    }
    command = [
        str(folder / "bin/ansible-playbook"),
        "--check",
        "-i",
        str(home / "inventory"),
        str(home / "playbook.yml"),
    ]
    return command, variables


def testinfra(hosts: Sequence[BootedHost], home: Path) -> list[str]:
    """The command of pytest with a test a row, on every host."""
    tests = "".join(
        f"def test_{row.lower().replace('-', '_')}(host): assert host.run({line!r}).rc in (0, 1)\n"
        for row, line in LINES.items()
    )
    file = home / "test_rows.py"
    file.write_text(_TESTS + tests)
    addresses = ",".join(host.address for host in hosts)
    return [
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", str(home),
        f"--hosts={addresses}", f"--ssh-config={hosts[0].ssh_config}", str(file),
    ]  # fmt: skip


def _playbook() -> str:
    """YAML, one task a row; ``check_mode: false`` because a command is else skipped in check mode."""
    tasks = [
        "- hosts: all",
        "  gather_facts: true",
        "  gather_subset: ['!all', hardware, loadavg]",
        "  tasks:",
        "    - ansible.builtin.service_facts:",
    ]
    for row, condition in _ASSERTED.items():
        tasks += [
            f"    - name: {row}",
            "      ansible.builtin.assert:",
            "        quiet: true",
            f'        that: "{condition}"',
        ]
    for row, line in LINES.items():
        tasks += [f"    - name: {row}", "      ansible.builtin.shell: |", f"        {line}"]
        tasks += ["      check_mode: false", "      changed_when: false", "      failed_when: false"]
    return "\n".join(tasks) + "\n"
