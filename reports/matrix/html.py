"""The matrix as one page, in the look of the report: no network, no scripts."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from reports.language import Language
from reports.matrix.view import Matrix
from reports.pages import environment

if TYPE_CHECKING:
    from jinja2 import Template


def render(matrix: Matrix) -> bytes:
    """The whole page, UTF-8."""
    return _template(matrix.language).render(matrix=matrix).encode("utf-8", "replace")


@functools.lru_cache(maxsize=4)
def _template(language: Language) -> Template:
    return environment(language).get_template("matrix.html.j2")
