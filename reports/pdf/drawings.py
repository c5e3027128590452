"""Gives each drawing of a page what it takes from the page: its colours and lines, marks it refers to, words."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree.ElementTree import Element

import cssselect2
import tinycss2

_SVG = "{http://www.w3.org/2000/svg}"
#: How a drawing looks, as far as ours say it in a style sheet.
_LOOKS = re.compile(
    r"fill(?:-\w+)?|stroke(?:-\w+)?|opacity|font-(?:size|weight|family|style)|text-anchor|dominant-baseline"
)
_VARIABLE = re.compile(r"var\(\s*(--[\w-]+)\s*\)")


def draw(root: Element, css: str) -> None:
    """Write the looks of every drawing of a page into the drawing, and what ``<use>`` shows in its place.

    Only the page's own styles for every medium and for print count. The page is changed.
    """
    _put_marks(root)
    _put_words(root)
    matcher = cssselect2.Matcher()
    for rule in _rules(tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True)):
        _learn(matcher, rule)
    _dress(cssselect2.ElementWrapper.from_html_root(root), matcher, {})


def _put_marks(root: Element) -> None:
    """Put a copy of each mark where it is used, and take the marks themselves away."""
    symbols = {symbol.get("id"): symbol for symbol in root.iter(f"{_SVG}symbol")}
    for parent in list(root.iter()):
        for child in list(parent):
            mark = symbols.get((child.get("href") or "").removeprefix("#")) if child.tag == f"{_SVG}use" else None
            if mark is not None:
                parent.remove(child)
                parent.extend(copy.deepcopy(part) for part in mark)
                parent.set("viewBox", parent.get("viewBox") or mark.get("viewBox") or "0 0 16 16")
            elif child.tag == f"{_SVG}svg" and child.find(f"{_SVG}symbol") is not None:
                # They are drawn nowhere by themselves; what follows them in the text stays.
                child[:] = []
                child.set("style", "display:none")


def _put_words(root: Element) -> None:
    """Say in each drawing what it is called; one that only repeats the words beside it is called nothing."""
    for drawing in root.iter(f"{_SVG}svg"):
        if drawing.find(f"{_SVG}title") is None:
            title = Element(f"{_SVG}title")
            title.text = drawing.get("aria-label") or " "
            drawing.insert(0, title)


def _rules(rules: list[Any]) -> Iterator[Any]:
    for rule in rules:
        if rule.type == "qualified-rule":
            yield rule
        elif rule.type == "at-rule" and rule.lower_at_keyword == "media" and _is_print(rule):
            yield from _rules(tinycss2.parse_rule_list(rule.content, skip_comments=True, skip_whitespace=True))


def _is_print(rule: Any) -> bool:
    return bool(tinycss2.serialize(rule.prelude).strip() == "print")


def _learn(matcher: Any, rule: Any) -> None:
    declared = tinycss2.parse_declaration_list(rule.content, skip_comments=True, skip_whitespace=True)
    looks = {
        d.name: tinycss2.serialize(d.value).strip() for d in declared if d.type == "declaration" and _counts(d.name)
    }
    if not looks:
        return
    try:
        selectors = cssselect2.compile_selector_list(rule.prelude)
    except cssselect2.SelectorError:
        return  # one that only browsers know
    for selector in selectors:
        if selector.pseudo_element is None:
            matcher.add_selector(selector, looks)


def _counts(name: str) -> bool:
    return name.startswith("--") or _LOOKS.fullmatch(name) is not None


def _dress(wrapper: Any, matcher: Any, inherited: Mapping[str, str]) -> None:
    looks: dict[str, str] = {}
    for *_order, given in matcher.match(wrapper):
        looks.update(given)
    variables = {**inherited, **{name: value for name, value in looks.items() if name.startswith("--")}}
    element = wrapper.etree_element
    if element.tag.startswith(_SVG):
        for name, value in looks.items():
            if not name.startswith("--"):
                element.set(name, _filled(value, variables))
    for child in wrapper.iter_children():
        _dress(child, matcher, variables)


def _filled(value: str, variables: Mapping[str, str]) -> str:
    while found := _VARIABLE.search(value):
        value = value.replace(found[0], variables.get(found[1], "currentColor"))
    return value
