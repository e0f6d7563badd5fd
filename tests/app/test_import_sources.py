"""Files that the service imports by address: only from listed hosts, whole, and in time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from app.config import Settings
from app.db.tables import Import
from app.domain.errors import ItemInvalid
from app.services import image_uris
from app.services.import_sources import check_source, local_source
from app.storage.artifacts import ArtifactStore
from svp_client import Client, ClientError
from tests.app.conftest import png
from tests.app.items import refusal
from tests.app.serving_files import FileHost

TABLE = b"id,text\n1,good\n2,bad\n"


@pytest.fixture
def host() -> Iterator[FileHost]:
    with FileHost({"/x/table.csv": TABLE, "/a.png": png()}, {"/away": "/x/table.csv"}) as host:
        yield host


@pytest.fixture
def settings(settings: Settings, host: FileHost) -> Settings:
    return settings.model_copy(update={"image_hosts": (host.name, "inside.example")})


@contextmanager
def read(uri: str, settings: Settings) -> Iterator[Path]:
    found = Import(project_id=1, name=uri, uri=uri, options={})
    check_source(uri, settings)
    with local_source(found, ArtifactStore(settings.artifact_store_url), settings) as path:
        yield path


def refused(uri: str, settings: Settings) -> ItemInvalid:
    with pytest.raises(ItemInvalid) as error, read(uri, settings):
        pass
    return error.value


class TestHttpSource:
    def test_a_file_of_a_listed_host_is_read_under_its_own_name(
        self, host: FileHost, settings: Settings
    ) -> None:
        with read(f"{host.url}/x/table.csv?token=1", settings) as path:
            assert (path.name, path.read_bytes()) == ("table.csv", TABLE)
        assert not path.exists()

    @pytest.mark.parametrize("uri", ["http://other.example/x.csv", "http://127.0.0.1:1/x.csv"])
    def test_another_host_or_port_is_refused_before_anything_is_asked(
        self, host: FileHost, settings: Settings, uri: str
    ) -> None:
        assert refused(uri, settings).item_code == "image_uri_not_allowed"
        assert host.asked == []

    def test_a_listed_name_that_leads_inside_is_refused(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(image_uris, "resolve", lambda *_: ["10.0.0.7"])
        error = refused("http://inside.example/x.csv", settings)
        assert error.item_code == "image_uri_not_allowed"
        assert "private address" in error.detail

    def test_redirects_are_not_followed(self, host: FileHost, settings: Settings) -> None:
        assert "answered 302" in refused(f"{host.url}/away", settings).detail
        assert host.asked == ["/away"]

    def test_what_is_too_large_or_missing_or_slow_is_refused(
        self, host: FileHost, settings: Settings
    ) -> None:
        small = settings.model_copy(update={"max_body_bytes": len(TABLE) - 1})
        assert refused(f"{host.url}/x/table.csv", small).item_code == "import_too_large"
        hasty = settings.model_copy(update={"import_download_seconds": 1e-9})
        assert refused(f"{host.url}/x/table.csv", hasty).item_code == "import_too_slow"
        assert "answered 404" in refused(f"{host.url}/gone.csv", settings).detail

    def test_the_route_takes_listed_hosts_alone(
        self, admin: Client, text_project: int, host: FileHost
    ) -> None:
        (asked,) = admin.import_uris(text_project, [f"{host.url}/x/table.csv"])
        assert asked["state"] == "queued"
        path, body = f"/projects/{text_project}/imports", {"uris": ["https://other.example/x"]}
        assert refusal(admin, "POST", path, json=body)[0] == 422


class TestCopiedImages:
    def lines(self, host: FileHost) -> list[dict[str, Any]]:
        addresses = {"here": f"{host.url}/a.png", "gone": f"{host.url}/b.png"}
        return [{"external_id": name, "image_uri": uri} for name, uri in addresses.items()]

    def test_they_are_stored_and_their_host_may_go(
        self, admin: Client, images: int, host: FileHost
    ) -> None:
        done = admin.import_items(images, self.lines(host), copies_images=True)
        assert (done["n_created"], done["n_failed"]) == (1, 1)
        assert done["errors"][0]["code"] == "image_not_found"
        (item,) = admin.items(images)
        host.close()
        assert admin.image(images, item["item_id"]) == png()

    def test_others_stay_where_they_are(self, admin: Client, images: int, host: FileHost) -> None:
        admin.import_items(images, self.lines(host))
        (item,) = admin.items(images)
        host.close()
        with pytest.raises(ClientError, match="is gone"):
            admin.image(images, item["item_id"])
