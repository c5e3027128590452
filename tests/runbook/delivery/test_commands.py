"""The commands: attach, ack and notify, and what a check says of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from runbook.cli import Exit, commands
from runbook.delivery.memory import recalled
from runbook.errors import SettingsError
from tests.runbook.delivery.servers import TOKEN, Asked, GitHub, Said, served
from tests.runbook.delivery.story import CRITICAL, OK, TOKEN_IN, Story
from tests.runbook.test_cli import said

SITE = """
[site]
state = "{state}"
[environments.test]
{tables}
"""
TICKETS = """
[environments.test.tickets]
tracker = "github"
url = "{url}"
project = "sep/muses"
token = {{ env = "MUSES_TEST_TRACKER_TOKEN" }}
"""
NOBODY_THERE = """
[environments.test.notifications]
urls = [{ env = "MUSES_TEST_NOT_SET" }]
"""


@pytest.fixture
def story(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Story]:
    """A desk with a site file, in whose history a run of an hour ago saw a breach."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MUSES_RUNBOOK_LANG", "en")
    monkeypatch.setenv(TOKEN_IN, TOKEN)
    write_site(tmp_path)
    told = Story(tmp_path / "state")
    told.run(60, QUEUE=CRITICAL)
    yield told
    told.site.history.close()


def write_site(folder: Path, tables: str = "") -> None:
    (folder / "muses-runbook.toml").write_text(SITE.format(state=folder / "state", tables=tables))


def asked(*arguments: str) -> Result:
    """The command's answer; errors of ours are raised."""
    done = CliRunner().invoke(commands, [*arguments], standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return done


def test_attach_says_what_it_did_and_repeats_nothing(story: Story, tmp_path: Path) -> None:
    with served(GitHub()) as vendor:
        write_site(tmp_path, TICKETS.format(url=vendor.url))
        first = asked("attach", "last", "--to", "github:sep/muses#12")
        assert "github:sep/muses#12: comment written, https://github.example.invalid" in first.output
        again = json.loads(asked("attach", "--json").output)
        assert [(one["ticket"], one["comment"]) for one in again] == [("github:sep/muses#12", "same")]


def test_a_dry_run_shows_the_comment_and_asks_nobody(story: Story, tmp_path: Path) -> None:
    with served(GitHub()) as vendor:
        write_site(tmp_path, TICKETS.format(url=vendor.url))
        shown = asked("attach", "--to", "github:sep/muses#12", "--dry-run")
        assert "QUEUE-01" in shown.output
        assert ".md" in shown.output
        assert vendor.asked == []
    assert not recalled(tmp_path / "state").tickets


def test_attach_speaks_the_language_that_is_asked_for(story: Story) -> None:
    english, spanish = (asked("attach", "--to", "file:t", "--dry-run", "--lang", code).output for code in ("en", "es"))
    assert "Critical" in english
    assert "Crític" in spanish


def test_a_run_without_a_ticket_says_how_to_name_one(story: Story) -> None:
    assert "--to" in asked("attach").output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--to", "jira:OPS-1"), r"environments\.test\.tickets\.tracker.*github, not jira"),
        (("NO-RUN", "--to", "file:t"), "no run 'NO-RUN'"),
    ],
)
def test_what_is_wrong_names_the_setting(story: Story, tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    write_site(tmp_path, TICKETS.format(url="http://127.0.0.1:1"))
    with pytest.raises(SettingsError, match=words):
        asked("attach", *arguments)


def test_without_a_tracker_it_says_what_to_set(story: Story) -> None:
    with pytest.raises(SettingsError, match=r"environments\.test\.tickets: .*tracker, url and token"):
        asked("attach", "--to", "jira:OPS-1")


@pytest.mark.parametrize(
    "written", ["OPS-1", "jira:", "jira:12", "github:repo#1", "github:a/b", "trello:x", "jira:OPS-1?x=1"]
)
def test_a_ticket_is_named_by_its_kind(story: Story, tmp_path: Path, written: str) -> None:
    done = CliRunner().invoke(commands, ["attach", "--to", written])
    assert done.exit_code != 0
    assert "jira:OPS-123" in done.output


def test_ack_remembers_who_takes_care_of_the_incident_that_lasts(story: Story, tmp_path: Path) -> None:
    done = json.loads(asked("ack", "--as", "Ana Ruiz", "--json").output)
    assert recalled(tmp_path / "state").acknowledged[done["incident"]].by == "Ana Ruiz"
    assert done["incident"] in asked("ack", done["incident"], "--as", "Beto").output
    with pytest.raises(SettingsError, match="no incident") as error:
        asked("ack", "test-20200101T000000Z", "--as", "Beto")
    assert error.value.nearest == done["incident"]
    story.run(10, QUEUE=OK)
    with pytest.raises(SettingsError, match="is over"):
        asked("ack", done["incident"], "--as", "Beto")
    with pytest.raises(SettingsError, match="no incident lasts in test"):
        asked("ack", "--as", "Beto")


def test_notify_says_what_it_would_send(story: Story, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"environments\.test\.notifications"):
        asked("notify")
    write_site(tmp_path, NOBODY_THERE)
    shown = json.loads(asked("notify", "--dry-run", "--json").output)
    assert [one["channel"] for one in shown] == ["environments.test.notifications.urls.1"]
    with pytest.raises(SettingsError, match="MUSES_TEST_NOT_SET"):
        asked("notify")


def test_a_check_tells_by_itself_and_what_stands_in_the_way_changes_no_verdict(story: Story, tmp_path: Path) -> None:
    write_site(tmp_path, NOBODY_THERE)
    done = said("check", folder=tmp_path)
    assert done.returncode == Exit.OK, done.stderr
    assert "MUSES_TEST_NOT_SET" in done.stderr


class Broken(GitHub):
    """It takes nothing."""

    def answer(self, asked: Asked) -> Said:
        return Said(500, {"message": "boom"})


def test_a_tracker_that_fails_is_an_exit_code_of_its_own(story: Story, tmp_path: Path) -> None:
    with served(Broken()) as vendor:
        write_site(tmp_path, TICKETS.format(url=vendor.url))
        done = said("attach", "--to", "github:sep/muses#12", folder=tmp_path, **{TOKEN_IN: TOKEN})
    assert done.returncode == Exit.NO_REPORT
    assert "500" in done.stderr
    assert "Traceback" not in done.stderr
    assert TOKEN not in done.stderr
