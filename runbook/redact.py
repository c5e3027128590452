"""Masks secrets and personal data, at capture and again when anything is written.

Patterns find what has a form of its own (CURP, RFC, e-mail, passwords in URLs and connection strings, bearer tokens,
private keys); keys find what has none (names, telephones and addresses in JSON log lines); secrets read from the
settings are searched for by value. A mark such as ``‹CURP›`` stays, so that a reader sees what stood there.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import msgspec

from runbook.text import Text

# An underscore ends a word here, other than for ``\b``: names of files are made of data with underscores.
_CURP = re.compile(r"(?<![A-Z0-9])[A-Z][AEIOUX][A-Z]{2}\d{6}[A-Z]{6}[A-Z\d]\d(?![A-Z0-9])", re.IGNORECASE)
_RFC = re.compile(r"(?<![A-ZÑ&0-9])[A-ZÑ&]{3,4}\d{6}[A-Z\d]{2}[A\d](?![A-Z0-9])", re.IGNORECASE)
_EMAIL = re.compile(r"(?<![\w.+%-])(?:[\w.+-]|%(?!40))++(?:@|%40)[\w-]+(?:\.[\w-]+)+")
_TELEPHONE = re.compile(
    r"(?<![\w.+-])(?:\+521?\d{10}|\+?(?:52[\s.-]?)?(?:1[\s.-])?(?:\(\d{2,3}\)\s?|\d{2,3}[\s.-])\d{3,4}[\s.-]\d{4})(?![\w-])"
)
_URL_PASSWORD = re.compile(r"(?P<before>(?<![a-z0-9+.-])[a-z0-9+.-]++://[^\s:/@]*:)[^\s@/]+(?=@)", re.IGNORECASE)
#: A value in quotes: of JSON, of JSON within JSON, of SQL. Where the line was cut, it goes to the end.
_QUOTED = r"\\+\"[^\"]*\"?|\"(?:[^\"\\]|\\[\s\S]?)*+\"?|'(?:[^']|'')*+'?"
_NAMED_SECRET = re.compile(
    r"(?P<before>(?:passw(?:or)?d|passphrase|\bpwd|contraseñ?a|secret(?:[_-]?(?:access)?[_-]?key)?|api[_-]?key|token)"
    rf"(?:\\*[\"']?\s*[=:]\s*|(?<=\s--password)\s+|(?<=\s--token)\s+))(?P<value>{_QUOTED}|[^\s,;&}}\"'‹]+)",
    re.IGNORECASE,
)
_BEARER = re.compile(r"(?P<before>\b(?:[Bb]earer|Basic)\s+)[A-Za-z0-9._~+/=-]{8,}")
_ACCESS_KEY = re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b")
#: What begins as the tokens of JWT, GitHub, GitLab, Slack and OpenAI do.
_TOKEN = re.compile(
    r"(?<![\w-])(?:eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?|gh[opsu]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}"
    r"|xox[abprs]-[\w-]{10,}|sk-[\w-]{20,})"
)
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_OF_PERSON = (
    r"nombres?(?:_completo|_(?:del?_)?(?:alumn[oa]|estudiante|tutora?|madre|padre|persona|titular))?"
    r"|(?:primer|segundo)_?apellido|apellidos?(?:_(?:paterno|materno))?"
    r"|telefonos?(?:_\w+)?|celular|correos?(?:_\w+)?|e-?mail|domicilio|direccion|calle|curps?(?:_\w+)?|rfc"
)
#: Words that go on with a name or an address: a name of several words stands after its key without quotes, too.
_GOES_ON = r"(?:[ ](?:(?:del?|la|las|los|y|e)[ ])*(?-i:[A-ZÁÉÍÓÚÑ])[^\s,;:=}\"'‹|()]*+(?![:=]))*"
_NAMED_PERSON = re.compile(
    rf"(?P<before>[\"']?\b(?P<key>{_OF_PERSON})\b\\*[\"']?\s*[=:]\s*)"
    # ``curp = $1`` of a statement holds no datum
    rf"(?P<value>{_QUOTED}|(?!\$\d)[^\s,;}}\"'‹]+{_GOES_ON})",
    re.IGNORECASE,
)
_PERSONAL_KEY = re.compile(_OF_PERSON, re.IGNORECASE)
_SECRET_KEY = re.compile(r"password|passwd|passphrase|contraseñ?a|secret|token|api_?key", re.IGNORECASE)
#: PostgreSQL repeats whole rows, in its own language: which of their columns are personal it does not say.
_ROW = re.compile(
    r"(?P<before>(?:Failing row contains|La fila que falla contiene) \().*(?=\))"
    r"|(?P<copied>\bCOPY \w+, (?:line|línea) \d+: (?:\"|«)).*(?=\"|»)"
)
_KEY_VALUES = re.compile(r"(?P<before>\((?P<keys>[\w, ()\":]{1,300})\)=\()(?P<values>.*?)(?=\)(?:[ .]|\Z|\"))")


def _without_row(found: re.Match[str]) -> str:
    return f"{found['before'] or found['copied']}‹renglón›"


def _without_values(found: re.Match[str]) -> str:
    """``Key (nombre, fecha)=(…)`` without its values, where one of them is a person's."""
    keys = re.findall(r"\w+", found["keys"])
    return f"{found['before']}‹{', '.join(keys)}›" if any(map(is_personal, keys)) else found[0]


