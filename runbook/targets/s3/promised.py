"""The promises of an object store: kept, broken or unknown, each with the words for people."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from runbook.text import Text


class State(StrEnum):
    """Whether a promise holds."""

    KEPT = "kept"
    BROKEN = "broken"
    UNKNOWN = "unknown"


class Promise(msgspec.Struct, frozen=True):
    """One promise of a store, and in words what it was judged by.

    ``denied``: it is unknown because we may not ask, not because the store does not know the question.
    """

    state: State
    words: Text
    denied: bool = False


class Promises(msgspec.Struct, frozen=True, kw_only=True):
    """What a store does. The first six are found out by trying, the last two are the bucket's configuration.

    ``tried`` is False where nothing was written: then the first six are unknown. ``loopback``: the store is on this
    machine. ``left_behind`` are the tried objects that could not be removed.
    """

    conditional_put: Promise
    versions: Promise
    checksum: Promise
    encryption: Promise
    etag: Promise
    lock: Promise
    private: Promise
    versioning: Promise
    default_encryption: Promise
    tried: bool
    loopback: bool
    left_behind: tuple[str, ...] = ()


def kept(words: Text) -> Promise:
    """A promise that was seen to be kept."""
    return Promise(State.KEPT, words)


def broken(words: Text) -> Promise:
    """A promise that was seen to be broken."""
    return Promise(State.BROKEN, words)


def unknown(words: Text, *, denied: bool = False) -> Promise:
    """A promise of which nothing was seen."""
    return Promise(State.UNKNOWN, words, denied)
