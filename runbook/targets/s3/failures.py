"""What a request to an object store can fail as."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from runbook.errors import ActionError, ProbeError, ProbeFailure
from runbook.targets.network import unreachable
from runbook.text import text

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

_BY_STATUS = {401: ProbeFailure.DENIED, 403: ProbeFailure.DENIED, 404: ProbeFailure.ABSENT, 503: ProbeFailure.SLOW}


@contextmanager
def as_probe_errors(target: str, where: str, bucket: str) -> Iterator[None]:
    """Raise what botocore raises as ProbeError; ``code`` is S3's own."""
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        ConnectTimeoutError,
        NoCredentialsError,
        PartialCredentialsError,
        ReadTimeoutError,
    )
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ClientError as error:
        raise _refused(target, where, bucket, error) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        said = text("{where} needs an access key and a secret key, and one of them is missing", where=where)
        raise ProbeError(target, ProbeFailure.DENIED, said) from error
    except (ConnectTimeoutError, ReadTimeoutError) as error:
        raise unreachable(target, where, TimeoutError()) from error
    except (BotoCoreError, HTTPError, OSError, ValueError) as error:  # ValueError: the endpoint is no address
        raise unreachable(target, where, error) from error


@contextmanager
def as_action_errors(target: str, operation: str, where: str, bucket: str) -> Iterator[None]:
    """Raise what botocore raises, and a reading that fails on the way, as ActionError."""
    try:
        with as_probe_errors(target, where, bucket):
            yield
    except ProbeError as error:
        raise ActionError(target, operation, error.said) from error


def _refused(target: str, where: str, bucket: str, error: ClientError) -> ProbeError:
    code = error.response.get("Error", {}).get("Code", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    kind = _BY_STATUS.get(status, ProbeFailure.BROKEN)
    asked = {"where": where, "bucket": bucket, "code": code, "operation": error.operation_name}
    match kind:
        case ProbeFailure.DENIED:
            said = text("{where} denies {operation} on bucket {bucket} ({code})", **asked)
        case ProbeFailure.ABSENT:
            said = text("{where} has no bucket {bucket}, or no such object in it ({operation}: {code})", **asked)
        case _:
            said = text("{where} failed {operation} on bucket {bucket} ({code})", **asked)
    return ProbeError(target, kind, said, code=code)
