"""What only Kubernetes has: two identities, autoscalers, conflicts, budgets, pages, pods that crash, kubeconfig.

Against a server that answers as the API reference says (``servers_kubernetes``); no cluster has seen this.
"""

from __future__ import annotations

import base64
import json
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from runbook.errors import ActionError, ProbeFailure
from runbook.settings import Secret
from runbook.settings.workers import KubernetesSettings
from runbook.targets.workers import access
from tests.runbook.targets.servers_network import refused_port, silent_port
from tests.runbook.targets.workers.failing import failing, refusal
from tests.runbook.targets.workers.grounds import Ground, asked_for, do, number, own, up
from tests.runbook.targets.workers.servers_docker import SERVICE
from tests.runbook.targets.workers.servers_kubernetes import NAMESPACE, OPERATOR, READER, Cluster

pytestmark = pytest.mark.usefixtures("at_once")


@pytest.fixture(autouse=True)
def _fresh(cluster: tuple[Ground, Cluster]) -> None:
    cluster[0].reset()


def test_a_number_that_an_autoscaler_owns_is_refused_by_its_name(cluster: tuple[Ground, Cluster]) -> None:
    ground, state = cluster
    state.autoscaler = ("spi-hpa", 2, 4)
    workers = ground.workers()
    assert number(workers).owner == "HorizontalPodAutoscaler spi-hpa (2–4)"
    said = refusal(lambda: do(workers, "scale", asked_for(workers), service=SERVICE, to=4))
    assert "belongs to HorizontalPodAutoscaler spi-hpa" in said
    assert ground.changes() == 0


def test_autoscalers_that_cannot_be_seen_might_own_it(cluster: tuple[Ground, Cluster]) -> None:
    ground, state = cluster
    state.hidden = True
    workers = ground.workers()
    assert number(workers).unseen == ("horizontalpodautoscalers (HTTP 403)",)
    assert "cannot be seen" in refusal(lambda: do(workers, "scale", {"running": 2}, service=SERVICE, to=4))
    assert len(up(workers)) == 2


def test_who_reads_cannot_change_and_who_is_unknown_cannot_read(
    cluster: tuple[Ground, Cluster], tmp_path: Path
) -> None:
    ground, state = cluster
    (tmp_path / "token").write_text(READER)
    given = {"namespace": NAMESPACE, "cafile": _authority(ground)}
    only = ground.workers(kubernetes=KubernetesSettings(token=Secret(file=tmp_path / "token"), **given))
    assert [right.held for right in only.rights()] == [True, True, True, False, False]
    error = failing(lambda: do(only, "scale", asked_for(only), service=SERVICE, to=3))
    assert (error.kind, error.code) == (ProbeFailure.DENIED, "403")
    assert state.replicas == 2
    (tmp_path / "token").write_text("ficha-inventada")
    nobody = ground.workers(kubernetes=KubernetesSettings(token=Secret(file=tmp_path / "token"), **given))
    error = failing(nobody.replicas)
    assert (error.kind, error.code) == (ProbeFailure.DENIED, "401")
    assert "ficha-inventada" not in str(error)


def test_a_pod_that_comes_meanwhile_is_no_conflict_but_a_change_of_the_spec_is(cluster: tuple[Ground, Cluster]) -> None:
    ground, state = cluster
    workers = ground.workers()
    state.busy = 2
    assert do(workers, "scale", asked_for(workers), service=SERVICE, to=3)["running"] == 3
    assert sum("PUT" in request for request in state.requests) == 3
    plan = asked_for(workers)
    state.meddles = True
    assert "changed by somebody else" in refusal(lambda: do(workers, "scale", plan, service=SERVICE, to=4))
    state.meddles = False
    assert "version was" in refusal(lambda: do(workers, "scale", plan, service=SERVICE, to=4))
    assert state.replicas == 3


def test_a_disruption_budget_and_another_pod_of_the_name_keep_one_from_restarting(
    cluster: tuple[Ground, Cluster],
) -> None:
    ground, state = cluster
    workers = ground.workers()
    pod = up(workers)[0]
    state.budget = True
    fingerprint = {"life": pod.life}
    assert "PodDisruptionBudget" in refusal(lambda: do(workers, "restart", fingerprint, name=pod.name))
    state.budget = False
    assert do(workers, "restart", fingerprint, name=pod.name) == {"replaced": pod.name, "running": 2}
    assert "no replica" in refusal(lambda: do(workers, "restart", fingerprint, name=pod.name))
    assert "scale" in refusal(lambda: do(workers, "stop", {}, name=up(workers)[0].name))


def test_pods_that_crash_fail_the_change_in_its_time_and_say_why(cluster: tuple[Ground, Cluster]) -> None:
    ground, state = cluster
    state.crashing = True
    workers = ground.workers(patience=timedelta(0))
    began = time.monotonic()
    with pytest.raises(ActionError) as caught:
        do(workers, "scale", asked_for(workers), service=SERVICE, to=3)
    assert not caught.value.refused
    assert time.monotonic() - began < 4
    assert "CrashLoopBackOff (Error, exit code 3, 4 restarts)" in str(caught.value)
    [fallen] = [pod for pod in own(workers) if not pod.well]
    assert (fallen.state, fallen.restarts, fallen.declared) == ("BACKOFF", 4, False)
    assert number(workers).running == 2
    state.crashing = False
    assert do(ground.workers(), "scale", {"running": 3}, service=SERVICE, to=2)["running"] == 2


def test_a_long_list_comes_in_pages(cluster: tuple[Ground, Cluster]) -> None:
    ground, state = cluster
    state.page, state.replicas = 2, 5
    workers = ground.workers()
    own(workers)
    assert len(own(workers)) == 5


