"""`svp export`: writes a project's labels to a file."""

from pathlib import Path
from typing import Annotated, Any

import typer

from workers.cli.imports import DEFAULT_URL, connected, find_project

FORMATS = "jsonl, csv, parquet, label-studio, fasttext, images or hugging-face"


def export_labels(  # noqa: PLR0913, PLR0917 - the options of a command
    project: Annotated[str, typer.Argument(help="Name or id of the project.")],
    out: Annotated[Path, typer.Argument(help="File to write; it may not be there yet.")],
    file_format: Annotated[str, typer.Option("--format", help=f"{FORMATS}.")] = "csv",
    split: Annotated[str, typer.Option(help="pool, evaluation or all.")] = "pool",
    class_: Annotated[str | None, typer.Option("--class", help="Only this class.")] = None,
    round_: Annotated[int | None, typer.Option("--round", help="Labeled in this round.")] = None,
    annotator: Annotated[str | None, typer.Option(help="Labeled by this annotator, too.")] = None,
    flagged: Annotated[
        bool | None, typer.Option("--flagged/--not-flagged", help="With an open flag, or without.")
    ] = None,
    max_agreement: Annotated[
        float | None, typer.Option(min=0, max=1, help="Annotators agree at most so far.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Resolved then or later, as 2026-11-30T12:00Z.")
    ] = None,
    *,
    annotators: Annotated[
        bool, typer.Option("--annotators", help="A column an annotator, in tables.")
    ] = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="CSV without guards before formulas.")
    ] = False,
    url: Annotated[str, typer.Option(envvar="SVP_URL", help="The service.")] = DEFAULT_URL,
    token: Annotated[
        str | None, typer.Option(envvar=["SVP_ADMIN_TOKEN", "SVP_TOKEN"], help="Admin token.")
    ] = None,
) -> None:  # fmt: skip
    """Write a project's labels to a file; large ones are written by the service's worker first."""
    if out.exists():
        raise ValueError(f"{out} exists; name a new file.")
    given = {
        "class_": class_, "round_": round_, "annotator": annotator, "flagged": flagged,
        "max_agreement": max_agreement, "since": since, "split": split,
    }  # fmt: skip
    filters: Any = {name: value for name, value in given.items() if value is not None}
    part = out.with_name(f"{out.name}.part")
    with connected(url, token) as client:
        found = find_project(client, project)
        if found is None:
            raise ValueError(f"There is no project {project!r}.")
        blocks = client.stream_labels(
            found["id"], file_format, annotators=annotators, raw=raw, **filters
        )
        with part.open("wb") as file:
            try:
                file.writelines(blocks)
            except BaseException:
                part.unlink()
                raise
    part.rename(out)
    typer.echo(f"{out}: {out.stat().st_size:,} bytes of {file_format}.")
