"""Between a dump and its object: what goes in comes out, anyone can open it, and nothing damaged passes for whole."""

from __future__ import annotations

import hashlib
import random
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pyrage
import pytest
import zstandard

from procedures.backup import sealing
from procedures.backup.sealing import Sealer
from procedures.backup.unsealing import unsealed
from runbook.errors import ActionError, ProbeError, ProbeFailure, SettingsError
from runbook.settings import BackupSettings, Secret
from tests.runbook.targets.servers_postgres import until

PLAIN = random.Random(7).randbytes(400_000) + bytes(400_000)
CLEAR = BackupSettings()
IDENTITY, OTHER = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()
BROKEN = ActionError("storage", "upload", "the sink broke")


@pytest.fixture(scope="module")
def sealed_settings(tmp_path_factory: pytest.TempPathFactory) -> BackupSettings:
    return keyed(tmp_path_factory.mktemp("age"), IDENTITY, IDENTITY)


def keyed(folder: Path, recipient: pyrage.x25519.Identity, *identities: pyrage.x25519.Identity) -> BackupSettings:
    """Encrypted for the first, read back by the second."""
    kept = folder / "identity"
    kept.write_text("".join(map(str, identities)))
    return BackupSettings(age_recipients=(str(recipient.to_public()),), age_identity=Secret(file=kept))


@pytest.fixture(params=["zstd", "zstd and age"])
def settings(request: pytest.FixtureRequest, sealed_settings: BackupSettings) -> BackupSettings:
    """Both forms."""
    return sealed_settings if request.param == "zstd and age" else CLEAR


def sealed(settings: BackupSettings, plain: bytes = PLAIN, piece: int = 70_000) -> bytes:
    out = bytearray()
    sealer = Sealer(settings, out.extend)
    for first in range(0, len(plain), piece):
        sealer.feed(plain[first : first + piece])
    sealer.finish()
    assert (sealer.bytes, sealer.sha256) == (len(plain), hashlib.sha256(plain).hexdigest())
    return bytes(out)


def opened(body: bytes, settings: BackupSettings, piece: int = 50_000) -> bytes:
    pieces = (body[first : first + piece] for first in range(0, len(body), piece))
    return b"".join(unsealed(pieces, settings, encrypted=bool(settings.age_recipients), key="data"))


@pytest.mark.parametrize("size", [0, 1, 1000, 128 * 1024, len(PLAIN)])
@pytest.mark.parametrize("piece", [999, 1 << 20])
def test_what_goes_in_comes_out(settings: BackupSettings, size: int, piece: int) -> None:
    body = sealed(settings, PLAIN[:size])
    assert opened(body, settings, piece) == PLAIN[:size]


def test_it_is_readable_without_us(settings: BackupSettings) -> None:
    """``age -d`` where it is encrypted, then ``zstd -d``."""
    body = sealed(settings)
    compressed = pyrage.decrypt(body, [IDENTITY]) if settings.age_recipients else body
    done = subprocess.run(["zstd", "-d", "-c"], input=compressed, capture_output=True, check=True)
    assert done.stdout == PLAIN


def test_nothing_of_the_plain_text_shows(sealed_settings: BackupSettings) -> None:
    secret = b"CANARIO-EN-CLARO" * 10
    assert b"CANARIO" not in sealed(sealed_settings, secret)


def test_every_recipient_reads_it(sealed_settings: BackupSettings, tmp_path: Path) -> None:
    both = BackupSettings(
        age_recipients=(*sealed_settings.age_recipients, str(OTHER.to_public())),
        age_identity=sealed_settings.age_identity,
    )
    body = sealed(both)
    assert opened(body, both) == opened(body, keyed(tmp_path, OTHER, OTHER)) == PLAIN


@pytest.mark.parametrize("share", [0.0, 0.0001, 0.01, 0.3, 0.6, 0.99, 0.999999])
def test_a_dump_cut_anywhere_is_damaged(settings: BackupSettings, share: float) -> None:
    """`pg_restore -l` exits 0 on a dump cut at 60 %."""
    body = sealed(settings)
    with pytest.raises(ActionError, match="damaged"):
        opened(body[: int(len(body) * share)], settings)


@pytest.mark.parametrize("place", [0.1, 0.3, 0.5, 0.7, 0.9, 0.9999])
def test_a_flipped_bit_anywhere_is_damage(settings: BackupSettings, place: float) -> None:
    """A flipped bit in an uncompressed dump passes a full read."""
    body = bytearray(sealed(settings))
    body[int(len(body) * place)] ^= 1
    with pytest.raises(ActionError, match="damaged"):
        opened(bytes(body), settings)


@pytest.mark.parametrize("more", [b"x", bytes(70_000), "itself"], ids=["a byte", "zeros", "itself again"])
@pytest.mark.parametrize("piece", [999, 1 << 30])
def test_what_goes_on_behind_its_end_is_damage(settings: BackupSettings, more: bytes | str, piece: int) -> None:
    body = sealed(settings)
    with pytest.raises(ActionError, match="damaged"):
        opened(body + (body if isinstance(more, str) else more), settings, piece)


@pytest.mark.parametrize("body", [b"", b"no dump", bytes(5000)], ids=["nothing", "words", "zeros"])
def test_what_is_no_dump_is_damaged(settings: BackupSettings, body: bytes) -> None:
    with pytest.raises(ActionError, match="damaged"):
        opened(body, settings)


