"""Files are written whole or not at all, the record first; a disk that is full or read-only is told, not hidden."""

from __future__ import annotations

import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

import reports
from reports import canonical
from reports.language import Language
from runbook.errors import ReportError
from tests.reports import factory

ES = Language("es")


def test_every_format_is_written(tmp_path: Path) -> None:
    files = reports.write(factory.incident(), tmp_path / "new" / "folder", reports.USUAL, ES)
    assert list(files) == ["json", "html", "markdown", "junit"]
    assert sorted(path.suffix for path in (tmp_path / "new" / "folder").iterdir()) == [".html", ".json", ".md", ".xml"]
    assert canonical.load(files["json"].read_bytes()) == factory.incident()


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    first = reports.write(factory.incident(), tmp_path, ["html"], ES)["html"]
    reports.write(factory.incident(), tmp_path, ["html"], Language("en"))
    assert 'lang="en"' in first.read_text("utf-8")
    assert list(tmp_path.iterdir()) == [first]


def test_an_unknown_format_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="No report format odt: there are json, html, markdown, markdown:gitlab"):
        reports.write(factory.incident(), tmp_path, ["json", "odt"], ES)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("run", "stem"),
    [
        ("20261124T143105Z-7c1f", "20261124T143105Z-7c1f"),
        ("../../etc/passwd", "etc-passwd"),
        ("", "run"),
        ("..", "run"),
    ],
)
def test_a_run_s_id_cannot_leave_the_folder(tmp_path: Path, run: str, stem: str) -> None:
    written = reports.write(msgspec.structs.replace(factory.incident(), id=run), tmp_path, ["json"], ES)
    assert written == {"json": tmp_path / f"{stem}.json"}


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size: a write that fails halfway, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


def test_a_write_that_fails_halfway_leaves_the_others_and_is_told(tmp_path: Path) -> None:
    with largest_file(30_000), pytest.raises(ReportError) as told:
        reports.write(factory.incident(), tmp_path, reports.USUAL, ES)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f"20261124T143105Z-7c1f{suffix}" for suffix in (".json", ".md", ".xml")]
    assert "html: File too large. Written: 20261124T143105Z-7c1f.json" in str(told.value)


def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ReportError, match=r"json: .*Written: –"):
        reports.write(factory.incident(), tmp_path / "file" / "folder", ["json"], ES)


MOUNTED = ["unshare", "--user", "--map-root-user", "--mount"]
WRITE = """
import sys
from pathlib import Path
import reports
from reports.language import Language
from runbook.errors import ReportError
from tests.reports import factory
try:
    reports.write(factory.incident(), Path(sys.argv[1]), reports.USUAL, Language("es"))
except ReportError as error:
    print(error, sorted(path.name for path in Path(sys.argv[1]).iterdir()))
"""


def can_mount(folder: Path) -> bool:
    """Whether this machine lets a process mount a small disk of its own."""
    if shutil.which("unshare") is None:
        return False
    trial = [*MOUNTED, "mount", "-t", "tmpfs", "none", str(folder)]
    return subprocess.run(trial, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("options", "told"),
    [("size=48k", "html: No space left on device. Written: 2026"), ("ro", "json: Read-only file system")],
    ids=["full", "read-only"],
)
def test_a_real_disk_that_is_full_or_read_only(tmp_path: Path, options: str, told: str) -> None:
    if not can_mount(tmp_path):
        pytest.skip("this machine lets no process mount a disk of its own")
    mount = f'mount -t tmpfs -o {options} none "$1" && exec "$2" -c "$3" "$1"'
    command = [*MOUNTED, "sh", "-c", mount, "sh", str(tmp_path), sys.executable, WRITE]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert told in done.stdout
    assert ".tmp" not in done.stdout
