"""Collects every wording of the product, keeps the Spanish catalogue in step with it and compiles it.

``python -m reports.catalogue extract`` adds what is new to ``muses.po`` and drops what is gone; ``compile`` writes
``muses.mo``; ``check`` fails on a gap. A developer's tool: Babel and the rows are imported only in here.
"""

from __future__ import annotations

import ast
import io
import pkgutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from gettext import GNUTranslations
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from reports.language import DOMAIN, FIELD, LOCALE, fields
from reports.nouns import FORMS, NOUNS

if TYPE_CHECKING:
    from babel.messages.catalog import Catalog

ROOT = Path(__file__).parent.parent
FOLDERS = ("runbook", "checks", "procedures", "reports", "lab")
PO = LOCALE / "es" / "LC_MESSAGES" / f"{DOMAIN}.po"
MO = PO.with_suffix(".mo")
#: Calls whose first argument is a wording, and the one whose first two are its forms.
SINGULAR, PLURAL = frozenset({"text", "word", "_", "Text"}), "plural"
UNITS = frozenset({"", "s", "B", "%", "1/s", "1/min", "1/h", "1/d"})

Message = str | tuple[str, str]


@dataclass(frozen=True)
class Wording:
    """One wording to translate and the file it stands in."""

    message: Message
    file: str


def wordings() -> Iterator[Wording]:
    """Every wording of the product: calls in Python, calls in templates, nouns, and why the rows matter."""
    for path in _files("*.py"):
        yield from (Wording(m, _name(path)) for m in in_python(path.read_text("utf-8")))
    for path in _files("*.j2"):
        yield from (Wording(m, _name(path)) for m in in_template(path.read_text("utf-8")))
    yield from (Wording(pair, "reports/nouns.py") for pair in NOUNS)
    yield from (Wording(why, f"checks:{row}") for row, why in _whys())


