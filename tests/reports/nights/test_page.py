"""The index of the nights: safe, complete without scripts, compared with the night before, and small."""

from __future__ import annotations

import base64
import hashlib
import random
from datetime import timedelta

import pytest
from msgspec.structs import replace

from reports.nights import EnvironmentNights, Night, RowNights
from reports.nights.page import LARGEST
from runbook.model import State
from runbook.text import bilingual, text
from tests.reports import markup
from tests.reports.canaries import CANARIES, seen
from tests.reports.nights.made import NOW, environment, index, night, page, row


@pytest.mark.parametrize("code", ["es", "en"])
def test_it_is_well_formed_and_its_links_lead_to_reports_beside_it(code: str) -> None:
    read = markup.read(page(environment("prod", row("QUEUE-01", "ok", "critical")), code=code))
    ids = read.ids()
    assert len(ids) == len(set(ids))
    links = [a.attributes["href"] for a in read.named("a")]
    assert "20261125T110500Z-0badcafe/20261125T110500Z-0badcafe.html" in links
    assert all(link[1:] in ids if link.startswith("#") else "/" in link and ":" not in link for link in links)
    assert read.named("html")[0].attributes["lang"] == code


def test_nothing_is_loaded_and_only_our_own_script_may_run() -> None:
    made = page(environment("prod", row("QUEUE-01", "ok")))
    read = markup.read(made)
    assert not {element.tag for element in read.elements} & {"img", "link", "iframe", "object", "form"}
    assert not any("src" in element.attributes for element in read.elements)
    (script,) = (part.partition("</script>")[0] for part in made.decode().split("<script>")[1:])
    policy = next(m for m in read.named("meta") if m.attributes.get("http-equiv") == "Content-Security-Policy")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    allowed = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    assert policy.attributes["content"] == allowed


def test_hostile_words_are_words() -> None:
    hostile = "<script>alert(1)</script>\x1b[31m\u202e"
    bad = row("Q\x00<b>", "ok", "critical")
    read = markup.read(
        page(
            EnvironmentNights(
                name=hostile,
                nights=(night(1), night(0, State.CRITICAL, said=text("{why}", why=hostile))),
                rows=(type(bad)(row=bad.row, title=bilingual(hostile, hostile), standings=bad.standings),),
            ),
            site=hostile,
        )
    )
    assert len(read.named("script")) == 1
    assert "<script>alert(1)</script>" in read.words
    assert not set("\x1b\x00\u202e") & set(read.words)


def test_what_changed_since_the_night_before_is_told_with_both_states() -> None:
    read = markup.read(
        page(
            environment("prod", row("A-01", "ok", "critical"), row("B-01", "warning", "fixed"), row("C-01", "ok", "ok"))
        )
    )
    told = read.words.partition("What changed since the night before")[2].partition("Calendar")[0].split()
    assert " ".join(told) == (
        "In order → Critical A-01 The queue is worked off. Warning → Fixed B-01 The queue is worked off."
    )


def test_a_night_without_a_run_changes_nothing_and_says_why() -> None:
    judged = environment("prod", row("A-01", "ok", "critical", ""))
    nights = (night(2), night(1, State.CRITICAL), night(0, State.UNKNOWN, href="", said=text("it hangs")))
    read = markup.read(page(EnvironmentNights(name="prod", nights=nights, rows=judged.rows)))
    assert "There was no result: it hangs" in read.words
    assert "There is no night before to compare with." in read.words
    again = environment("prod", row("A-01", "critical", "", "critical"))
    nights = (night(2), night(1, State.UNKNOWN, said=text("it hangs")), night(0, State.CRITICAL))
    read = markup.read(page(EnvironmentNights(name="prod", nights=nights, rows=again.rows)))
    assert "Nothing." in read.words, "the night without a run is no night to compare with"


