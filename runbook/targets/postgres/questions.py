"""What the planner is asked on behalf of a statement: with the values that the server forgot, as far as they are known.

The server counts statements without their values. Two of them decide whether an index helps: how many rows a LIMIT
asks for, which the rows a call gives tell; and which status is looked for, which is an unfinished one where anybody
waits for it. Deleting a row asks one question more for each foreign key that leads to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from runbook.targets.postgres.plannable import numbered, plannable
from runbook.targets.postgres.trials import Questions
from runbook.targets.sql_text import Token, tokens

#: The column of a record's status in every exchange table.
STATUS = "id_estatus_procesamiento"
#: Rows that a LIMIT is taken to ask for where nothing was counted: a page, or a small lot.
_PAGE = 100


@dataclass(frozen=True)
class ForeignKey:
    """A column of ``table`` that leads to ``parent``; only keys of one column."""

    table: str
    column: str
    parent: str


@dataclass(frozen=True)
class Counted:
    """What the server counted of a statement; ``calls`` is None where it counts none."""

    calls: int | None = None
    rows: int = 0
    milliseconds: float = 0.0

    @property
    def rows_a_call(self) -> float | None:
        """Rows that one call gives or changes."""
        return self.rows / self.calls if self.calls else None


@dataclass(frozen=True)
class Asked:
    """A statement and its questions. ``question`` is the first of them; ``assumed`` the statuses put into it."""

    statement: str
    question: str
    questions: Questions
    counted: Counted
    assumed: tuple[int, ...] = ()


def asked(
    words: str, schema: str, counted: Counted, statuses: tuple[int, ...], keys: Sequence[ForeignKey]
) -> Asked | None:
    """The questions of a statement; None for what looks nothing up."""
    question = plannable(words, schema)
    if question is None:
        return None
    limited = numbered(_with_limit(list(tokens(question)), counted.rows_a_call))
    known = numbered(_with_statuses(list(tokens(limited)), statuses)) if statuses else limited
    questions = ((known, 1.0), *_of_children(words, schema, counted.rows_a_call, keys))
    return Asked(words, known, questions, counted, statuses if known != limited else ())


def _with_limit(words: Sequence[Token], rows: float | None) -> Iterator[Token]:
    """The planner takes ``LIMIT $1`` for a tenth of all rows."""
    for at, word in enumerate(words):
        limits = at and words[at - 1].is_word("limit") and word.kind == "parameter"
        yield Token("number", str(max(round(rows), 1) if rows is not None else _PAGE)) if limits else word


def _with_statuses(words: Sequence[Token], statuses: tuple[int, ...]) -> Iterator[Token]:
    at = 0
    while at < len(words):
        end, shape = _compared(words, at + 1) if words[at].name == STATUS else (0, "")
        yield words[at]
        if shape == "=":
            yield from (Token("sign", "="), Token("number", str(statuses[0])))
        elif shape == "in":
            yield from tokens(f"IN ({', '.join(map(str, statuses))})")
        at = end or at + 1


def _compared(words: Sequence[Token], at: int) -> tuple[int, str]:
    """Where the comparison with parameters that begins here ends, and its kind."""
    texts = [word.text.lower() for word in words[at : at + 4]]
    kinds = [word.kind for word in words[at : at + 4]]
    if texts[:1] == ["="] and kinds[1:2] == ["parameter"]:
        return at + 2, "="
    if texts[:3] == ["=", "any", "("] and kinds[3:4] == ["parameter"]:
        return _closed(words, at + 3), "in"
    if texts[:2] == ["in", "("] and kinds[2:3] == ["parameter"]:
        return _closed(words, at + 2), "in"
    return 0, ""


def _closed(words: Sequence[Token], at: int) -> int:
    while at < len(words) and words[at].text != ")":
        at += 1
    return at + 1


def _of_children(
    words: str, schema: str, rows: float | None, keys: Sequence[ForeignKey]
) -> Iterator[tuple[str, float]]:
    """What the server asks of each table with a foreign key, for each row that a DELETE takes."""
    names = [word for word in tokens(words) if word.text != "." and word.name != schema]
    for at, word in enumerate(names[:-2]):
        if word.is_word("delete") and names[at + 1].is_word("from"):
            deleted = names[at + 2].name
            for key in keys:
                if key.parent == deleted:
                    table, column = _quoted(key.table), _quoted(key.column)
                    yield f"SELECT 1 FROM ONLY {table} x WHERE x . {column} = $1", max(rows or 1.0, 1.0)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
