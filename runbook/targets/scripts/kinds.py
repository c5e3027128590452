"""What each statement of a script is to us: rows to be found, something harmless, or something that is not run.

Decided by its words before anything runs, so that a script which would change something is refused as a whole. Behind
this stand the reader's rights and a read-only transaction: a statement that hides what it does gets no further there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import pairwise

import msgspec

from runbook.targets.scripts.reading import Command, Part, Statement
from runbook.targets.sql_text import Token, tokens
from runbook.text import Text, text


class Kind(StrEnum):
    """How a step of a script is run."""

    ROWS = "rows"
    BLOCK = "block"
    OWN = "own"
    VARIABLE = "variable"
    LEFT_OUT = "left out"


class Step(msgspec.Struct, frozen=True):
    """One part of a script and how it is run; ``counts`` says that its one number is how many were found."""

    part: Part
    kind: Kind
    counts: bool = False


class Refused(Exception):
    """A part that is not run; ``reason`` says why and at which line."""

    def __init__(self, reason: Text) -> None:
        self.reason = reason
        super().__init__(str(reason))


_READS = ("select", "with", "values", "table", "(")
_QUIET = ("explain", "show", "begin", "start", "commit", "end", "rollback", "abort", "savepoint", "release", "analyze")
_OF_OWN = ("insert", "update", "delete", "truncate", "alter")
_SETTINGS = (
    *("search_path", "timezone", "time", "datestyle", "client_min_messages", "client_encoding", "bytea_output"),
    *("extra_float_digits", "work_mem", "standard_conforming_strings", "check_function_bodies", "xmloption"),
)
_KEPT = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "row_security", "intervalstyle")
#: Functions that act on the server or outside it, whatever the transaction; the reader's rights are behind this.
_ACTING = (
    *(
        "pg_terminate_backend",
        "pg_cancel_backend",
        "pg_reload_conf",
        "pg_rotate_logfile",
        "pg_promote",
        "pg_switch_wal",
    ),
    *("dblink", "dblink_exec", "dblink_connect", "dblink_send_query", "lo_import", "lo_export", "pg_read_file"),
    *("pg_read_binary_file", "pg_ls_dir", "pg_stat_reset", "pg_stat_reset_shared", "pg_stat_statements_reset"),
    *("pg_create_physical_replication_slot", "pg_create_logical_replication_slot", "pg_drop_replication_slot"),
    *("pg_logical_emit_message", "pg_advisory_lock", "pg_advisory_lock_shared", "set_config", "pg_notify"),
)
_SHOWN = frozenset({"echo", "qecho", "warn", "timing", "pset", "x", "a", "t", "f", "H", "C", "encoding", "p", "r"})
_SENT_AS_ROWS = frozenset({"", ";", "g", "gx", "crosstabview"})


def steps(parts: Sequence[Part]) -> tuple[tuple[Step, ...], tuple[Text, ...]]:
    """How each part is run, and why those are refused that are not."""
    found: list[Step] = []
    refused: list[Text] = []
    own: set[str] = set()
    for part in parts:
        if isinstance(part, Command) and part.name == "q":
            break
        try:
            found.append(_command(part) if isinstance(part, Command) else _statement(part, own))
        except Refused as no:
            refused.append(no.reason)
    return tuple(found), tuple(refused)


def _command(part: Command) -> Step:
    if part.name in ("set", "unset", "prompt"):
        if "`" in part.words:
            raise Refused(
                text("Line {line}: a program's output is not taken: give the value with --param", line=part.line)
            )
        return Step(part, Kind.VARIABLE)
    if part.name in _SHOWN or part.name.startswith(("d", "l", "conninfo", "h")):
        return Step(part, Kind.LEFT_OUT)
    raise Refused(text("Line {line}: the command {name} of psql is not run", line=part.line, name=f"\\{part.name}"))


def _statement(part: Statement, own: set[str]) -> Step:
    words = list(tokens(part.words))
    for word, behind in pairwise(words):
        if word.name in _ACTING and behind.text == "(":
            raise Refused(
                text("Line {line}: {name} acts on the server: a script only reads", line=part.line, name=word.text)
            )
    first = words[0].text.lower()
    if first in _READS:
        return _reading(part, words, own)
    if first == "do":
        return Step(part, Kind.BLOCK)
    if first in ("set", "reset"):
        return _setting(part, words)
    if first in _QUIET:
        return Step(part, Kind.LEFT_OUT)
    return _own(part, words, own)


def _reading(part: Statement, words: Sequence[Token], own: set[str]) -> Step:
    command = part.sent_by.partition(" ")[0]
    if command != "gset" and command not in _SENT_AS_ROWS:
        raise Refused(text("Line {line}: the command {name} of psql is not run", line=part.line, name=f"\\{command}"))
    for at, word in enumerate(words):
        if word.is_word("insert", "update", "delete", "merge") and _begins(words, at):
            raise Refused(_changes(part.line, word))
    target = _into(words)
    if target is not None:
        if not target or not target[0].is_word("temp", "temporary", "local"):
            raise Refused(text("Line {line}: SELECT INTO makes a table: a script only reads", line=part.line))
        own.add(_last_name(target))
        return Step(part, Kind.OWN)
    if command != "gset" and _says_something(words):
        return Step(part, Kind.LEFT_OUT)
    counts = [word.text.lower() for word in words[:3]] == ["select", "count", "("]
    return Step(part, Kind.VARIABLE if command == "gset" else Kind.ROWS, counts and not _has_more_items(words))


def _begins(words: Sequence[Token], at: int) -> bool:
    """Whether a verb begins a part of WITH: ``FOR UPDATE`` and a column that is called so do not."""
    return at >= 2 and words[at - 1].text == "(" and words[at - 2].is_word("as", "materialized")


def _into(words: Sequence[Token]) -> Sequence[Token] | None:
    """The words behind INTO up to FROM; None where the statement has none."""
    for at, word in _outside(words):
        if word.is_word("from"):
            return None
        if word.is_word("into"):
            end = next((there for there, later in _outside(words) if there > at and later.is_word("from")), len(words))
            return words[at + 1 : end]
    return None


def _says_something(words: Sequence[Token]) -> bool:
    """Whether a SELECT holds only constants: a heading between two checks, which can find nothing."""
    if not words[0].is_word("select") or any(word.is_word("from") or word.text == "(" for word in words):
        return False
    begins = [words[at + 1] for at, word in enumerate(words[:-1]) if at == 0 or word.text == ","]
    return bool(begins) and all(word.kind in ("string", "number") for word in begins)


def _has_more_items(words: Sequence[Token]) -> bool:
    """Whether more than the one count is selected, or one for each group."""
    items = [w for _, w in _outside(words)]
    cut = next((at for at, word in enumerate(items) if word.is_word("from")), len(items))
    grouped = any(word.is_word("group", "union", "having", "intersect", "except") for word in items)
    return grouped or any(word.text == "," for word in items[:cut])


def _setting(part: Statement, words: Sequence[Token]) -> Step:
    names = [word.text.lower() for word in words[1:] if not word.is_word("local", "session", "to")]
    name = names[0] if names else ""
    if name in _KEPT or words[0].is_word("reset"):
        return Step(part, Kind.LEFT_OUT)
    if name in _SETTINGS or name.startswith("enable_"):
        return Step(part, Kind.OWN)
    raise Refused(text("Line {line}: SET {name} is not run: a script only reads", line=part.line, name=name))


def _own(part: Statement, words: Sequence[Token], own: set[str]) -> Step:
    """What is done to the script's own temporary tables, which nobody else sees."""
    first = words[0].text.lower()
    if first == "create":
        return _creating(part, words, own)
    if first == "drop":
        return _dropping(part, words, own)
    named = [word.name for word in words[1:8] if word.name in own]
    if first in _OF_OWN and named:
        return Step(part, Kind.OWN)
    raise Refused(_changes(part.line, words[0]))