def _without_person(found: re.Match[str]) -> str:
    return f"{found['before']}‹{found['key'].lower()}›"


#: What is looked for, in this order: where none of the words stands that it cannot do without, the search is saved.
_PATTERNS: tuple[tuple[tuple[str, ...], re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (("PRIVATE KEY",), _PRIVATE_KEY, "‹secreto›"),
    (("://",), _URL_PASSWORD, r"\g<before>‹secreto›"),
    (("earer", "Basic"), _BEARER, r"\g<before>‹secreto›"),
    ((), _NAMED_SECRET, r"\g<before>‹secreto›"),
    (("AKIA", "ASIA"), _ACCESS_KEY, "‹secreto›"),
    ((), _TOKEN, "‹secreto›"),
    ((), _CURP, "‹CURP›"),
    ((), _RFC, "‹RFC›"),
    (("@", "%40"), _EMAIL, "‹correo›"),
    ((), _TELEPHONE, "‹teléfono›"),
    (("row contains", "que falla", "COPY "), _ROW, _without_row),
    ((")=(",), _KEY_VALUES, _without_values),
    ((), _NAMED_PERSON, _without_person),
)
_secrets: set[str] = set()
#: Values shorter than this are not searched for: they would mask half a report.
_SHORTEST = 6


def learn(secret: str) -> None:
    """Mask this value from now on, wherever it shows up."""
    if len(secret) >= _SHORTEST:
        _secrets.add(secret)
        _masked_key.cache_clear()


def masked(value: Any) -> Any:
    """The same JSON-like value with every secret and personal datum replaced by a mark such as ``‹CURP›``.

    Dicts, lists and tuples are walked; a value under a personal key (``nombre``, ``telefono_…``) is masked whole.
    """
    if isinstance(value, str):
        return masked_text(value)
    if isinstance(value, dict):
        return _masked_entries(value)
    if isinstance(value, list):
        return [masked(inner) for inner in value]
    if isinstance(value, tuple):
        return tuple(masked(inner) for inner in value)
    return value


def masked_text(words: str) -> str:
    """The same text with every secret and personal datum masked."""
    for secret in sorted(_secrets, key=len, reverse=True):
        words = words.replace(secret, "‹secreto›")
    for needles, pattern, instead in _PATTERNS:
        if not needles or any(needle in words for needle in needles):
            words = pattern.sub(instead, words)
    return words


def is_personal(key: str) -> bool:
    """Whether a key names a datum of a person or a secret: its value is masked whole."""
    return bool(_PERSONAL_KEY.fullmatch(key) or _SECRET_KEY.search(key))


def masked_words(said: Text) -> Text:
    """The same words with what fills them masked."""
    return msgspec.structs.replace(said, values={name: masked(value) for name, value in said.values.items()})


def _masked_entries(entries: dict[Any, Any]) -> dict[Any, Any]:
    """Keys are masked, too: a listing by person has persons for keys. None is lost where two come out the same."""
    kept: dict[Any, Any] = {}
    for key, value in entries.items():
        shown = _masked_key(key) if isinstance(key, str) else key
        while shown in kept:
            shown = f"{shown}′"
        kept[shown] = _masked_entry(key, value)
    return kept


@functools.lru_cache(maxsize=4096)
def _masked_key(key: str) -> str:
    return masked_text(key)


def _masked_entry(key: Any, value: Any) -> Any:
    if isinstance(key, str) and value and isinstance(value, str | list | tuple | int):
        if _SECRET_KEY.search(key):
            return _masked_whole(value, "‹secreto›")
        if _PERSONAL_KEY.fullmatch(key):
            return _masked_whole(value, f"‹{key.lower()}›")
    return masked(value)


def _masked_whole(value: Any, mark: str) -> Any:
    """Each word that stands there, and each number that can be a telephone's."""
    if isinstance(value, list | tuple):
        return type(value)(_masked_whole(inner, mark) for inner in value)
    if isinstance(value, str):
        return value if value.startswith("‹") or not value else mark
    return mark if type(value) is int and value >= 10**7 else masked(value)
