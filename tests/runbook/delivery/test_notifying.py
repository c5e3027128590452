"""Who is told what, once: through Apprise's own json:// channel to a real HTTP server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from runbook.delivery.memory import FILE, Acknowledged, recalled, remembering
from runbook.delivery.notifying import notify
from runbook.errors import DeliveryError
from runbook.incidents import current
from runbook.settings import Secret
from tests.runbook.delivery.servers import Asked, Said, Vendor, served
from tests.runbook.delivery.story import CRITICAL, OK, UNKNOWN, WARNING, Story

PASSWORD = "invented-password-77"
#: Apprise imports it where Python still has it; no concern of ours.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


class Inbox(Vendor):
    """What Apprise's json:// posts to."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[dict[str, Any]] = []
        self.broken = False
        self.refusals = 0

    def answer(self, asked: Asked) -> Said:
        if self.broken or self.refusals:
            self.refusals = max(self.refusals - 1, 0)
            return Said(500)
        self.messages.append(asked.json)
        return Said(200)

    @property
    def titles(self) -> list[str]:
        return [one["title"] for one in self.messages]


class Ground:
    """An environment with two inboxes: one is told of all, one only when nobody acts."""

    def __init__(self, story: Story, team: Inbox, chief: Inbox) -> None:
        self.story, self.team, self.chief = story, team, chief

    def look(self, **how: Any) -> list[str]:
        """Tell who is to be told; what the team got this time."""
        before = len(self.team.messages)
        self.sent = notify(self.story.site, self.story.language, **how)
        return self.team.titles[before:]


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    with ExitStack() as stack:
        team, chief = Inbox(), Inbox()
        for name, inbox in (("TEAM", team), ("CHIEF", chief)):
            stack.enter_context(served(inbox))
            monkeypatch.setenv(f"MUSES_TEST_{name}", f"json://bot:{PASSWORD}@{inbox.url.removeprefix('http://')}")
        story = Story(tmp_path).with_notifications(
            urls=(Secret(env="MUSES_TEST_TEAM"),),
            escalate_after=timedelta(minutes=30),
            escalate_to=(Secret(env="MUSES_TEST_CHIEF"),),
            silence=timedelta(hours=26),
        )
        stack.callback(story.site.history.close)
        yield Ground(story, team, chief)


def test_each_change_is_told_once_and_a_repetition_never(ground: Ground) -> None:
    assert ground.look() == []
    told = []
    for minutes, states in (
        (25, {"QUEUE": OK}),
        (24, {"QUEUE": WARNING, "ETL": OK}),
        (23, {"QUEUE": WARNING, "ETL": OK}),
        (22, {"QUEUE": UNKNOWN}),
        (21, {"QUEUE": CRITICAL}),
        (20, {"ETL": WARNING}),
        (19, {"QUEUE": WARNING}),
        (18, {"QUEUE": OK}),
        (17, {"QUEUE": OK, "ETL": OK}),
        (16, {"QUEUE": OK, "ETL": OK}),
    ):
        ground.story.run(minutes, **states)
        told.append(ground.look())
    began, worse, more, better, mended, over = (titles[0] for titles in told if titles)
    assert [len(titles) for titles in told] == [0, 1, 0, 0, 1, 1, 1, 1, 1, 0]
    assert len({began, worse, more, better, over}) == 5
    assert better.partition("–")[0] == mended.partition("–")[0]
    assert [one["type"] for one in ground.team.messages] == [
        "warning",
        "failure",
        "failure",
        "success",
        "success",
        "success",
    ]
    assert "test" in began
    assert ("QUEUE-01" in worse, "ETL-01" in more, "QUEUE-01, ETL-01" in over) == (True, True, True)
    assert ground.chief.messages == []


def test_a_message_says_the_incident_its_rows_and_how_to_acknowledge_it(ground: Ground) -> None:
    ground.story.run(10, "tiene 1,432 mensajes", QUEUE=CRITICAL, DB=OK)
    ground.look()
    (message,) = ground.team.messages
    lasting = current(ground.story.site.history)
    assert lasting is not None
    assert "QUEUE-01: tiene 1,432 mensajes" in message["message"]
    assert f"muses-runbook ack {lasting.id} --as" in message["message"]
    assert "DB-01" not in message["message"]


def test_what_happened_between_two_looks_is_told_as_it_stands(ground: Ground) -> None:
    ground.story.run(20, QUEUE=CRITICAL)
    ground.look()
    ground.story.run(15, QUEUE=OK)
    ground.story.run(10, ETL=WARNING)
    over, began = ground.look()
    assert ("QUEUE-01" in over, "ETL-01" in began) == (True, True)
    assert ground.look() == []


def test_a_channel_that_was_down_is_told_later_how_it_stands_then(ground: Ground) -> None:
    ground.team.broken = True
    ground.story.run(20, QUEUE=WARNING)
    assert ground.look() == []
    (sent,) = ground.sent
    assert sent.error is not None
    assert "environments.test.notifications.urls.1" in str(sent.error)
    assert PASSWORD not in str(sent.error)
    ground.story.run(10, QUEUE=CRITICAL)
    ground.team.broken = False
    assert len(ground.look()) == 1
    assert ground.team.messages[0]["type"] == "failure"
    assert ground.look() == []


