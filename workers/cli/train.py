"""`svp train`: a model on arrays on disk."""

import json
from pathlib import Path
from typing import Annotated

import typer


def train(  # noqa: PLR0913 - the options of a command
    *,
    model: Annotated[str, typer.Option(help="Name of a model: svp models.")],
    inputs: Annotated[Path, typer.Option(help="uint8 [n, H, W, C] or float32 [n, d] (.npy).")],
    labels: Annotated[Path, typer.Option(help="Class indices, [n] (.npy).")],
    out: Annotated[Path, typer.Option(help="The trained model (.safetensors).")],
    recipe: Annotated[str, typer.Option(help="Overrides as JSON.")] = "{}",
    seed: Annotated[int, typer.Option(help="Of the training.")] = 0,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
) -> None:
    """Train a model on arrays; under torchrun the processes share each minibatch."""
    from models.catalog import resolve_choice  # noqa: PLC0415
    from workers.arrays.training import train_on_arrays  # noqa: PLC0415

    try:
        overrides = json.loads(recipe)
    except json.JSONDecodeError as error:
        raise ValueError(f"--recipe is no JSON ({error}); e.g. '{{\"epochs\": 12}}'.") from None
    if not isinstance(overrides, dict):
        raise ValueError(  # noqa: TRY004 - of the text, which svp says in one sentence
            f"--recipe must be a JSON object, not {recipe}."
        )
    setup = resolve_choice(model, overrides)
    typer.echo(train_on_arrays(setup, inputs, labels, out, seed=seed, device=device))
