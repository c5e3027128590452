"""Single requests to a store without a client of botocore, which takes twenty times as long to make. Reads only."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from runbook.settings import StorageSettings
from runbook.targets.network import tls_context, unreachable

#: Seconds for one answer.
PATIENCE = 2.5
_OK, _REFUSED = 200, (401, 403)


def status(target: str, settings: StorageSettings, url: str, headers: Mapping[str, str] | None = None) -> int:
    """What the store answers to a GET of which nothing else is read. Raises ProbeError where it does not."""
    import urllib3

    try:
        context = tls_context(settings.cafile) if url.startswith("https") else None
        with urllib3.PoolManager(ssl_context=context, timeout=PATIENCE, retries=False) as pool:
            answer = pool.request("GET", url, headers=dict(headers or {}), preload_content=False)
            answer.release_conn()
            return answer.status
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise unreachable(target, url, error) from error


def given_to_anyone(target: str, settings: StorageSettings, bucket: str, key: str | None) -> bool | None:
    """Whether the bucket's list, or the object, is given to who has no key; None where that is not known."""
    at = f"{str(settings.endpoint_url).rstrip('/')}/{quote(bucket, safe='')}"
    asked = [f"{at}?list-type=2&max-keys=1", *([f"{at}/{quote(key)}"] if key else [])]
    answers = [status(target, settings, url) for url in asked]
    if _OK in answers:
        return True
    return False if all(answer in _REFUSED for answer in answers) else None
