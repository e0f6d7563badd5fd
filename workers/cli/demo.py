"""`svp demo` and `svp simulate`: the oracle labels real images, in an own service or in yours."""

import os
import time
from pathlib import Path
from typing import Annotated

import typer

Seed = Annotated[int, typer.Option(help="Seed of all three arms.")]


def demo(
    out: Annotated[Path, typer.Option(help="Folder of the report.")] = Path("out/demo"),
    seed: Seed = 1,
) -> None:
    """Start a service of its own and let an oracle label 1,797 real images; compare selectors."""
    import tempfile  # noqa: PLC0415

    from rich.console import Console  # noqa: PLC0415

    from app.client import Client  # noqa: PLC0415
    from app.config import read_settings  # noqa: PLC0415
    from workers.simulation.digits import run_digits  # noqa: PLC0415
    from workers.stack import Stack  # noqa: PLC0415

    console = Console(width=None if os.isatty(1) else 120)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="svp-demo-") as folder:
        Path(folder).chmod(0o755)  # the embedded Postgres runs as a user of its own
        settings = read_settings().model_copy(
            update={
                "data_folder": Path(folder) / "data",
                "port": 0,
                "database_url": None,
                "broker_url": None,
                "artifact_url": None,
            }
        )
        with Stack(settings, say=lambda words: console.print(f"[dim]{words}[/dim]")) as stack:
            console.print(f"The service answers at {stack.url}; an oracle labels real images.")
            with Client(stack.url, str(stack.admin_token)) as client:
                run_digits(client, seed, out, console)
    console.print(f"{time.perf_counter() - began:.0f} s in all.")


def simulate(
    url: Annotated[str, typer.Option(help="Base URL of a running service.")],
    token: Annotated[
        str, typer.Option(envvar="SVP_ADMIN_TOKEN", help="An admin's token.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="Folder of the report.")] = Path("out/simulate"),
    seed: Seed = 1,
) -> None:
    """Run the oracle's experiment against a running service and write its report."""
    from rich.console import Console  # noqa: PLC0415

    from app.client import Client  # noqa: PLC0415
    from workers.simulation.digits import run_digits  # noqa: PLC0415

    with Client(url, token) as client:
        run_digits(client, seed, out, Console(width=None if os.isatty(1) else 120))
