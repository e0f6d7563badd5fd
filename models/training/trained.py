"""A trained model: the network, how it was trained, and its file."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from models.catalog import ModelError, ModelSetup
from models.data.arrays import InputSpec
from models.networks.build import build
from models.networks.network import Network
from models.networks.pretrained import PretrainedError
from models.recipe import Recipe, recipe_from_json
from models.seconds import Spent
from models.training.checkpoints import replaced
from models.training.forgetting import ForgettingCounts


@dataclass
class TrainedModel:
    """A trained network and how it was trained."""

    network: Network
    setup: ModelSetup
    spec: InputSpec
    n_classes: int
    seed: int
    spent: Spent  # on the training, that before a resumption included
    final_loss: float
    classes: list[str] | None = None  # names of the class indices, where the caller has them
    forgetting: ForgettingCounts | None = None  # of the trained items, where it was counted
    pretrained_hash: str | None = None  # SHA-256 of the file that recipe.weights named
    notes: tuple[str, ...] = ()  # what the recipe lacks, or this machine could not do of it
    measured: tuple[float, ...] = ()  # what `on_epoch` of models.training.train returned, by epoch

    @property
    def model(self) -> str:
        """Its name in models.catalog."""
        return self.setup.model

    @property
    def recipe(self) -> Recipe:
        """The recipe that it was trained by."""
        return self.setup.recipe

    @property
    def recipe_name(self) -> str | None:
        """Name of the recipe that was chosen for its labels; None where it was fixed."""
        return self.setup.recipe_name

    def with_recipe(self, recipe: Recipe) -> "TrainedModel":
        """Return the same network with another recipe: to score by it, or to store it."""
        return replace(self, setup=replace(self.setup, recipe=recipe))

    def save(self, path: Path) -> None:
        """Write the weights and all that rebuilds the network to one file, whole or not at all."""
        about: dict[str, Any] = {
            "model": self.model,
            "recipe": self.recipe.to_json(),
            "recipe_name": self.recipe_name,
            "spec": [self.spec.height, self.spec.width, self.spec.channels],
            "n_classes": self.n_classes,
            "classes": self.classes,
            "seed": self.seed,
            "final_loss": self.final_loss,
            "pretrained_hash": self.pretrained_hash,
            "notes": list(self.notes),
        }
        tensors = {k: v.contiguous().cpu() for k, v in self.network.state_dict().items()}
        with replaced(path) as beside:
            save_file(tensors, beside, metadata={"svp": json.dumps(about)})


def load_model(path: Path) -> TrainedModel:
    """Return the model that `TrainedModel.save` wrote; reads weights only, never code.

    Raises:
        PretrainedError: the file is missing, damaged, or was not written by `TrainedModel.save`.
        ModelError: its model is not installed here.
    """
    about, tensors = _read(path)
    try:
        return _rebuild(about, tensors)
    except ModelError:
        raise
    except (LookupError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).split("\n", 1)[0]
        raise PretrainedError(
            f"{path} does not hold the model that it describes: {type(error).__name__}: {reason}"
        ) from error


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {}).get("svp", "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise PretrainedError(f"There is no file of weights {path}.") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise PretrainedError(f"{path} is damaged or not a safetensors file: {error}") from None
    if not isinstance(about, dict):
        raise PretrainedError(
            f"{path} holds weights, but not what they are of (the metadata `svp`); name it as "
            "`weights` in a recipe instead."
        )
    return about, tensors


def _rebuild(about: dict[str, Any], tensors: dict[str, Tensor]) -> TrainedModel:
    recipe, spec = recipe_from_json(about["recipe"]), InputSpec(*about["spec"])
    network = build(about["model"], about["n_classes"], recipe, spec)
    network.load_state_dict(tensors)
    return TrainedModel(
        network=network.eval(),
        setup=ModelSetup(about["model"], recipe, recipe_name=about.get("recipe_name")),
        spec=spec,
        n_classes=about["n_classes"],
        seed=about["seed"],
        spent=Spent(),
        final_loss=about["final_loss"],
        classes=about["classes"],
        pretrained_hash=about["pretrained_hash"],
        notes=tuple(about["notes"]),
    )
