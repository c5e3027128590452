"""JUnit XML that every pipeline can parse, with each state where a pipeline looks for it."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from reports import junit
from reports.language import Language
from runbook.model import Run
from tests.reports import factory


def parsed(run: Run) -> ElementTree.Element:
    """The document, parsed."""
    return ElementTree.fromstring(junit.render(run, Language("es")))


def test_states_are_where_a_pipeline_looks_for_them() -> None:
    root = parsed(factory.incident())
    cases = {case.attrib["name"].split()[0]: case for case in root.iter("testcase")}
    kinds = {row: [child.tag for child in case if child.tag != "system-out"] for row, case in cases.items()}
    assert kinds["BACKUP-01"] == kinds["ETL-01"] == ["failure"]
    assert kinds["HOST-01"] == ["error"]
    assert kinds["NOTIFY-01"] == ["skipped"]
    assert kinds["QUEUE-01"] == kinds["DB-01"] == []
    assert "Crítico → Corregido" in (cases["QUEUE-01"].findtext("system-out") or "")


def test_totals_add_up() -> None:
    root = parsed(factory.incident())
    for name in ("tests", "failures", "errors", "skipped"):
        assert int(root.attrib[name]) == sum(int(suite.attrib[name]) for suite in root)
    assert root.attrib["tests"] == "9"
    assert len({suite.attrib["name"] for suite in root}) == len(root)


@pytest.mark.parametrize(
    "words", [factory.HOSTILE, "]]>", "\x0c\x1f\ufffe\udc80", "<!--", "&#0;", "PEGJ850101HDFRRN09"]
)
def test_hostile_words_are_words(words: str) -> None:
    root = parsed(factory.hostile(words))
    assert len(list(root.iter("testcase"))) == 9
    assert {element.tag for element in root.iter()} <= {
        "testsuites", "testsuite", "testcase", "failure", "error", "skipped", "system-out",
    }  # fmt: skip
    assert b"PEGJ850101HDFRRN09" not in junit.render(factory.hostile(words), Language("es"))
