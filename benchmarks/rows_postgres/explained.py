"""Where verdicts differ, and why: row, state and peer → the reason."""

from __future__ import annotations

from benchmarks.rows_postgres.peers import PGACTIVITY, POSTGRES

_FIRST = "the first look has nothing to compare with: SKIPPED and not OK; the peer says OK"
_NONE = "there is none here to judge: SKIPPED with the reason; the peer says"
_FAILS = "400 M transactions, a wrong page read, an archive that fails"
_INTEGER = "the column is an integer and ends before its sequence does: the peer knows only the sequence's own end"

EXPLAINED: dict[tuple[str, str, str], str] = {
    ("DB-16", "at leisure", PGACTIVITY): _FIRST,
    ("DB-16", "at leisure", POSTGRES): "the peer counts since the statistics began, however long that is",
    ("DB-17", "at leisure", PGACTIVITY): _FIRST,
    ("DB-11", "at leisure", PGACTIVITY): f"{_NONE} UNKNOWN where checksums are off",
    ("DB-12", "at leisure", PGACTIVITY): f"{_NONE} UNKNOWN where nobody follows",
    ("DB-14", "at leisure", PGACTIVITY): f"{_NONE} OK where nothing is archived",
    ("DB-14", "at leisure", POSTGRES): f"{_NONE} OK where nothing is archived",
    ("DB-01", "82 % of the connections", PGACTIVITY): "the peer counts its own connection: 24 of 27, not 23",
    (
        "DB-04",
        "a long dump",
        PGACTIVITY,
    ): "a dump takes as long as it takes: it is never ended, and row BACKUP-01 sees it",
    (
        "DB-04",
        "a long dump",
        POSTGRES,
    ): "a dump takes as long as it takes: it is never ended, and row BACKUP-01 sees it",
    ("DB-04", "idle in a transaction", POSTGRES): "what idles in a transaction is row DB-05; the peer tells it twice",
    ("DB-10", "a sequence at 88 % of its column", POSTGRES): _INTEGER,
    ("DB-10", "a sequence at 96 % of its column", POSTGRES): _INTEGER,
    (
        "DB-10",
        "a sequence that begins anew",
        PGACTIVITY,
    ): "a sequence that begins anew has no end; the peer does not ask",
    ("DB-13", "an abandoned slot, little kept", PGACTIVITY): "nobody fetches it: it will fill the disk; the peer waits",
    ("DB-13", "an abandoned slot, little kept", POSTGRES): "nobody fetches it: it will fill the disk; the peer waits",
    ("DB-13", "a slot that has lost WAL", POSTGRES): "what is lost takes no room, so that the peer sees nothing wrong",
    ("DB-16", "rollbacks", POSTGRES): "the peer counts since the statistics began: what happens now drowns in what was",
    ("DB-14", _FAILS, PGACTIVITY): (
        "12 segments wait and none has ever gone: WARNING by their number; the peer counts none of them, and calls any "
        "failed attempt CRITICAL"
    ),
    ("DB-14", _FAILS, POSTGRES): (
        "the peer looks for what waits in pg_wal itself, where nothing of it lies since PostgreSQL 10: it always "
        "finds 0"
    ),
    ("INDEX-02", "an invalid index", PGACTIVITY): "it helps nobody, and costs: a WARNING; to the peer always CRITICAL",
}
