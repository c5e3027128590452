"""What an object store lets the reader and the operator do, for ``muses-runbook doctor``. Reads only."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Literal

from runbook.settings import StorageSettings
from runbook.targets.rights import Right
from runbook.text import text

Identity = Literal["reader", "operator"]
_DENIED = (401, 403)
_ABSENT = 404
_NOWHERE = "muses-runbook/is-not-there"
_READING = [
    "s3:ListBucket",
    "s3:ListBucketVersions",
    "s3:ListBucketMultipartUploads",
    "s3:GetBucketAcl",
    "s3:GetBucketPolicy",
    "s3:GetBucketPolicyStatus",
    "s3:GetBucketPublicAccessBlock",
    "s3:GetBucketVersioning",
    "s3:GetEncryptionConfiguration",
    "s3:GetObject",
    "s3:GetObjectRetention",
    "s3:GetObjectVersion",
]
_WRITING = [
    "s3:PutObject",
    "s3:PutObjectRetention",
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:AbortMultipartUpload",
]
_ACTIONS: dict[Identity, list[str]] = {"reader": _READING, "operator": [*_READING, *_WRITING]}


def rights_of(clients: Mapping[Identity, Any], settings: StorageSettings) -> tuple[Right, ...]:
    """Rights of both identities on each bucket. Raises botocore's errors when the store cannot be asked at all.

    Whether the operator may write is not tried: that would write.
    """
    buckets = [bucket for bucket in (settings.backup_bucket, settings.archive_bucket) if bucket]
    return tuple(
        right for identity, client in clients.items() for bucket in buckets for right in _on(client, identity, bucket)
    )


def policy(identity: Identity, bucket: str) -> str:
    """The policy that gives an identity what it needs on a bucket."""
    resources = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    statement = {"Effect": "Allow", "Action": _ACTIONS[identity], "Resource": resources}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _on(client: Any, identity: Identity, bucket: str) -> tuple[Right, ...]:
    may_list = _allowed(lambda: client.list_objects_v2(Bucket=bucket, MaxKeys=1))
    lists = Right(
        what=text("lists bucket {bucket}", bucket=bucket),
        held=may_list,
        mend=policy(identity, bucket),
        identity=identity,
    )
    # an object that is not there is told (404) only to who may read those that are
    reads = Right(
        what=text("reads objects of bucket {bucket}", bucket=bucket),
        held=may_list and _allowed(lambda: client.head_object(Bucket=bucket, Key=_NOWHERE), absent=True),
        mend=policy(identity, bucket),
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
