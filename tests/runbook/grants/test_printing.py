"""What ``grants`` prints: for the chosen rows and no more, for each kind of system, without a secret."""

from __future__ import annotations

import importlib
import inspect
import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from runbook.commands.catalogue import load_rows
from runbook.commands.grants import grants_command, policies
from runbook.errors import SettingsError
from runbook.grants.asked import asks
from runbook.grants.granting import PROCEDURES, Grant, grants
from runbook.grants.managers import role, sudoers
from runbook.grants.needs import Need, needs_of
from runbook.rows import find
from runbook.settings import (
    ActingSettings,
    BackupSettings,
    BrokerSettings,
    DatabaseSettings,
    EnvironmentSettings,
    HostsSettings,
    Login,
    LogsSettings,
    Secret,
    StorageSettings,
    WorkersSettings,
)
from runbook.settings.workers import CommandSettings, DockerSettings, KubernetesSettings, SystemdSettings
from runbook.targets.opening import KINDS
from tests.runbook.targets.workers.grounds import do, number, on_kubernetes, own
from tests.runbook.targets.workers.servers_docker import SERVICE

ROWS = tuple(row for row in load_rows() if row.check.__module__.startswith("checks."))  # not those of other tests
LOGIN = Login(user="lector", password=Secret(env="CLAVE"))


def environment(**changes: Any) -> EnvironmentSettings:
    whole: dict[str, Any] = {
        "database": DatabaseSettings(reader=LOGIN, operator=Login(user="operador")),
        "broker": BrokerSettings(queues=("muses.recepcion",), reader=LOGIN, vhost="muses dev"),
        "storage": StorageSettings(backup_bucket="respaldos", archive_bucket="archivo"),
        "workers": WorkersSettings(queue="muses.recepcion", url="unix:///run/supervisor.sock"),
        "hosts": HostsSettings(addresses=("ssh://vigia@app1", "local://")),
        "logs": LogsSettings(services={"procesamiento": ("/var/log/muses/*.log",)}),
    }
    return EnvironmentSettings(**(whole | changes))


def printed(*ids: str, **changes: Any) -> tuple[Grant, ...]:
    rows = [find(id) for id in ids] or ROWS
    return grants(rows, environment(**changes), everything=not ids, owner="muses_owner")


def gives(system: str, *ids: str, identity: str = "reader", **changes: Any) -> str:
    found = printed(*ids, **changes)
    return "\n".join(one.give for one in found if (one.system, one.identity) == (system, identity))


def declared() -> list[tuple[str, str]]:
    """Every probe and operation of every target, used by a row or not."""
    found = []
    for module, name in KINDS.values():
        for member, function in inspect.getmembers(getattr(importlib.import_module(module), name)):
            spec = getattr(function, "__probe__", None)
            needs = spec.needs if spec else getattr(function, "__needs__", None)
            found += [(f"{name}.{member}", needs)] if needs else []
    return found


@pytest.mark.parametrize(("who", "needs"), declared(), ids=lambda told: told if "." in told[:30] else "")
def test_what_is_declared_is_understood(who: str, needs: str) -> None:
    assert needs_of(needs) is not None


def test_a_phrase_that_nobody_understands_is_an_error_and_not_passed_over() -> None:
    with pytest.raises(SettingsError, match="la luna"):
        needs_of("PostgreSQL role pg_monitor, la luna")


def test_several_rights_in_one_phrase() -> None:
    words = "s3:ListBucket and s3:GetObject on the backup bucket; PostgreSQL role pg_monitor, extension hypopg"
    assert needs_of(words) == {
        Need("s3", "s3:ListBucket", "backup"),
        Need("s3", "s3:GetObject", "backup"),
        Need("postgresql", "member", "pg_monitor"),
        Need("postgresql", "extension", "hypopg"),
    }


