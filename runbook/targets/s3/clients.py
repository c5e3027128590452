"""A client of an object store: botocore alone, without boto3's layer, which is ready 70 ms sooner."""

from __future__ import annotations

import functools
import threading
from typing import Any, NamedTuple

from runbook.settings import Keys, StorageSettings
from runbook.targets.identity import revealed
from runbook.targets.network import tls_context


class Patience(NamedTuple):
    """Seconds for a connection and for each read of an answer, and how often a request is made in all."""

    connect: float
    read: float
    attempts: int


#: A probe answers within its deadline or not at all.
PROBING = Patience(connect=2.0, read=4.0, attempts=1)
#: A batch of a purge is worth a second try: what is given up is exported again.
ACTING = Patience(connect=3.0, read=30.0, attempts=4)
#: One after the other: two at once would both read the descriptions, and be done later than one after the other.
_MAKING = threading.Lock()


def connected(target: str, settings: StorageSettings, keys: Keys | None, patience: Patience) -> Any:
    """A client that may be shared between threads; it connects with its first request. No keys: it signs nothing.

    Raises ProbeError for secrets that cannot be read, ssl.SSLError for a file of authorities that cannot.
    """
    from botocore import UNSIGNED

    if settings.cafile is not None:
        tls_context(settings.cafile)  # says what is wrong with the file; botocore would say it of the connection
    given = keys or Keys()
    access_key, secret_key = revealed(target, given.access_key), revealed(target, given.secret_key)
    with _MAKING:
        return _session().create_client(
            "s3",
            endpoint_url=settings.endpoint_url,
            region_name=settings.region,
            verify=str(settings.cafile) if settings.cafile else None,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            config=_config(settings, patience, {} if keys is not None else {"signature_version": UNSIGNED}),
        )


def where(settings: StorageSettings) -> str:
    """The store's address as a person knows it."""
    return settings.endpoint_url or f"S3 in {settings.region}"


def _session() -> Any:
    """A session of its own, because making clients is not for several threads at once."""
    import botocore.session

    session = botocore.session.Session()
    session.register_component("data_loader", _descriptions())
    return session


@functools.cache
def _descriptions() -> Any:
    """Botocore's descriptions of the services, read once: 60 of the 70 ms that a client takes to make."""
    import botocore.session

    return botocore.session.Session().get_component("data_loader")


def _config(settings: StorageSettings, patience: Patience, more: dict[str, Any]) -> Any:
    from botocore.config import Config

    return Config(
        connect_timeout=patience.connect,
        read_timeout=patience.read,
        retries={"total_max_attempts": patience.attempts, "mode": "standard"},
        request_checksum_calculation=settings.checksums,
        response_checksum_validation=settings.checksums,
        s3={"addressing_style": "path"} if settings.endpoint_url else None,
        **more,
    )
