"""`svp predict`: classes of files by a stored model, without a service."""

import csv
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from app.imports.found import Found

HEADER = ("external_id", "class", "confidence")


def predict(  # noqa: PLR0913 - the options of a command
    model: Annotated[Path, typer.Argument(help="The model's file (.safetensors).")],
    paths: Annotated[list[Path], typer.Argument(help="Files, folders or archives of items.")],
    *,
    out: Annotated[Path, typer.Option(help="The predictions (.csv).")],
    format_: Annotated[str | None, typer.Option("--format", help="As of svp import.")] = None,
    probs: Annotated[bool, typer.Option("--probs", help="A column for each class.")] = False,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
) -> None:
    """Predict the class of every text or image of the files that `svp import` reads."""
    from app.exports.cells import cell  # noqa: PLC0415
    from models.predictor import load  # noqa: PLC0415

    predictor = load(model, device)
    n_done = n_refused = 0
    with out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*HEADER, *(cell(f"p:{name}") for name in predictor.names if probs)])
        found = _items(paths, format_)
        while part := list(islice(found, predictor.items_at_once)):
            inputs, faults = predictor.read([content for _, content in part])  # type: ignore[arg-type]
            for position, why in faults.items():
                typer.echo(f"svp: {part[position][0]}: {why}", err=True)
            names = [name for position, (name, _) in enumerate(part) if position not in faults]
            predicted = predictor.of_inputs(inputs)
            for name, class_, row in zip(
                names, predicted.classes, predicted.probs.tolist(), strict=True
            ):
                values = [cell(name), cell(class_), repr(max(row))]
                writer.writerow([*values, *(map(repr, row) if probs else ())])
            n_done, n_refused = n_done + len(names), n_refused + len(faults)
    typer.echo(f"{n_done:,} predictions in {out}; {n_refused:,} items cannot be read.")


Item = tuple[str, "str | bytes | None"]


def _items(paths: list[Path], format_: str | None) -> Iterator[Item]:
    """Yield (external id, text or image) of all files, in their order; None: it cannot be read."""
    from app.imports.formats import open_source  # noqa: PLC0415

    for path in paths:
        with open_source(path, format_, sees_neighbours=True) as source:
            for found in source.read():
                yield _content(found)


def _content(found: "Found") -> Item:
    from app.imports.found import Refused  # noqa: PLC0415

    if isinstance(found, Refused):
        return found.external_id or f"line {found.line}: {found.detail}", None
    if found.image is None:
        return found.external_id, found.text
    try:
        return found.external_id, found.image()
    except (OSError, ValueError):
        return found.external_id, None


def export_onnx(
    model: Annotated[Path, typer.Argument(help="The model's file (.safetensors).")],
    *,
    out: Annotated[Path, typer.Option(help="The ONNX file.")],
) -> None:
    """Write a model of images or vectors as ONNX; say how far its probabilities differ."""
    from models.onnx_file import N_COMPARED, write_onnx  # noqa: PLC0415
    from models.training.trained import load_model  # noqa: PLC0415

    difference = write_onnx(load_model(model), out)
    typer.echo(
        f"{out}: on {N_COMPARED} random inputs onnxruntime's probabilities differ by at most "
        f"{difference:.1e}."
    )
