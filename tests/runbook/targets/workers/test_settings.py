"""The table [workers] of the site file: each kind with what it needs, and errors that name the setting."""

from __future__ import annotations

from pathlib import Path

import pytest

from runbook.errors import SettingsError
from runbook.settings import WorkersSettings
from runbook.site_file import load

EXAMPLES = {
    "supervisor as before": 'url = "unix:///run/supervisor.sock"',
    "supervisor": 'kind = "supervisor"\nurl = "http://127.0.0.1:9001"\nmax_connections = 40',
    "systemd": 'kind = "systemd"\nsystemd.change_with = ["sudo", "-n"]\nsystemd.per_host = 4\npatience = "2 min"',
    "systemd on the hosts": 'kind = "systemd"',
    "swarm": 'kind = "docker"',
    "compose": 'kind = "docker"\ndocker.project = "muses"\nurl = "https://127.0.0.1:2376"\ndocker.cafile = "/ca.pem"',
    "kubernetes": 'kind = "kubernetes"\nurl = "https://k:6443"\nkubernetes.token = { file = "/t" }',
    "kubernetes by kubeconfig": 'kind = "kubernetes"\nkubernetes.kubeconfig = "~/.kube/config"',
    "command": 'kind = "command"\ncommand.list = ["/x", "list"]\ncommand.start = ["/x", "{name}"]',
}
REFUSED = {
    "supervisor without url": ('kind = "supervisor"', "the key 'url' is missing here"),
    "another's table": ('kind = "systemd"\ndocker.project = "x"', "the table 'docker' means nothing"),
    "another's table beside a url": (
        'url = "unix:///s"\nkubernetes.context = "x"',
        "the table 'kubernetes' means nothing",
    ),
    "no such kind": ('kind = "nomad"', "nomad"),
    "command without list": ('kind = "command"', "the table 'command' is missing here"),
    "an empty list": ('kind = "command"\ncommand.list = []', "list is empty"),
    "a start of nothing": ('kind = "command"\ncommand.list = ["/x"]\ncommand.start = ["/x"]', "start lacks {name}"),
    "a scale to nothing": ('kind = "command"\ncommand.list = ["/x"]\ncommand.scale = ["/x"]', "scale lacks {to}"),
    "a line for a shell": ('kind = "command"\ncommand.list = "/x list"', "command.list"),
    "docker's old scheme": ('kind = "docker"\nurl = "tcp://127.0.0.1:2375"', "https://host:2376"),
    "kubernetes in clear": ('kind = "kubernetes"\nurl = "http://k:8080"', "https://host:port"),
    "two logins": ('kind = "kubernetes"\nkubernetes.kubeconfig = "/k"\nkubernetes.token = { env = "T" }', "not both"),
    "half a certificate": ('kind = "docker"\ndocker.certificate = "/c"', "both certificate and key"),
    "no instance": ('kind = "systemd"\nsystemd.per_host = 0', "per_host = 0"),
    "an unknown key": ('kind = "systemd"\nsystemd.sudo = true', "unknown key"),
    "less than nothing": ('url = "unix:///s"\nconnections_per_replica = -1', "connections_per_replica"),
}


def written(tmp_path: Path, lines: str) -> WorkersSettings:
    file = tmp_path / "site.toml"
    file.write_text(f'[environments.prod.workers]\nqueue = "muses.recepcion"\n{lines}\n')
    found = load(file, {}).environments["prod"].workers
    assert found is not None
    return found


@pytest.mark.parametrize("lines", EXAMPLES.values(), ids=EXAMPLES)
def test_each_kind(tmp_path: Path, lines: str) -> None:
    assert written(tmp_path, lines).queue == "muses.recepcion"


@pytest.mark.parametrize(("lines", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_names_the_setting(tmp_path: Path, lines: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        written(tmp_path, lines)
    assert said in str(caught.value)
    assert "environments.prod.workers" in str(caught.value)


def test_the_defaults_are_careful(tmp_path: Path) -> None:
    found = written(tmp_path, 'kind = "docker"')
    assert (found.docker_url, found.max_replicas, found.max_connections) == ("unix:///var/run/docker.sock", 8, None)