def test_what_it_says_of_its_pods() -> None:
    from runbook.targets.workers.objects import Requirement, Selector
    from runbook.targets.workers.pods import selector

    some = (
        Requirement(key="tier", operator="In", values=("a", "b")),
        Requirement(key="old", operator="DoesNotExist"),
        Requirement(key="new", operator="Exists"),
    )
    assert selector(Selector(match_labels={"app": "x"}, match_expressions=some)) == "app=x,tier in (a,b),!old,new"


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_by_a_kubeconfig(cluster: tuple[Ground, Cluster], tmp_path: Path, form: str) -> None:
    ground, _ = cluster
    file = tmp_path / "config"
    written = json.dumps(_config(ground, {"token": OPERATOR}))
    if form == "yaml":
        pytest.importorskip("yaml")
        written = f"# del clúster\n{written}\n"
    file.write_text(written)
    workers = ground.workers(url="", kubernetes=KubernetesSettings(kubeconfig=file))
    assert len(up(workers)) == 2
    assert "token" not in str(number(workers)).lower()


def test_by_a_kubeconfig_with_a_certificate_of_our_own(cluster: tuple[Ground, Cluster], tmp_path: Path) -> None:
    """The server asks for none: this shows that it is loaded, from the file itself and from one beside it."""
    ground, _ = cluster
    authority, file = _authority(ground), tmp_path / "config"
    (tmp_path / "key").write_bytes(authority.with_name("server.key").read_bytes())
    ours = {"client-certificate-data": base64.b64encode(authority.read_bytes()).decode(), "client-key": "key"}
    file.write_text(json.dumps(_config(ground, {"token": OPERATOR, **ours})))
    assert len(up(ground.workers(url="", kubernetes=KubernetesSettings(kubeconfig=file)))) == 2
    (tmp_path / "key").write_text("ninguna")
    assert (
        failing(ground.workers(url="", kubernetes=KubernetesSettings(kubeconfig=file)).replicas).kind
        is ProbeFailure.TLS
    )


@pytest.mark.parametrize(
    ("user", "cluster_says", "said"),
    [
        pytest.param({"exec": {"command": "aws"}}, {}, "logs in by a program", id="a program"),
        pytest.param({"token": "x"}, {"insecure-skip-tls-verify": True}, "unproven", id="unproven"),
        pytest.param({"client-certificate-data": "%%"}, {}, "client-certificate cannot be read", id="no base64"),
        pytest.param({"client-key": "no-existe"}, {}, "client-key cannot be read", id="no file"),
    ],
)
def test_kubeconfigs_that_are_refused(
    cluster: tuple[Ground, Cluster], tmp_path: Path, user: dict[str, Any], cluster_says: dict[str, Any], said: str
) -> None:
    file = tmp_path / "config"
    file.write_text(json.dumps(_config(cluster[0], user, **cluster_says)))
    workers = cluster[0].workers(url="", kubernetes=KubernetesSettings(kubeconfig=file))
    error = failing(workers.replicas)
    assert said in str(error)
    missing = cluster[0].workers(url="", kubernetes=KubernetesSettings(kubeconfig=file, context="otro"))
    assert "has no context otro" in str(failing(missing.replicas))


def test_as_a_pod_of_the_cluster(
    cluster: tuple[Ground, Cluster], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground, _ = cluster
    outside = ground.workers(url="", kubernetes=None)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert "set workers.url and workers.kubernetes.token" in str(failing(outside.replicas))
    (tmp_path / "token").write_text(OPERATOR)
    (tmp_path / "namespace").write_text(NAMESPACE)
    (tmp_path / "ca.crt").write_bytes(_authority(ground).read_bytes())
    monkeypatch.setattr(access, "OWN", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "localhost")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", _url(ground).rpartition(":")[2])
    assert len(up(ground.workers(url="", kubernetes=None))) == 2


def test_each_failure_has_its_kind_in_time(cluster: tuple[Ground, Cluster]) -> None:
    ground, _ = cluster
    with silent_port() as silent:
        cases = {
            f"https://localhost:{refused_port()}": ProbeFailure.REFUSED,
            f"https://localhost:{silent}": ProbeFailure.SILENT,
            "https://does-not-exist.invalid:6443": ProbeFailure.DNS,
        }
        for url, kind in cases.items():
            began = time.monotonic()
            assert (failing(ground.workers(url=url).replicas).kind, time.monotonic() - began < 4) == (kind, True)
    stranger = ground.workers(kubernetes=KubernetesSettings(token=Secret(command=("echo", READER))))
    assert failing(stranger.replicas).kind is ProbeFailure.TLS
    elsewhere = KubernetesSettings(namespace="otro", cafile=_authority(ground), token=Secret(command=("echo", READER)))
    assert failing(ground.workers(kubernetes=elsewhere).replicas).kind is ProbeFailure.ABSENT


def _settings(ground: Ground) -> Any:
    return ground.workers()._settings


def _url(ground: Ground) -> str:
    return str(_settings(ground).url)


def _authority(ground: Ground) -> Path:
    found: Path = _settings(ground).kubernetes.cafile
    return found


def _config(ground: Ground, user: dict[str, Any], **more: Any) -> dict[str, Any]:
    authority = base64.b64encode(_authority(ground).read_bytes()).decode()
    server = {"server": _url(ground), "certificate-authority-data": authority, **more}
    context = {"cluster": "c", "user": "u", "namespace": NAMESPACE}
    return {
        "current-context": "x",
        "clusters": [{"name": "c", "cluster": server}],
        "contexts": [{"name": "x", "context": context}],
        "users": [{"name": "u", "user": user}],
    }