def test_what_comes_later_waits_for_what_did_not_arrive(ground: Ground) -> None:
    ground.story.run(20, QUEUE=CRITICAL)
    ground.look()
    ground.story.run(15, QUEUE=OK)
    ground.story.run(10, ETL=WARNING)
    ground.team.refusals = 1
    assert ground.look() == []
    over, began = ground.look()
    assert ("QUEUE-01" in over, "ETL-01" in began) == (True, True)


def test_who_is_next_is_told_when_nobody_acknowledges_and_then_of_the_end(ground: Ground) -> None:
    ground.story.run(31, QUEUE=CRITICAL)
    ground.look()
    ground.look()
    (title,) = ground.chief.titles
    assert title != ground.team.titles[0]
    ground.story.run(10, QUEUE=OK)
    ground.look()
    assert ground.chief.titles[1:] == ground.team.titles[1:]


def test_nobody_else_is_told_before_the_time_or_of_what_ended_before_it(ground: Ground) -> None:
    ground.story.run(29, QUEUE=CRITICAL)
    ground.look()
    ground.story.run(10, QUEUE=OK)
    ground.look()
    assert len(ground.team.messages) == 2
    assert ground.chief.messages == []


def test_what_somebody_takes_care_of_is_not_escalated_and_names_them(ground: Ground) -> None:
    ground.story.run(40, QUEUE=WARNING)
    lasting = current(ground.story.site.history)
    assert lasting is not None
    with remembering(ground.story.site.state_folder) as memory:
        memory.acknowledged[lasting.id] = Acknowledged(by="Ana Ruiz", at=datetime.now(UTC))
    ground.look()
    assert ground.chief.messages == []
    assert "Ana Ruiz" in ground.team.messages[0]["message"]


def test_silence_is_told_once_and_again_only_after_a_run(ground: Ground) -> None:
    ground.story.run(27 * 60, QUEUE=OK)
    (title,) = ground.look()
    assert "1 d 2 h" in title
    assert ground.look() == []
    ground.story.run(1, QUEUE=OK)
    assert ground.look() == []
    assert ground.chief.messages == []


def test_a_dry_look_sends_and_remembers_nothing(ground: Ground) -> None:
    ground.story.run(10, QUEUE=CRITICAL)
    assert ground.look(dry=True) == []
    assert [one.channel for one in ground.sent] == ["environments.test.notifications.urls.1"]
    assert not (ground.story.site.state_folder / FILE).exists()
    assert len(ground.look()) == 1


def test_words_from_outside_call_nobody_and_say_no_secret(ground: Ground) -> None:
    hostile = "<!channel> @here <script>x</script> password=hunter2secret XEXX010101HNEXXXA4 https://mal.invalid"
    ground.story.run(10, hostile, QUEUE=CRITICAL)
    ground.look()
    said = ground.team.messages[0]["message"]
    for word in ("<!channel", "@here", "<script", "hunter2secret", "XEXX010101HNEXXXA4", "https://"):
        assert word not in said


def test_without_its_stored_report_a_run_is_still_told_of(ground: Ground) -> None:
    run = ground.story.run(10, QUEUE=CRITICAL)
    for file in (ground.story.site.reports_folder / run.id).iterdir():
        file.unlink()
    assert len(ground.look()) == 1
    assert "QUEUE-01" in ground.team.messages[0]["message"]


def test_an_address_that_is_none_is_said_by_its_setting(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSES_TEST_TEAM", "nothing-at-all")
    ground.story.run(10, QUEUE=CRITICAL)
    ground.look()
    assert "environments.test.notifications.urls.1" in str(ground.sent[0].error)
    assert "nothing-at-all" not in str(ground.sent[0].error)


def test_on_never_tells_nothing(ground: Ground) -> None:
    ground.story.run(10, QUEUE=CRITICAL)
    settings = ground.story.site.settings.notifications
    assert settings is not None
    quiet = msgspec.structs.replace(settings, on="never")
    ground.story.with_notifications(**{name: getattr(quiet, name) for name in quiet.__struct_fields__})
    assert ground.look() == []


def test_a_damaged_memory_is_said_and_left_as_it_is(ground: Ground) -> None:
    file = ground.story.site.state_folder / FILE
    file.write_text("{")
    ground.story.run(10, QUEUE=CRITICAL)
    with pytest.raises(DeliveryError, match=r"delivered\.json"):
        ground.look()
    assert file.read_text() == "{"


def test_a_second_writer_waits_for_the_first(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    from runbook.delivery import memory

    monkeypatch.setattr(memory, "PATIENCE", 0.1)
    folder = ground.story.site.state_folder
    with remembering(folder) as first:
        first.silent["x"] = "R1"
        with pytest.raises(DeliveryError, match=r"delivered\.json"), remembering(folder):
            pass
    assert recalled(folder).silent == {"x": "R1"}
