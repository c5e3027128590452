"""Real HTTP servers that follow the vendors' documented interfaces: what is put in is read back, the rest is refused.

Pages are as short as the vendors allow, so that whoever reads only the first one finds out.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

TOKEN = "invented-token-8f2b61"
USER = "guardia@example.invalid"


class Asked(NamedTuple):
    """One request as it came in."""

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)


class Said(NamedTuple):
    """An answer: JSON or bytes."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = {}


NOT_FOUND = Said(404, {"message": "Not Found"})


class Vendor:
    """One vendor's server. ``routes`` are (method, pattern of the path, method of ours that is given its groups)."""

    routes: tuple[tuple[str, str, str], ...] = ()
    authorization = f"Bearer {TOKEN}"

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[Asked] = []
        self.failing: list[Said] = []

    def answer(self, asked: Asked) -> Said:
        self.asked.append(asked)
        if asked.headers.get("Authorization") != self.authorization:
            return Said(401, {"message": f"Bad credentials: {asked.headers.get('Authorization')}"})
        if self.failing:
            return self.failing.pop(0)
        for method, pattern, name in self.routes:
            found = re.fullmatch(pattern, asked.path)
            if found and method == asked.method:
                handler: Callable[..., Said] = getattr(self, name)
                return handler(asked, *found.groups())
        return NOT_FOUND

    def count(self, method: str) -> int:
        """How often something was asked for with this method."""
        return sum(asked.method == method for asked in self.asked)


def basic(user: str = USER, token: str = TOKEN) -> str:
    return "Basic " + base64.b64encode(f"{user}:{token}".encode()).decode()


@contextmanager
def served(vendor: Vendor) -> Iterator[Vendor]:
    """The vendor at a free port of the loopback; gone at the end."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # head and body are two writes: the second would wait 40 ms for an answer

        def _do(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            url = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            said = vendor.answer(Asked(self.command, url.path, query, dict(self.headers), content))
            body = (
                said.body
                if isinstance(said.body, bytes)
                else b""
                if said.body is None
                else json.dumps(said.body).encode()
            )
            self.send_response(said.status)
            for name, value in {"Content-Length": str(len(body)), **said.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _do

        def log_message(self, *_: object) -> None:
            """Nothing: a test's output is its result."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    vendor.url = f"http://127.0.0.1:{server.server_address[1]}"
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    serving.start()
    try:
        yield vendor
    finally:
        server.shutdown()
        server.server_close()
        serving.join(5)


def uploaded(asked: Asked) -> tuple[str, bytes]:
    """The file of a form of one field ``file``."""
    whole = message_from_bytes(f"Content-Type: {asked.headers['Content-Type']}\r\n\r\n".encode() + asked.content)
    (part,) = whole.get_payload()
    assert part.get_param("name", header="content-disposition") == "file"
    return str(part.get_filename()), part.get_payload(decode=True)


class Issue:
    """A ticket of any vendor."""

    def __init__(self, **fields: Any) -> None:
        self.fields, self.closed = fields, False
        self.comments: dict[str, Any] = {}
        self.files: dict[str, tuple[str, bytes]] = {}

    def add(self, comment: Any) -> str:
        id = str(1000 + len(self.comments))
        self.comments[id] = comment
        return id


