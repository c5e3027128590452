"""Jira's issues: Cloud by its REST interface 3 (Atlassian's document format), Server by interface 2 (wiki markup).

Recorded contract: ``/rest/api/N/issue``, its ``/comment`` (with ``expand=properties``), ``/attachments``,
``/transitions``, ``/attachment/{id}``, ``/comment/{id}/properties/{key}`` and the search by JQL. The mark is a property
of the comment: nobody sees it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from runbook.delivery.tickets.tracker import Mark, Note, marked, marks_in
from runbook.delivery.tickets.wire import Wire
from runbook.errors import DeliveryError
from runbook.incidents import Incident
from runbook.settings.tickets import TicketsSettings
from runbook.text import text

_PAGE = 100
_PROPERTY = "muses-runbook"
#: Jira refuses an upload without it: it is no form that a browser sent.
_NO_BROWSER = {"X-Atlassian-Token": "no-check"}


class Jira:
    """Issues of one Jira: a ticket is ``OPS-123``."""

    rewrites = True

    def __init__(self, settings: TicketsSettings, setting: str) -> None:
        self._settings, self._setting = settings, setting
        self._wire = Wire(settings, setting, {})
        self._cloud = settings.is_jira_cloud
        self._api = f"/rest/api/{3 if self._cloud else 2}"
        self.flavour = "adf" if self._cloud else "jira"
        self.formats: tuple[str, ...] = settings.attach

    def notes(self, ticket: str) -> Iterator[Note]:
        """The comments with our property."""
        start, total = 0, 1
        while start < total:
            query: dict[str, str | int] = {"startAt": start, "maxResults": _PAGE, "expand": "properties"}
            found = self._wire.ask("GET", f"{self._issue(ticket)}/comment", query=query).json
            yield from (Note(str(one["id"]), mark) for one in found["comments"] for mark in _marks(one))
            start, total = start + max(len(found["comments"]), 1), found["total"]

    def write(self, ticket: str, words: str, mark: Mark) -> None:
        """Add a comment."""
        body = {"body": self._written(words), "properties": [{"key": _PROPERTY, "value": _value(mark)}]}
        self._wire.ask("POST", f"{self._issue(ticket)}/comment", body=body)

    def rewrite(self, ticket: str, note: Note, words: str, mark: Mark) -> None:
        """Put other words in the place of a comment's; then the mark, which Server does not take together with them."""
        self._wire.ask("PUT", f"{self._issue(ticket)}/comment/{note.id}", body={"body": self._written(words)})
        self._wire.ask("PUT", f"{self._api}/comment/{note.id}/properties/{_PROPERTY}", body=_value(mark))

    def attach(self, ticket: str, files: Mapping[str, bytes]) -> str:
        """Attach each file that is not there yet; one of the same name and another size goes."""
        there = self._wire.ask("GET", self._issue(ticket), query={"fields": "attachment"}).json
        known = {one["filename"]: one for one in there["fields"].get("attachment") or ()}
        for name, content in files.items():
            old = known.get(name)
            if old is not None and old["size"] == len(content):
                continue
            self._wire.upload(f"{self._issue(ticket)}/attachments", name, content, headers=_NO_BROWSER)
            if old is not None:
                self._wire.ask("DELETE", f"{self._api}/attachment/{old['id']}")
        return ""

    def find(self, incident: Incident) -> str | None:
        """The issue with the incident's label."""
        search = f"{self._api}/search/jql" if self._cloud else f"{self._api}/search"
        jql = f'project = {json.dumps(self._settings.project)} AND labels = "{_label(incident)}" ORDER BY created ASC'
        found = self._wire.ask("GET", search, query={"jql": jql, "fields": "labels", "maxResults": 1}).json
        return next((str(one["key"]) for one in found["issues"]), None)

    def open(self, incident: Incident, title: str, words: str) -> str:
        """Create an issue with the incident's label."""
        given = dict(self._settings.fields)
        labels = [*given.pop("labels", ()), _label(incident)]
        fields = {
            "issuetype": {"name": self._settings.issue_type},
            **given,
            "project": {"key": self._settings.project},
            "summary": title,
            "description": self._written(words),
            "labels": labels,
        }
        return str(self._wire.ask("POST", f"{self._api}/issue", body={"fields": fields}).json["key"])

    def close(self, ticket: str, words: str) -> bool:
        """Take the transition that the settings name, or the first that leads to a status that means done."""
        status = self._wire.ask("GET", self._issue(ticket), query={"fields": "status"}).json["fields"]["status"]
        if _means_done(status):
            return False
        path = f"{self._issue(ticket)}/transitions"
        self._wire.ask("POST", path, body={"transition": {"id": self._transition(path)}})
        return True

    def link(self, ticket: str) -> str:
        """Its page."""
        return f"{self._wire.address}/browse/{quote(ticket)}"

    def _transition(self, path: str) -> str:
        there, wanted = self._wire.ask("GET", path).json["transitions"], self._settings.transition
        for one in there:
            if one["name"] == wanted if wanted else _means_done(one["to"]):
                return str(one["id"])
        names = ", ".join(str(one["name"]) for one in there) or "–"
        raise DeliveryError(
            text(
                "The ticket was not closed: no transition leads there (there are: {names}); set {setting}",
                names=names,
                setting=f"{self._setting}.transition",
            )
        )

    def _written(self, words: str) -> Any:
        return json.loads(words) if self._cloud else words

    def _issue(self, ticket: str) -> str:
        return f"{self._api}/issue/{quote(ticket)}"


def _value(mark: Mark) -> dict[str, str]:
    return {"mark": marked(mark)}


def _marks(comment: Mapping[str, Any]) -> Iterator[Mark]:
    for one in comment.get("properties") or ():
        if one["key"] == _PROPERTY:
            yield from marks_in(str(one["value"].get("mark", "")))


def _means_done(status: Mapping[str, Any]) -> bool:
    return bool(status.get("statusCategory", {}).get("key") == "done")


def _label(incident: Incident) -> str:
    """A label is one word."""
    return "muses-" + re.sub(r"[^\w.-]+", "_", incident.id)
