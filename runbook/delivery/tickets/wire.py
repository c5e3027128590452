"""A tracker's interface over HTTP: in bounded time, tried again where that is harmless, and never telling the token.

What only reads, or can be repeated without harm, is tried again; a comment that was posted is not posted twice.
Redirects are answers like others: the token is sent to no place that the site file does not name.
"""

from __future__ import annotations

import base64
import json as stdlib_json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlencode

from runbook.errors import DeliveryError
from runbook.redact import masked_text
from runbook.settings.tickets import TicketsSettings
from runbook.targets.network import unreachable
from runbook.text import Text, text
from runbook.tongue import told

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

#: How often what is harmless is tried again, and the seconds that a server may ask us to wait in between.
_AGAIN, _LONGEST_WAIT = 3, 20
#: Seconds before the second of them, doubled each time.
PAUSE = 0.5
_BUSY = frozenset({429, 502, 503, 504})
#: Characters of an error's body that are shown.
_SHOWN = 300


class Answer(NamedTuple):
    """What a tracker said: its JSON (None where it said nothing) and the headers, by names in small letters."""

    json: Any
    headers: dict[str, str]


class Wire:
    """One tracker, asked as one identity. ``setting`` is where the site file speaks of it."""

    def __init__(self, settings: TicketsSettings, setting: str, headers: Mapping[str, str]) -> None:
        self.address, self.setting = settings.address, setting
        self._settings, self._headers = settings, {"User-Agent": "muses-runbook", **headers}
        self._pool: PoolManager | None = None

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: object = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Ask for ``path`` below the address; ``body`` is sent as JSON, ``content`` as it is. Raises DeliveryError."""
        sent = content if body is None else stdlib_json.dumps(body).encode()
        said = {"Accept": "application/json", **self._headers, **(headers or {}), "Authorization": self._identity()}
        if body is not None:
            said["Content-Type"] = "application/json"
        asked = f"{self.address}{path}{'?' + urlencode(query, quote_via=quote) if query else ''}"
        answer = self._exchanged(method, asked, sent, said)
        if answer.status // 100 != 2:
            raise self._refused(answer, path)
        return Answer(self._json(answer, path), {name.lower(): value for name, value in answer.headers.items()})

    def upload(self, path: str, name: str, content: bytes, *, headers: Mapping[str, str] | None = None) -> Answer:
        """Post one file as a form of one field ``file``. Raises DeliveryError."""
        from urllib3.filepost import encode_multipart_formdata

        form, kind = encode_multipart_formdata({"file": (name, content, "application/octet-stream")})
        return self.ask("POST", path, content=form, headers={**(headers or {}), "Content-Type": kind})

    def _exchanged(self, method: str, asked: str, sent: bytes | None, said: dict[str, str]) -> BaseHTTPResponse:
        from urllib3.exceptions import HTTPError

        try:
            return self._opened().request(method, asked, body=sent, headers=said, redirect=False)
        except HTTPError as error:
            why = unreachable(self._settings.tracker, self.address, error).said
            raise self._error(why, f"{self.setting}.url") from error

    def _opened(self) -> PoolManager:
        import urllib3

        if self._pool is None:
            again = urllib3.Retry(
                total=_AGAIN,
                status_forcelist=_BUSY,
                backoff_factor=PAUSE,
                raise_on_status=False,
                retry_after_max=_LONGEST_WAIT,
            )
            patience = urllib3.Timeout(connect=5, read=self._settings.patience.total_seconds())
            trusted = None if self._settings.cafile is None else str(self._settings.cafile)
            given: dict[str, Any] = {"retries": again, "timeout": patience, "ca_certs": trusted}
            proxy = self._settings.proxy
            self._pool = urllib3.ProxyManager(proxy, **given) if proxy else urllib3.PoolManager(**given)
        return self._pool

    def _identity(self) -> str:
        token = self._settings.token.reveal()
        if self._settings.user is None:
            return f"Bearer {token}"
        return "Basic " + base64.b64encode(f"{self._settings.user}:{token}".encode()).decode()

    def _json(self, answer: BaseHTTPResponse, path: str) -> Any:
        if not answer.data:
            return None
        try:
            return stdlib_json.loads(answer.data)
        except ValueError as error:
            why = text("{where} answered something else than its JSON at {path}", where=self.address, path=path)
            raise self._error(why, f"{self.setting}.url") from error

    def _refused(self, answer: BaseHTTPResponse, path: str) -> DeliveryError:
        reason = masked_text(" ".join(answer.data[:4096].decode(errors="replace").split()))[:_SHOWN]
        why = text(
            "{where} answered {status} at {path}: {reason}",
            where=self.address,
            status=answer.status,
            path=path,
            reason=reason,
        )
        return self._error(why, f"{self.setting}.{_AT_FAULT.get(answer.status, 'url')}", answer.status)

    def _error(self, why: Text, setting: str, status: int | None = None) -> DeliveryError:
        said = text("The ticket was not written: {why} (see {setting})", why=told(why), setting=setting)
        return Refused(said, status) if status is not None else DeliveryError(said)


class Refused(DeliveryError):
    """The tracker answered, and its answer is no. ``status`` is HTTP's."""

    def __init__(self, message: Text, status: int) -> None:
        self.status = status
        super().__init__(message)


#: Which key of the site file a status most likely speaks of.
_AT_FAULT = {401: "token", 403: "token", 413: "attach", 400: "fields", 422: "fields"}
