"""`svp doctor`: whether this machine can run the service, and the data keep their promises."""

from typing import Annotated

import typer

from app.config import read_settings
from workers.cli.connect import database_url


def doctor(
    *,
    invariants: Annotated[
        bool, typer.Option("--invariants", help="Check the promises of the domain in the database.")
    ] = False,
) -> None:
    """Check database, storage, broker and device; exit with 1 if something is wrong."""
    from workers.service.doctor import check_invariants, check_machine  # noqa: PLC0415

    settings = read_settings()
    n_wrong = 0
    if invariants:
        findings = check_invariants(database_url(settings))
    else:
        findings = check_machine(settings, database_url(settings))
    for finding in findings:
        n_wrong += not finding.is_fine
        typer.echo(f"{'ok   ' if finding.is_fine else 'WRONG'}  {finding.name}: {finding.detail}")
    if n_wrong:
        raise ValueError(f"{n_wrong} of the checks above found something wrong.")
