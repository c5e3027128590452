"""Jira Cloud's document: nodes stand only where Atlassian's description of version 1 lets them, words are words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import reports
from reports.document.page import page
from reports.language import Language
from reports.markdown import adf
from tests.reports import factory

ES = Language("es")
INLINE = {"text", "hardBreak"}
#: What may stand in what (https://developer.atlassian.com/cloud/jira/platform/apis/document/structure/).
CHILDREN = {
    "doc": {"heading", "paragraph", "blockquote", "bulletList", "orderedList", "codeBlock", "table"},
    "heading": INLINE,
    "paragraph": INLINE,
    "blockquote": {"paragraph"},
    "bulletList": {"listItem"},
    "orderedList": {"listItem"},
    "listItem": {"paragraph", "bulletList", "orderedList", "codeBlock"},
    "codeBlock": {"text"},
    "table": {"tableRow"},
    "tableRow": {"tableHeader", "tableCell"},
    "tableHeader": {"paragraph"},
    "tableCell": {"paragraph"},
}
NEVER_EMPTY = {"bulletList", "orderedList", "listItem", "table", "tableRow", "tableHeader", "tableCell", "blockquote"}
KNOWN = {"heading": {"level"}, "codeBlock": {"language"}}


def nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A node and all below it."""
    yield node
    for child in node.get("content", ()):
        yield from nodes(child)


def prove(document: dict[str, Any]) -> None:
    """Every node stands where it may, with what it needs and nothing else."""
    assert (document["version"], document["type"]) == (1, "doc")
    for node in nodes(document):
        kind, inner = node["type"], node.get("content", [])
        if kind == "text":
            assert node["text"]
            assert {mark["type"] for mark in node.get("marks", ())} <= {"strong", "code"}
            assert len(node.get("marks", ())) <= 1
        elif kind != "hardBreak":
            assert {child["type"] for child in inner} <= CHILDREN[kind]
            assert inner or kind not in NEVER_EMPTY
            assert set(node.get("attrs", ())) == KNOWN.get(kind, set())
        if kind == "listItem":
            assert inner[0]["type"] == "paragraph"
        if kind in ("heading", "codeBlock"):
            assert not any("marks" in child for child in inner)


@pytest.mark.parametrize("words", ["calm", factory.HOSTILE])
def test_the_comment_is_a_document(words: str) -> None:
    prove(reports.comment_adf(factory.hostile(words), ES))
    prove(reports.comment_adf(factory.incident(), ES))


def test_the_whole_is_a_document_too() -> None:
    prove(adf.document(page(factory.incident(), ES)))
    calm, wild = (adf.document(page(factory.hostile(words), ES)) for words in ("calm", factory.HOSTILE))
    prove(wild)
    assert [node["type"] for node in nodes(wild)] == [node["type"] for node in nodes(calm)]


def test_hostile_words_are_words() -> None:
    said = "".join(n.get("text", "") for n in nodes(reports.comment_adf(factory.hostile(), ES)))
    assert "<script>alert(1)</script> | `x`" in said
    assert not set("\x1b\x00\x07\u202e") & set(said)
