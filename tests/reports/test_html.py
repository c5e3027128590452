"""The page is well formed, complete, safe, readable by everybody, and small."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
from datetime import timedelta

import msgspec
import pytest

from reports import html
from reports.language import Language
from reports.view.glossary import glossary
from runbook.model import Environment, Evidence, Run
from runbook.text import verbatim
from tests.reports import factory, markup

LANGUAGES = ("es", "en")
LABELS = {"es": ("Por qué", "Qué se hizo", "¿Sirvió?", "Qué sigue"), "en": ("Why", "What was done", "Did it help?")}
replace = msgspec.structs.replace


def page(run: Run, code: str = "es") -> bytes:
    """One rendered page."""
    return html.render(run, Language(code))


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("run", [factory.incident(), factory.hostile()], ids=["incident", "hostile"])
def test_the_page_is_well_formed_and_its_references_hold(run: Run, code: str) -> None:
    read = markup.read(page(run, code))
    ids = read.ids()
    assert len(ids) == len(set(ids))
    for element in read.elements:
        named = element.attributes.get("aria-labelledby")
        assert named is None or named in ids
        link = element.attributes.get("href", "#content")
        assert link.startswith("#")
        assert link[1:] in ids
    assert read.named("html")[0].attributes["lang"] == code


@pytest.mark.parametrize("run", [factory.incident(), factory.hostile()], ids=["incident", "hostile"])
def test_nothing_is_loaded_and_nothing_can_run(run: Run) -> None:
    read = markup.read(page(run))
    assert not {element.tag for element in read.elements} & {"img", "link", "iframe", "object", "form", "a:"}
    assert len(read.named("script")) == 1
    for element in read.elements:
        assert not any(name.startswith("on") for name in element.attributes)
        assert not {"src", "srcset", "action", "xlink:href"} & set(element.attributes)
    policy = next(m for m in read.named("meta") if m.attributes.get("http-equiv") == "Content-Security-Policy")
    script = page(run).decode().partition("<script>")[2].partition("</script>")[0]
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert (
        policy.attributes["content"] == f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{allowed}'"
    )
    style = page(run).decode().partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style


def test_hostile_words_are_words() -> None:
    read = markup.read(page(factory.hostile()))
    assert "<script>alert(1)</script>" in read.words
    assert not set("\x1b\x00\x07\u202e") & set(read.words)


@pytest.mark.parametrize("code", LANGUAGES)
def test_headings_are_in_order_and_landmarks_are_there(code: str) -> None:
    read = markup.read(page(factory.incident(), code))
    levels = [int(e.tag[1]) for e in read.elements if re.fullmatch("h[1-6]", e.tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert all(len(read.named(tag)) >= 1 for tag in ("main", "header", "footer", "h1"))
    assert all(label in read.words for label in LABELS[code])


def test_tables_have_captions_and_heads() -> None:
    read = markup.read(page(factory.incident()))
    tables = read.named("table")
    assert len(read.named("caption")) == len(tables) > 3
    assert all(th.attributes.get("scope") in ("row", "col") for th in read.named("th"))


def test_every_row_is_there_with_its_state_in_words() -> None:
    run = factory.incident()
    read = markup.read(page(run))
    for record in run.records:
        assert f"row-{record.row}" in read.ids()
    for word in ("Crítico", "Advertencia", "Desconocido", "Corregido", "En orden", "Omitido"):
        assert word in read.words
    drawn = {use.attributes["href"] for use in read.named("use")}
    assert drawn == {"#s-critical", "#s-warning", "#s-unknown", "#s-fixed", "#s-ok", "#s-skipped"}


def test_unknown_and_skipped_rows_say_why() -> None:
    words = markup.read(page(factory.incident())).words.replace("\u00a0", " ")
    assert "ssh://app2.muses.local no respondió en 5 s" in words
    assert "siged no está configurado; ponga environments.lab.siged en el archivo del sitio" in words


def test_every_part_of_the_way_and_every_term_is_there() -> None:
    read = markup.read(page(factory.incident(), "en"))
    for part in ("Producers", "Queue", "Workers", "Staging", "ETL", "Core", "SIGED"):
        assert part in read.words
    assert "No row looked at it".lower() in read.words
    terms = glossary(Language("en"))
    assert len(terms) > 15
    for term, meaning in terms:
        assert term in read.words
        assert meaning in read.words


def test_commands_in_a_sentence_are_set_as_code_and_stay_words() -> None:
    person = verbatim("Run `muses-runbook <purge>`, then ` wait")
    record = replace(factory.backup(), plan=None, person=person)
    written = page(factory.replaced(records=(record,))).decode()
    assert "Run <code>muses-runbook &lt;purge&gt;</code>, then ` wait" in written


def test_trends_stand_where_there_is_one_and_nowhere_else() -> None:
    night = replace(factory.healthy("DB-01"), trend=factory.queue().trend, trend_unit="%")
    lines = [len(markup.read(page(factory.replaced(records=rows))).named("polyline")) for rows in ((night,), ())]
    assert lines == [1, 0]


def test_an_interrupted_run_says_so() -> None:
    assert "se detuvo antes de terminar" in page(replace(factory.incident(), interrupted=True)).decode()


def test_an_empty_run_is_a_page() -> None:
    environment = Environment(site="", name="", timezone="", language="")
    run = Run(id="", environment=environment, started_at=factory.START, ended_at=factory.START, records=())
    assert "No se verificó nada" in markup.read(page(run)).words


def test_personal_data_is_masked_again() -> None:
    canary = "PEGJ850101HDFRRN09"
    for code in LANGUAGES:
        assert canary.encode() not in page(factory.hostile(f"curp {canary}"), code)


def test_the_page_stays_small_whatever_it_is_fed() -> None:
    queue = factory.queue()
    fact = Evidence(statement=verbatim("long " * 400), source="x" * 400, sample=("y" * 600,) * 9, count=10_000)
    findings = tuple(replace(finding, evidence=(fact,) * 9) for finding in queue.findings * 10)
    record = replace(queue, findings=findings, took=timedelta(days=1))
    run = replace(factory.incident(), records=tuple(replace(record, row=f"ROW-{n}") for n in range(14)))
    large = page(run)
    assert len(large) < html.LARGEST
    assert all(f"ROW-{n}<".encode() in large for n in range(14))


def test_an_ordinary_page_is_tiny() -> None:
    assert len(page(factory.incident())) < 70_000


def _colours(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+):(#[0-9a-f]{3,6})", block))


def _luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(c * 2 for c in colour[1:])
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_colour_of_words_reads_on_every_ground(scheme: str) -> None:
    """WCAG AA: 4.5 to 1."""
    style = (html.TEMPLATES / "style.css").read_text("utf-8")
    light, dark = style.split("@media (prefers-color-scheme:dark)")
    colours = _colours(light) if scheme == "light" else _colours(dark.partition("}}")[0])
    for words in ("ink", "dim", "critical", "warning", "unknown", "fixed", "ok", "skipped"):
        for ground in ("paper", "sheet", "faint"):
            bright, deep = sorted((_luminance(colours[words]), _luminance(colours[ground])), reverse=True)
            assert (bright + 0.05) / (deep + 0.05) >= 4.5, f"{words} on {ground} in {scheme}"
