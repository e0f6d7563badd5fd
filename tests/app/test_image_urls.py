"""Images by signed address: for browsers, without a token, for a short time."""

from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from app.db.queries.signing_keys import key_for
from app.db.session import transaction
from app.services.image_urls import ImageUrls
from svp_client import Client, ClientError
from tests.app.conftest import MakeClient, png
from tests.loop import Factory, publish_in_order

N_ITEMS = 6


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    return settings.model_copy(update={"image_roots": (str(tmp_path / "images"),)})


@pytest.fixture
def project(admin: Client, session_factory: Factory, settings: Settings, tmp_path: Path) -> int:
    """Six images by path, four of them in a batch."""
    found = int(
        admin.create_project(
            name="images",
            modality="image",
            classes=["a", "b"],
            strategy="uniform",
            initial_budget=4,
            round_budget=4,
            total_budget=4,
            reserve=0,
        )["id"]
    )
    (tmp_path / "images").mkdir()
    lines = []
    for i in range(N_ITEMS):
        (tmp_path / "images" / f"secret-{i}.png").write_bytes(png(8 + i, 8))
        lines.append({"external_id": f"i-{i}", "image_uri": f"secret-{i}.png"})
    assert admin.import_items(found, lines)["n_created"] == N_ITEMS
    admin.start(found)
    publish_in_order(session_factory, settings, found, N_ITEMS)
    return found


@pytest.fixture
def ada(make_client: MakeClient, project: int) -> Client:
    return make_client("ada", project_id=project)


@pytest.fixture
def url(ada: Client, project: int) -> str:
    """The URLs that ada's tool puts into <img src>."""
    return str(ada.next_batch(project, 1)["items"][0]["content"]["image_url"])


def test_it_opens_without_a_token(http: TestClient, url: str) -> None:
    answer = http.get(url)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    head = http.head(url)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(answer.content))


def test_it_says_nothing_of_where_the_bytes_lie(
    http: TestClient, ada: Client, project: int, url: str, tmp_path: Path
) -> None:
    assert "secret" not in url
    for file in (tmp_path / "images").iterdir():
        file.unlink()
    item = ada.next_batch(project, 1)["items"][0]["item_id"]
    with pytest.raises(ClientError) as refused:
        ada.request("GET", f"/projects/{project}/items/{item}/image")
    for detail in (http.get(url).json()["detail"], str(refused.value)):
        assert "secret" not in detail
        assert str(tmp_path) not in detail


@pytest.mark.parametrize(
    "change",
    [
        lambda url: url[:-1] + ("0" if url[-1] != "0" else "1"),
        lambda url: url.replace("expires=", "expires=1"),
        lambda url: url.partition("&")[0],
        lambda url: url.partition("signature=")[0] + "signature=%C3%A9",
    ],
)
def test_another_signature_is_refused(
    http: TestClient, url: str, change: Callable[[str], str]
) -> None:
    answer = http.get(change(url))
    assert (answer.status_code, answer.json()["code"]) == (403, "image_url_invalid")


def test_a_signature_holds_for_its_item_alone(http: TestClient, url: str) -> None:
    item = url.split("/items/")[1].split("/", maxsplit=1)[0]
    other = url.replace(f"/items/{item}/", f"/items/{int(item) + 1}/")
    assert http.get(other).json()["code"] == "image_url_invalid"


def test_it_expires(
    http: TestClient, url: str, session_factory: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    with transaction(session_factory) as session:
        urls = ImageUrls(key_for(session, "image_url"), 60)
    monkeypatch.setattr("app.services.image_urls.time.time", lambda: 1_000_000)
    path = url.removeprefix("/api/v1/projects/").partition("?")[0]
    project, _, item = path.partition("/items/")
    old = urls.of(int(project), int(item.partition("/")[0]))
    assert http.get(old).status_code == 200
    for later, status in ((31, 200), (60, 403)):
        monkeypatch.setattr("app.services.image_urls.time.time", lambda n=later: 1_000_000 + n)
        assert http.get(old).status_code == status
    assert http.get(old).json()["code"] == "image_url_expired"


def test_it_keeps_a_proxys_prefix() -> None:
    assert ImageUrls(b"k", 60, "/svp").of(1, 2).startswith("/svp/api/v1/projects/1/items/2/image?")


def test_a_token_reads_the_images_of_its_items_alone(
    http: TestClient, admin: Client, ada: Client, project: int, url: str
) -> None:
    own = url.split("/items/")[1].split("/", maxsplit=1)[0]
    ada.request("GET", f"/projects/{project}/items/{own}/image")
    page = admin.request("GET", f"/projects/{project}/items").json()["items"]
    for item in (x for x in page if x["item_id"] != int(own)):
        path = f"/projects/{project}/items/{item['item_id']}/image"
        with pytest.raises(ClientError) as refused:
            ada.request("GET", path)
        assert refused.value.status == 404
        admin.request("GET", path)
        assert http.get(f"/api/v1{path}").status_code == 401