class GitHub(Vendor):
    """api.github.com, version 2022-11-28."""

    routes = (
        ("GET", r"/repos/sep/muses/issues", "list"),
        ("POST", r"/repos/sep/muses/issues", "create"),
        ("GET", r"/repos/sep/muses/issues/(\d+)", "show"),
        ("PATCH", r"/repos/sep/muses/issues/(\d+)", "change"),
        ("GET", r"/repos/sep/muses/issues/(\d+)/comments", "comments"),
        ("POST", r"/repos/sep/muses/issues/(\d+)/comments", "comment"),
        ("PATCH", r"/repos/sep/muses/issues/comments/(\d+)", "edit"),
        ("GET", r"/repos/sep/muses/contents/(.+)", "content"),
        ("PUT", r"/repos/sep/muses/contents/(.+)", "commit"),
    )

    def __init__(self) -> None:
        super().__init__()
        self.issues: dict[str, Issue] = {"12": Issue(body="se cayó la cola", title="cola")}
        self.branch: dict[str, bytes] = {}

    def answer(self, asked: Asked) -> Said:
        fits = asked.headers.get("X-GitHub-Api-Version") == "2022-11-28"
        return super().answer(asked) if fits else Said(400, {"message": "version"})

    def list(self, asked: Asked) -> Said:
        assert (asked.query["state"], asked.query["since"][-1]) == ("all", "Z")
        return self._page(asked, [{"number": int(id), **one.fields} for id, one in self.issues.items()])

    def create(self, asked: Asked) -> Said:
        number = str(13 + len(self.issues))
        self.issues[number] = Issue(**asked.json)
        return Said(201, {"number": int(number)})

    def show(self, asked: Asked, number: str) -> Said:
        if number not in self.issues:
            return NOT_FOUND
        state = "closed" if self.issues[number].closed else "open"
        return Said(200, {"state": state, "html_url": f"https://github.example.invalid/sep/muses/issues/{number}"})

    def change(self, asked: Asked, number: str) -> Said:
        assert asked.json == {"state": "closed", "state_reason": "completed"}
        self.issues[number].closed = True
        return self.show(asked, number)

    def comments(self, asked: Asked, number: str) -> Said:
        if number not in self.issues:
            return NOT_FOUND
        return self._page(asked, [{"id": int(id), "body": body} for id, body in self.issues[number].comments.items()])

    def comment(self, asked: Asked, number: str) -> Said:
        if len(asked.json["body"]) > 65_536:
            return Said(422, {"message": "body is too long"})
        return Said(201, {"id": int(self.issues[number].add(asked.json["body"]))})

    def edit(self, asked: Asked, id: str) -> Said:
        for issue in self.issues.values():
            if id in issue.comments:
                issue.comments[id] = asked.json["body"]
                return Said(200, {"id": int(id)})
        return NOT_FOUND

    def content(self, asked: Asked, path: str) -> Said:
        assert asked.query["ref"] == "informes"
        if path not in self.branch:
            return NOT_FOUND
        return Said(200, {"sha": self._sha(path), "html_url": f"https://github.example.invalid/{path}"})

    def commit(self, asked: Asked, path: str) -> Said:
        if path in self.branch and asked.json.get("sha") != self._sha(path):
            return Said(409, {"message": "does not match"})
        assert asked.json["branch"] == "informes"
        self.branch[path] = base64.b64decode(asked.json["content"])
        return Said(201, {"content": {"html_url": f"https://github.example.invalid/{path}"}})

    def _sha(self, path: str) -> str:
        from hashlib import sha1

        return sha1(b"blob %d\0" % len(self.branch[path]) + self.branch[path]).hexdigest()

    def _page(self, asked: Asked, all: list[Any]) -> Said:
        size, page = 2, int(asked.query["page"])
        more = len(all) > size * page
        link = {"Link": f'<{self.url}{asked.path}?page={page + 1}>; rel="next"'} if more else {}
        return Said(200, all[size * (page - 1) : size * page], link)


