"""Spanish is complete: every wording of the product is found, translated, with the same fields, and compiled."""

from __future__ import annotations

from babel.messages.catalog import Catalog

from reports import catalogue


def test_spanish_is_complete() -> None:
    assert list(catalogue.problems()) == []


def test_wordings_are_found_in_python() -> None:
    source = """
text("a {x}", x=1); language.word("b" " c"); Text("d"); say.plural("{count} e", "{count} es", 2)
text(template); text("{only}: {fields}"); other("no"); re.sub("no", "no"); words.text("f")
"""
    assert set(catalogue.in_python(source)) == {"a {x}", "b c", "d", "f", ("{count} e", "{count} es")}


def test_wordings_are_found_in_templates() -> None:
    assert list(catalogue.in_template('{% macro m() %}{{ _("a {n}", n=1) }}{{ _("b") }}{% endmacro %}')) == [
        "a {n}",
        "b",
    ]


def test_each_kind_of_gap_is_named() -> None:
    wanted, given = Catalog(), Catalog()
    for message in ("missing", "empty", "fuzzy", "fields {a}", ("{count} one", "{count} many"), "fine {a}"):
        wanted.add(message, locations=[("x.py", 1)])
    given.add("empty", "")
    given.add("fuzzy", "dudosa", flags=["fuzzy"])
    given.add("fields {a}", "campos {b}")
    given.add(("{count} one", "{count} many"), ("{count} uno", ""))
    given.add("fine {a}", "bien {a}")
    gaps = list(catalogue.gaps(wanted, given))
    assert [gap.partition(": ")[2] for gap in gaps] == [
        "no Spanish for 'missing'",
        "no Spanish for 'empty'",
        "the Spanish for 'fuzzy' is fuzzy",
        "the Spanish for 'fields {a}' has other fields",
        "no Spanish for '{count} one'",
    ]


def test_units_are_found_wherever_they_are_given() -> None:
    source = 'Quantity(3, "message"); Threshold(1, 2, unit="parsecs"); Record(trend_unit="1/min"); f(unit=name)'
    assert list(catalogue._units(source)) == ["message", "parsecs", "1/min"]
