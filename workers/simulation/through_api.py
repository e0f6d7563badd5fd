"""An experiment's arm through the real HTTP service: create, import, label, read the results."""

import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from app.client import Client
from models.data.arrays import Images
from models.predict import accuracy, predict
from models.recipe import recipe_from_json
from models.train import train
from workers.round_step import training_seed
from workers.simulation.oracle import Oracle
from workers.simulation.results import ArmResult, sum_seconds

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ImageSet:
    """A labeled data set, split into pool and evaluation; `classes` names the class indices."""

    pool: Images
    pool_labels: IntArray
    evaluation: Images
    evaluation_labels: IntArray
    classes: list[str]

    @property
    def true_labels(self) -> dict[str, str]:
        """External id -> class name of the pool: what the oracle knows."""
        return {pool_id(i): self.classes[c] for i, c in enumerate(self.pool_labels)}


def pool_id(index: int) -> str:
    """Return the external id of a pool image."""
    return f"pool-{index:06d}.png"


def import_images(client: Client, project: int, data: ImageSet) -> None:
    """Upload both splits as PNG; classes go along with the evaluation split only."""
    names = [f"evaluation-{i:06d}.png" for i in range(len(data.evaluation))]
    metadata = {
        name: {"split": "evaluation", "class": data.classes[c]}
        for name, c in zip(names, data.evaluation_labels, strict=True)
    }
    pool = [(pool_id(i), encode_png(p)) for i, p in enumerate(data.pool.pixels)]
    evaluation = [(n, encode_png(p)) for n, p in zip(names, data.evaluation.pixels, strict=True)]
    counts = client.upload_images(project, pool + evaluation, metadata)
    if counts["n_failed"]:
        raise ValueError(f"{counts['n_failed']} images were refused by the service.")


def encode_png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Return an image [H, W, 1|3] as lossless PNG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(buffer, "PNG")
    return buffer.getvalue()


def run_arm(
    client: Client,
    data: ImageSet,
    name: str,
    project_name: str,
    settings: dict[str, Any],
    on_change: Callable[[dict[str, Any]], None] = lambda _: None,
) -> tuple[ArmResult, int]:
    """Run one project from creation to its trained target; return its result and id.

    The result holds the point of the delivered target; `measure_targets` adds the earlier ones.
    """
    project = client.create_project(
        name=project_name, modality="image", classes=data.classes, **settings
    )
    project_id: int = project["id"]
    import_images(client, project_id, data)
    start = time.perf_counter()
    client.start(project_id)
    Oracle(client, data.true_labels).label_until_finished(project_id, on_change)
    wall = time.perf_counter() - start
    target = client.models(project_id)[-1]
    selector = project["proxy"]["model"] if project["strategy"] != "uniform" else "none"
    return (
        ArmResult(
            name=name,
            selector=selector,
            n_labels=[target["n_labeled"]],
            target_errors=[1 - target["metrics"]["accuracy"]],
            seconds=sum_seconds(client.rounds(project_id)),
            target_seconds=target["seconds"]["training"],
            wall_seconds=wall,
        ),
        project_id,
    )


def measure_targets(
    client: Client,
    project_id: int,
    data: ImageSet,
    result: ArmResult,
    known_errors: dict[bytes, float],
) -> None:
    """Add the target's error after each earlier round to `result`.

    The service trains the target once, at the end; here it is trained on each round's labels with
    the same code, recipe and seed. Not part of the data selection seconds. `known_errors` carries
    the errors of labeled sets that several arms share. An arm whose target selects for itself has
    trained it in every round already: its points are those of the service.
    """
    project = client.project(project_id)
    if project["proxy"] == project["target"] and project["strategy"] != "uniform":
        models = client.models(project_id)
        result.n_labels = [model["n_labeled"] for model in models]
        result.target_errors = [1 - model["metrics"]["accuracy"] for model in models]
        return
    recipe = recipe_from_json(project["target"]["recipe"])
    labels = list(client.export_labels(project_id))
    n_rounds = 1 + max(label["round"] for label in labels)
    for number in reversed(range(n_rounds - 1)):
        index = np.asarray([x["index"] for x in labels if x["round"] <= number], np.int64)
        key = index.tobytes()
        if key not in known_errors:
            trained = train(
                project["target"]["model"],
                recipe,
                data.pool.take(index),
                data.pool_labels[index],
                len(data.classes),
                training_seed(project["seed"], 0, "target"),
            )
            probs = predict(trained, data.evaluation).probs
            known_errors[key] = 1 - accuracy(probs, data.evaluation_labels)
        result.n_labels.insert(0, len(index))
        result.target_errors.insert(0, known_errors[key])