# Keys ----------------------------------------------------------------------------------------------------------------


def test_another_s_key_reads_nothing_and_says_why(sealed_settings: BackupSettings, tmp_path: Path) -> None:
    with pytest.raises(ActionError, match=r"encrypted for other keys than backup\.age_identity"):
        opened(sealed(sealed_settings), keyed(tmp_path, OTHER, OTHER))


def test_a_key_that_could_not_read_it_back_is_said_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="could not be read back") as caught:
        Sealer(keyed(tmp_path, IDENTITY, OTHER), lambda data: pytest.fail("written"))
    assert caught.value.key == "backup.age_identity"


def test_a_recipient_that_is_none(sealed_settings: BackupSettings) -> None:
    wrong = BackupSettings(age_recipients=("age1nobody",), age_identity=sealed_settings.age_identity)
    with pytest.raises(SettingsError) as caught:
        Sealer(wrong, lambda data: None)
    assert caught.value.key == "backup.age_recipients"


@pytest.mark.parametrize("text", ["AGE-SECRET-KEY-1NOBODY", "not a key"])
def test_an_identity_that_is_none(sealed_settings: BackupSettings, tmp_path: Path, text: str) -> None:
    kept = tmp_path / "identity"
    kept.write_text(text)
    wrong = BackupSettings(age_recipients=sealed_settings.age_recipients, age_identity=Secret(file=kept))
    with pytest.raises(SettingsError, match="no age identity") as caught:
        Sealer(wrong, lambda data: None)
    assert text not in str(caught.value)


def test_an_encrypted_backup_without_a_key_to_read_it(sealed_settings: BackupSettings) -> None:
    with pytest.raises(SettingsError, match="set age_identity"):
        list(unsealed([sealed(sealed_settings)], CLEAR, encrypted=True, key="data"))


# What fails around it ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [0, 3])
def test_an_error_of_the_sink_reaches_who_feeds_as_it_is(settings: BackupSettings, after: int) -> None:
    """An upload that fails under the encryption's thread is no error of the encryption."""
    taken: list[bytes] = []

    def sink(data: bytes) -> None:
        if len(taken) >= after:
            raise BROKEN
        taken.append(data)

    sealer = Sealer(settings, sink)
    with pytest.raises(ActionError, match="the sink broke"):
        fed(sealer)
    sealer.abandon()
    check_no_threads()


def fed(sealer: Sealer) -> None:
    for _ in range(20):
        sealer.feed(PLAIN)
    sealer.finish()


@pytest.mark.parametrize("after", [0, 1, 200_000])
def test_an_error_of_the_download_is_not_taken_for_damage(settings: BackupSettings, after: int) -> None:
    body = sealed(settings)

    def cut() -> Iterator[bytes]:
        yield body[:after]
        raise ProbeError("storage", ProbeFailure.BROKEN, "the network is gone")

    with pytest.raises(ProbeError, match="the network is gone"):
        list(unsealed(cut(), settings, encrypted=bool(settings.age_recipients), key="data"))


def test_who_stops_reading_leaves_nothing_behind(settings: BackupSettings) -> None:
    body, before = sealed(settings), handles()
    pieces = (body[first : first + 1000] for first in range(0, len(body), 1000))
    reading = unsealed(pieces, settings, encrypted=bool(settings.age_recipients), key="data")
    next(reading)
    reading.close()  # type: ignore[attr-defined]
    check_no_threads()
    assert handles() == before


def test_who_stops_feeding_leaves_nothing_behind(settings: BackupSettings) -> None:
    before = handles()
    sealer = Sealer(settings, lambda data: None)
    sealer.feed(PLAIN)
    sealer.abandon()
    sealer.abandon()
    check_no_threads()
    assert handles() == before


def test_what_is_abandoned_hands_on_no_more(sealed_settings: BackupSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its thread may still hold bytes, and the upload is let go of meanwhile."""
    monkeypatch.setattr(sealing, "THREADS", 0)
    arrived, go, taken = threading.Event(), threading.Event(), [0]

    def slow(data: bytes) -> None:
        taken[0] += 1
        arrived.set()
        assert go.wait(10)

    sealer = Sealer(sealed_settings, slow)
    sealer.feed(PLAIN[:150_000])
    assert arrived.wait(10)  # it hands the header on
    abandoning = threading.Thread(target=sealer.abandon)
    abandoning.start()
    until(lambda: sealer._lock._sink is not slow)  # type: ignore[union-attr]
    go.set()
    abandoning.join(10)
    check_no_threads()
    assert taken[0] == 1


def test_without_the_extra_it_says_what_to_install(
    sealed_settings: BackupSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyrage", None)
    with pytest.raises(SettingsError, match=r"muses-runbook\[age\]"):
        Sealer(sealed_settings, lambda data: None)


def test_the_frame_has_a_checksum_of_its_own() -> None:
    """``zstd -d`` of somebody else finds a flipped bit too."""
    assert zstandard.get_frame_parameters(sealed(CLEAR)).has_checksum


def check_no_threads() -> None:
    ours = ("age", "(feed)", "(decrypt)")
    until(lambda: not [one for one in threading.enumerate() if one.name.endswith(ours)])


def handles() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
