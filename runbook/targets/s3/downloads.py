"""One large object, read as it is used: ranges in order, a few fetched ahead, each asked for again when it is cut."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

from runbook.targets.s3.objects import ObjectStore

#: Bytes of one request, and how many are fetched ahead of who reads.
_RANGE, _AHEAD = 8 << 20, 2


def pieces(store: ObjectStore, key: str, version: str | None, size: int) -> Iterator[bytes]:
    """The object's bytes in order, some MiB at a time, ``size`` in all.

    Raises ProbeError; CutShort where a range does not arrive whole, however often it is asked for.
    """
    ranges = iter(range(0, size, _RANGE))
    with ThreadPoolExecutor(_AHEAD, thread_name_prefix="range") as pool:

        def fetched(first: int) -> Future[bytes]:
            return pool.submit(store.read_range, key, version, first, min(first + _RANGE, size))

        ahead: deque[Future[bytes]] = deque(fetched(first) for first in islice(ranges, _AHEAD))
        try:
            while ahead:
                piece = ahead.popleft().result()
                if (first := next(ranges, None)) is not None:
                    ahead.append(fetched(first))
                yield piece
        finally:
            for future in ahead:
                future.cancel()
