"""Rows as pytest items: collected only where rows live, selected and reported as pytest users expect."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from checks import conftest as checks_conftest
from runbook import rows

pytest_plugins = ["pytester"]

ROWS = '''
from datetime import timedelta
from runbook.limits import Limits, Threshold
from runbook.rows import row

{head}

@row("DEMO-01", source="test", es="Bien", threshold=Threshold(10, 20, unit="l"))
def check_good(limits: Limits) -> None:
    """All is well."""
    limits.judge(1, of="tank")

@row("DEMO-02", source="test", es="Mal", threshold=Threshold(10, 20, unit="l"))
def check_bad(limits: Limits) -> None:
    """All is bad."""
    limits.judge(25, of="tank")

@row("DEMO-03", source="test", es="Ciego")
def check_blind(database) -> None:
    """Nothing is seen."""
    database.sight()

@row("DEMO-04", source="test", es="Sin objetivo")
def check_lost(no_such_target) -> None:
    """The fixture is not there."""
'''

SITE = """
[site]
environment = "here"
state = "{state}"
[environments.here]
"""


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "_registry", {})


@pytest.fixture
def desk(pytester: pytest.Pytester) -> pytest.Pytester:
    """A folder with a site file and a folder of rows of its own."""
    checks = pytester.mkdir("mychecks")
    (checks / "__init__.py").touch()
    (checks / "conftest.py").write_text(Path(checks_conftest.__file__).read_text())
    (checks / "demo.py").write_text(ROWS.replace("{head}", ""))
    pytester.makeconftest('pytest_plugins = ["runbook.plugin", "runbook.targets.fixtures"]')
    pytester.makefile(".toml", **{"muses-runbook": SITE.format(state=pytester.path / "state")})
    pytester.syspathinsert()
    return pytester


def test_each_outcome_is_the_rows_state(desk: pytest.Pytester) -> None:
    result = desk.runpytest("mychecks", "--junitxml=out.xml", "-rA")
    result.assert_outcomes(passed=1, failed=1, skipped=1, errors=1)
    result.stdout.fnmatch_lines(["*CRITICAL: tank: 25 l*"])
    cases = ElementTree.parse(desk.path / "out.xml").iter("testcase")
    states = {p.get("value") for case in cases for p in case.iter("property") if p.get("name") == "state"}
    assert states == {"OK", "CRITICAL", "SKIPPED"}


@pytest.mark.parametrize("selection", [("-k", "check_good"), ("-k", "DEMO-01"), ("-m", "demo", "-k", "good")])
def test_rows_are_selected_as_tests_are(desk: pytest.Pytester, selection: tuple[str, ...]) -> None:
    desk.runpytest("mychecks", *selection).assert_outcomes(passed=1, deselected=3)


def test_a_unit_test_that_imports_a_row_does_not_run_it_live(desk: pytest.Pytester) -> None:
    desk.makepyfile(
        test_unit="from mychecks.demo import check_bad\ndef test_it(): assert check_bad.__row__.id == 'DEMO-02'"
    )
    desk.runpytest("-p", "no:cacheprovider", "test_unit.py", "--import-mode=importlib").assert_outcomes(passed=1)


def test_without_a_site_file_the_error_says_what_to_write(desk: pytest.Pytester) -> None:
    (desk.path / "muses-runbook.toml").unlink()
    result = desk.runpytest("mychecks")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*muses-runbook init*"])


def test_collect_only_opens_nothing(desk: pytest.Pytester) -> None:
    (desk.path / "muses-runbook.toml").unlink()
    result = desk.runpytest("mychecks", "--collect-only", "-q")
    result.stdout.fnmatch_lines(["*check_good?DEMO-01?*"])
