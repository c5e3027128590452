"""The pages where people read them: a folder, and a real S3 server under a user with the rights the guide names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from runbook.delivery.publishing import Bucket, Folder, Place, open_place, publish
from runbook.errors import DeliveryError, SettingsError
from runbook.settings import EnvironmentSettings, Keys, NightlySettings, Secret, Settings, SiteSettings, StorageSettings
from tests.runbook.targets.servers_storage import root, storage_server, user

BUCKET = "muses-paginas"
RUNS = ("20261124T110500Z-00000001", "20261125T110500Z-00000002")


class Stored:
    """What a browser would get from the bucket."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def names(self) -> set[str]:
        return {one["Key"] for one in self._client.list_objects_v2(Bucket=BUCKET).get("Contents", ())}

    def get(self, key: str) -> Any:
        return self._client.get_object(Bucket=BUCKET, Key=key)


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[StorageSettings, Stored]]:
    """The bucket under its publisher, and what is in it."""
    with storage_server(tmp_path_factory.mktemp("storage")) as place:
        client = root(place)
        client.create_bucket(Bucket=BUCKET)
        access, secret = user(place, "publisher", "s3:ListBucket", "s3:PutObject", "s3:DeleteObject")
        keys = Keys(access_key=Secret(file=access), secret_key=Secret(file=secret))
        yield StorageSettings(endpoint_url=place.storage_url, backup_bucket="x", operator=keys), Stored(client)


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """Two runs' reports."""
    for run in RUNS:
        (tmp_path / "runs" / run).mkdir(parents=True)
        (tmp_path / "runs" / run / f"{run}.html").write_text("<p>")
        (tmp_path / "runs" / run / f"{run}.json").write_text("{}")
    return tmp_path / "runs"


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def site(nightly: NightlySettings, **environments: EnvironmentSettings) -> Settings:
    return Settings(site=SiteSettings(nightly=nightly), environments=environments)


def test_a_folder_gets_what_is_missing_and_loses_what_was_let_go_of(reports: Path, tmp_path: Path) -> None:
    place = Folder(tmp_path / "www")
    assert publish(place, reports, RUNS, (), b"one") == (5, 0)
    assert publish(place, reports, RUNS, (), b"two") == (1, 0)
    (tmp_path / "www" / "ours.txt").write_text("not theirs")
    assert publish(place, reports, RUNS[1:], RUNS[:1], b"three") == (1, 2)
    new = RUNS[1]
    assert files(tmp_path / "www") == {"index.html", "ours.txt", f"{new}/{new}.html", f"{new}/{new}.json"}
    assert (tmp_path / "www" / "index.html").read_bytes() == b"three"


def test_a_report_that_grew_is_published_again(reports: Path, tmp_path: Path) -> None:
    place = Folder(tmp_path / "www")
    publish(place, reports, RUNS, (), b"")
    (reports / RUNS[0] / f"{RUNS[0]}.html").write_text("<p>in another language")
    assert publish(place, reports, RUNS, (), b"") == (2, 0)


def test_a_bucket_gets_pages_that_a_browser_shows(storage: tuple[StorageSettings, Stored], reports: Path) -> None:
    settings, there = storage
    place = Bucket(settings, BUCKET, "nocturna/")
    assert publish(place, reports, RUNS, (), b"<!doctype html>") == (5, 0)
    index, report = there.get("nocturna/index.html"), there.get(f"nocturna/{RUNS[0]}/{RUNS[0]}.html")
    assert index["Body"].read() == b"<!doctype html>"
    assert (index["ContentType"], index["CacheControl"]) == ("text/html; charset=utf-8", "no-cache")
    assert (report["ContentType"], report.get("CacheControl")) == ("text/html; charset=utf-8", None)
    assert publish(place, reports, RUNS[1:], RUNS[:1], b"<!doctype html>") == (1, 2)
    assert not any(RUNS[0] in name for name in there.names())


def test_a_prefix_is_left_alone_by_another_one(storage: tuple[StorageSettings, Stored], reports: Path) -> None:
    settings, there = storage
    publish(Bucket(settings, BUCKET, "a/"), reports, RUNS[:1], (), b"a")
    publish(Bucket(settings, BUCKET, "b/"), reports, RUNS[:1], RUNS[:1], b"b")
    assert f"a/{RUNS[0]}/{RUNS[0]}.html" in there.names()


def test_what_stands_in_the_way_is_said_with_the_setting(
    storage: tuple[StorageSettings, Stored], reports: Path, tmp_path: Path
) -> None:
    settings, _there = storage
    (tmp_path / "file").write_text("")
    unreachable = msgspec.structs.replace(settings, endpoint_url="http://127.0.0.1:9")
    places: tuple[Place, ...] = (
        Folder(tmp_path / "file" / "www"),
        Bucket(settings, "no-such-bucket", ""),
        Bucket(unreachable, BUCKET, ""),
    )
    for place in places:
        with pytest.raises(DeliveryError, match=r"site\.nightly\.publish"):
            publish(place, reports, RUNS, (), b"")


def test_the_store_is_the_named_environments_or_the_sites_or_the_first_that_has_one() -> None:
    stores = {
        name: EnvironmentSettings(storage=StorageSettings(endpoint_url=name, backup_bucket="x", operator=Keys()))
        for name in ("prod", "qa")
    }
    bare = EnvironmentSettings()

    def chosen(given: Settings) -> str | None:
        place = open_place(given)
        assert isinstance(place, Bucket)
        return place._storage.endpoint_url

    nightly = NightlySettings(publish="s3://muses-paginas")
    assert chosen(site(nightly, bare=bare, **stores)) == "prod"
    assert chosen(site(msgspec.structs.replace(nightly, publish_with="qa"), **stores)) == "qa"
    own = Settings(site=SiteSettings(nightly=nightly, environment="qa"), environments=stores)
    assert chosen(own) == "qa"
    with pytest.raises(SettingsError, match="did you mean 'prod'"):
        open_place(site(msgspec.structs.replace(nightly, publish_with="prd"), **stores))
    with pytest.raises(SettingsError, match=r"environments\.bare\.storage\.operator"):
        open_place(site(nightly, bare=bare))


def test_a_site_that_publishes_nowhere_has_no_place(tmp_path: Path) -> None:
    assert open_place(site(NightlySettings(), here=EnvironmentSettings())) is None
    place = open_place(site(NightlySettings(publish=str(tmp_path)), here=EnvironmentSettings()))
    assert isinstance(place, Folder)
