"""Opens a Word template, fills its tags, and puts blocks where its report belongs."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from docxtpl import DocxTemplate
from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import SandboxedEnvironment

from reports.clean import printable
from reports.document.blocks import Block
from reports.language import Language
from reports.word.setting import Setting
from runbook.errors import ReportError
from runbook.text import text

#: What stands in the place of ``{{ report }}`` until the blocks do: words that nobody writes.
_PLACE = "\ue000report\ue000"
_PROPERTIES = ("title", "subject", "comments", "author", "identifier", "language")
_LONGEST_PROPERTY = 255
#: The first day there is in a zip.
_EPOCH = (1980, 1, 1, 0, 0, 0)


class Opened:
    """One template with its tags filled. Raises ReportError where it cannot be read, or has a tag nobody knows."""

    def __init__(self, file: Path, fields: Mapping[str, str]) -> None:
        self._file = file
        self._template = self._read()
        self._fill({**{name: _harmless(words) for name, words in fields.items()}, "report": _PLACE})

    def put(self, blocks: Iterable[Block], language: Language) -> None:
        """Set the blocks in the template's styles in the place of ``{{ report }}``."""
        place = self._place()
        setting = Setting(self._template.docx, language)
        for block in blocks:
            for element in setting.elements(block):
                place.addprevious(element)
        if place.getnext() is None or place.getparent()[-1] is place:
            # A cell ends with a paragraph, or Word calls the document damaged.
            for text_ in place.iter("{*}t"):
                text_.text = ""
        else:
            place.getparent().remove(place)

    def content(self) -> bytes:
        """The document as a file."""
        return saved(self._template.docx)

    def _read(self) -> Any:
        try:
            template = DocxTemplate(io.BytesIO(self._file.read_bytes()))
            template.init_docx()
        except OSError as error:
            why = error.strerror or error
            raise ReportError(
                text("The Word template {file} (site.docx_template) cannot be read: {why}", file=self._file, why=why)
            ) from error
        except (KeyError, ValueError, zipfile.BadZipFile) as error:
            raise ReportError(
                text("{file} (site.docx_template) is no Word document (.docx)", file=self._file)
            ) from error
        return template

    def _fill(self, fields: Mapping[str, str]) -> None:
        try:
            properties = self._properties(fields)
            self._template.render(fields, _environment(autoescape=True))
            for name, words in properties.items():
                setattr(self._template.docx.core_properties, name, words[:_LONGEST_PROPERTY])
        except TemplateError as error:
            known = ", ".join(f"{{{{ {name} }}}}" for name in fields)
            raise ReportError(
                text(
                    "The Word template {file} (site.docx_template) has a tag that cannot be filled: {why}. "
                    "There are {known}",
                    file=self._file,
                    why=str(error),
                    known=known,
                )
            ) from error

    def _properties(self, fields: Mapping[str, str]) -> dict[str, str]:
        """The document's own title and the like, filled in, and taken out of it: they are no XML and short."""
        found = {"title": "{{ title }}"} if "title" in fields else {}
        core = self._template.docx.core_properties
        for name in _PROPERTIES:
            if "{" in (words := getattr(core, name)):
                found.setdefault(name, words)
                setattr(core, name, "")
        return {name: _environment(autoescape=False).from_string(words).render(fields) for name, words in found.items()}

    def _place(self) -> Any:
        """The paragraph that is nothing but ``{{ report }}``."""
        for paragraph in self._template.docx.element.body.iter("{*}p"):
            if "".join(found.text or "" for found in paragraph.iter("{*}t")).strip() == _PLACE:
                return paragraph
        raise ReportError(
            text(
                "The Word template {file} (site.docx_template) does not say where the report belongs: "
                "write {tag} into a paragraph of its own",
                file=self._file,
                tag="{{ report }}",
            )
        )


def _harmless(words: str) -> str:
    return printable(words).replace(_PLACE[0], "")


def saved(document: Any) -> bytes:
    """A document as a file, without the time of day: the same document gives the same bytes."""
    written, made = io.BytesIO(), io.BytesIO()
    document.save(written)
    with zipfile.ZipFile(written) as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            new.writestr(zipfile.ZipInfo(name, _EPOCH), old.read(name), zipfile.ZIP_DEFLATED)
    return made.getvalue()


def _environment(*, autoescape: bool) -> SandboxedEnvironment:
    return SandboxedEnvironment(undefined=StrictUndefined, autoescape=autoescape)
