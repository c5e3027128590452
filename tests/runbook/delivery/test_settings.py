"""What the site file may say of tickets and of who is told."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from runbook import site_file
from runbook.errors import SettingsError
from runbook.settings import NotificationsSettings, Secret, TicketsSettings

TOKEN = Secret(env="X")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"tracker": "jira"}, "url is missing"),
        ({"tracker": "servicenow"}, "url is missing"),
        ({"tracker": "github", "url": "ftp://x"}, "http"),
        ({"tracker": "github", "url": "https://u:p@x"}, "user and token"),
        ({"tracker": "github", "url": "https://x/?token=1"}, "user and token"),
        ({"tracker": "gitlab", "open": "critical"}, "needs project"),
    ],
)
def test_a_tracker_nobody_could_reach_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        TicketsSettings(token=TOKEN, **given)


@pytest.mark.parametrize(
    ("url", "said", "cloud"),
    [
        ("https://sep.atlassian.net", None, True),
        ("https://jira.sep.example.invalid/jira/", None, False),
        ("https://jira.sep.example.invalid", "cloud", True),
        ("https://sep.atlassian.net", "server", False),
    ],
)
def test_jira_cloud_is_known_by_its_address_or_by_what_is_said(url: str, said: Any, cloud: bool) -> None:
    assert TicketsSettings(tracker="jira", url=url, token=TOKEN, jira=said).is_jira_cloud is cloud


def test_who_everybody_reaches_at_one_address_needs_none() -> None:
    assert TicketsSettings(tracker="github", token=TOKEN).address == "https://api.github.com"
    assert TicketsSettings(tracker="gitlab", url="https://git.sep.example.invalid/", token=TOKEN).address[-1] != "/"


@pytest.mark.parametrize(
    "given",
    [{"escalate_after": timedelta(minutes=5)}, {"escalate_to": (TOKEN,)}, {"silence": timedelta(0)}],
)
def test_an_escalation_is_told_whole(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"belong together|longer than"):
        NotificationsSettings(**given)


def test_a_token_in_the_site_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text('[environments.here.tickets]\ntracker = "github"\ntoken = "ghp_x"\n')
    with pytest.raises(SettingsError, match="reference such as"):
        site_file.load(file, {})
