"""The way to a Kubernetes API server: by url and token, by a kubeconfig, or as a pod of the cluster."""

from __future__ import annotations

import base64
import binascii
import os
import ssl
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from runbook import redact
from runbook.errors import ProbeError, ProbeFailure
from runbook.settings import Secret
from runbook.settings.workers import KubernetesSettings
from runbook.targets.identity import revealed
from runbook.targets.workers.api import Api
from runbook.text import Text, text

#: Where a pod finds its own identity.
OWN = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_NAMESPACE = "default"
#: Seconds that a token is used before it is read again.
_FRESH = 60.0


@dataclass(frozen=True)
class _Way:
    """A server and who asks it: a token, or a certificate with its key in PEM."""

    url: str
    namespace: str
    cafile: str | None = None
    authority: str | None = None
    token: Callable[[], str | None] = lambda: None
    certificate: bytes | None = None
    key: bytes | None = None

    def context(self) -> ssl.SSLContext:
        made = ssl.create_default_context(cafile=self.cafile, cadata=self.authority)
        if self.certificate is not None and self.key is not None:
            _load(made, self.certificate, self.key)
        return made

    def headers(self) -> dict[str, str]:
        token = self.token()
        if not token:
            return {}
        redact.learn(token)
        return {"Authorization": f"Bearer {token}"}


def opened(target: str, url: str, given: KubernetesSettings, *, operator: bool) -> tuple[Api, str]:
    """The API as who reads or who changes, and the namespace. Raises ProbeError where a secret or a file is missing."""
    if given.kubeconfig is not None:
        context = (given.operator_context if operator else "") or given.context
        way = _by_kubeconfig(target, given.kubeconfig, context)
    elif url:
        secret = given.operator_token if operator and given.operator_token is not None else given.token
        way = _by_token(target, url, given, secret)
    else:
        way = _as_a_pod(target)
    api = Api(target, url or way.url, context=way.context, headers=way.headers)
    return api, given.namespace or way.namespace


def _by_token(target: str, url: str, given: KubernetesSettings, secret: Secret | None) -> _Way:
    if secret is None:
        raise _lacking(target, text("kubernetes needs workers.kubernetes.token or kubeconfig beside its url"))
    cafile = None if given.cafile is None else str(given.cafile)
    return _Way(url, _NAMESPACE, cafile=cafile, token=_renewed(lambda: revealed(target, secret)))


def _as_a_pod(target: str) -> _Way:
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host or not (OWN / "token").is_file():
        said = text("this is no pod of a cluster: set workers.url and workers.kubernetes.token, or kubeconfig")
        raise _lacking(target, said)
    url = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    namespace = (OWN / "namespace").read_text().strip() if (OWN / "namespace").is_file() else _NAMESPACE
    return _Way(url, namespace, cafile=str(OWN / "ca.crt"), token=_of_file(target, OWN / "token"))


def _by_kubeconfig(target: str, file: Path, context: str) -> _Way:
    """A context of the file. What would make the server unproven, or would run a program, is refused."""
    config = _read(target, file)
    chosen = _entry(target, file, config, "context", context or str(config.get("current-context") or ""))
    cluster = _entry(target, file, config, "cluster", str(chosen.get("cluster")))
    user = _entry(target, file, config, "user", str(chosen.get("user")))
    if cluster.get("insecure-skip-tls-verify"):
        raise _lacking(target, text("{file}: insecure-skip-tls-verify leaves the server unproven: refused", file=file))
    if "exec" in user or "auth-provider" in user:
        said = text(
            "{file}: its user logs in by a program: set workers.url and workers.kubernetes.token with that command",
            file=file,
        )
        raise _lacking(target, said)
    data = _bytes(target, file, cluster, "certificate-authority")
    token = _of_file(target, file.parent / user["tokenFile"]) if user.get("tokenFile") else lambda: user.get("token")
    return _Way(
        str(cluster.get("server", "")),
        str(chosen.get("namespace") or _NAMESPACE),
        authority=None if data is None else data.decode(),
        token=token,
        certificate=_bytes(target, file, user, "client-certificate"),
        key=_bytes(target, file, user, "client-key"),
    )


def _of_file(target: str, file: Path) -> Callable[[], str | None]:
    return _renewed(lambda: revealed(target, Secret(file=file)))


def _renewed(read: Callable[[], str | None]) -> Callable[[], str | None]:
    """Read again once it is a minute old: a cluster renews its tokens every hour, and a command takes its time."""
    held: list[tuple[float, str | None]] = []

    def token() -> str | None:
        if not held or time.monotonic() - held[0][0] > _FRESH:
            held[:] = [(time.monotonic(), read())]
        return held[0][1]

    return token


def _read(target: str, file: Path) -> dict[str, Any]:
    try:
        written = file.read_bytes()
    except OSError as error:
        raise _lacking(target, text("{file} cannot be read: {reason}", file=file, reason=error.strerror)) from error
    try:
        return msgspec.json.decode(written, type=dict[str, Any])
    except msgspec.DecodeError:
        return _yaml(target, file, written)


def _yaml(target: str, file: Path, written: bytes) -> dict[str, Any]:
    try:
        return msgspec.yaml.decode(written, type=dict[str, Any])
    except ImportError as error:
        said = text("{file} is YAML: pip install 'muses-runbook[kubernetes]', or write it as JSON", file=file)
        raise _lacking(target, said) from error
    except msgspec.DecodeError as error:
        raise _lacking(target, text("{file} is no kubeconfig", file=file)) from error


def _entry(target: str, file: Path, config: dict[str, Any], kind: str, name: str) -> dict[str, Any]:
    entries = config.get(f"{kind}s") or []
    found = next((entry.get(kind) for entry in entries if entry.get("name") == name), None)
    if not isinstance(found, dict):
        raise _lacking(target, text("{file} has no {kind} {name}", file=file, kind=kind, name=name or "?"))
    return found


def _bytes(target: str, file: Path, entry: dict[str, Any], key: str) -> bytes | None:
    """What the file holds itself (``…-data``), or names (beside itself)."""
    try:
        if data := entry.get(f"{key}-data"):
            return base64.b64decode(data, validate=True)
        return (file.parent / entry[key]).read_bytes() if entry.get(key) else None
    except (OSError, binascii.Error) as error:
        raise _lacking(target, text("{file}: {key} cannot be read", file=file, key=key)) from error


def _load(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """ssl takes files only: one that nobody else may read, gone at once."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(certificate + b"\n" + key)
        file.flush()
        context.load_cert_chain(file.name)


def _lacking(target: str, said: Text) -> ProbeError:
    return ProbeError(target, ProbeFailure.DENIED, said)
