"""Where independent tasks are done: threads of this process, or workers of a Dask cluster, behind one interface."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, cast

from runbook.errors import SettingsError
from runbook.text import text

THREADS = "threads"
_DASK = "dask://"


@contextmanager
def executor(
    name: str, workers: int, *, setting: str, patience: timedelta = timedelta(seconds=10)
) -> Iterator[Executor]:
    """The executor that a setting names: ``threads``, or ``dask://host:port``.

    Leaving waits for what runs, and drops what has not begun. Raises SettingsError for a name it does not know, for a
    cluster that does not answer within ``patience``, and where the extra is not installed.
    """
    if name == THREADS:
        with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="batch") as pool:
            yield pool
    elif name.startswith(_DASK):
        with _cluster(name.removeprefix(_DASK), setting, patience) as pool:
            yield pool
    else:
        raise SettingsError(text("{name} is no executor: threads, or dask://host:port", name=name), key=setting)


@contextmanager
def _cluster(address: str, setting: str, patience: timedelta) -> Iterator[Executor]:
    try:
        import distributed
    except ImportError:
        raise SettingsError(
            text("dask:// needs the extra: install {extra}", extra="muses-runbook[dask]"), key=setting
        ) from None
    client: Any
    try:
        client = distributed.Client(  # type: ignore[no-untyped-call]
            f"tcp://{address}", timeout=patience.total_seconds(), set_as_default=False
        )
    except (OSError, TimeoutError) as error:
        raise SettingsError(text("No Dask scheduler at {address}", address=address), key=setting) from error
    try:
        yield cast(Executor, client.get_executor(pure=False, retries=3))
    finally:
        client.close()
