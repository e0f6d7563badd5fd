"""`svp simulate`, `report`, `experiments` and `demo`: an oracle in the annotators' place."""

import os
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from app.client import Client

Seeds = Annotated[
    list[int] | None, typer.Option("--seed", help="Seed; repeat it for several. [experiment's]")
]


def simulate(
    experiment: Annotated[str, typer.Argument(help="Bundled name (svp experiments) or TOML file.")],
    *,
    seed: Seeds = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help="key=value, e.g. budgets.total_budget=900.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the lines. [out/EXPERIMENT]")] = None,
    through_api: Annotated[
        bool, typer.Option("--through-api", help="Run as annotators of a service.")
    ] = False,
    url: Annotated[
        str | None, typer.Option(help="Service to use; without it one is started below --out.")
    ] = None,
    token: Annotated[
        str | None, typer.Option(envvar="SVP_ADMIN_TOKEN", help="Admin token of --url.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:1; of this process.")] = "cpu",
) -> None:
    """Replay an experiment, in process or through the service; go on where it was cut off."""
    from workers.reports.report import write_report  # noqa: PLC0415
    from workers.simulation.load import load_experiment  # noqa: PLC0415
    from workers.simulation.run import Place, run_experiment  # noqa: PLC0415

    config = load_experiment(experiment, overrides or [])
    folder = out or Path("out") / config.name
    console = _console()
    with ExitStack() as stack:
        client = None
        if through_api or url:
            client = _connect(url, token, folder, console, stack)
        run_experiment(config, seed or config.seeds, Place(folder, device, client), console)
    console.print(f"Lines: {folder}/*.jsonl")
    if config.kind == "active_learning":
        report = write_report([folder], folder / "report")
        console.print(report.table())
        console.print(f"Report: {report.path}")


def report(
    runs: Annotated[list[Path], typer.Argument(help="Folders that svp simulate wrote.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the report. [RUN/report]")] = None,
) -> None:
    """Write a report of runs of one experiment: HTML, Markdown, PNG and CSV."""
    from workers.reports.report import write_report  # noqa: PLC0415

    written = write_report(runs, out or runs[0] / "report")
    console = _console()
    console.print(written.table())
    console.print(f"Report: {written.path}")


def experiments() -> None:
    """List the bundled experiments."""
    from rich.table import Table  # noqa: PLC0415

    from workers.simulation.load import bundled  # noqa: PLC0415
    from workers.simulation.plan import units_of  # noqa: PLC0415

    table = Table("name", "kind", "title", "data", "units", "seeds")
    for name, config in bundled().items():
        units = ", ".join(units_of(config))
        table.add_row(
            name, config.kind, config.title, config.data.name, units, str(len(config.seeds))
        )
    _console().print(table)


def demo(
    out: Annotated[Path, typer.Option(help="Folder of the report.")] = Path("out/demo"),
    seed: Annotated[int, typer.Option(help="Seed of all three arms.")] = 1,
) -> None:
    """Start a service of its own and let an oracle label 1,797 real images; compare selectors."""
    from workers.reports.demo import write_demo  # noqa: PLC0415
    from workers.simulation.kinds import ActiveLearningConfig  # noqa: PLC0415
    from workers.simulation.load import load_experiment  # noqa: PLC0415
    from workers.simulation.results import read_lines, summarize  # noqa: PLC0415
    from workers.simulation.run import Place, run_experiment  # noqa: PLC0415

    console = _console()
    began = time.perf_counter()
    config = load_experiment("digits")
    assert isinstance(config, ActiveLearningConfig)  # noqa: S101 - it is our own
    with tempfile.TemporaryDirectory(prefix="svp-demo-") as folder, ExitStack() as stack:
        Path(folder).chmod(0o755)  # the embedded Postgres runs as a user of its own
        client = _connect(None, None, Path(folder), console, stack)
        place = Place(Path(folder) / "run", client=client)
        run_experiment(config, [seed], place, console)
        lines = read_lines(place.out)
    results = [summarize(lines[arm, seed]) for arm in config.arms]
    write_demo(results, config, seed, time.perf_counter() - began, out, console)
    console.print(f"{time.perf_counter() - began:.0f} s in all.")


def _console() -> "Console":
    from rich.console import Console  # noqa: PLC0415

    return Console(width=None if os.isatty(1) else 120)


def _connect(
    url: str | None, token: str | None, folder: Path, console: "Console", stack: ExitStack
) -> "Client":
    """Return a client of the service at `url`, or of one of its own below `folder`.

    Raises:
        ValueError: a service is given without a token.
    """
    from app.client import Client  # noqa: PLC0415
    from app.config import read_settings  # noqa: PLC0415
    from workers.stack import Stack  # noqa: PLC0415

    if url is not None:
        if not token:
            raise ValueError("--url needs an admin's token: --token, or SVP_ADMIN_TOKEN.")
        return stack.enter_context(Client(url, token))
    changes = {
        "data_folder": (folder / "service").resolve(),
        "port": 0,
        "database_url": None,
        "broker_url": None,
        "artifact_url": None,
    }
    settings = read_settings().model_copy(update=changes)
    service = stack.enter_context(
        Stack(settings, say=lambda words: console.print(f"[dim]{words}[/dim]"))
    )
    console.print(f"The service answers at {service.url}; an oracle labels in it.")
    return stack.enter_context(Client(service.url, service.create_admin_token()))
