"""Pictures of every page: two projects of handwritten digits on a running service, and a camera."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import FilePayload, Page, ViewportSize

from svp_client import Client
from tests.support import wait_for
from workers.service.stack import Stack
from workers.simulation.config import ModelConfig
from workers.simulation.data import DataSet, load_data
from workers.simulation.imports import import_part
from workers.simulation.load import load_experiment
from workers.simulation.own_labeling import start_own_project

WINDOW: ViewportSize = {"width": 1200, "height": 760}
PAUSE_MS = 1200  # curves and pictures are drawn after the page is there
SEED = 1
N_ROUNDS, PER_ROUND = 6, 60
EPOCHS = {"proxy": 6, "target": 8}
JOB_SECONDS = 300
PAGES = (
    "models", "items", "annotators", "people", "rounds", "map", "jobs", "import", "exports",
    "label-errors", "settings",
)  # fmt: skip
NAMES = (
    "sign-in", "label", "label-many", "projects", "new-project", "new-project-settings", "overview",
    "overview-whole", "model", "item", "round", "job", "join", *PAGES,
)  # fmt: skip
FEWEST_COLOURS = 12


def label_digits(client: Client, url: str) -> int:
    """Return the id of a finished project that two oracles have labeled; some items disputed."""
    experiment = load_experiment("digits")
    data = load_data(experiment.data, SEED)
    project = client.create_project(
        name="Handwritten digits",
        modality="image",
        classes=data.classes,
        strategy="least_confidence",
        seed=SEED,
        initial_budget=PER_ROUND,
        reserve=0,
        round_budget=PER_ROUND,
        total_budget=N_ROUNDS * PER_ROUND,
        labels_per_item=2,
        selection={"control_fraction": 0.1},
        proxy=_quick(experiment.models["proxy"], EPOCHS["proxy"]),
        target=_quick(experiment.models["target"], EPOCHS["target"]),
    )["id"]
    import_part(client, project, "pool", data.pool, data.classes, is_labeled=False)
    import_part(client, project, "evaluation", data.evaluation, data.classes, is_labeled=True)
    client.start(project)
    oracles = [Client(url, _token(client, name)) for name in ("Ada", "Bob")]
    wait_for(lambda: _label_some(client, oracles, project, data), N_ROUNDS * JOB_SECONDS)
    for oracle in oracles:
        oracle.close()
    return int(project)


def _quick(model: ModelConfig, epochs: int) -> dict[str, Any]:
    choice = model.choice
    return {**choice, "recipe": {**choice["recipe"], "epochs": epochs}}


def _token(client: Client, name: str) -> str:
    return str(
        client.request("POST", "/tokens", json={"name": name, "all_projects": True}).json()["token"]
    )


def _label_some(client: Client, oracles: Sequence[Client], project: int, data: DataSet) -> bool:
    """Let both oracles label what they hold; return whether the project is finished."""
    for n, oracle in enumerate(oracles):
        items = oracle.next_batch(project, 50)["items"]
        labels = [
            {
                "item_id": item["item_id"],
                "class": data.classes[_said(data, int(item["external_id"][5:12]), n)],
                "seconds": 2.0 + n,
            }
            for item in items
        ]
        if labels:
            oracle.submit_labels(project, labels)
    return str(client.project(project)["state"]) == "finished"


def _said(data: DataSet, index: int, who: int) -> int:
    """Return the class that an oracle gives: the second one takes some 8 for 3."""
    label = int(data.pool.labels[index])
    return 3 if who and label == 8 and index % 3 == 0 else label


class Camera:
    """Takes pictures of a browser's page into a folder."""

    def __init__(self, page: Page, folder: Path) -> None:
        self.page = page
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def take(self, name: str, *, whole: bool = False) -> None:
        """Write what the window shows, or the whole page."""
        self.page.wait_for_load_state()
        self.page.wait_for_timeout(PAUSE_MS)
        self.page.screenshot(path=self.folder / f"{name}.png", full_page=whole)

    def take_at(self, address: str, name: str) -> None:
        """Open a page and write what the window shows."""
        self.page.goto(address)
        self.take(name)


def take_all(page: Page, stack: Stack, finished: int, own: int, folder: Path) -> None:
    """Take a picture of every page."""
    camera = Camera(page, folder)
    camera.take_at(stack.create_sign_in_link(), "sign-in")
    page.get_by_role("button", name="Sign in here").click()
    _label(camera, f"{stack.url}/projects/{own}")
    camera.take_at(stack.url, "projects")
    _wizard(camera, stack.url)
    base = f"{stack.url}/projects/{finished}"
    camera.take_at(base, "overview")
    camera.take("overview-whole", whole=True)
    for name in PAGES:
        camera.take_at(f"{base}/{name}", name)
    for listed, name in (("models", "model"), ("rounds", "round"), ("jobs", "job")):
        page.goto(f"{base}/{listed}")
        page.locator("main table a").first.click()
        camera.take(name)
    page.goto(f"{base}/items?disputed=true")
    page.locator(".item-grid a.shown").first.click()
    camera.take("item", whole=True)
    page.goto(f"{base}/people")
    page.get_by_role("button", name="Make a link").click()
    link = page.locator("#link").input_value()
    page.context.clear_cookies()
    camera.take_at(link, "join")


def _label(camera: Camera, own: str) -> None:
    page = camera.page
    page.goto(f"{own}/label")
    page.locator("#work").wait_for()
    for key in "3141592":
        page.keyboard.press(key)
        page.wait_for_timeout(150)
    camera.take("label")
    page.goto(f"{own}/label/grid")
    page.locator("#work").wait_for()
    page.locator("main select").first.select_option(index=1)
    page.locator(".cell").first.wait_for()
    camera.take("label-many")


def _wizard(camera: Camera, url: str) -> None:
    page = camera.page
    camera.take_at(f"{url}/projects/new", "new-project")
    lines = [f'"The room was {("clean", "noisy", "small")[i % 3]}, night {i}",' for i in range(40)]
    words = [("lovely", "good"), ("cold", "bad")]
    known = [f'"Breakfast {i}: {words[i % 2][0]}",{words[i % 2][1]}' for i in range(20)]
    content = "\n".join(["review,mood", *lines, *known]).encode()
    file = FilePayload(name="hotel reviews.csv", mimeType="text/csv", buffer=content)
    page.get_by_label("or choose them").set_input_files(file)
    page.get_by_role("button", name="Look at the files").click()
    page.get_by_label("mood").select_option("class")
    page.get_by_role("button", name="Show the items again").click()
    camera.take("new-project-settings", whole=True)


def prepare(stack: Stack) -> tuple[int, int]:
    """Make both projects, with a map and a search for label errors; return their ids."""
    with Client(stack.url, stack.create_admin_token()) as client:
        own = start_own_project(client, load_experiment("digits"))["id"]
        finished = label_digits(client, stack.url)
        client.draw_map(finished)
        client.find_label_errors(finished)
        wait_for(lambda: all(j["finished_at"] for j in client.jobs(finished)), JOB_SECONDS)
    return finished, own


def is_blank(path: Path) -> bool:
    """Return whether a picture shows next to nothing."""
    pixels = np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3)
    return len(np.unique(pixels, axis=0)) < FEWEST_COLOURS
