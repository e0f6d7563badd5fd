"""`svp webhook`: tells addresses outside of a project's events."""

from typing import Annotated

import typer

from workers.cli.connect import sessions

commands = typer.Typer(
    help="Create, list, test, change and delete webhooks, and replay their messages.",
    no_args_is_help=True,
)
ProjectId = Annotated[int, typer.Argument(help="Project id.")]
WebhookId = Annotated[int, typer.Argument(help="Webhook id.")]


@commands.command("create")
def create(
    project: ProjectId,
    url: Annotated[str, typer.Argument(help="The address that is told, by POST.")],
    event: Annotated[
        list[str] | None,
        typer.Option(help="`*`, `round.*`, `item.flagged`, `job.state_changed:failed`; repeat it."),
    ] = None,
    description: Annotated[str, typer.Option(help="For the project's leads.")] = "",
) -> None:
    """Create a webhook and print the secret that signs its messages; it is shown only now."""
    from app.config import read_settings  # noqa: PLC0415
    from app.db.session import transaction  # noqa: PLC0415
    from app.services.webhooks import WebhookIn, create_webhook  # noqa: PLC0415

    wanted = WebhookIn(url, event or ["*"], description)
    with sessions() as factory, transaction(factory) as session:
        secret, webhook = create_webhook(session, project, wanted, read_settings())
        typer.echo(f"Webhook {webhook.id} is created; its secret is shown only now:", err=True)
    typer.echo(secret)


@commands.command("list")
def list_webhooks(project: ProjectId) -> None:
    """List webhooks: id, state, messages that wait and that are dead, events, address."""
    from app.db.session import transaction  # noqa: PLC0415
    from app.presenters.webhooks import present_webhooks  # noqa: PLC0415

    with sessions() as factory, transaction(factory) as session:
        for found in present_webhooks(session, project, shows_address=True):
            state = "failing" if found.n_failures else "enabled"
            state = state if found.is_enabled else "disabled"
            counts = f"{found.n_pending} waiting\t{found.n_dead} dead"
            typer.echo(f"{found.id}\t{state}\t{counts}\t{','.join(found.events)}\t{found.url}")


@commands.command("show")
def show(project: ProjectId, webhook: WebhookId) -> None:
    """Show one webhook, as the API answers it."""
    from app.db.session import transaction  # noqa: PLC0415
    from app.presenters.webhooks import present_webhook  # noqa: PLC0415
    from app.services.webhooks import find_webhook  # noqa: PLC0415

    with sessions() as factory, transaction(factory) as session:
        found = find_webhook(session, project, webhook)
        shown = present_webhook(session, found, shows_address=True)
    typer.echo(shown.model_dump_json(indent=2))


@commands.command("enable")
def enable(project: ProjectId, webhook: WebhookId) -> None:
    """Enable a webhook: what happens from now on is sent."""
    _switch(project, webhook, is_enabled=True)


@commands.command("disable")
def disable(project: ProjectId, webhook: WebhookId) -> None:
    """Disable a webhook: what waits is given up, and can be replayed."""
    _switch(project, webhook, is_enabled=False)


@commands.command("secret")
def secret(
    project: ProjectId,
    webhook: WebhookId,
    *,
    ends_old: Annotated[
        bool, typer.Option("--end-old", help="Others know the old one: it signs no more.")
    ] = False,
) -> None:
    """Print a new secret, shown only now; for 24 hours messages are signed by both."""
    from app.db.session import transaction  # noqa: PLC0415
    from app.services.webhooks import change_secret  # noqa: PLC0415

    with sessions() as factory, transaction(factory) as session:
        new, _ = change_secret(session, project, webhook, ends_old=ends_old)
    typer.echo(new)


@commands.command("delete")
def delete(project: ProjectId, webhook: WebhookId) -> None:
    """Delete a webhook with its messages."""
    from app.db.session import transaction  # noqa: PLC0415
    from app.services.webhooks import delete_webhook  # noqa: PLC0415

    with sessions() as factory, transaction(factory) as session:
        delete_webhook(session, project, webhook)
    typer.echo(f"Webhook {webhook} is deleted.")


@commands.command("test")
def test(project: ProjectId, webhook: WebhookId) -> None:
    """Let a worker send a message of the type `webhook.test`, and try what waits now."""
    from app.db.session import transaction  # noqa: PLC0415
    from app.services.webhooks import send_test  # noqa: PLC0415

    with sessions() as factory, transaction(factory) as session:
        delivery = send_test(session, project, webhook)
        typer.echo(f"Message {delivery.id} waits for a worker; see: svp webhook deliveries.")


@commands.command("deliveries")
def deliveries(
    project: ProjectId,
    webhook: WebhookId,
    state: Annotated[str | None, typer.Option(help="pending, delivered or dead.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="The most.")] = 50,
) -> None:
    """List messages, newest first: id, state, tries, event, last fault."""
    from app.db.queries.deliveries import list_page  # noqa: PLC0415
    from app.db.session import transaction  # noqa: PLC0415
    from app.db.tables import DeliveryState  # noqa: PLC0415
    from app.presenters.webhooks import present_delivery  # noqa: PLC0415
    from app.services.webhooks import find_webhook  # noqa: PLC0415

    wanted = DeliveryState(state) if state else None
    with sessions() as factory, transaction(factory) as session:
        find_webhook(session, project, webhook)
        for row in list_page(session, webhook, None, limit, wanted):
            found = present_delivery(*row)
            fault = found.last_error or ""
            typer.echo(f"{found.id}\t{found.state}\t{found.n_attempts}\t{found.type}\t{fault}")


@commands.command("replay")
def replay(
    project: ProjectId,
    webhook: WebhookId,
    delivery: Annotated[
        int | None, typer.Argument(help="One message; by default all dead ones.")
    ] = None,
) -> None:
    """Send dead messages again, or one of any state, under the same ids."""
    from app.db.session import transaction  # noqa: PLC0415
    from app.services.webhooks import replay_dead, replay_delivery  # noqa: PLC0415

    with sessions() as factory, transaction(factory) as session:
        if delivery is None:
            n = replay_dead(session, project, webhook)
        else:
            replay_delivery(session, project, webhook, delivery)
            n = 1
    typer.echo(f"{n} messages wait for a worker.")


def _switch(project: int, webhook: int, *, is_enabled: bool) -> None:
    from app.config import read_settings  # noqa: PLC0415
    from app.db.session import transaction  # noqa: PLC0415
    from app.services.webhooks import change_webhook  # noqa: PLC0415

    changes = {"is_enabled": is_enabled}
    with sessions() as factory, transaction(factory) as session:
        change_webhook(session, project, webhook, changes, read_settings())
    typer.echo(f"Webhook {webhook} is {'enabled' if is_enabled else 'disabled'}.")