def test_silence_is_stated_in_words_and_shown_where_it_is_so_already() -> None:
    quiet, silent = environment("prod", row("A-01", "ok")), EnvironmentNights(name="qa", nights=())
    read = markup.read(page(quiet, silent))
    assert "If it is later than 26 Nov 2026, 07:05:00 UTC-06:00 and no newer run stands here, nobody looks." in (
        read.words.replace("\u00a0", " ")
    )
    told = [p.attributes for p in read.named("p") if p.attributes.get("class") == "silent"]
    assert told[0]["data-due"] == "2026-11-26T13:05:00+00:00"
    assert ["hidden" in one for one in told] == [True, False]
    late = markup.read(page(quiet, made_at=NOW + timedelta(hours=27)))
    assert "hidden" not in next(p.attributes for p in late.named("p") if p.attributes.get("class") == "silent")


def test_rows_stand_apart_by_how_they_stood_and_none_is_hidden() -> None:
    read = markup.read(
        page(
            environment(
                "prod",
                row("BAD-01", "ok", "warning"),
                row("OK-01", "ok", "ok"),
                row("NEW-01", "", "ok"),
                row("SKIP-01", "skipped", "skipped"),
                row("GONE-01", "ok", ""),
            )
        )
    )
    troubled, _, calm = read.words.partition("Rows that were not always in order")[2].partition(
        "Rows that were always in"
    )
    calm, _, skipped = calm.partition("Skipped rows")
    assert ["BAD-01" in troubled, "GONE-01" in troubled, "OK-01" in troubled] == [True, True, False]
    assert ["OK-01" in calm, "NEW-01" in calm] == [True, True]
    assert "SKIP-01" in skipped
    assert "not judged" in troubled


def test_each_row_has_its_values_as_a_line_with_the_threshold() -> None:
    made = page(environment("prod", row("A-01", "ok", "warning", "ok"), row("B-01", "ok", "ok", "ok"))).decode()
    assert made.count("<polyline") == 2
    assert made.count('<path class="limit warning"') == 2
    assert "muses.recepcion: 12" in made


def test_a_year_of_five_hundred_rows_in_three_environments_is_below_a_megabyte() -> None:
    chance = random.Random(8)
    names = ["ok"] * 96 + ["warning", "critical", "unknown", "fixed"]
    year = row("ROW", *["ok"] * 365)

    def one(number: int) -> RowNights:
        standings = tuple(chance.choices(names, k=365)) if number % 10 == 0 else year.standings
        return replace(year, row=f"ROW-{number:03}", standings=standings)

    made = page(*(environment(name, *map(one, range(500))) for name in ("prod", "qa", "dr")), code="es")
    assert len(made) < LARGEST
    assert made.count(b"<polyline") == 1500


def test_what_does_not_fit_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    calm = ("ok",) * 30
    rows = (row("BAD-01", *calm[:-1], "critical"), *(row(f"R-{number}", *calm) for number in range(1200)))
    whole = page(environment("prod", *rows))
    monkeypatch.setattr("reports.nights.page.LARGEST", 60_000)
    made = page(environment("prod", *rows))
    assert len(made) < 60_000 < len(whole)
    assert "not drawn, so that the page opens at once: 1,200." in made.decode()
    assert "BAD-01" in made.decode()
    assert "not drawn" not in whole.decode()


def test_without_any_night_it_says_so() -> None:
    read = markup.read(page(EnvironmentNights(name="prod", nights=())))
    assert "There was no night yet." in read.words
    assert "No nightly run was ever made here: nobody looks." in read.words


def test_the_worst_of_the_last_night_is_the_headline() -> None:
    good, bad = environment("prod", row("A-01", "critical", "ok")), environment("qa", row("A-01", "ok", "warning"))
    assert "1 of 2 environments is not in order." in markup.read(page(good, bad)).words
    assert "2 environments, all in order." in markup.read(page(good, good)).words
    assert isinstance(index(good).environments[0].nights[0], Night)


@pytest.mark.parametrize(("written", "core"), CANARIES.values(), ids=CANARIES)
def test_no_personal_datum_and_no_secret_is_on_the_page(written: str, core: str) -> None:
    words = f"testigo {written}"
    bad = row("A-01", "ok", "critical")
    assert bad.measure is not None
    bad = replace(bad, title=text("{why}", why=words), measure=replace(bad.measure, object=words, value=words))
    nights = (night(1), night(0, State.CRITICAL, said=text("{why}", why=words)))
    made = page(EnvironmentNights(name="prod", nights=nights, rows=(bad,)), site=words)
    assert made.count(b"testigo") >= 4
    assert core not in seen(made)
