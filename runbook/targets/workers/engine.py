"""Docker's Engine API: where it is, in which version, and its times."""

from __future__ import annotations

import re
import ssl
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec

from runbook.errors import ProbeError, ProbeFailure
from runbook.settings import WorkersSettings
from runbook.settings.workers import DockerSettings
from runbook.targets.rights import Right
from runbook.targets.workers.api import PATIENCE, Api
from runbook.text import text

T = TypeVar("T")

_VERSION = re.compile(r"\d+\.\d+")
_MEND = "usermod -aG docker USER  # whoever may use the socket is root there; the daemon knows no smaller right"


class _Version(msgspec.Struct, frozen=True, rename="pascal"):
    api_version: str


class Engine:
    """The daemon's API in the daemon's own version: a path without one is on its way out, an old one is refused."""

    def __init__(self, target: str, settings: WorkersSettings) -> None:
        self._given = settings.docker or DockerSettings()
        secure = settings.docker_url.startswith("https://")
        self.api = Api(target, settings.docker_url, context=self._context if secure else None)
        self._prefix = ""

    def get(self, path: str, kind: type[T], **query: Any) -> tuple[T, datetime]:
        """What stands at a path of the API, and the daemon's clock. ``filters`` are given as they are, not as text."""
        asked = {k: v if isinstance(v, str) else msgspec.json.encode(v).decode() for k, v in query.items()}
        return self.api.get(f"{self._version()}{path}", kind, **asked)

    def post(self, path: str, body: Any = None, *, patience: float = PATIENCE) -> None:
        """Change something; what is as asked already (HTTP 304) is well."""
        self.api.send("POST", f"{self._version()}{path}", body, patience=patience)

    def rights(self) -> tuple[Right, ...]:
        """Whether we may call it at all: it knows no finer right. Reads only."""
        try:
            self._version()
            held = True
        except ProbeError as error:
            if error.kind is not ProbeFailure.DENIED:
                raise
            held = False
        what = text("calls docker at {where}, to read and to change", where=self.api.address)
        return tuple(Right(what=what, held=held, mend=_MEND, identity=who) for who in ("reader", "operator"))

    def _version(self) -> str:
        if not self._prefix:
            told, _ = self.api.get("/version", _Version)
            if not _VERSION.fullmatch(told.api_version):
                said = text("{where} answered something else than its API's JSON", where=self.api.address)
                raise ProbeError(self.api.target, ProbeFailure.BROKEN, said)
            self._prefix = f"/v{told.api_version}"
        return self._prefix

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self._given.cafile)
        if self._given.certificate is not None:
            context.load_cert_chain(self._given.certificate, self._given.key)
        return context


def since(now: datetime, then: datetime | None) -> timedelta | None:
    """How long ago that was by the daemon's clock; None for never, which Docker writes as the year 1."""
    if then is None or then.year < 2000:
        return None
    return max(timedelta(0), now - then)