class GitLab(Vendor):
    """gitlab.com, interface 4; the project's path is one escaped word."""

    _P = r"/api/v4/projects/sep%2Fmuses%2Fops"
    routes = (
        ("GET", rf"{_P}/issues", "list"),
        ("POST", rf"{_P}/issues", "create"),
        ("GET", rf"{_P}/issues/(\d+)", "show"),
        ("PUT", rf"{_P}/issues/(\d+)", "change"),
        ("GET", rf"{_P}/issues/(\d+)/notes", "comments"),
        ("POST", rf"{_P}/issues/(\d+)/notes", "comment"),
        ("PUT", rf"{_P}/issues/(\d+)/notes/(\d+)", "edit"),
        ("POST", rf"{_P}/uploads", "upload"),
    )

    def __init__(self) -> None:
        super().__init__()
        self.issues: dict[str, Issue] = {"3": Issue(description="se cayó la cola", title="cola")}
        self.uploads: list[tuple[str, bytes]] = []

    def list(self, asked: Asked) -> Said:
        assert asked.query["created_after"]
        return self._page(asked, [{"iid": int(id), **one.fields} for id, one in self.issues.items()])

    def create(self, asked: Asked) -> Said:
        self.issues["4"] = Issue(**asked.json)
        return Said(201, {"iid": 4})

    def show(self, asked: Asked, iid: str) -> Said:
        if iid not in self.issues:
            return NOT_FOUND
        state = "closed" if self.issues[iid].closed else "opened"
        return Said(200, {"state": state, "web_url": f"https://gitlab.example.invalid/{iid}"})

    def change(self, asked: Asked, iid: str) -> Said:
        assert asked.json == {"state_event": "close"}
        self.issues[iid].closed = True
        return self.show(asked, iid)

    def comments(self, asked: Asked, iid: str) -> Said:
        assert asked.query["sort"] == "asc"
        if iid not in self.issues:
            return NOT_FOUND
        return self._page(asked, [{"id": int(id), "body": body} for id, body in self.issues[iid].comments.items()])

    def comment(self, asked: Asked, iid: str) -> Said:
        return Said(201, {"id": int(self.issues[iid].add(asked.json["body"]))})

    def edit(self, asked: Asked, iid: str, id: str) -> Said:
        self.issues[iid].comments[id] = asked.json["body"]
        return Said(200, {"id": int(id)})

    def upload(self, asked: Asked) -> Said:
        self.uploads.append(uploaded(asked))
        name = self.uploads[-1][0]
        return Said(201, {"alt": name, "url": f"/uploads/66db/{name}", "markdown": f"[{name}](/uploads/66db/{name})"})

    def _page(self, asked: Asked, all: list[Any]) -> Said:
        size, page = 2, int(asked.query["page"])
        return Said(
            200, all[size * (page - 1) : size * page], {"X-Next-Page": str(page + 1) if len(all) > size * page else ""}
        )


