"""What can go wrong between a client and an object store, and what it goes wrong with: requests and answers."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlsplit

#: When a callback runs: before the body is read, with half of it read, when the server has answered but the client
#: has not heard, with half of the answer's body sent.
Stage = Literal["arrival", "upload", "answered", "download"]
Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Request:
    """What a client asks, by S3's name for it: ``operation`` is ``PutObject``, ``UploadPart``, ``ListObjectsV2`` …"""

    method: str
    target: str
    headers: Headers
    body: bytes = b""

    @property
    def bucket(self) -> str:
        """The first part of the path: clients address by path here."""
        return self._path.partition("/")[0]

    @property
    def key(self) -> str:
        """The object's key, empty for what asks of the bucket."""
        return self._path.partition("/")[2]

    @property
    def query(self) -> dict[str, str]:
        """The parameters behind the question mark."""
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @property
    def operation(self) -> str:
        """S3's name; what has none here is the method with the first parameter: ``GET policyStatus``."""
        found = _OPERATIONS.get((self.method, bool(self.key), _first(self.query)))
        return found or f"{self.method} {_first(self.query)}"

    @property
    def _path(self) -> str:
        return unquote(urlsplit(self.target).path).lstrip("/")


@dataclass(frozen=True)
class Answer:
    """What the server answers."""

    status: int
    headers: Headers
    body: bytes = b""

    def with_header(self, name: str, value: str) -> Answer:
        """The same with one header changed; an absent one stays absent."""
        return replace(self, headers=tuple((n, value if n.lower() == name else v) for n, v in self.headers))

    def without(self, *prefixes: str) -> Answer:
        """The same without the headers whose (lower) names begin so."""
        return replace(self, headers=without(self.headers, *prefixes))


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What goes wrong with one request; made by the functions below. Several may hit the same request."""

    upload: float = 1.0
    download: float = 1.0
    instead: Answer | None = None
    lost: bool = False
    asked: Callable[[Request], Request] | None = None
    answered: Callable[[Answer], Answer] | None = None
    call: Callable[[Request], object] | None = None
    at: Stage = "arrival"
    cut: bool = False


def cut_upload(share: float = 0.5) -> Fault:
    """The connection breaks when this share of the body has come; the server never hears of it."""
    return Fault(upload=share)


def lose_answer() -> Fault:
    """The server does what was asked, and the connection breaks before the client hears of it."""
    return Fault(lost=True)


def cut_download(share: float = 0.5) -> Fault:
    """The connection breaks when this share of the answer's body is sent, less than its length says."""
    return Fault(download=share)


def truncate(share: float = 0.5) -> Fault:
    """The answer's body ends early and its length says so, as if the object were that short."""
    return Fault(answered=lambda answer: _unproven(replace(answer, body=answer.body[: int(len(answer.body) * share)])))


def wrong_bytes(*, checksum: bool = False) -> Fault:
    """One byte of the answer's body is another; with ``checksum`` the server's own checksum still comes with it."""

    def flip(answer: Answer) -> Answer:
        middle = len(answer.body) // 2
        flipped = answer.body[:middle] + bytes([answer.body[middle] ^ 1]) + answer.body[middle + 1 :]
        return replace(answer if checksum else _unproven(answer), body=flipped)

    return Fault(answered=flip)


def fail(status: int = 500, code: str = "InternalError") -> Fault:
    """The server is not asked; the answer is this error."""
    return Fault(instead=_error(status, code))


def replace_answer(status: int, code: str) -> Fault:
    """The server does what was asked, and the answer is this error."""
    return Fault(answered=lambda answer: _error(status, code))


def busy() -> Fault:
    """503, come back later; with ``times=1`` the next request goes through."""
    return fail(503, "SlowDown")


def deny() -> Fault:
    """403, whatever the policies say."""
    return fail(403, "AccessDenied")


def error_in_200(code: str = "InternalError") -> Fault:
    """Status 200 and an error for a body; the server is not asked."""
    return Fault(instead=_error(200, code))


