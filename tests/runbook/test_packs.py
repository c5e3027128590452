"""Rows of the site's own: a folder's modules and scripts, an installed package; collected like ours, lost by name."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from checks import conftest as checks_conftest
from runbook import packs, rows
from runbook.errors import SettingsError
from runbook.settings import EnvironmentSettings, PacksSettings, SqlRowsSettings

pytest_plugins = ["pytester"]

ROW = '''
from runbook.limits import Limits, Threshold
from runbook.rows import row

@row("{id}", source="test", es="Mío", threshold=Threshold(10, 20, unit="rows"))
def check_mine({target}limits: Limits) -> None:
    """Mine."""
    limits.judge({value}, of="x")
'''
SITE = """
[site]
state = "{state}"
[environments.here]
[environments.here.packs]
folders = ["mine"]
[environments.here.sql_rows]
folders = ["scripts"]
"""


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "_registry", {})


def written(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        stem, _, kind = name.rpartition("_")
        (folder / f"{stem}.{kind}").write_text(content)
    return folder


@pytest.fixture
def desk(pytester: pytest.Pytester) -> pytest.Pytester:
    """A folder of rows, a pack with a helper and a target of its own, and a folder of scripts."""
    checks = pytester.mkdir("mychecks")
    (checks / "conftest.py").write_text(Path(checks_conftest.__file__).read_text())
    written(checks, ours_py=ROW.format(id="OUR-01", target="", value=1))
    written(checks / "sql", eleven_sql="SELECT 11")
    helped = ROW.format(id="PACK-01", target="their_target, ", value="FIFTEEN + their_target")
    written(
        pytester.path / "mine",
        theirs_py=f"from ._shared import FIFTEEN\n{helped}",
        _shared_py="FIFTEEN = 15",
        conftest_py='import pytest\n@pytest.fixture(scope="session")\ndef their_target():\n    return 1\n',
        two_sql="-- Dos\nSELECT 2",
        test_it_py="def test_it():\n    raise AssertionError('a pack’s own tests are none of ours')\n",
    )
    written(pytester.path / "scripts", three_sql="DELETE FROM t")
    pytester.makeconftest('pytest_plugins = ["runbook.plugin", "runbook.targets.fixtures"]')
    pytester.makefile(".toml", **{"muses-runbook": SITE.format(state=pytester.path / "state")})
    pytester.syspathinsert()
    return pytester


def test_plain_pytest_runs_the_rows_of_the_site_too(desk: pytest.Pytester) -> None:
    result = desk.runpytest("mychecks", "-rA")
    result.assert_outcomes(passed=1, failed=1, skipped=3)
    result.stdout.fnmatch_lines(["*WARNING: x: 16 rows*"])


def test_they_are_selected_by_the_ids_of_the_reports(desk: pytest.Pytester) -> None:
    desk.runpytest("mychecks", "-k", "PACK-01 or TWO").assert_outcomes(failed=1, skipped=1, deselected=3)


def test_a_file_that_cannot_be_imported_is_told_and_stops_no_other(desk: pytest.Pytester) -> None:
    written(desk.path / "mine", broken_py="import no_such_module", again_py=ROW.format(id="OUR-01", target="", value=1))
    desk.runpytest("mychecks", "-k", "OUR-01").assert_outcomes(passed=1, deselected=4)
    state = next((desk.path / "state").glob("history.sqlite"))
    import sqlite3

    with sqlite3.connect(state) as history:
        kept = dict(history.execute("SELECT row, state FROM verdict"))
    history.close()
    assert {"broken.py": "UNKNOWN", "again.py": "UNKNOWN"}.items() <= kept.items()


def environment(**given: object) -> EnvironmentSettings:
    return EnvironmentSettings(**given)  # type: ignore[arg-type]


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    for settings in (
        environment(packs=PacksSettings(folders=(tmp_path / "none",))),
        environment(sql_rows=SqlRowsSettings(folders=(tmp_path / "none",))),
    ):
        with pytest.raises(SettingsError, match="there is no folder"):
            packs.packs(settings)
    with pytest.raises(SettingsError, match="no package 'none' is installed"):
        packs.packs(environment(packs=PacksSettings(packages=("none",))))


def test_a_folder_that_anybody_may_write_into_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(SettingsError, match="chmod o-w"):
        packs.packs(environment(packs=PacksSettings(folders=(tmp_path,))))


def test_an_installed_package_gives_its_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As pip would lay it out: a package and the metadata that names its entry point."""
    package = written(tmp_path / "invented_rows", __init___py="", own_py=ROW.format(id="PKG-01", target="", value=1))
    written(package / "sql", four_sql="SELECT 4")
    info = tmp_path / "invented_rows-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: invented-rows\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[muses_runbook.rows]\ninvented = invented_rows\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    (pack,) = packs.packs(environment(packs=PacksSettings(packages=("invented",))))
    for source in pack.sources:
        source.load()
    assert [source.file.name for source in pack.sources] == ["own.py", "four.sql"]
    assert [row.id for row in rows.declared()] == ["PKG-01", "FOUR"]
    with pytest.raises(SettingsError, match="no package 'invented_' is installed") as error:
        packs.packs(environment(packs=PacksSettings(packages=("invented_",))))
    assert error.value.nearest == "invented"
    for name in [name for name in sys.modules if name.startswith("invented_rows")]:
        monkeypatch.delitem(sys.modules, name)