class Jira(Vendor):
    """Jira Cloud's interface 3 (a login, Atlassian's document format) or Server's 2 (a bearer, wiki markup)."""

    routes = (
        ("GET", r"/rest/api/[23]/search(/jql)?", "search"),
        ("POST", r"/rest/api/[23]/issue", "create"),
        ("GET", r"/rest/api/[23]/issue/([A-Z]+-\d+)", "show"),
        ("GET", r"/rest/api/[23]/issue/([A-Z]+-\d+)/comment", "comments"),
        ("POST", r"/rest/api/[23]/issue/([A-Z]+-\d+)/comment", "comment"),
        ("PUT", r"/rest/api/[23]/issue/([A-Z]+-\d+)/comment/(\d+)", "edit"),
        ("PUT", r"/rest/api/[23]/comment/(\d+)/properties/muses-runbook", "tag"),
        ("POST", r"/rest/api/[23]/issue/([A-Z]+-\d+)/attachments", "upload"),
        ("DELETE", r"/rest/api/[23]/attachment/(\d+)", "remove"),
        ("GET", r"/rest/api/[23]/issue/([A-Z]+-\d+)/transitions", "transitions"),
        ("POST", r"/rest/api/[23]/issue/([A-Z]+-\d+)/transitions", "move"),
    )

    def __init__(self, *, cloud: bool) -> None:
        super().__init__()
        self.cloud = cloud
        self.authorization = basic() if cloud else f"Bearer {TOKEN}"
        self.issues: dict[str, Issue] = {"OPS-123": Issue(labels=[])}
        self.ways = [("11", "Atender", "indeterminate"), ("31", "Resolver", "done"), ("41", "Descartar", "done")]
        self.moved: list[str] = []

    def answer(self, asked: Asked) -> Said:
        return super().answer(asked) if f"/api/{3 if self.cloud else 2}/" in asked.path else NOT_FOUND

    def search(self, asked: Asked, newer: str | None) -> Said:
        if self.cloud != bool(newer):
            return Said(410, {"errorMessages": ["The requested API has been removed."]})
        found = re.fullmatch(r'project = "OPS" AND labels = "(\S+)" ORDER BY created ASC', asked.query["jql"])
        assert found
        keys = [key for key, one in self.issues.items() if found[1] in one.fields["labels"]]
        return Said(200, {"issues": [{"key": key} for key in keys]})

    def create(self, asked: Asked) -> Said:
        fields = asked.json["fields"]
        if " " in "".join(fields["labels"]) or fields["project"] != {"key": "OPS"}:
            return Said(400, {"errors": {"labels": "The label can't contain spaces."}})
        self._prove(fields["description"])
        self.issues["OPS-124"] = Issue(**fields)
        return Said(201, {"id": "10000", "key": "OPS-124"})

    def show(self, asked: Asked, key: str) -> Said:
        if key not in self.issues:
            return Said(404, {"errorMessages": ["Issue does not exist or you do not have permission to see it."]})
        one = self.issues[key]
        status = {"name": "x", "statusCategory": {"key": "done" if one.closed else "new"}}
        files = [{"id": id, "filename": name, "size": len(content)} for id, (name, content) in one.files.items()]
        return Said(200, {"key": key, "fields": {"status": status, "attachment": files}})

    def comments(self, asked: Asked, key: str) -> Said:
        if key not in self.issues:
            return self.show(asked, key)
        start, size = int(asked.query["startAt"]), 2
        all = [{"id": id, **self._expanded(one, asked)} for id, one in self.issues[key].comments.items()]
        return Said(200, {"startAt": start, "total": len(all), "comments": all[start : start + size]})

    def comment(self, asked: Asked, key: str) -> Said:
        self._prove(asked.json["body"])
        return Said(201, {"id": self.issues[key].add(asked.json)})

    def edit(self, asked: Asked, key: str, id: str) -> Said:
        self._prove(asked.json["body"])
        self.issues[key].comments[id]["body"] = asked.json["body"]
        return Said(200, {"id": id})

    def tag(self, asked: Asked, id: str) -> Said:
        comment = next(one.comments[id] for one in self.issues.values() if id in one.comments)
        comment["properties"] = [{"key": "muses-runbook", "value": asked.json}]
        return Said(200)

    def upload(self, asked: Asked, key: str) -> Said:
        if asked.headers.get("X-Atlassian-Token") != "no-check":
            return Said(403, b"XSRF check failed")
        id = str(500 + sum(each.method == "POST" for each in self.asked))
        self.issues[key].files[id] = uploaded(asked)
        return Said(200, [{"id": id}])

    def remove(self, asked: Asked, id: str) -> Said:
        for one in self.issues.values():
            if one.files.pop(id, None):
                return Said(204)
        return NOT_FOUND

    def transitions(self, asked: Asked, key: str) -> Said:
        ways = [{"id": id, "name": name, "to": {"statusCategory": {"key": to}}} for id, name, to in self.ways]
        return Said(200, {"transitions": ways})

    def move(self, asked: Asked, key: str) -> Said:
        self.moved.append(asked.json["transition"]["id"])
        self.issues[key].closed = self.moved[-1] in ("31", "41")
        return Said(204)

    def _expanded(self, comment: Any, asked: Asked) -> dict[str, Any]:
        shown = asked.query.get("expand") == "properties"
        return {"body": comment["body"], **({"properties": comment["properties"]} if shown else {})}

    def _prove(self, body: Any) -> None:
        if not self.cloud:
            assert isinstance(body, str)
            assert len(body) <= 32_767
            return
        assert (body["type"], body["version"]) == ("doc", 1)
        _prove_nodes(body["content"])


