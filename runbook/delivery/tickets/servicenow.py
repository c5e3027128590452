"""ServiceNow's incidents, by its Table and Attachment interfaces.

Recorded contract: ``/api/now/table/incident`` (with ``sysparm_display_value=all``), ``/api/now/attachment`` and its
``/file``. Work notes are a journal: what was written stays, so that a run that changed is written once more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from runbook.delivery.tickets.tracker import Mark, Note, marked, marks_in
from runbook.delivery.tickets.wire import Wire
from runbook.errors import DeliveryError
from runbook.incidents import Incident
from runbook.settings.tickets import TicketsSettings
from runbook.text import text

_TABLE = "/api/now/table/incident"
#: The states of an incident from "resolved" on.
_RESOLVED, _OVER = "6", ("6", "7", "8")


class ServiceNow:
    """Incidents of one instance: a ticket is ``INC0010023``."""

    flavour = "plain"
    rewrites = False

    def __init__(self, settings: TicketsSettings, setting: str) -> None:
        self._settings, self._setting = settings, setting
        self._wire = Wire(settings, setting, {})
        self.formats: tuple[str, ...] = settings.attach

    def notes(self, ticket: str) -> Iterator[Note]:
        """The marks in the work notes: the newest note comes first there."""
        written = str(self._record(ticket)["work_notes"]["display_value"] or "")
        yield from (Note("", mark) for mark in reversed(tuple(marks_in(written))))

    def write(self, ticket: str, words: str, mark: Mark) -> None:
        """Add a work note; its last line is the mark."""
        self._change(ticket, {"work_notes": f"{words}\n{marked(mark)}"})

    def rewrite(self, ticket: str, note: Note, words: str, mark: Mark) -> None:
        """A journal keeps what was written: the new words come after it."""
        self.write(ticket, words, mark)

    def attach(self, ticket: str, files: Mapping[str, bytes]) -> str:
        """Attach each file that is not there yet; one of the same name and another size goes."""
        id = self._id(ticket)
        query = {
            "sysparm_query": f"table_name=incident^table_sys_id={id}",
            "sysparm_fields": "sys_id,file_name,size_bytes",
        }
        known = {
            one["file_name"]: one for one in self._wire.ask("GET", "/api/now/attachment", query=query).json["result"]
        }
        for name, content in files.items():
            old = known.get(name)
            if old is not None and int(old["size_bytes"]) == len(content):
                continue
            self._upload(id, name, content)
            if old is not None:
                self._wire.ask("DELETE", f"/api/now/attachment/{old['sys_id']}")
        return ""

    def find(self, incident: Incident) -> str | None:
        """The incident whose correlation id is ours."""
        asked = f"correlation_id={_unambiguous(incident.id)}"
        query: dict[str, str | int] = {"sysparm_query": asked, "sysparm_fields": "number", "sysparm_limit": 1}
        found = self._wire.ask("GET", _TABLE, query=query).json["result"]
        return next((str(one["number"]) for one in found), None)

    def open(self, incident: Incident, title: str, words: str) -> str:
        """Open an incident; the correlation id is there for systems like us."""
        ours = {
            "short_description": title,
            "description": words,
            "correlation_id": _unambiguous(incident.id),
            "correlation_display": "muses-runbook",
        }
        made = self._wire.ask("POST", _TABLE, body={**self._settings.fields, **ours})
        return str(made.json["result"]["number"])

    def close(self, ticket: str, words: str) -> bool:
        """Resolve the incident; whoever reported it closes it."""
        if self._record(ticket)["state"]["value"] in _OVER:
            return False
        self._change(ticket, {"state": _RESOLVED, "close_code": self._settings.close_code, "close_notes": words})
        return True

    def link(self, ticket: str) -> str:
        """Its page."""
        return f"{self._wire.address}/nav_to.do?uri=incident.do?sysparm_query=number={quote(ticket)}"

    def _upload(self, id: str, name: str, content: bytes) -> None:
        kind = "text/html" if name.endswith(".html") else "application/json"
        query = {"table_name": "incident", "table_sys_id": id, "file_name": name}
        self._wire.ask("POST", "/api/now/attachment/file", query=query, content=content, headers={"Content-Type": kind})

    def _change(self, ticket: str, fields: dict[str, str]) -> None:
        self._wire.ask("PATCH", f"{_TABLE}/{self._id(ticket)}", body=fields)

    def _id(self, ticket: str) -> str:
        return str(self._record(ticket)["sys_id"]["value"])

    def _record(self, ticket: str) -> dict[str, Any]:
        query: dict[str, str | int] = {
            "sysparm_query": f"number={_unambiguous(ticket)}",
            "sysparm_fields": "sys_id,number,state,work_notes",
            "sysparm_display_value": "all",
            "sysparm_limit": 1,
        }
        found: list[dict[str, Any]] = self._wire.ask("GET", _TABLE, query=query).json["result"]
        if not found:
            raise DeliveryError(
                text(
                    "There is no ticket {ticket} that {setting} may see",
                    ticket=ticket,
                    setting=f"{self._setting}.user",
                )
            )
        return found[0]


def _unambiguous(word: str) -> str:
    """A caret would begin another condition of the query."""
    return word.replace("^", "_")
