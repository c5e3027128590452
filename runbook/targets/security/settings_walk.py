"""Every value of the settings with its name in the site file: what is added later is looked at too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from runbook.settings import Secret


def walked(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """The leaves below ``value``, depth first; a Secret is a leaf."""
    if isinstance(value, msgspec.Struct) and not isinstance(value, Secret):
        for field in msgspec.structs.fields(value):
            yield from walked(getattr(value, field.name), f"{name}.{field.name}")
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from walked(inner, f"{name}.{key}")
    elif isinstance(value, tuple | list):
        for number, inner in enumerate(value):
            yield from walked(inner, f"{name}[{number}]")
    else:
        yield name, value