class TestChosenRows:
    def test_a_row_of_the_broker_needs_nothing_else(self) -> None:
        assert {one.system for one in printed("BROKER-01")} == {"rabbitmq"}

    def test_a_row_of_the_hosts_needs_no_database(self) -> None:
        assert {one.system for one in printed("HOST-01")} == {"hosts"}

    def test_every_right_says_who_needs_it(self) -> None:
        known = {row.id for row in ROWS} | set(PROCEDURES)
        assert all(one.rows and set(one.rows) <= known for one in printed())

    def test_fewer_rows_never_need_more(self) -> None:
        whole = {(one.identity, one.need) for one in printed()}
        for row in ROWS:
            assert {(one.identity, one.need) for one in printed(row.id)} <= whole

    def test_what_the_site_has_not_is_not_granted(self) -> None:
        assert {one.system for one in printed(storage=None, workers=None, broker=None)} == {
            "postgresql",
            "hosts",
            "logs",
        }

    def test_a_row_without_a_remedy_needs_no_operator(self) -> None:
        assert {one.identity for one in printed("INDEX-02", "STAGE-02", "BROKER-01")} == {"reader"}

    def test_whoever_mends_takes_the_lock_of_acting_runs_first(self) -> None:
        assert "GRANT CREATE ON DATABASE sep_muses TO operador;" in gives("postgresql", "QUEUE-01", identity="operator")
        alone = gives("postgresql", "QUEUE-01", identity="operator", acting=ActingSettings(machines="one"))
        assert "CREATE ON DATABASE" not in alone


class TestAsked:
    def test_a_check_is_followed_through_other_functions_and_targets(self) -> None:
        names = {f"{one.target}.{one.name}" for one in asks(find("STAGE-02")).check}
        assert names == {"hosts.facts", "purge.staged"}

    def test_causes_and_the_operations_of_a_remedy_are_apart(self) -> None:
        asked = asks(find("QUEUE-01"))
        assert {one.name for one in asked.operations} == {"start", "stop", "restart", "roll", "scale"}
        assert {one.target for one in asked.check} == {"broker"}
        assert {one.target for one in asked.probes} >= {"broker", "workers", "database", "logs"}


def test_sql_names_the_roles_of_the_settings() -> None:
    reader, operator = gives("postgresql", "DB-03"), gives("postgresql", "DB-03", identity="operator")
    assert "GRANT pg_monitor TO lector;" in reader
    assert "ALTER ROLE lector SET default_transaction_read_only = on;" in reader
    assert "GRANT pg_signal_backend TO operador;" in operator
    assert "pg_signal_backend" not in reader


def test_rabbitmq_lets_the_reader_touch_no_queue() -> None:
    lines = gives("rabbitmq", "QUEUE-01").splitlines()
    assert "rabbitmqctl set_user_tags lector monitoring" in lines
    assert "rabbitmqctl set_permissions -p 'muses dev' lector '^$' '^$' '^$'" in lines


class TestPolicies:
    def policy(self, identity: str, bucket: str, **changes: Any) -> list[dict[str, Any]]:
        settings = environment(**changes)
        document = policies(printed(**changes), settings)[identity, bucket]
        statements: list[dict[str, Any]] = json.loads(document)["Statement"]
        return statements

    def test_actions_on_objects_and_on_the_bucket_are_apart(self) -> None:
        bucket, objects = self.policy("reader", "respaldos")
        assert (bucket["Resource"], objects["Resource"]) == (["arn:aws:s3:::respaldos"], ["arn:aws:s3:::respaldos/*"])
        assert "s3:ListBucket" in bucket["Action"]
        assert "s3:GetObject" in objects["Action"]

    def test_the_reader_writes_nothing(self) -> None:
        for bucket in ("respaldos", "archivo"):
            actions = [action for stated in self.policy("reader", bucket) for action in stated["Action"]]
            assert all(re.match(r"s3:(Get|List)", action) for action in actions)

    def test_a_kms_key_is_opened_by_both_and_used_by_who_writes(self) -> None:
        sealed = BackupSettings(encryption="sse-kms", kms_key_id="1-2-3")
        for identity, allowed in {
            "reader": ["kms:Decrypt"],
            "operator": ["kms:Decrypt", "kms:GenerateDataKey"],
        }.items():
            key = self.policy(identity, "respaldos", backup=sealed)[-1]
            assert (key["Action"], key["Resource"]) == (allowed, ["arn:aws:kms:*:*:key/1-2-3"])


