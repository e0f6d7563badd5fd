"""`svp simulate`, `report`, `experiments` and `demo`: an oracle labels instead of people."""

import json
import os
import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from svp_client import Client
    from workers.service.stack import Stack
    from workers.simulation.run import Place
    from workers.simulation.sweep import Run, Slot

ASKED_HOURS = 1.0  # a run that will take longer is asked about on a terminal
Seeds = Annotated[
    list[int] | None,
    typer.Option("--seed", help="Seed; repeat the option for several. [from the file]"),
]
Devices = Annotated[
    str, typer.Option("--device", "--devices", help="cpu, cuda:0 or several, separated by commas.")
]


def simulate(  # noqa: PLR0913 - the options of a command
    experiments: Annotated[
        list[str], typer.Argument(help="Bundled names (svp experiments) or TOML files.")
    ],
    *,
    seed: Seeds = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Number of seeds, counted from 1.")
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help="key=value, e.g. budgets.total_budget=900.")
    ] = None,
    grid: Annotated[
        list[str] | None,
        typer.Option(help="key=value,value: run each value, e.g. strategy=entropy,margin."),
    ] = None,
    jobs: Annotated[
        int, typer.Option(min=1, help="Processes to run side by side; one or more per device.")
    ] = 1,
    threads: Annotated[
        int,
        typer.Option(
            min=0, help="Threads of each process; results differ in last bits by it. [by the work]"
        ),
    ] = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for results; of several runs, their parent. [out/EXPERIMENT]"),
    ] = None,
    through_api: Annotated[
        bool, typer.Option("--through-api", help="Run through the HTTP service, as its annotators.")
    ] = False,
    url: Annotated[
        str | None, typer.Option(help="Service to use; by default one is started below --out.")
    ] = None,
    token: Annotated[
        str | None, typer.Option(envvar="SVP_ADMIN_TOKEN", help="Admin token of --url.")
    ] = None,
    devices: Devices = "cpu",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before a run of hours.")] = False,
) -> None:
    """Run experiments, in process or through the service; resume interrupted ones.

    Several seeds, experiments, or a grid of settings run side by side with --jobs or --devices:
    each unit (an arm, a selector, a model) and seed then has its own process.
    """
    console = _console()
    console.print(f"Reading {', '.join(experiments)}.")  # the next imports take seconds
    from workers.simulation.run import Place  # noqa: PLC0415
    from workers.simulation.service_limits import refuse_beyond_service  # noqa: PLC0415
    from workers.simulation.sweep import planned_runs, slots_of  # noqa: PLC0415

    if seed and seeds:
        raise ValueError("Give either --seed or --seeds.")
    wanted = seed or (list(range(1, seeds + 1)) if seeds else None)
    runs = planned_runs(experiments, overrides or [], grid or [], out)
    slots = slots_of(devices.split(","), jobs, threads)
    if len(slots) > 1 and (through_api or url):
        raise ValueError("A service distributes its own work: leave --jobs and --devices out.")
    if through_api or url:
        for run in runs:  # before a service is started, and before the first of them has run
            refuse_beyond_service(run.experiment)
    if len(slots) > 1:
        failed = _run_side_by_side(runs, wanted, slots, console)
    else:
        with ExitStack() as stack:
            client = None
            if through_api or url:
                client = _connect(url, token, out or runs[0].out, console, stack)
            place = Place(runs[0].out, slots[0].device, client, slots[0].threads)
            failed = _run_in_turn(runs, wanted, place, console, asks=not yes)
    _report(runs, console)
    if failed:
        raise ValueError(f"{failed} of the runs failed; run the same command again to resume them.")


def _run_side_by_side(
    runs: "list[Run]", seeds: list[int] | None, slots: "list[Slot]", console: "Console"
) -> int:
    """Run all units in processes; return how many failed."""
    from workers.simulation.data import find_data  # noqa: PLC0415
    from workers.simulation.run import claim_folder  # noqa: PLC0415
    from workers.simulation.sweep import planned_tasks, run_tasks  # noqa: PLC0415

    for run in runs:
        claim_folder(run.experiment, run.out)
        find_data(run.experiment.data)  # downloaded once, not by each process
    tasks = planned_tasks(runs, lambda experiment: seeds or experiment.seeds)
    return len(run_tasks(tasks, slots, console.print))


def _run_in_turn(
    runs: "list[Run]",
    seeds: list[int] | None,
    place: "Place",
    console: "Console",
    *,
    asks: bool,
) -> int:
    """Run the experiments in this process; return how many failed, of several."""
    from workers.simulation.run import run_experiment  # noqa: PLC0415

    def may_take(hours: float) -> bool:
        if not asks or not console.is_terminal or hours < ASKED_HOURS:
            return True
        return typer.confirm("Start it? (--yes does not ask)")

    failed = 0
    for run in runs:
        here = replace(place, out=run.out)
        try:
            run_experiment(
                run.experiment, seeds or run.experiment.seeds, here, console, may_take=may_take
            )
        except Exception as error:
            if len(runs) == 1:
                raise
            failed += 1
            console.print(f"{run.out.name}: failed: {error}")
    return failed


