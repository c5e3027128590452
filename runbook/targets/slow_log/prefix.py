"""``log_line_prefix`` as a pattern of the lines that it begins, and a guess where nobody tells it."""

from __future__ import annotations

import re
from collections.abc import Iterable

#: What the world uses (``%t`` for ``%m`` is understood): the server's default, its distributions', those that log
#: analysers and clouds recommend.
COMMON = (
    "%m [%p] ",
    "%m [%p] %q%u@%d ",
    "%m [%p] %u@%d ",
    "%m [%p] %q%u@%d/%a ",
    "%m [%p] %q[user=%u,db=%d,app=%a] ",
    "%m [%p] %q%a ",
    "%m [%p]: ",
    "%m [%p]: user=%u,db=%d,app=%a,client=%h ",
    "%m [%p]: [%l-1] user=%u,db=%d,app=%a,client=%h ",
    "%m [%p]: [%l] user=%u,db=%d,app=%a,client=%h ",
    "%m [%p]: [%l-1] db=%d,user=%u,app=%a,client=%h ",
    "%m [%p]: user=%u,db=%d,client=%h ",
    "%m [%p-%l] %q%u@%d ",
    "%m %u@%d [%p] ",
    "%m:%r:%u@%d:[%p]: ",
    "%m:%r:%u@%d:[%p]:%l:%e:%s:%v:%x:%c:%q%a:",
    "%m [%c]: [%l-1] user=%u,db=%d ",
    "< %m > ",
    "%n [%p] ",
)
_STAMP = r"\d{4}-[\d-]{5} [\d:]{8}[.\d]* [^\s\]>:,|;]+"
_ESCAPES = {
    "m": rf"(?P<time>{_STAMP})",
    "t": rf"(?P<time>{_STAMP})",
    "n": r"(?P<time>\d{9,}\.\d{3})",
    "s": rf"(?:{_STAMP})?",
    "p": r"(?P<pid>\d+)",
    "c": r"(?P<session>[0-9a-f]+\.[0-9a-f]+)",
    "P": r"\d*",
    "l": r"\d+",
    "v": r"[\d/-]*",
    "x": r"\d*",
    "Q": r"-?\d+",
    "e": r"[0-9A-Z]{5}",
    "%": "%",
}
_TOKEN = re.compile(r"%(?P<pad>-?\d+)?(?P<letter>.)|(?P<plain>[^%]+)", re.DOTALL)
#: What stands after the prefix, with the time of a statement where there is one.
_AFTER = (
    r"(?P<level>[^\s:]+):  (?:[^\s:]+: (?P<ms>\d+[.,]\d+) ms"
    r"(?:  (?P<what>[^\s:]+)(?:(?<=parse): [^\s:]*(?=: )|[^:]*):[ \x01](?P<said>.*)|\Z))?"
)
#: A timed statement whose record ends with its line, else any line, in text of many lines.
_SCANNED = (
    r"[^\s:]+:  )(?<=LOG:  )[^\s:]+: (?P<ms>\d+[.,]\d+) ms(?:  (?P<what>[^\s:]+)"
    r"(?:(?<=parse): [^\s:]*(?=: )|[^:\n]*):[ \x01](?P<said>[^\n]*))?(?:\n(?=%s)|\Z)|(?P<line>[^\n]*)(?:\n|\Z)"
)
_LOOKED_AT = 400
_ENOUGH = 0.6


def pattern(prefix: str) -> re.Pattern[str]:
    """What a line with this prefix looks like, tabs of continued lines as ``\\x01``.

    Groups ``time``, ``pid``, ``session`` (where the prefix has them), ``level``, ``ms``, ``what`` and ``said``.
    """
    return re.compile(_before(prefix) + _AFTER, re.DOTALL)


def scanner(prefix: str) -> re.Pattern[str]:
    """What finds timed statements in the text of a log, one match a record; other lines as the group ``line``."""
    begins = r"\d{4}-" if re.match("%[mt]", prefix) else re.escape(prefix[0]) if prefix[:1] not in ("%", "") else "."
    return re.compile("(?>" + _before(prefix) + _SCANNED % begins)


def _before(prefix: str) -> str:
    made, seen, optional = [], set[str](), 0
    for token in _TOKEN.finditer(prefix):
        letter = token["letter"]
        if letter is None:
            made.append(re.escape(token["plain"]))
        elif letter == "q":
            made.append("(?:")
            optional += 1
        else:
            made.append(_escape(letter, token["pad"], seen))
    return "".join(made) + ")?" * optional


def guessed(lines: Iterable[str]) -> str | None:
    """The common prefix that most of the lines have; None where none has more than half of them."""
    looked_at = [line for line in lines if line and not line.startswith(("\t", "\x01", " "))][:_LOOKED_AT]
    if not looked_at:
        return None
    fitting = {prefix: sum(map(bool, map(pattern(prefix).match, looked_at))) for prefix in COMMON}
    best = max(fitting, key=lambda prefix: fitting[prefix])
    return best if fitting[best] >= _ENOUGH * len(looked_at) else None


def _escape(letter: str, pad: str | None, seen: set[str]) -> str:
    """One escape; a name stands for its first place only, because a pattern has each once."""
    made = _ESCAPES.get(letter, r"[^\n]*?")
    name = re.match(r"\(\?P<(\w+)>", made)
    if name is not None and name[1] in seen:
        made = made.replace(f"(?P<{name[1]}>", "(?:", 1)
    seen |= {name[1]} if name else set()
    return rf" *{made} *" if pad else made
