"""The wiki markup of Jira Server and Data Center.

There is no code span in which nothing is markup: words from outside are escaped in ``{{…}}`` too. A backslash of
theirs would be a new line or take the meaning of what follows, so it is written as an entity.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from reports.clean import one_line
from reports.document.blocks import (
    Bars,
    Block,
    Break,
    Code,
    Heading,
    Item,
    Items,
    Line,
    Listing,
    Notice,
    Paragraph,
    Piece,
    Plain,
    Strong,
    Table,
    Trend,
)
from reports.language import Language
from reports.markdown.commonmark import spaced
from reports.markdown.github import ZERO_WIDTH
from runbook.model import Run

#: Characters of one comment or description; Jira takes 32,767 unless its administrator lets it take more.
LARGEST = 32_000
size = len
_ENTITY = re.compile(r"&(?=#?\w+;)")
#: Marks of markup anywhere; those that open something only where they would.
_MARKUP = re.compile(r"[{}\[\]|*^~!]|\?(?=\?)|(?<![^\W_])_|_(?![^\W_])|(?<!\w)[-+](?=\S)|(?<=-)-")
#: Breaks a bare link, an icon such as ``(x)`` or ``:)``, and what the beginning of a line could mean.
_NO_LINK = re.compile(
    r"(?<=:)(?=//)|(?<=mailto)(?=:)|(?<=www)(?=\.)|(?<=[:;])(?=[)(PDp])"
    r"|(?<=\()(?=(?:y|n|i|/|x|!|\+|-|\?|on|off|\*[rgby]?|flag|flagoff)\))",
    re.IGNORECASE,
)
#: What would end a listing.
_LISTING = re.compile(r"\{(?=noformat)", re.IGNORECASE)
_AT_START = re.compile(r"^(?=h[1-6]\.|bq\.|[#.-]+(?:\s|$)|-{2,})", re.IGNORECASE)


def render(run: Run, language: Language) -> bytes:
    """The whole document as Jira Server takes it, UTF-8."""
    from reports.markdown import whole

    return whole(run, "jira", language)


def written(blocks: Sequence[Block]) -> str:
    """The blocks as text, with an empty line between them."""
    return "\n\n".join("\n".join(_block(block)) for block in blocks) + "\n"


def escaped(words: str) -> str:
    """Words from outside as plain text of one line."""
    plain = _ENTITY.sub("&amp;", one_line(words))
    unlinked = _AT_START.sub(ZERO_WIDTH, _NO_LINK.sub(ZERO_WIDTH, plain))
    parts = (_MARKUP.sub(r"\\\g<0>", part) for part in unlinked.split("\\"))
    return "&#92;".join(parts)


def _block(block: Block) -> Iterator[str]:
    match block:
        case Heading(level=level, line=words):
            yield f"h{level}. {_line(words)}"
        case Paragraph(line=words):
            yield _line(words)
        case Notice(line=words):
            yield f"bq. {_line(words)}"
        case Listing(lines=lines):
            yield from _verbatim(lines)
        case Items(items=items, numbered=numbered):
            for item in items:
                yield from _item(item, "#" if numbered else "*")
        case Table(head=head, rows=rows):
            yield _row(map(escaped, head), "||")
            yield from (_row(map(_line, row), "|") for row in rows)
        case Bars(title=title, words=words) | Trend(title=title, words=words):
            yield f"*{escaped(title)}:* {escaped(words)}"


def _item(item: Item | Listing, bullets: str) -> Iterator[str]:
    if isinstance(item, Listing):
        yield from _verbatim(item.lines)
        return
    yield f"{bullets} {_line(item.line)}"
    for inner in item.inner:
        yield from _item(inner, bullets + "*")


def _verbatim(lines: Iterable[str]) -> Iterator[str]:
    yield "{noformat}"
    yield from (_LISTING.sub(f"{{{ZERO_WIDTH}", line) for line in lines)
    yield "{noformat}"


def _row(cells: Iterable[str], edge: str) -> str:
    return f"{edge}{edge.join(f' {cell} ' if cell else ' ' for cell in cells)}{edge}"


def _line(line: Line) -> str:
    return "".join(map(_piece, line))


def _piece(piece: Piece) -> str:
    match piece:
        case Plain(words=words):
            return spaced(words, escaped)
        case Strong(words=words):
            return f"*{escaped(words)}*"
        case Code(words=words):
            return f"{{{{{escaped(words)}}}}}"
        case Break():
            return " \\\\ "
