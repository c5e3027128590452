"""One large object, read as it is used: one stream, some MiB ahead of who reads, taken up again where it broke off.

One request and no ranges as long as nothing breaks: some servers give the whole object where a range of a version is
asked for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Any

from runbook.errors import ProbeFailure
from runbook.targets.s3 import encryption
from runbook.targets.s3.answers import CutShort
from runbook.targets.s3.objects import READS, ObjectStore
from runbook.text import Text, text

#: Bytes of a piece, and how many pieces are read ahead of who uses them.
_PIECE, _AHEAD = 1 << 20, 16
#: Whoever got so many bytes further may fail as often again.
_FAR = 8 << 20
_PARTIAL = 206


def pieces(store: ObjectStore, key: str, version: str | None, size: int) -> Iterator[bytes]:
    """The object's bytes in order, up to a MiB at a time, ``size`` in all.

    Raises ProbeError; CutShort where it does not arrive whole, however often the rest is asked for.
    """
    with closing(_persisted(store, key, version, size)) as read, ThreadPoolExecutor(1, "download") as thread:
        ahead: deque[Future[bytes | None]] = deque(thread.submit(next, read, None) for _ in range(_AHEAD))
        try:
            while (piece := ahead.popleft().result()) is not None:
                ahead.append(thread.submit(next, read, None))
                yield piece
        finally:
            for future in ahead:
                future.cancel()


def _persisted(store: ObjectStore, key: str, version: str | None, size: int) -> Generator[bytes]:
    """The bytes, asked for again from where they broke off. Raises what the last try raised."""
    done = reached = failed = 0
    while done < size:
        try:
            with store.failures():
                for piece in _streamed(store, key, version, done, size):
                    done += len(piece)
                    yield piece
        except CutShort:
            failed = 1 if done - reached >= _FAR else failed + 1
            reached = done
            if failed >= READS:
                raise


def _streamed(store: ObjectStore, key: str, version: str | None, first: int, size: int) -> Iterator[bytes]:
    """The bytes from ``first`` on, as one answer gives them. Raises CutShort; botocore's errors where none comes."""
    from botocore.exceptions import BotoCoreError
    from urllib3.exceptions import HTTPError

    answer = store.client.get_object(**_asked(store, key, version, first))
    with closing(answer["Body"]) as body:
        before = first if answer["ResponseMetadata"]["HTTPStatusCode"] != _PARTIAL else 0
        left = size - first + before
        if wrong := _wrong(store, key, version, answer, left):
            raise _cut(store, wrong)
        try:
            while left and (piece := body.read(min(_PIECE, before or left))):
                left -= len(piece)
                if before:  # given again, though only the rest was asked for
                    before -= len(piece)
                    continue
                yield piece
        except (BotoCoreError, HTTPError, OSError) as error:
            said = text("{where} broke off {key} ({reason})", where=store.where, key=key, reason=error)
            raise _cut(store, said) from error
        if left:
            raise _cut(store, _short(store, key, size - left))


def _asked(store: ObjectStore, key: str, version: str | None, first: int) -> dict[str, Any]:
    asked = {"Bucket": store.bucket, "Key": key, **encryption.with_key(store.protection)}
    named = {} if version is None else {"VersionId": version}
    return {**asked, **named, **({"Range": f"bytes={first}-"} if first else {})}


def _wrong(store: ObjectStore, key: str, version: str | None, answer: dict[str, Any], wanted: int) -> Text | None:
    """Why an answer that begins is not the object: another version, another length."""
    if version is not None and (answer.get("VersionId") or "null") != version:
        return text("{where} gave another version of {key} than was asked for", where=store.where, key=key)
    length = answer.get("ContentLength")
    return None if length in (None, wanted) else _short(store, key, int(str(length)))


def _short(store: ObjectStore, key: str, length: int) -> Text:
    return text("{where} gave {bytes} bytes of {key}, not all", where=store.where, key=key, bytes=length)


def _cut(store: ObjectStore, said: Text) -> CutShort:
    return CutShort(store.target, ProbeFailure.BROKEN, said)