def _creating(part: Statement, words: Sequence[Token], own: set[str]) -> Step:
    if any(word.is_word("temp", "temporary") for word in words[1:5]):
        head = _until(words, ("as", "(", "on", "using"))
        own.add(_last_name(head))
        return Step(part, Kind.OWN)
    on = next((at for at, word in enumerate(words) if word.is_word("on")), 0)
    if any(w.is_word("index") for w in words[1:3]) and on and any(w.name in own for w in words[on : on + 4]):
        return Step(part, Kind.OWN)
    raise Refused(
        text("Line {line}: CREATE makes something that stays: only temporary tables are a script's own", line=part.line)
    )


def _dropping(part: Statement, words: Sequence[Token], own: set[str]) -> Step:
    if _last_name(_until(words, ("cascade", "restrict"))) in own:
        return Step(part, Kind.OWN)
    if any(word.is_word("if") for word in words[1:4]):
        return Step(part, Kind.LEFT_OUT)  # tidying up before: nothing of the script's own is there yet
    raise Refused(_changes(part.line, words[0]))


def _changes(line: int, verb: Token) -> Text:
    return text("Line {line}: {verb} is not run: a script only reads", line=line, verb=verb.text.upper())


def _until(words: Sequence[Token], stops: tuple[str, ...]) -> Sequence[Token]:
    end = next((at for at, word in enumerate(words) if at and word.text.lower() in stops), len(words))
    return words[:end]


def _last_name(words: Sequence[Token]) -> str:
    return next((word.name for word in reversed(words) if word.name is not None), "")


def _outside(words: Sequence[Token]) -> Iterator[tuple[int, Token]]:
    """The words outside all parentheses with their places."""
    depth = 0
    for at, word in enumerate(words):
        depth -= word.text == ")"
        if not depth:
            yield at, word
        depth += word.text == "("
