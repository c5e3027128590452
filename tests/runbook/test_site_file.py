"""The site file: found, read, overridden; what is wrong with it is said with file, line, key and nearest name."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from runbook import redact, site_file
from runbook.errors import SettingsError
from runbook.settings import Secret

GOOD = """\
[site]
environment = "lab"

[environments.lab]
deadline = "9 s"

[environments.lab.database]
host = "db1"
schema = "muses_dev"
reader = { user = "muses_reader", password = { env = "READER" } }

[environments.lab.logs]
window = "5 min"
max_bytes = "4 MiB"

[environments.lab.limits.ETL-01]
warning = "15 s"

[environments.prod]
"""


def written(folder: Path, old: str = "", new: str = "") -> Path:
    assert old in GOOD
    file = folder / "muses-runbook.toml"
    file.write_text(GOOD.replace(old, new, 1) if old else GOOD)
    return file


def test_it_reads(tmp_path: Path) -> None:
    settings = site_file.load(written(tmp_path), {})
    name, lab = settings.environment()
    assert name == "lab"
    assert lab.deadline == timedelta(seconds=9)
    assert lab.logs is not None
    assert lab.logs.max_bytes == 4 * 1024**2
    assert lab.broker is None
    assert lab.limits == {"ETL-01": {"warning": "15 s"}}


def test_a_variable_overrides_one_key(tmp_path: Path) -> None:
    variables = {"MUSES_RUNBOOK__ENVIRONMENTS__LAB__DATABASE__PORT": "6000", "MUSES_RUNBOOK__SITE__NAME": "Norte"}
    settings = site_file.load(written(tmp_path), variables)
    assert settings.site.name == "Norte"
    database = settings.environments["lab"].database
    assert database is not None
    assert database.port == 6000


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("schema =", "shcema =", 9, "environments.lab.database.shcema: unknown key — did you mean 'schema'"),
        ('"5 min"', "5", 13, "environments.lab.logs.window: 5 needs its unit"),
        ('"5 min"', '"5 parsecs"', 13, "'5 parsecs' is not of the form '15 min'"),
        ('"4 MiB"', '"4 m"', 14, "environments.lab.logs.max_bytes"),
        ('host = "db1"', "host = 4", 8, "environments.lab.database.host: Expected `str`, got `int`"),
        ("[site]", "[siet]", 1, "siet: unknown key — did you mean 'site'"),
        ("[site]", "[site", 1, "not valid TOML"),
        ('{ env = "READER" }', '"hunter2"', 10, "password: expected a reference such as"),
        ('{ env = "READER" }', '{ env = "A", file = "/b" }', 10, "give exactly one of env, file, command"),
        ("reader = {", "operator = {", 7, "the key 'reader' is missing here"),
        ('environment = "lab"', 'timezone = "Mars/Olympus"', 1, "no time zone of this machine"),
        ('environment = "lab"', 'language = "fr"', 2, "site.language"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, old: str, new: str, line: int, words: str) -> None:
    file = written(tmp_path, old, new)
    with pytest.raises(SettingsError) as caught:
        site_file.load(file, {})
    assert f"{file}:{line}:" in str(caught.value)
    assert words in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_an_environment_there_is_not_gets_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no environment 'pro'.*lab, prod.*did you mean 'prod'"):
        site_file.load(written(tmp_path), {}).environment("pro")


def test_no_file_says_where_it_was_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=r"muses-runbook init"):
        site_file.find({"XDG_CONFIG_HOME": str(tmp_path)})
    (tmp_path / "muses-runbook").mkdir()
    (tmp_path / "muses-runbook" / "settings.toml").write_text(GOOD)
    assert site_file.find({"XDG_CONFIG_HOME": str(tmp_path)}).parent.name == "muses-runbook"
    written(tmp_path)
    assert site_file.find({}) == Path("muses-runbook.toml")


def test_a_folder_or_bytes_are_no_site_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        site_file.load(tmp_path, {})
    (tmp_path / "x").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="cannot be read"):
        site_file.load(tmp_path / "x", {})


def test_secrets_are_read_when_used_and_masked_from_then_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "s").write_text("from-a-file-7\n")
    monkeypatch.setenv("MUSES_TEST_SECRET", "from-a-variable-7")
    assert Secret(file=tmp_path / "s").reveal() == "from-a-file-7"
    assert Secret(env="MUSES_TEST_SECRET").reveal() == "from-a-variable-7"
    assert Secret(command=("echo", "from-a-command-7")).reveal() == "from-a-command-7"
    shown = redact.masked("x from-a-file-7 from-a-variable-7 from-a-command-7")
    assert "from-a" not in shown


@pytest.mark.parametrize(
    "secret",
    [
        Secret(env="MUSES_TEST_UNSET"),
        Secret(file=Path("/nowhere/x")),
        Secret(command=("false",)),
        Secret(command=("true",)),
    ],
)
def test_a_secret_that_cannot_be_read_names_its_reference(secret: Secret) -> None:
    with pytest.raises(SettingsError, match=r"MUSES_TEST_UNSET|/nowhere/x|command (true|false)"):
        secret.reveal()
