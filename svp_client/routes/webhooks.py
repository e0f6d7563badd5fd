"""Webhooks: addresses outside that are told of a project's events."""

from collections.abc import Sequence

from svp_client import paths
from svp_client.calls import Call, Pages, as_json, get, nothing, send, under
from svp_client.methods import entries, result
from svp_client.types import Delivery, Webhook, WebhookCreated


class Webhooks:
    """Methods of webhooks."""

    @result
    def create_webhook(
        self, project: int, url: str, events: Sequence[str] = ("*",), *, description: str = ""
    ) -> Call[WebhookCreated]:
        """Let an address be told of events; return the webhook with its secret, shown only now.

        Args:
            project: whose events.
            url: that is told, by POST.
            events: kinds: `*`, `round.*`, `item.flagged`, `round.state_changed:completed`.
            description: for the project's leads.
        """
        body = {"url": url, "events": list(events), "description": description}
        return send("POST", paths.webhooks(project), as_json, body)

    @result
    def webhooks(self, project: int) -> Call[list[Webhook]]:
        """Return the project's webhooks without their secrets, oldest first."""
        return get(paths.webhooks(project), as_json)

    @result
    def webhook(self, project: int, webhook: int) -> Call[Webhook]:
        """Return one webhook."""
        return get(paths.webhooks(project, f"/{webhook}"), as_json)

    @result
    def change_webhook(  # noqa: PLR0913 - by name: what is changed
        self,
        project: int,
        webhook: int,
        *,
        url: str | None = None,
        events: Sequence[str] | None = None,
        description: str | None = None,
        is_enabled: bool | None = None,
    ) -> Call[Webhook]:
        """Change what is given; return the webhook."""
        given = {
            "url": url,
            "events": events and list(events),
            "description": description,
            "is_enabled": is_enabled,
        }
        changes = {name: value for name, value in given.items() if value is not None}
        path = paths.webhooks(project, f"/{webhook}")
        return send("PATCH", path, as_json, changes, is_idempotent=True)

    @result
    def change_webhook_secret(
        self, project: int, webhook: int, *, ends_old: bool = False
    ) -> Call[WebhookCreated]:
        """Sign by a new secret; return the webhook with it, shown only now.

        For 24 hours messages are signed by the old one, too, unless `ends_old`.
        """
        path = paths.webhooks(project, f"/{webhook}/secret")
        return send("POST", path, as_json, {"ends_old": ends_old})

    @result
    def delete_webhook(self, project: int, webhook: int) -> Call[None]:
        """Remove a webhook with its messages, those that wait too."""
        return send("DELETE", paths.webhooks(project, f"/{webhook}"), nothing)

    @result
    def test_webhook(self, project: int, webhook: int) -> Call[Delivery]:
        """Send a message of the type `webhook.test`, and try what waits now."""
        return send("POST", paths.webhooks(project, f"/{webhook}/test"), as_json)

    @entries
    def webhook_deliveries(
        self, project: int, webhook: int, *, state: str | None = None
    ) -> Pages[Delivery]:
        """Yield the messages to a webhook, newest first; `state` is pending, delivered or dead."""
        path = paths.webhooks(project, f"/{webhook}/deliveries")
        return Pages(get(path, as_json, state=state), "deliveries")

    @result
    def replay_delivery(self, project: int, webhook: int, delivery: int) -> Call[Delivery]:
        """Send one message again under its id, dead or delivered."""
        path = paths.webhooks(project, f"/{webhook}/deliveries/{delivery}/replay")
        return send("POST", path, as_json)

    @result
    def replay_dead_deliveries(self, project: int, webhook: int) -> Call[int]:
        """Send every dead message of a webhook again; return how many."""
        path = paths.webhooks(project, f"/{webhook}/deliveries/replay")
        return send("POST", path, under("n"), is_idempotent=True)
