"""A project's connection to Label Studio: made, read, hurried and ended."""

from svp_client import paths
from svp_client.calls import Call, as_json, get, nothing, send
from svp_client.methods import result
from svp_client.types import LabelStudioConnected, LabelStudioConnection


class LabelStudio:
    """Methods of the connection to Label Studio."""

    @result
    def connect_label_studio(  # noqa: PLR0913 - by name: what is connected
        self,
        project: int,
        url: str,
        token: str,
        *,
        project_there: int | None = None,
        public_url: str | None = None,
        browser_url: str | None = None,
        round_end: str = "delete",
    ) -> Call[LabelStudioConnected]:
        """Connect a project with one of Label Studio, or change its connection.

        Args:
            project: that is labeled there.
            url: base URL of Label Studio, as the service reaches it.
            token: of one of its users: a personal access token or a legacy one.
            project_there: its project; without one a new one is created.
            public_url: base URL of the service, as browsers and Label Studio reach it: for images
                and webhooks.
            browser_url: base URL of Label Studio, as browsers reach it.
            round_end: `delete` or `keep` the unlabeled tasks of a round that ends early.
        """
        given = {
            "url": url,
            "token": token,
            "project_there": project_there,
            "public_url": public_url,
            "browser_url": browser_url,
            "round_end": round_end,
        }
        path = paths.label_studio(project)
        return send("PUT", path, as_json, given, is_idempotent=False)

    @result
    def label_studio(self, project: int) -> Call[LabelStudioConnection]:
        """Return how the exchange with Label Studio does."""
        return get(paths.label_studio(project), as_json)

    @result
    def sync_label_studio(
        self, project: int, *, again: bool = False
    ) -> Call[LabelStudioConnection]:
        """Let the next exchange begin now; `again` pushes items whose tasks were deleted there."""
        path = paths.label_studio(project, "/sync")
        return send("POST", path, as_json, {"again": again}, is_idempotent=True)

    @result
    def disconnect_label_studio(self, project: int) -> Call[None]:
        """End the connection: items are free again, labels stay."""
        return send("DELETE", paths.label_studio(project), nothing)
