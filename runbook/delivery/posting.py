"""One server of the site's monitoring, sent to over HTTP: in bounded time, and never telling the token.

What is sent can be sent twice without harm, so that it is tried again where a server is busy. Redirects are answers
like others: the token is sent to no place that the site file does not name.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from runbook.errors import DeliveryError
from runbook.redact import masked_text
from runbook.settings import Login, Secret
from runbook.targets.network import unreachable
from runbook.text import Text, text
from runbook.tongue import told

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

#: Seconds for a connection and for an answer, how often a busy server is asked again, and its longest wait in seconds.
CONNECT, PATIENCE, AGAIN, LONGEST_WAIT = 3.0, 5.0, 2, 5
_BUSY = frozenset({429, 502, 503, 504})
_SHOWN = 200
#: Bytes of an answer that are read: there is nothing long to say.
_MOST = 64 * 1024


class _Answer(NamedTuple):
    status: int
    content: bytes


class Server(NamedTuple):
    """Where it is and who we are there. ``setting`` is the key of the address, ``identity`` that of the secret."""

    url: str
    setting: str
    identity: str
    token: Secret | None = None
    login: Login | None = None
    headers: Mapping[str, Secret] = {}
    cafile: Path | None = None

    def send(self, method: str, path: str, content: bytes, headers: Mapping[str, str]) -> bytes:
        """Send it to ``path`` below the address: the answer. Raises DeliveryError, for a secret SettingsError."""
        said = {"User-Agent": "muses-runbook", **headers, **self._identity()}
        answer = self._exchanged(method, self.url.rstrip("/") + path, content, said)
        if answer.status // 100 != 2:
            raise self._refused(answer)
        return answer.content

    def _exchanged(self, method: str, address: str, content: bytes, said: Mapping[str, str]) -> _Answer:
        import urllib3

        again = urllib3.Retry(
            total=AGAIN,
            connect=0,
            read=0,
            status_forcelist=_BUSY,
            allowed_methods=None,
            backoff_factor=0.2,
            raise_on_status=False,
            retry_after_max=LONGEST_WAIT,
        )
        patience = urllib3.Timeout(connect=CONNECT, read=PATIENCE)
        trusted = None if self.cafile is None else str(self.cafile)
        try:
            with urllib3.PoolManager(retries=again, timeout=patience, ca_certs=trusted) as pool:
                answer = pool.urlopen(
                    method, address, redirect=False, body=content, headers=said, preload_content=False
                )
                return _read(answer)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._error(unreachable("metrics", self.url, error).said, self.setting) from error

    def _identity(self) -> dict[str, str]:
        given = {name: secret.reveal() for name, secret in self.headers.items()}
        if self.token is not None:
            given["Authorization"] = f"Bearer {self.token.reveal()}"
        elif self.login is not None:
            password = self.login.password.reveal() if self.login.password else ""
            given["Authorization"] = "Basic " + base64.b64encode(f"{self.login.user}:{password}".encode()).decode()
        return given

    def _refused(self, answer: _Answer) -> DeliveryError:
        reason = masked_text(" ".join(answer.content[:4096].decode(errors="replace").split()))[:_SHOWN]
        why = text("{where} answered {status}: {reason}", where=self.url, status=answer.status, reason=reason or "–")
        return self._error(why, self.identity if answer.status in (401, 403) else self.setting)

    def _error(self, why: Text, setting: str) -> DeliveryError:
        return DeliveryError(
            text("The run was not told to the monitoring: {why} (see {setting})", why=told(why), setting=setting)
        )


def _read(answer: BaseHTTPResponse) -> _Answer:
    """Its beginning, in the time there is: a server that drips must not hold a run up. Raises TimeoutError."""
    ends_at, content = time.monotonic() + PATIENCE, b""
    with closing(answer):
        while len(content) < _MOST and (part := answer.read1(_MOST)):
            content += part
            if time.monotonic() > ends_at:
                raise TimeoutError
    return _Answer(answer.status, content)
