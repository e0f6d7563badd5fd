"""`svp models`: which models a project or an experiment may name."""

import json
from typing import Annotated, Any

import typer

N_CLASSES = 10


def models(
    *, as_json: Annotated[bool, typer.Option("--json", help="One JSON array instead.")] = False
) -> None:
    """List the models: what they take, their size, their recipes and where they come from."""
    from models.catalog import known_models  # noqa: PLC0415

    rows = [describe(name) for name in known_models()]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    from rich import box  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0)
    for column in ("name", "takes"):
        table.add_column(column, no_wrap=True)
    for column in ("weights", "width", "epochs"):
        table.add_column(column, no_wrap=True, justify="right")
    table.add_column("recipe", no_wrap=True)
    table.add_column("source")
    for row in rows:
        weights = "" if row["parameters"] is None else f"{row['parameters'] / 1e6:.2f} M"
        features = "" if row["features"] is None else str(row["features"])
        epochs, (recipe, *_) = str(row["epochs"]), row["recipes"]
        table.add_row(row["name"], row["takes"], weights, features, epochs, recipe, row["source"])
    Console().print(table)
    typer.echo(f"Weights with {N_CLASSES} classes, width of the features, the default recipe.")
    typer.echo("All of it: svp models --json")


def describe(name: str) -> dict[str, Any]:
    """Return what the list says of one model; a network is built without memory for its weights.

    The size of a network on vectors depends on their length: it is None.
    """
    import torch  # noqa: PLC0415

    from models.catalog import Encoding, find_model  # noqa: PLC0415
    from models.networks.build import build  # noqa: PLC0415

    info, parameters, features = find_model(name), None, None
    if info.encoding is not Encoding.VECTORS:
        with torch.device("meta"):
            network = build(name, N_CLASSES)
        parameters, features = sum(p.numel() for p in network.parameters()), network.n_features
    return {
        "name": name,
        "title": info.title,
        "takes": info.encoding,
        "modality": info.modality,
        "parameters": parameters,
        "features": features,
        "recipes": list(info.recipes),
        "default_recipe_hash": info.recipe.hash,
        "epochs": info.recipe.epochs,
        "smallest_side": info.smallest_side,
        "source": info.source,
    }
