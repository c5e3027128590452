"""Files of records: whole or killed half-way, compressed or not, and what is none."""

from __future__ import annotations

import stat
from pathlib import Path

import msgspec
import pytest

from runbook.errors import ReportError
from runbook.recording import files
from runbook.recording.looks import Recording, of_run
from tests.reports import factory

NAMES = pytest.mark.parametrize("name", ["watch.jsonl", "watch.jsonl.zst"])


def loaded(path: Path) -> Recording:
    found = files.parsed(files.read(path), path)
    assert found is not None
    return found


@NAMES
def test_it_is_read_as_it_was_written(tmp_path: Path, name: str) -> None:
    run, path = factory.incident(), tmp_path / "new" / name
    files.write(run, path)
    record = loaded(path)
    assert (record.looks, record.head.run, record.cut) == (of_run(run).looks, run.id, False)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@NAMES
def test_what_was_killed_half_way_has_every_look_before(tmp_path: Path, name: str) -> None:
    run, path = factory.incident(), tmp_path / name
    [look] = of_run(run).looks
    with files.Writer(path) as writer:
        writer.head(run)
        writer.look(look)
        killed = path.read_bytes()
        writer.look(look)
    path.write_bytes(killed)
    assert loaded(path).looks == (look,)


def test_half_a_look_is_left_out_and_said(tmp_path: Path) -> None:
    path = tmp_path / "watch.jsonl"
    files.write(factory.incident(), path)
    path.write_bytes(path.read_bytes()[:-20])
    assert (loaded(path).looks, loaded(path).cut) == ((), True)


def test_the_zst_is_smaller(tmp_path: Path) -> None:
    run = factory.incident()
    for name in ("a.jsonl", "a.jsonl.zst"):
        files.write(run, tmp_path / name)
    assert (tmp_path / "a.jsonl.zst").stat().st_size < (tmp_path / "a.jsonl").stat().st_size


def test_it_is_masked_once_more(tmp_path: Path) -> None:
    run = factory.incident()
    leaky = msgspec.structs.replace(run.readings[0], value={"nombre": "Zutana", "said": "curp XEXX010101HNEXXXA4"})
    files.write(msgspec.structs.replace(run, readings=(leaky,)), tmp_path / "a.jsonl")
    written = (tmp_path / "a.jsonl").read_text()
    assert "‹CURP›" in written
    assert "XEXX010101HNEXXXA4" not in written
    assert "Zutana" not in written


def test_a_stored_run_is_no_record(tmp_path: Path) -> None:
    from reports.canonical import dump

    (tmp_path / "run.json").write_bytes(dump(factory.incident()))
    assert files.parsed(files.read(tmp_path / "run.json"), tmp_path / "run.json") is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"record":2,"run":"R","environment":ENV}\n', "form 2"),
        (b'{"record":1,"run":"R","environment":ENV}\n{"at":1}\n', "line 2"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    environment = msgspec.json.encode(factory.incident().environment)
    path = tmp_path / "watch.jsonl"
    path.write_bytes(content.replace(b"ENV", environment))
    with pytest.raises(ReportError, match=words):
        loaded(path)


def test_files_that_are_not_there_or_no_zst_are_named(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match=r"none\.jsonl"):
        files.read(tmp_path / "none.jsonl")
    (tmp_path / "bad.zst").write_bytes(b"nothing of the kind")
    with pytest.raises(ReportError, match=r"bad\.zst cannot be decompressed"):
        files.read(tmp_path / "bad.zst")
    with pytest.raises(ReportError, match="Is a directory"):
        files.Writer(tmp_path)
