"""msgspec learns a type at its first use, and two threads that teach it the same one at once can crash the process.

Seen once in some thousand checks, as a segmentation fault while two rows asked RabbitMQ: the learning runs Python code
in between, where another thread may come in. So whatever is decoded on threads is learnt under one lock, once.
"""

from __future__ import annotations

import threading
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
_learnt: set[Any] = set()
_learning = threading.Lock()


def learnt(kind: type[T]) -> type[T]:
    """The same type, which msgspec knows from now on."""
    if kind not in _learnt:
        with _learning:
            msgspec.json.Decoder(kind)
            _learnt.add(kind)
    return kind