def _prove_nodes(nodes: Any) -> None:
    """A text node is never empty: Jira refuses the whole document."""
    for node in nodes:
        assert node["type"] != "text" or node["text"]
        _prove_nodes(node.get("content", ()))


class ServiceNow(Vendor):
    """One instance's Table and Attachment interfaces."""

    routes = (
        ("GET", r"/api/now/table/incident", "query"),
        ("POST", r"/api/now/table/incident", "create"),
        ("PATCH", r"/api/now/table/incident/(\w+)", "change"),
        ("GET", r"/api/now/attachment", "files"),
        ("POST", r"/api/now/attachment/file", "upload"),
        ("DELETE", r"/api/now/attachment/(\w+)", "remove"),
    )
    authorization = basic("muses.bot")

    def __init__(self) -> None:
        super().__init__()
        self.records: dict[str, dict[str, str]] = {"a1": {"number": "INC0010023", "state": "2", "correlation_id": ""}}
        self.notes: dict[str, list[str]] = {"a1": ["lo vi a las 03:10"]}
        self.attached: dict[str, tuple[str, bytes, str]] = {}

    def query(self, asked: Asked) -> Said:
        field, _, value = asked.query["sysparm_query"].partition("=")
        found = [id for id, one in self.records.items() if one[field] == value]
        if asked.query.get("sysparm_display_value") != "all":
            return Said(200, {"result": [{"number": self.records[id]["number"]} for id in found]})
        return Said(200, {"result": [self._all(id) for id in found]})

    def create(self, asked: Asked) -> Said:
        self.records["b2"] = {"number": "INC0010024", "state": "1", **asked.json}
        self.notes["b2"] = []
        return Said(201, {"result": {"number": "INC0010024", "sys_id": "b2"}})

    def change(self, asked: Asked, id: str) -> Said:
        fields = dict(asked.json)
        if note := fields.pop("work_notes", None):
            self.notes[id].append(note)
        if fields.get("state") == "6" and not (fields.get("close_code") and fields.get("close_notes")):
            return Said(403, {"error": {"message": "Data Policy Exception: close_code, close_notes"}})
        self.records[id].update(fields)
        return Said(200, {"result": {"sys_id": id}})

    def files(self, asked: Asked) -> Said:
        found = re.fullmatch(r"table_name=incident\^table_sys_id=(\w+)", asked.query["sysparm_query"])
        assert found
        ours = [(id, name, content) for id, (name, content, on) in self.attached.items() if on == found[1]]
        return Said(200, {"result": [{"sys_id": i, "file_name": n, "size_bytes": str(len(c))} for i, n, c in ours]})

    def upload(self, asked: Asked) -> Said:
        id = f"f{len(self.asked)}"
        self.attached[id] = (asked.query["file_name"], asked.content, asked.query["table_sys_id"])
        return Said(201, {"result": {"sys_id": id}})

    def remove(self, asked: Asked, id: str) -> Said:
        return Said(204) if self.attached.pop(id, None) else NOT_FOUND

    def _all(self, id: str) -> dict[str, Any]:
        """Both forms of each field; the journal's is its notes, newest first, each under who wrote it when."""
        one = self.records[id]
        journal = "\n\n".join(f"2026-11-25 03:12:00 - Bot (Work notes)\n{note}" for note in reversed(self.notes[id]))
        values = {
            "sys_id": (id, id),
            "number": (one["number"],) * 2,
            "state": (one["state"], "?"),
            "work_notes": ("", journal),
        }
        return {name: {"value": value, "display_value": shown} for name, (value, shown) in values.items()}