def slow(seconds: float) -> Fault:
    """The answer comes that much later."""
    return Fault(call=lambda request: time.sleep(seconds), at="answered")


def pages_of(count: int) -> Fault:
    """Lists come in pages of so many; nothing fails, but there is a second page without a thousand objects."""
    return Fault(asked=lambda request: replace(request, target=f"{request.target}&max-keys={count}"))


def lose_the_way() -> Fault:
    """A page of a list says that there are more, and not how to ask for them."""

    def lost(answer: Answer) -> Answer:
        return replace(answer, body=re.sub(rb"<Next\w+>[^<]*</Next\w+>", b"", answer.body))

    return Fault(answered=lost)


def skew(by: timedelta) -> Fault:
    """The server's clock, as its Date header says it, is off by this much."""

    def later(answer: Answer) -> Answer:
        now = parsedate_to_datetime({name.lower(): value for name, value in answer.headers}["date"])
        return answer.with_header("date", format_datetime(now + by, usegmt=True))

    return Fault(answered=later)


def unencrypted() -> Fault:
    """The server takes the wish for encryption and does not say that it did."""
    return Fault(answered=lambda answer: answer.without("x-amz-server-side-encryption"))


def unversioned() -> Fault:
    """The server names no versions."""
    return Fault(answered=lambda answer: answer.without("x-amz-version-id"))


def empty_etag() -> Fault:
    """The server answers with an ETag of no characters."""
    return Fault(answered=lambda answer: answer.with_header("etag", '""'))


def unconditional() -> Fault:
    """The server ignores ``If-None-Match`` and writes over what is there."""
    return Fault(asked=lambda request: replace(request, headers=without(request.headers, "if-none-match")))


def unchecked() -> Fault:
    """The server ignores the checksums that come with a body."""
    return Fault(asked=lambda request: replace(request, headers=without(request.headers, "x-amz-checksum-")))


def calls(function: Callable[[Request], object], *, at: Stage = "arrival", cut: bool = False) -> Fault:
    """The function is called, on the proxy's thread, while the request waits for it; then the request goes on.

    To kill the client there, ``cut`` as well: what a dead process had sent ahead is else still carried out.
    """
    return Fault(call=function, at=at, cut=cut)


#: By method, whether it is of an object, and what the query asks for.
_OPERATIONS = {
    ("PUT", True, ""): "PutObject",
    ("PUT", True, "partNumber"): "UploadPart",
    ("POST", True, "uploads"): "CreateMultipartUpload",
    ("POST", True, "uploadId"): "CompleteMultipartUpload",
    ("DELETE", True, "uploadId"): "AbortMultipartUpload",
    ("DELETE", True, ""): "DeleteObject",
    ("POST", False, "delete"): "DeleteObjects",
    ("GET", True, ""): "GetObject",
    ("HEAD", True, ""): "HeadObject",
    ("HEAD", False, ""): "HeadBucket",
    ("GET", False, "list-type"): "ListObjectsV2",
    ("GET", False, "versions"): "ListObjectVersions",
    ("GET", False, "uploads"): "ListMultipartUploads",
}
#: Parameters that say how, not what.
_BESIDE = ("versionId", "x-id", "prefix", "encoding-type", "key-marker", "version-id-marker", "max-keys")


def _first(query: dict[str, str]) -> str:
    found = [name for name in query if name not in _BESIDE]
    return "partNumber" if "partNumber" in found else next(iter(found), "")


def without(headers: Headers, *prefixes: str) -> Headers:
    """The headers whose (lower) names do not begin so."""
    return tuple((name, value) for name, value in headers if not name.lower().startswith(prefixes))


def _unproven(answer: Answer) -> Answer:
    return answer.without("x-amz-checksum-")


def _error(status: int, code: str) -> Answer:
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>as asked</Message></Error>'
    return Answer(status, (("Content-Type", "application/xml"),), body.encode())
