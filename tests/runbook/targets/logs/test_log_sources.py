"""The addresses of logs in a site file: what they mean, and what is refused with the name of the setting."""

from __future__ import annotations

from pathlib import Path

import pytest

from runbook import site_file
from runbook.errors import SettingsError
from runbook.settings.log_sources import (
    Docker,
    Elastic,
    Files,
    HostFiles,
    Journal,
    Loki,
    Pods,
    Source,
    parsed,
    sources_of,
)


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("/var/log/muses/*.log", Files(("/var/log/muses/*.log",))),
        ("ssh://ops@app1:2222/var/log/mi%20dir/*.log", HostFiles("ops@app1:2222", "/var/log/mi dir/*.log")),
        ("journald://app1?unit=a@*.service&unit=b.service", Journal("app1", ("a@*.service", "b.service"))),
        ("journald://?unit=a", Journal("", ("a",))),
        ("docker://?name=a", Docker("/var/run/docker.sock", (("name", "a"),))),
        ("docker:///run/user/1000/docker.sock?label=x=y", Docker("/run/user/1000/docker.sock", (("label", "x=y"),))),
        ("docker+https://app1:2376?label=x", Docker("https://app1:2376", (("label", "x"),))),
        ("k8s://muses?selector=app=a,tier=b", Pods("", "muses", "app=a,tier=b")),
        ("k8s+https://api:6443/muses?selector=app", Pods("https://api:6443", "muses", "app")),
        ('loki+https://loki:3100?query={app="a"}', Loki("https://loki:3100", '{app="a"}', "instance")),
        ("loki+http://x/loki/?query={a}&replica=pod", Loki("http://x/loki", "{a}", "pod")),
        ("es+https://es:9200/muses-*", Elastic("https://es:9200", "muses-*", "*", "@timestamp")),
        ("es+http://es/i?query=a:b&time=ts", Elastic("http://es", "i", "a:b", "ts")),
    ],
)
def test_an_address_is_a_source(address: str, source: Source) -> None:
    assert parsed(address) == source


@pytest.mark.parametrize(
    "address",
    [
        "ftp://host/x.log",
        "ssh:///var/log/x",
        "ssh://host",
        "ssh://host/var/log/x?.log",
        "journald://host",
        "journald://host?user=x",
        "docker://",
        "docker+tcp://x?name=a",
        "k8s://muses",
        "k8s+https://api:6443?selector=a",
        "loki+https://loki:3100",
        "loki+https://loki?query={a}&limit=5",
        "es+https://es:9200",
        "es+https://:9200/i",
        "es+https://es:92000/i",
        "ssh://[app1/x",
        "es+https://es/i?size=5",
    ],
)
def test_any_other_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="no source of logs"):
        parsed(address)


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(ValueError, match=r"logs\.access") as caught:
        parsed("es+https://lector:clave-larga@es:9200/i")
    assert "clave-larga" not in str(caught.value)


def test_patterns_of_this_machine_are_one_source() -> None:
    assert sources_of(("/a/*.log", "ssh://h/b", "/a/x.log")) == [Files(("/a/*.log", "/a/x.log")), HostFiles("h", "/b")]


def test_the_error_names_the_setting(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text('[environments.prod.logs]\nservices.proc = ["loqui://x"]\n')
    with pytest.raises(SettingsError, match=r"environments\.prod\.logs: services\.proc: 'loqui://x'"):
        site_file.load(file, {})


def test_a_whole_table_is_read(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text("""
[environments.prod.logs]
window = "10 min"
services.proc = ["journald://app1?unit=proc@*.service", 'loki+https://loki:3100?query={app="proc"}']

[environments.prod.logs.access."loki:3100"]
token = { env = "LOKI_TOKEN" }
tenant = "muses"
""")
    _, environment = site_file.load(file, {}).environment("prod")
    assert environment.logs is not None
    assert environment.logs.access["loki:3100"].tenant == "muses"