def _report(runs: "list[Run]", console: "Console") -> None:
    from workers.reports.report import write_report  # noqa: PLC0415

    for run in runs:
        console.print(f"Lines: {run.out}/*.jsonl")
        if any(run.out.glob("*.jsonl")):
            written = write_report([run.out], run.out / "report")
            console.print(written.table())
            console.print(f"Report: {written.path}")


def report(
    runs: Annotated[
        list[Path], typer.Argument(help="Folders that svp simulate wrote, or packed runs.")
    ],
    out: Annotated[Path | None, typer.Option(help="Folder of the report. [RUN/report]")] = None,
    baseline: Annotated[
        str | None,
        typer.Option(help="Arm to compare the others with. [the target's; else the file's]"),
    ] = None,
) -> None:
    """Write a report of runs of one experiment: HTML, Markdown, PNG, CSV and LaTeX."""
    from workers.reports.report import write_report  # noqa: PLC0415

    written = write_report(runs, out or runs[0] / "report", baseline)
    console = _console()
    console.print(written.table())
    console.print(f"Report: {written.path}")


def experiments(
    name: Annotated[
        str | None, typer.Argument(help="Print this experiment's file, to copy and change.")
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, as the files say it.")] = False,
) -> None:
    """List the bundled experiments by kind, a line each, or print one's file."""
    from workers.simulation.bundled import (  # noqa: PLC0415
        bundled_names,
        bundled_text,
        bundled_values,
    )
    from workers.simulation.cost import in_words, machine_factor  # noqa: PLC0415

    if name is not None:
        typer.echo(bundled_text(name), nl=False)
        return
    found = [bundled_values(each) for each in bundled_names()]
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    console = _console()
    factor = machine_factor()
    for kind in sorted({each["kind"] for each in found}):
        of_kind = [each for each in found if each["kind"] == kind]
        console.print(f"[bold]{kind}[/bold]: {len(of_kind)} experiments")
        for each in of_kind:
            cost = in_words(factor * each["cpu_hours"])
            line = f"  {each['name']:<33}{len(each['seeds']):>2} seeds {cost:>9}  {each['title']}"
            console.print(line, no_wrap=True, overflow="ellipsis", highlight=False, markup=False)
    console.print("Times: all seeds on the CPU of this machine, roughly; a GPU takes far less.")


def demo(
    out: Annotated[Path, typer.Option(help="Folder of the report.")] = Path("out/demo"),
    seeds: Annotated[int, typer.Option(help="Number of repeats.", min=1)] = 3,
    keep: Annotated[
        bool | None,
        typer.Option(
            "--keep/--no-keep",
            help="Let the service run on, with a project to label yourself. [on a terminal]",
        ),
    ] = None,
) -> None:
    """Start a service, let an oracle label real images in it, and compare selectors."""
    from svp_client import Client  # noqa: PLC0415
    from workers.reports.active_learning.demo import write_demo  # noqa: PLC0415
    from workers.simulation.load import load_experiment  # noqa: PLC0415
    from workers.simulation.own_labeling import start_own_project  # noqa: PLC0415
    from workers.simulation.run import Place, run_experiment  # noqa: PLC0415

    console = _console()
    began = time.perf_counter()
    config = load_experiment("digits")
    keeps = os.isatty(1) if keep is None else keep
    with tempfile.TemporaryDirectory(prefix="svp-demo-") as folder, ExitStack() as stack:
        service = _start_service(Path(folder), console, stack)
        client = stack.enter_context(Client(service.url, service.create_admin_token()))
        place = Place(Path(folder) / "run", client=client)
        run_experiment(config, range(1, seeds + 1), place, console)
        write_demo(place.out, time.perf_counter() - began, out, console)
        console.print(f"{time.perf_counter() - began:.0f} s in all.")
        if not keeps:
            console.print("`svp demo --keep` lets the service run on, to label in a browser.")
            return
        project = start_own_project(client, config)
        console.print(
            f"\nLabel yourself, by keyboard: this link works once, for a quarter of an hour.\n\n"
            f"    {service.create_sign_in_link()}\n\n"
            f"The project is called {project['name']!r}; the oracle's stand beside it. Ctrl-C "
            "stops the service and deletes them all.",
            soft_wrap=True,
        )
        try:
            service.wait()
        except KeyboardInterrupt:
            console.print("The demo is over.")


def _console() -> "Console":
    from rich.console import Console  # noqa: PLC0415

    return Console(width=None if os.isatty(1) or "COLUMNS" in os.environ else 120)


def _connect(
    url: str | None, token: str | None, folder: Path, console: "Console", stack: ExitStack
) -> "Client":
    """Return a client of the service at `url`, or of a new one below `folder`.

    Raises:
        ValueError: a service is given without a token.
    """
    from svp_client import Client  # noqa: PLC0415

    if url is not None:
        if not token:
            raise ValueError("--url needs an admin's token: --token, or SVP_ADMIN_TOKEN.")
        return stack.enter_context(Client(url, token))
    service = _start_service(folder, console, stack)
    return stack.enter_context(Client(service.url, service.create_admin_token()))


def _start_service(folder: Path, console: "Console", stack: ExitStack) -> "Stack":
    """Return a new service whose data lie below `folder`."""
    from app.config import read_settings  # noqa: PLC0415
    from workers.service.stack import Stack  # noqa: PLC0415

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
    return service