def in_python(source: str) -> Iterator[Message]:
    """The wordings of ``text("…")``, ``language.word("…")`` and ``language.plural("…", "…", n)`` calls."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            yield from _of_call(node)


def in_template(source: str) -> Iterator[Message]:
    """The wordings of ``_("…")`` calls in a Jinja template."""
    from jinja2 import Environment
    from jinja2.ext import extract_from_ast

    parsed = Environment(autoescape=True).parse(source)
    for _, _, message in extract_from_ast(parsed, gettext_functions=("_",)):
        if first := message if isinstance(message, str) else next(filter(None, message or ()), None):
            yield first


def unknown_units() -> Iterator[str]:
    """Units in code that the language could not write: neither a unit of measure nor a noun it knows."""
    for path in _files("*.py"):
        for unit in _units(path.read_text("utf-8")):
            if unit not in UNITS and unit not in FORMS:
                yield f"{_name(path)}: unit {unit!r} is not in reports/nouns.py"


def collected() -> Catalog:
    """The template catalogue: everything there is to translate, untranslated."""
    from babel.messages.catalog import Catalog

    catalogue = Catalog(locale="es_MX", domain=DOMAIN, project="muses-runbook", fuzzy=False)
    for wording in wordings():
        catalogue.add(wording.message, locations=[(wording.file, 0)])
    return catalogue


def committed() -> Catalog:
    """The Spanish catalogue as it is committed; an empty one before the first extraction."""
    from babel.messages.catalog import Catalog
    from babel.messages.pofile import read_po

    if not PO.exists():
        return Catalog(locale="es_MX", domain=DOMAIN, fuzzy=False)
    with PO.open("rb") as file:
        return read_po(file, locale="es_MX", domain=DOMAIN)


def extract() -> int:
    """Bring the .po in step with the code: new wordings come in untranslated, old ones go."""
    from babel.messages.pofile import write_po

    catalogue = committed()
    catalogue.update(collected(), no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    catalogue.header_comment = "# The Spanish of Mexico of muses-runbook. Apache-2.0, like all of it."
    catalogue.project, catalogue.version = "muses-runbook", "1"
    catalogue.msgid_bugs_address, catalogue.last_translator, catalogue.language_team = "", "", "es_MX"
    # Times would make every extraction a change.
    catalogue.creation_date = catalogue.revision_date = datetime(2026, 1, 1, tzinfo=UTC)
    buffer = io.BytesIO()
    write_po(buffer, catalogue, width=110, sort_output=True, include_lineno=False)
    PO.write_bytes(buffer.getvalue())
    return _said(list(gaps(catalogue, catalogue)))


def compiled(catalogue: Catalog) -> bytes:
    """The .mo of a catalogue."""
    from babel.messages.mofile import write_mo

    buffer = io.BytesIO()
    write_mo(buffer, catalogue)
    return buffer.getvalue()


def compile_() -> int:
    """Write the .mo from the .po."""
    MO.write_bytes(compiled(committed()))
    return 0


def check() -> int:
    """Print every gap; 1 when there is one."""
    return _said(list(problems()))


def problems() -> Iterator[str]:
    """Whatever keeps Spanish from being complete and right."""
    catalogue = committed()
    yield from gaps(collected(), catalogue)
    yield from unknown_units()
    if not MO.exists() or _translations(MO.read_bytes()) != _translations(compiled(catalogue)):
        yield "muses.mo is not what muses.po compiles to: run python -m reports.catalogue compile"


def gaps(wanted: Catalog, given: Catalog) -> Iterator[str]:
    """Wordings without a translation, with a doubtful one, or with one that has other fields."""
    for message in wanted:
        if not message.id:
            continue
        found = given.get(message.id)
        first = message.id if isinstance(message.id, str) else message.id[0]
        forms = () if found is None else (found.string,) if isinstance(found.string, str) else found.string
        if not forms or not all(forms):
            yield f"{_where(message.locations)}: no Spanish for {first!r}"
        elif found is not None and found.fuzzy:
            yield f"{_where(message.locations)}: the Spanish for {first!r} is fuzzy"
        elif any(fields(form) != fields(_last(message.id)) for form in forms):
            yield f"{_where(message.locations)}: the Spanish for {first!r} has other fields"


def _translations(mo: bytes) -> dict[object, str]:
    """What a .mo translates; without its header, which names the Babel that wrote it."""
    catalogue = vars(GNUTranslations(io.BytesIO(mo)))["_catalog"]
    return {message: words for message, words in catalogue.items() if message}


def _of_call(call: ast.Call) -> Iterator[Message]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    words = [a.value for a in call.args[:2] if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    if name == PLURAL and len(words) == 2:
        yield words[0], words[1]
    elif name in SINGULAR and words and call.args[0].__class__ is ast.Constant and _has_words(words[0]):
        yield words[0]


def _has_words(template: str) -> bool:
    """Whether there is anything to translate between the fields."""
    return any(c.isalpha() for c in FIELD.sub("", template))


def _last(message: str | Sequence[str]) -> str:
    """The wording itself, or of two forms the plural, which has every field."""
    return message if isinstance(message, str) else message[-1]


def _units(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        named = [k.value for k in node.keywords if k.arg in ("unit", "trend_unit")]
        if getattr(node.func, "id", "") == "Quantity":
            named += node.args[1:2]
        yield from (n.value for n in named if isinstance(n, ast.Constant) and isinstance(n.value, str))


def _whys() -> Iterator[tuple[str, str]]:
    # Reports must not depend on rows: only this developer's tool looks at them, and only here.
    import checks
    from runbook.rows import declared

    for module in pkgutil.iter_modules(checks.__path__, "checks."):
        if not module.name.startswith("checks._") and module.name != "checks.conftest":
            import_module(module.name)
    for row in declared():
        if row.why is not None and row.why.spanish is None:  # a script says its own in both
            yield row.id, row.why.template


def _files(pattern: str) -> Iterator[Path]:
    for folder in FOLDERS:
        yield from sorted((ROOT / folder).rglob(pattern))


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _where(locations: list[tuple[str, int]]) -> str:
    return locations[0][0] if locations else PO.name


def _said(lines: list[str]) -> int:
    print("\n".join(lines) if lines else "complete", file=sys.stderr)
    return 1 if lines else 0


COMMANDS: dict[str, Callable[[], int]] = {"extract": extract, "compile": compile_, "check": check}

if __name__ == "__main__":
    chosen = COMMANDS.get(sys.argv[1] if len(sys.argv) == 2 else "")
    sys.exit(chosen() if chosen else f"usage: python -m reports.catalogue {'|'.join(COMMANDS)}")
