"""An annotator who tries everything cannot tell gold or control items from the others."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from app.config import Settings
from app.db.session import transaction
from app.main import PREFIX
from svp_client import Client
from tests.app.conftest import bearer
from tests.app.test_roles import REQUIRED, Needs
from tests.loop import Factory, import_texts, start_labeling

Ask = Callable[..., str]
N_ITEMS, N_BATCH, N_GOLD = 44, 36, 12
ASKED = {
    "GET /projects",
    "GET /projects/{project}",
    "GET /projects/{project}/items/{item}",
    "GET /projects/{project}/items/{item}/image",
    "GET /projects/{project}/next-batch",
    "GET /projects/{project}/progress",
    "POST /projects/{project}/flags",
    "POST /projects/{project}/leases/renew",
    "POST /projects/{project}/leases/release",
    "POST /projects/{project}/labels",
    "POST /projects/{project}/labels/withdraw",
    "POST /projects/{project}/skips",
}
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+(Z|\+00:00)")
GOLD = {"gold_fraction": 0.5, "gold_min_accuracy": 0.1, "gold_min_answers": 12}


def test_every_route_of_an_annotator_is_tried_here() -> None:
    assert {*REQUIRED[Needs.TOKEN], *REQUIRED[Needs.PROJECT_TOKEN]} == ASKED


@pytest.fixture(params=[1, 2], ids=["one label", "two labels"])
def overlap(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def project(session_factory: Factory, settings: Settings, admin: Client, overlap: int) -> int:
    """36 of 44 items are in a batch, every third of them a control item; 12 more are gold."""
    found = start_labeling(
        session_factory,
        settings,
        "p",
        N_ITEMS,
        initial_budget=N_BATCH,
        total_budget=N_BATCH,
        reserve=0,
        labels_per_item=overlap,
        annotation=GOLD,
        selection={"control_fraction": 0.3},
    )
    with transaction(session_factory) as session:
        names = [f"p-{100 + i}" for i in range(N_GOLD)]
        import_texts(session, settings, found, names, class_name="a")
        session.execute(text("UPDATE batch_items SET is_control = true WHERE rank % 3 = 0"))
    admin.set_gold(found, {f"p-{100 + i}": None for i in range(N_GOLD)})
    return found


@pytest.fixture
def ada(make_client: Callable[..., Client], project: int) -> Client:
    return make_client("ada", project_id=project)


@pytest.fixture
def kinds(session_factory: Factory, project: int) -> dict[int, str]:  # noqa: ARG001 - made before
    """Kind of each item of the project, which ada does not know."""
    with transaction(session_factory) as session:
        gold = session.scalars(text("SELECT item_id FROM gold_items")).all()
        control = session.scalars(text("SELECT item_id FROM batch_items WHERE is_control")).all()
        every = session.scalars(text("SELECT id FROM items")).all()
    found = dict.fromkeys(every, "chosen")
    return found | dict.fromkeys(control, "control") | dict.fromkeys(gold, "gold")


@pytest.fixture
def ask(http: TestClient, ada: Client, project: int) -> Ask:
    """Returns all that ada sees of an answer, less the item's names and instants."""

    def ask_one(method: str, path: str, item: dict[str, Any], **body: Any) -> str:
        path = path.replace("{item}", str(item["item_id"]))
        answer = http.request(
            method,
            f"{PREFIX}/projects/{project}{path}",
            headers=bearer(ada),
            json=body or None,
        )
        seen = json.dumps([answer.status_code, answer.json()], sort_keys=True)
        seen = re.sub(r'"request_id": "[0-9a-f]+"', "", INSTANT.sub("", seen))
        seen = seen.replace(item["external_id"], "NAME").replace(item["content"]["text"], "TEXT")
        return re.sub(rf"\b{item['item_id']}\b", "ID", seen)

    return ask_one


def leases(ada: Client, project: int, size: int = 24) -> list[dict[str, Any]]:
    return [dict(item) for item in ada.next_batch(project, size)["items"]]


def of_each_kind(
    items: list[dict[str, Any]], kinds: dict[int, str], n: int
) -> list[dict[str, Any]]:
    """Return the first `n` items of each kind, in the order of the items."""
    left = dict.fromkeys(("gold", "control", "chosen"), n)
    found = []
    for item in items:
        left[kinds[item["item_id"]]] -= 1
        found += [item] if left[kinds[item["item_id"]]] >= 0 else []
    return found


def all_look_alike(seen: dict[int, Any], kinds: dict[int, str]) -> None:
    """Check that what was seen of each item is the same, and that there were items of all kinds."""
    assert {kinds[item] for item in seen} == {"gold", "control", "chosen"}
    of_kind: dict[str, set[str]] = {}
    for item, what in seen.items():
        of_kind.setdefault(kinds[item], set()).add(json.dumps(what, indent=1))
    assert of_kind["gold"] == of_kind["control"] == of_kind["chosen"]


def test_in_a_poll(ada: Client, project: int, kinds: dict[int, str]) -> None:
    batch = ada.next_batch(project, 24)
    assert batch["round"] is None
    seen = {}
    for item in batch["items"]:
        rest = {key: value for key, value in item.items() if key not in ("external_id", "item_id")}
        assert rest["leased_until"]
        seen[item["item_id"]] = {**rest, "content": sorted(item["content"])}
    all_look_alike(seen, kinds)


