"""Decompress in small bits, for a bit of zeros may come out 32,000 times as long, and hand on large pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterator

#: Compressed bytes that are opened at once, and about how many plain ones are handed on at once.
_BIT, _PIECE = 2 << 10, 1 << 20


def gathered(decompress: Callable[[memoryview], bytes], compressed: bytes) -> Iterator[bytes]:
    """The plain bytes of a compressed piece. Raises what ``decompress`` raises."""
    bits, length, view = list[bytes](), 0, memoryview(compressed)
    for at in range(0, len(compressed), _BIT):
        bits.append(decompress(view[at : at + _BIT]))
        length += len(bits[-1])
        if length >= _PIECE:
            yield b"".join(bits)
            bits, length = [], 0
    yield b"".join(bits)