class TestManagers:
    def test_supervisor_knows_no_reader(self) -> None:
        assert "chown=root:muses-runbook" in gives("workers", "QUEUE-01")
        assert gives("workers", "QUEUE-01", identity="operator") == ""

    def test_dockers_socket_is_everything(self) -> None:
        docker = WorkersSettings(kind="docker", queue="q", docker=DockerSettings())
        assert gives("workers", "QUEUE-01", workers=docker).startswith("usermod -aG docker muses-runbook")

    def test_the_sites_own_programs(self) -> None:
        own = CommandSettings(
            list=("/opt/ver réplicas",), start=("/opt/cambiar", "{name}"), stop=("/opt/cambiar", "{name}")
        )
        workers = WorkersSettings(kind="command", queue="q", command=own)
        assert gives("workers", "QUEUE-01", workers=workers) == "setfacl -m u:muses-runbook:x '/opt/ver réplicas'"
        acting = gives("workers", "QUEUE-01", workers=workers, identity="operator")
        assert acting == "setfacl -m u:muses-runbook:x /opt/cambiar"

    @pytest.mark.parametrize(
        ("command", "allowed"),
        [
            ("--no-block start -- servicio-procesamiento-inicial@1.service", True),
            ("--no-block stop -- servicio-consolidacion@12.service", True),
            ("reset-failed -- servicio-consolidacion@1.service", True),
            ("--no-block start -- ssh.service", False),
            ("--no-block start -- servicio-consolidacion@1.service ssh.service", False),
            ("--no-block start -- servicio-consolidacion@1xservice", False),
            ("--no-block enable --now -- servicio-consolidacion@1.service", False),
            ("--no-block restart -- servicio-consolidacion@1.service", False),
        ],
    )
    def test_sudo_allows_what_the_operator_runs_and_nothing_beside(self, command: str, allowed: bool) -> None:
        """The same list was tried on sudo 1.9.13 itself, which matches these expressions as POSIX ones."""
        workers = WorkersSettings(kind="systemd", queue="q", systemd=SystemdSettings(change_with=("sudo", "-n")))
        rules = re.findall(r"/usr/bin/systemctl (\^.*?\$)(?:,|$)", sudoers(workers, "muses"), re.MULTILINE)
        assert len(rules) == 4
        assert any(re.fullmatch(rule, command) for rule in rules) is allowed
        assert gives("workers", "QUEUE-01", identity="operator", workers=workers).count("NOPASSWD") == 1
        assert gives("workers", "QUEUE-01", workers=workers) == ""

    def test_what_is_enabled_for_good_is_another_command(self) -> None:
        lasting = SystemdSettings(change_with=("sudo", "-n"), enable=True)
        rule = sudoers(WorkersSettings(kind="systemd", queue="q", systemd=lasting), "muses")
        assert "(enable|disable) --now" in rule
        assert "(start|stop)" not in rule


def test_kubernetes_roles_allow_each_request_of_theirs_and_hold_nothing_more(tmp_path: Path) -> None:
    """What was really asked of an API server, against the rules as Kubernetes matches them."""
    given = KubernetesSettings(namespace="muses")
    settings = WorkersSettings(kind="kubernetes", queue="q", processing=SERVICE, kubernetes=given)
    with on_kubernetes(tmp_path) as (ground, cluster):
        workers = ground.workers()
        cluster.requests.clear()
        do(workers, "scale", service=SERVICE, to=3)
        do(workers, "restart", name=own(workers)[0].name)
        assert number(workers).wanted == 3
        asked = [_asked(request) for request in cluster.requests]
    for identity in ("reader", "operator"):
        _account, held, binding = role(settings, identity)  # type: ignore[arg-type]
        assert binding["roleRef"]["name"] == held["metadata"]["name"]  # type: ignore[index]
        rules: list[dict[str, Any]] = held["rules"]  # type: ignore[assignment]
        mine = [one for one in asked if (one[1] in ("get", "list")) == (identity == "reader")]
        assert mine
        assert [one for one in mine if not any(_allows(rule, one) for rule in rules)] == []
        assert [rule for rule in rules if not any(_allows(rule, one) for one in mine)] == []