def test_by_the_size_of_a_poll(ada: Client, project: int, kinds: dict[int, str]) -> None:
    held = [x["item_id"] for x in leases(ada, project)]
    assert len(held) == 24
    for size in (1, 3, 10, 24):
        assert [x["item_id"] for x in leases(ada, project, size)] == held[:size]
    is_gold = [kinds[item] == "gold" for item in held]
    assert is_gold not in (sorted(is_gold), sorted(is_gold, reverse=True))
    renewed = [x["item_id"] for x in ada.renew_leases(project)]
    assert renewed == held


def test_its_place_stays_while_others_are_answered(ada: Client, project: int) -> None:
    held = [x["item_id"] for x in leases(ada, project)]
    answered = held[::5]
    ada.submit_labels(project, [{"item_id": item, "class": "a"} for item in answered])
    left = [item for item in held if item not in answered]
    assert [x["item_id"] for x in leases(ada, project, len(left))] == left


def test_control_items_come_in_no_known_order(
    ada: Client, project: int, kinds: dict[int, str]
) -> None:
    """By rank it would be every third; one at a time, as they are handed out."""
    got: list[str] = []
    while len(got) < 18:
        (item,) = leases(ada, project, 1)
        ada.submit_labels(project, [{"item_id": item["item_id"], "class": "a"}])
        if kinds[item["item_id"]] != "gold":
            got.append(kinds[item["item_id"]])
    assert got != ["control", "chosen", "chosen"] * 6


def test_in_what_becomes_of_answers(
    ada: Client, ask: Ask, project: int, kinds: dict[int, str]
) -> None:
    seen = {}
    for item in of_each_kind(leases(ada, project), kinds, 2):
        item_id = item["item_id"]
        one: dict[str, Any] = {"item_ids": [item_id]}
        steps: list[tuple[str, str, dict[str, Any]]] = [
            ("GET", "/items/{item}", {}),
            ("POST", "/leases/renew", one),
            ("POST", "/flags", {**one, "comment": "odd"}),
            ("POST", "/labels", {"labels": [{"item_id": item_id, "class": "zebra"}]}),
            ("POST", "/labels", {"labels": [{"item_id": item_id, "class": "a"}]}),
            ("POST", "/labels", {"labels": [{"item_id": item_id, "class": "a"}]}),
            ("POST", "/labels", {"labels": [{"item_id": item_id, "class": "b"}]}),
            ("POST", "/skips", {**one, "reason": "other"}),
            ("GET", "/items/{item}", {}),
            ("GET", "/items/{item}/image", {}),
            ("POST", "/labels/withdraw", one),
            ("POST", "/labels/withdraw", one),
            ("POST", "/leases/renew", one),
            ("POST", "/skips", {**one, "reason": "other"}),
            ("POST", "/skips", {**one, "reason": "other"}),
            ("POST", "/labels", {"labels": [{"item_id": item_id, "class": "a"}]}),
            ("POST", "/labels/withdraw", one),
            ("POST", "/flags", {**one, "comment": "odd"}),
            ("GET", "/items/{item}", {}),
        ]
        answers = []
        before = dict[str, Any](ada.project(project))
        for method, path, body in steps:
            answers.append(ask(method, path, item, **body))
            now = dict[str, Any](ada.project(project))
            answers.append(
                str({key: now["progress"][key] - n for key, n in before["progress"].items()})
            )
            assert {**now, "progress": 0} == {**before, "progress": 0}
            own = ada.request("GET", f"/projects/{project}/progress").json()
            assert own == now["progress"]
        seen[item_id] = answers
    all_look_alike(seen, kinds)


def test_in_what_becomes_of_items_given_back(
    ada: Client, ask: Ask, project: int, kinds: dict[int, str]
) -> None:
    held = leases(ada, project)
    ada.release_leases(project)
    seen = {}
    for item in held:
        one = {"item_ids": [item["item_id"]]}
        seen[item["item_id"]] = [
            ask("GET", "/items/{item}", item),
            ask("GET", "/items/{item}/image", item),
            ask("POST", "/leases/renew", item, **one),
            ask("POST", "/flags", item, **one, comment="odd"),
            ask("POST", "/labels/withdraw", item, **one),
        ]
    all_look_alike(seen, kinds)


def test_before_it_is_handed_out(
    admin: Client, ask: Ask, project: int, kinds: dict[int, str]
) -> None:
    """Items that others labeled, that were imported with their label, and that nobody asked for."""
    labeled = admin.next_batch(project, 3)["items"]
    page = admin.request("GET", f"/projects/{project}/items?limit=100").json()["items"]
    by_id = {item["item_id"]: item for item in page}
    for_root = [item["item_id"] for item in labeled if kinds[item["item_id"]] != "gold"]
    admin.submit_labels(project, [{"item_id": item, "class": "a"} for item in for_root])
    unasked = [x["item_id"] for x in page[N_BATCH:N_ITEMS]]
    gold = [item for item, kind in kinds.items() if kind == "gold"]
    probes = [unasked, gold]
    if admin.project(project)["labels_per_item"] == 1:
        probes.append(for_root)
    answers = [
        {
            ask("GET", "/items/{item}", by_id[item])
            + ask("POST", "/labels", by_id[item], labels=[{"item_id": item, "class": "a"}])
            + ask("POST", "/skips", by_id[item], item_ids=[item], reason="other")
            + ask("POST", "/labels/withdraw", by_id[item], item_ids=[item])
            for item in items
        }
        for items in probes
    ]
    assert all(len(seen) == 1 for seen in answers)
    assert all(seen == answers[0] for seen in answers)
