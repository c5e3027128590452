"""What lets the reader see and the operator change the replicas, for each kind of process manager."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from typing import Literal

from runbook.grants.needs import Need
from runbook.settings import EnvironmentSettings
from runbook.settings.workers import WorkersSettings

Identity = Literal["reader", "operator"]
Pair = tuple[str, str]
_NOTHING: Pair = ("", "")


def commands(settings: EnvironmentSettings, identity: Identity, need: Need) -> Pair:
    """What gives the right and what takes it; nothing where what lets the reader see lets the operator change too."""
    workers = settings.workers
    if workers is None or (identity == "operator" and need.right == "see"):
        return _NOTHING
    ways: dict[str, Callable[[WorkersSettings, Identity, str], Pair]] = {
        "supervisor": _supervisor,
        "systemd": _systemd,
        "docker": _docker,
        "kubernetes": _kubernetes,
        "command": _command,
    }
    return ways[workers.kind](workers, identity, settings.schedule.user)


def sudoers(workers: WorkersSettings, user: str) -> str:
    """The rule that lets a login start and stop the replicas of the two services and nothing else.

    It needs sudo 1.9.10: a ``*`` of an older one would let any unit be named beside ours.
    """
    own = workers.systemd
    change = "(enable|disable) --now" if own is not None and own.enable else "(start|stop)"
    allowed = [
        f"/usr/bin/systemctl ^{verbs} -- {_literal(name)}@[0-9]+\\.service$"
        for name in dict.fromkeys((workers.processing, workers.consolidation))
        for verbs in (f"--no-block {change}", "reset-failed")
    ]
    return f"{user} ALL=(root) NOPASSWD: \\\n  " + ", \\\n  ".join(allowed)


def role(workers: WorkersSettings, identity: Identity) -> list[dict[str, object]]:
    """The service account, its role and the binding; in kubectl's own namespace where the settings name none."""
    given = workers.kubernetes
    name, stateful = f"muses-runbook-{identity}", given.stateful if given else ()
    named = {"name": name, **({"namespace": given.namespace} if given and given.namespace else {})}
    kinds: dict[str, list[str]] = {}
    for service in dict.fromkeys((workers.processing, workers.consolidation)):
        kinds.setdefault("statefulsets" if service in stateful else "deployments", []).append(service)
    rules = _reading(kinds) if identity == "reader" else _changing(kinds)
    group = "rbac.authorization.k8s.io"
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": named},
        {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": named, "rules": rules},
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": named,
            "subjects": [{"kind": "ServiceAccount", **named}],
            "roleRef": {"apiGroup": group, "kind": "Role", "name": name},
        },
    ]


def _reading(kinds: dict[str, list[str]]) -> list[dict[str, object]]:
    own = [_rule("apps", kind, "get", names) for kind, names in kinds.items()]
    return [*own, _rule("", "pods", "list"), _rule("autoscaling", "horizontalpodautoscalers", "list")]


def _changing(kinds: dict[str, list[str]]) -> list[dict[str, object]]:
    own = [_rule("apps", f"{kind}/scale", "update", names) for kind, names in kinds.items()]
    return [*own, _rule("", "pods/eviction", "create")]


def _rule(group: str, resource: str, verb: str, names: list[str] | None = None) -> dict[str, object]:
    rule: dict[str, object] = {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
    return rule | {"resourceNames": names} if names else rule


def _supervisor(workers: WorkersSettings, identity: Identity, user: str) -> Pair:
    if identity == "operator":
        return _NOTHING
    said = "# supervisord.conf; supervisor knows no reader: whoever may ask may change. Then restart supervisord"
    if not workers.url.startswith("unix://"):
        return f"{said}\n[inet_http_server]\nusername={user}\npassword=PASSWORD", ""
    path = workers.url.removeprefix("unix://")
    section = f"[unix_http_server]\nfile={path}\nchmod=0770\nchown=root:{user}"
    return f"{said}\n{section}", f"[unix_http_server]\nfile={path}\nchmod=0700\nchown=root:root"


def _systemd(workers: WorkersSettings, identity: Identity, user: str) -> Pair:
    own = workers.systemd
    if identity == "reader" or own is None or own.change_with[:1] != ("sudo",):
        return _NOTHING  # any login may see units; to change without sudo is polkit's or root's to give
    where = "# on each host: visudo -f /etc/sudoers.d/muses-runbook (the login of ssh in the place of the name)"
    return f"{where}\n{sudoers(workers, user)}", "rm /etc/sudoers.d/muses-runbook"


def _docker(workers: WorkersSettings, identity: Identity, user: str) -> Pair:
    if identity == "operator" or not workers.docker_url.startswith("unix://"):
        return _NOTHING  # over TLS the client's certificate is the right, and the same for both
    said = "  # who may use the socket is root there; the daemon knows no smaller right"
    return f"usermod -aG docker {user}{said}", f"gpasswd -d {user} docker"


def _kubernetes(workers: WorkersSettings, identity: Identity, user: str) -> Pair:
    manifest = json.dumps({"apiVersion": "v1", "kind": "List", "items": role(workers, identity)}, indent=2)
    name = f"muses-runbook-{identity}"
    space = f" -n {workers.kubernetes.namespace}" if workers.kubernetes and workers.kubernetes.namespace else ""
    give = f"kubectl apply -f - <<'END'\n{manifest}\nEND\nkubectl{space} create token {name}"
    return give, f"kubectl{space} delete rolebinding,role,serviceaccount {name}"


def _command(workers: WorkersSettings, identity: Identity, user: str) -> Pair:
    own = workers.command
    if own is None:
        return _NOTHING
    lines = [own.list] if identity == "reader" else [line for line in (own.start, own.stop, own.scale) if line]
    programs = sorted({line[0] for line in lines})
    give = [f"setfacl -m u:{user}:x {shlex.quote(program)}" for program in programs]
    return "\n".join(give), "\n".join(f"setfacl -x u:{user} {shlex.quote(program)}" for program in programs)


def _literal(name: str) -> str:
    """A unit's name in a regular expression of sudoers, where a backslash, comma or colon has a meaning of its own."""
    return "".join(letter if letter.isalnum() or letter in "-_" else f"\\{letter}" for letter in name)
