"""What a call fails as."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from runbook.errors import ActionError, ProbeError


def failing(act: Callable[[], object]) -> ProbeError:
    """The error of a reading that fails."""
    with pytest.raises(ProbeError) as caught:
        act()
    return caught.value


def refusal(act: Callable[[], object]) -> str:
    """The words of an operation that is refused."""
    with pytest.raises(ActionError) as caught:
        act()
    assert caught.value.refused
    return str(caught.value)
