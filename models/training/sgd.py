"""One step of SGD as a recipe asks for it: optimiser, precision, compilation.

Where this machine cannot do what the recipe asks for, the step does without it, and a note says so.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from models.networks.network import Network
from models.recipe import Precision, Recipe
from models.training.distributed import spread
from models.training.precision import autocast, usable_dtype


class SGDStep:
    """Forward pass and update of one network."""

    def __init__(self, network: Network, recipe: Recipe, device: str) -> None:
        self.notes: list[str] = []
        self.optimizer = make_optimizer(network, recipe)
        self._device = device
        self._dtype = usable_dtype(recipe.precision, device)
        if self._dtype is None and recipe.precision is not Precision.FLOAT32:
            self.notes.append(
                f"{recipe.precision} is slower than float32 on this CPU; "
                "the model trained in float32."
            )
        self._scaler = torch.amp.GradScaler("cuda", enabled=self._dtype is torch.float16)
        self._plain: Callable[..., Tensor] = spread(network, device)
        self._forward: Callable[..., Tensor] = self._plain
        if recipe.compile:
            # Compiled at the first call; on a GPU the compiled steps become CUDA graphs.
            mode = "reduce-overhead" if device.startswith("cuda") else "default"
            self._forward = torch.compile(self._plain, mode=mode)

    def logits(self, minibatch: tuple[Tensor, ...]) -> Tensor:
        """Return the network's logits as float32, [n, C]."""
        with autocast(self._dtype, self._device):
            if self._forward is self._plain:
                return self._plain(*minibatch).float()
            torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
            try:
                return self._forward(*minibatch).float()
            except Exception as error:  # noqa: BLE001 - a compiler may raise anything
                self.notes.append(f"The network could not be compiled: {_first_line(error)}")
                self._forward = self._plain
        return self.logits(minibatch)

    def update(self, loss: Tensor, rate: float) -> None:
        """Change the weights by the loss's gradient at this learning rate."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        if not self._scaler.is_enabled():
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            return
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self._scaler.step(self.optimizer)
        self._scaler.update()

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint holds."""
        return {"optimizer": self.optimizer.state_dict(), "scaler": self._scaler.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """Resume from a checkpoint's state."""
        self.optimizer.load_state_dict(state["optimizer"])
        if self._scaler.is_enabled():
            self._scaler.load_state_dict(state["scaler"])


def make_optimizer(network: Network, recipe: Recipe) -> torch.optim.SGD:
    """Return SGD over the network's weights; biases and norms undecayed if the recipe says so."""
    weights = list(network.parameters())
    decayed = [w for w in weights if recipe.decay_norms or w.ndim > 1]
    undecayed = [w for w in weights if not (recipe.decay_norms or w.ndim > 1)]
    groups: list[dict[str, Any]] = [{"params": decayed}]
    if undecayed:
        groups.append({"params": undecayed, "weight_decay": 0.0})
    is_sparse = any(getattr(module, "sparse", False) for module in network.modules())
    return torch.optim.SGD(
        groups,
        lr=max(recipe.learning_rates),
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
        nesterov=recipe.nesterov and recipe.momentum > 0,
        fused=None if is_sparse else True,
    )


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"[:200]
