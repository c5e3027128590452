"""Masks secrets and personal data, at capture and again when anything is written.

Patterns find what has a form of its own (CURP, RFC, e-mail, passwords in URLs and connection strings, bearer tokens,
private keys); keys find what has none (names, telephones and addresses in JSON log lines); secrets read from the
settings are searched for by value. A mark such as ``‹CURP›`` stays, so that a reader sees what stood there.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from runbook.text import Text

_CURP = re.compile(r"\b[A-Z][AEIOUX][A-Z]{2}\d{6}[A-Z]{6}[A-Z\d]\d\b", re.IGNORECASE)
_RFC = re.compile(r"\b[A-ZÑ&]{3,4}\d{6}[A-Z\d]{2}[A\d]\b", re.IGNORECASE)
_EMAIL = re.compile(r"(?<![\w.+%-])[\w.+%-]++@[\w-]+(?:\.[\w-]+)+")
_TELEPHONE = re.compile(r"(?<![\w.+-])\+?(?:52[\s-]?)?(?:\(\d{2,3}\)|\d{2,3})[\s-]\d{3,4}[\s-]\d{4}(?![\w-])")
_URL_PASSWORD = re.compile(r"(?P<before>(?<![a-z0-9+.-])[a-z0-9+.-]++://[^\s:/@]*:)[^\s@/]+(?=@)", re.IGNORECASE)
_NAMED_SECRET = re.compile(
    r"(?P<before>(?:passw(?:or)?d|contraseñ?a|secret(?:[_-]?(?:access)?[_-]?key)?|api[_-]?key|token)"
    r"[\"']?\s*[=:]\s*)(?P<value>\"[^\"]*\"|'[^']*'|[^\s,;&}\"']+)",
    re.IGNORECASE,
)
_BEARER = re.compile(r"(?P<before>\b(?:Bearer|Basic)\s+)[A-Za-z0-9._~+/=-]{8,}")
_ACCESS_KEY = re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b")
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_NAMED_PERSON = re.compile(
    r"(?P<before>[\"']?\b(?P<key>nombre(?:s|_completo)?|(?:primer|segundo)_apellido|apellido_(?:paterno|materno)"
    r"|telefono(?:_\w+)?|correo(?:_\w+)?|domicilio|direccion|calle|curp(?:_\w+)?|rfc)\b[\"']?\s*[=:]\s*)"
    r"(?P<value>\"(?:[^\"\\]|\\.)*\"|'[^']*'|(?!\$\d)[^\s,;}\"'‹]+)",  # ``curp = $1`` of a statement holds no datum
    re.IGNORECASE,
)
_PERSONAL_KEY = re.compile(
    r"(?:nombres?|nombre_completo|(?:primer|segundo)_apellido|apellido_(?:paterno|materno)"
    r"|telefono(?:_\w+)?|correo(?:_\w+)?|domicilio|direccion|calle|curp(?:_\w+)?|rfc)",
    re.IGNORECASE,
)
_SECRET_KEY = re.compile(r".*(?:password|passwd|secret|token|api_?key).*", re.IGNORECASE)

_secrets: set[str] = set()
#: Values shorter than this are not searched for: they would mask half a report.
_SHORTEST = 6


def learn(secret: str) -> None:
    """Mask this value from now on, wherever it shows up."""
    if len(secret) >= _SHORTEST:
        _secrets.add(secret)


def masked(value: Any) -> Any:
    """The same JSON-like value with every secret and personal datum replaced by a mark such as ``‹CURP›``.

    Dicts, lists and tuples are walked; a value under a personal key (``nombre``, ``telefono_…``) is masked whole.
    """
    if isinstance(value, str):
        return masked_text(value)
    if isinstance(value, dict):
        return {key: _masked_entry(key, inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [masked(inner) for inner in value]
    if isinstance(value, tuple):
        return tuple(masked(inner) for inner in value)
    return value


def masked_text(words: str) -> str:
    """The same text with every secret and personal datum masked."""
    for secret in sorted(_secrets, key=len, reverse=True):
        words = words.replace(secret, "‹secreto›")
    words = _PRIVATE_KEY.sub("‹secreto›", words)
    words = _URL_PASSWORD.sub(r"\g<before>‹secreto›", words)
    words = _BEARER.sub(r"\g<before>‹secreto›", words)
    words = _NAMED_SECRET.sub(r"\g<before>‹secreto›", words)
    words = _ACCESS_KEY.sub("‹secreto›", words)
    words = _CURP.sub("‹CURP›", words)
    words = _RFC.sub("‹RFC›", words)
    words = _EMAIL.sub("‹correo›", words)
    words = _TELEPHONE.sub("‹teléfono›", words)
    return _NAMED_PERSON.sub(lambda found: f"{found['before']}‹{found['key'].lower()}›", words)


def is_personal(key: str) -> bool:
    """Whether a key names a datum of a person or a secret: its value is masked whole."""
    return bool(_PERSONAL_KEY.fullmatch(key) or _SECRET_KEY.fullmatch(key))


def masked_words(said: Text) -> Text:
    """The same words with what fills them masked."""
    return msgspec.structs.replace(said, values={name: masked(value) for name, value in said.values.items()})


def _masked_entry(key: Any, value: Any) -> Any:
    if isinstance(key, str) and isinstance(value, str) and value:
        if _SECRET_KEY.fullmatch(key):
            return "‹secreto›"
        if _PERSONAL_KEY.fullmatch(key) and not value.startswith("‹"):
            return f"‹{key.lower()}›"
    return masked(value)
