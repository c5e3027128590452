"""What a bucket's configuration promises, as far as the server tells. Reads only.

Many servers know a part of these questions, some answer 200 with something else: then the promise is unknown.
"""

from __future__ import annotations

import json
from contextlib import closing
from typing import Any, NamedTuple

from runbook.targets.s3.clients import PROBING, connected
from runbook.targets.s3.objects import ObjectStore
from runbook.targets.s3.promised import Promise, broken, kept, unknown
from runbook.text import text

_ABSENT, _REFUSED = 404, (401, 403)
#: The server does not know the question; 400 is what some answer to any parameter that they do not know.
_UNKNOWN_QUESTIONS = (400, 405, 501)
#: With these no question will be answered.
_NO_ACCESS = ("NoSuchBucket", "ExpiredToken", "InvalidToken")
_EVERYBODY = ("/global/AllUsers", "/global/AuthenticatedUsers")
#: The ways to write "came without TLS" in a policy.
_WITHOUT_TLS = tuple(
    {kind: {"aws:SecureTransport": no}} for kind in ("Bool", "BoolIfExists") for no in ("false", False, ["false"])
)
_BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


class _Unsaid(NamedTuple):
    """The server does not say: we may not ask, or it does not know the question."""

    denied: bool


def configuration(store: ObjectStore) -> dict[str, Any]:
    """The promises ``versioning``, ``default_encryption`` and ``private``.

    Raises ProbeError where there is no such bucket, or nobody with these keys.
    """
    return {
        "versioning": _versioning(store),
        "default_encryption": _default_encryption(store),
        "private": _private(store),
    }


def open_to_anyone(store: ObjectStore, key: str) -> bool | None:
    """Whether the object, or the list of the bucket, is given to who has no key; None where that is not known."""
    from botocore.exceptions import ClientError

    asked: dict[str, dict[str, Any]] = {"head_object": {"Key": key}, "list_objects_v2": {"MaxKeys": 1}}
    with store.failures(), closing(connected(store.target, store.settings, None, PROBING)) as anyone:
        for operation, more in asked.items():
            try:
                getattr(anyone, operation)(Bucket=store.bucket, **more)
                return True
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] not in _REFUSED:
                    return None
    return False


def only_by_tls(store: ObjectStore) -> Promise:
    """Whether the bucket's policy refuses everybody who comes without TLS."""
    answer = _asked(store, "get_bucket_policy")
    if isinstance(answer, _Unsaid):
        said = text("the server does not say whether the bucket refuses who comes without TLS")
        return unknown(said, denied=answer.denied)
    if any(_refuses_plain(statement) for statement in _statements(answer)):
        return kept(text("the policy of the bucket refuses who comes without TLS"))
    return broken(text("the policy of the bucket does not refuse who comes without TLS (aws:SecureTransport)"))


def _statements(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """What the policy states; nothing where it is no policy."""
    try:
        stated = json.loads(answer.get("Policy") or "{}").get("Statement", [])
    except (ValueError, AttributeError):
        return []
    found = stated if isinstance(stated, list) else [stated]
    return [statement for statement in found if isinstance(statement, dict)]


def _refuses_plain(statement: dict[str, Any]) -> bool:
    """``Deny`` of everything to everybody whose request came without TLS; another condition would narrow it."""
    everybody = statement.get("Principal") in ("*", {"AWS": "*"}, {"AWS": ["*"]})
    everything = statement.get("Action") in ("s3:*", ["s3:*"], "*", ["*"])
    plain = statement.get("Condition") in _WITHOUT_TLS
    return statement.get("Effect") == "Deny" and everybody and everything and plain


def _versioning(store: ObjectStore) -> Promise:
    answer = _asked(store, "get_bucket_versioning")
    if isinstance(answer, _Unsaid):
        return unknown(text("the server does not say whether the bucket keeps versions"), denied=answer.denied)
    if answer.get("Status") == "Enabled":
        return kept(text("versioning of the bucket is enabled"))
    return broken(text("versioning of the bucket is not enabled"))


def _default_encryption(store: ObjectStore) -> Promise:
    answer = _asked(store, "get_bucket_encryption")
    if isinstance(answer, _Unsaid):
        return unknown(text("the server does not say whether the bucket encrypts by default"), denied=answer.denied)
    for rule in answer.get("ServerSideEncryptionConfiguration", {}).get("Rules", ()):
        if algorithm := rule.get("ApplyServerSideEncryptionByDefault", {}).get("SSEAlgorithm"):
            return kept(text("the bucket encrypts by default with {algorithm}", algorithm=algorithm))
    return broken(text("the bucket does not encrypt by default"))


def _private(store: ObjectStore) -> Promise:
    """Public by policy or by list of grants, unless the bucket's block undoes it."""
    answer = _asked(store, "get_public_access_block")
    blocks = {} if isinstance(answer, _Unsaid) else answer.get("PublicAccessBlockConfiguration", {})
    if all(blocks.get(name) for name in _BLOCKS):
        return kept(text("public access to the bucket is blocked"))
    by_policy = False if blocks.get("RestrictPublicBuckets") else _public_by_policy(store)
    by_grant = False if blocks.get("IgnorePublicAcls") else _public_by_grant(store)
    if by_policy or by_grant:
        return broken(text("the bucket is public, by its policy or by its list of grants"))
    if by_policy is None or by_grant is None:
        return unknown(text("the server does not say whether the bucket is public"))
    return kept(text("neither policy nor list of grants makes the bucket public"))


def _public_by_policy(store: ObjectStore) -> bool | None:
    answer = _asked(store, "get_bucket_policy_status")
    if isinstance(answer, _Unsaid):
        return None
    public: bool | None = answer.get("PolicyStatus", {}).get("IsPublic") if answer else False
    return public


def _public_by_grant(store: ObjectStore) -> bool | None:
    answer = _asked(store, "get_bucket_acl")
    if isinstance(answer, _Unsaid) or "Grants" not in answer:
        return None
    return any(grant.get("Grantee", {}).get("URI", "").endswith(_EVERYBODY) for grant in answer["Grants"])


def _asked(store: ObjectStore, operation: str) -> dict[str, Any] | _Unsaid:
    """The answer, empty where nothing of the kind is configured."""
    from botocore.exceptions import ClientError

    with store.failures():
        try:
            answer: dict[str, Any] = getattr(store.client, operation)(Bucket=store.bucket)
        except ClientError as error:
            status, code = error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
            if code in _NO_ACCESS or not (status in (_ABSENT, *_UNKNOWN_QUESTIONS) or code == "AccessDenied"):
                raise
            return {} if status == _ABSENT else _Unsaid(denied=code == "AccessDenied")
    answer.pop("ResponseMetadata", None)
    return answer