Request = tuple[str, str, str, str]


def _asked(request: str) -> Request:
    """Group, verb, resource and name of a request."""
    method, path = request.split(" ", 1)
    found = re.fullmatch(r"/apis?(?:/([a-z.]+))?/v\d/namespaces/muses/([a-z]+)(?:/([^/]+)(?:/([a-z]+))?)?", path)
    assert found, request
    group, resource, name, part = (found[place] or "" for place in (1, 2, 3, 4))
    verb = {"GET": "get" if name else "list", "PUT": "update", "POST": "create"}[method]
    return group, verb, f"{resource}/{part}" if part else resource, name


def _allows(rule: dict[str, Any], request: Request) -> bool:
    group, verb, resource, name = request
    named = "resourceNames" not in rule or name in rule["resourceNames"]
    return group in rule["apiGroups"] and verb in rule["verbs"] and resource in rule["resources"] and named


class TestHostsAndLogs:
    def test_each_host_by_its_own_login(self) -> None:
        lines = gives("hosts", "HOST-11").splitlines()
        assert "ssh-copy-id vigia@app1" in lines
        assert "usermod -aG systemd-journal vigia  # on app1" in lines
        assert "usermod -aG systemd-journal muses-runbook  # on this machine" in lines

    @pytest.mark.parametrize(
        ("address", "said"),
        [
            ("/var/log/muses/*.log", "setfacl -m u:muses-runbook:rX,d:u:muses-runbook:rX /var/log/muses"),
            ("ssh://vigia@app1/var/log/m y/*.log", "/var/log/m' 'y/*.log  # on app1"),
            ("journald://app1?unit=p@*.service", "usermod -aG systemd-journal muses-runbook  # on app1"),
            ("docker://?name=p", "usermod -aG docker muses-runbook"),
            ("k8s://muses?selector=app=p", "--verb=get,list --resource=pods,pods/log"),
            ('loki+https://loki:3100?query={app="p"}', "may GET /loki/api/v1/query_range"),
            ("es+https://es:9200/muses-*", '"privileges": ["read"]'),
        ],
    )
    def test_each_place_of_a_log(self, address: str, said: str) -> None:
        assert said in gives("logs", "QUEUE-01", logs=LogsSettings(services={"p": (address,)}))


class TestCommand:
    SITE = """\
[environments.prod.database]
reader = { user = "lector", password = { env = "CLAVE" } }
[environments.prod.broker]
queues = ["muses.recepcion"]
reader = { user = "lector", password = { env = "CLAVE" } }
"""

    def run(self, tmp_path: Path, *arguments: str) -> str:
        site = tmp_path / "site.toml"
        site.write_text(self.SITE)
        done = CliRunner().invoke(grants_command, [*arguments, "--settings", str(site)], standalone_mode=False)
        if done.exception:
            raise done.exception
        return done.output

    def test_the_sql_and_the_commands_stand_under_their_system(self, tmp_path: Path) -> None:
        shown = self.run(tmp_path, "DB-01", "QUEUE-01", "--lang", "en").splitlines()
        sql, broker = (
            shown.index("GRANT pg_monitor TO lector;"),
            shown.index("rabbitmqctl set_user_tags lector monitoring"),
        )
        assert shown[0].startswith("-- PostgreSQL")
        assert sql < broker

    def test_json_gives_and_takes(self, tmp_path: Path) -> None:
        told = json.loads(self.run(tmp_path, "DB-02", "--json"))
        assert {one["right"] for one in told if one["identity"] == "reader"} == {"log in", "member"}
        assert all(one["give"] and one["take"] and one["rows"] == ["DB-02"] for one in told)

    def test_a_row_there_is_not(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match="QUEUE-00"):
            self.run(tmp_path, "QUEUE-00")

    def test_no_secret_is_in_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CLAVE", "muy-secreto")
        assert "muy-secreto" not in self.run(tmp_path)
