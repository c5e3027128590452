"""What an object store lets the reader and the operator do, for ``muses-runbook doctor``. Reads only."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal

from runbook.settings import StorageSettings
from runbook.targets.rights import Right
from runbook.text import text

Identity = Literal["reader", "operator"]
_DENIED = (401, 403)
_ABSENT = 404
_NOWHERE = "muses-runbook/is-not-there"
#: Actions on what is in a bucket; all others are on the bucket itself.
_OF_OBJECTS = re.compile(
    r"s3:(?:(?:Get|Put|Delete|Restore)Object\w*|AbortMultipartUpload|ListMultipartUploadParts|BypassGovernanceRetention)"
)


def rights_of(clients: Mapping[Identity, Any], settings: StorageSettings) -> tuple[Right, ...]:
    """Rights of both identities on each bucket. Raises botocore's errors when the store cannot be asked at all.

    Whether the operator may write is not tried: that would write.
    """
    buckets = [bucket for bucket in (settings.backup_bucket, settings.archive_bucket) if bucket]
    return tuple(
        right for identity, client in clients.items() for bucket in buckets for right in _on(client, identity, bucket)
    )


def policy(actions: Collection[str], bucket: str, *, keys: Collection[str] = ()) -> str:
    """The policy that allows actions on a bucket and its objects; ``keys`` are the KMS keys that seal them."""
    of_objects = sorted(action for action in actions if _OF_OBJECTS.fullmatch(action))
    of_bucket = sorted(set(actions) - set(of_objects))
    arn = f"arn:aws:s3:::{bucket}"
    sealing = ["kms:Decrypt", *(["kms:GenerateDataKey"] if "s3:PutObject" in actions else [])]
    stated = [(of_bucket, arn), (of_objects, f"{arn}/*"), *((sealing, key) for key in keys)]
    statements = [{"Effect": "Allow", "Action": done, "Resource": [what]} for done, what in stated if done]
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=2)


def bucket_of(settings: StorageSettings | None, kind: str) -> str | None:
    """The bucket of the backups (``backup``) or of the archive (``archive``); None where there is none."""
    if settings is None:
        return None
    return settings.archive_bucket if kind == "archive" else settings.backup_bucket


def _on(client: Any, identity: Identity, bucket: str) -> tuple[Right, ...]:
    may_list = _allowed(lambda: client.list_objects_v2(Bucket=bucket, MaxKeys=1))
    lists = Right(
        what=text("lists bucket {bucket}", bucket=bucket),
        held=may_list,
        mend=policy(("s3:ListBucket",), bucket),
        identity=identity,
    )
    # an object that is not there is told (404) only to who may read those that are
    reads = Right(
        what=text("reads objects of bucket {bucket}", bucket=bucket),
        held=may_list and _allowed(lambda: client.head_object(Bucket=bucket, Key=_NOWHERE), absent=True),
        mend=policy(("s3:GetObject",), bucket),
        identity=identity,
    )
    return lists, reads


def _allowed(ask: Callable[[], Any], *, absent: bool = False) -> bool:
    """False when the store says no, or has no such bucket; what keeps it from being asked is raised."""
    from botocore.exceptions import ClientError

    try:
        ask()
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if status not in (*_DENIED, _ABSENT):
            raise
        return absent and status == _ABSENT
    return True
