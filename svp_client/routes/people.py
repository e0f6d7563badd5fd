"""The people of a project: members, and the invitations by which they join."""

from svp_client import paths
from svp_client.calls import Call, as_json, get, nothing, send, under
from svp_client.methods import result
from svp_client.types import Invitation, Member, Progress


class People:
    """Methods of people."""

    @result
    def members(self, project: int) -> Call[list[Member]]:
        """Return the people who joined the project by a link, with their roles."""
        return get(paths.members(project), as_json)

    @result
    def remove_member(self, project: int, name: str) -> Call[None]:
        """Take a person's role in the project away; their labels stay."""
        return send("DELETE", paths.member(project, name), nothing)

    @result
    def member_link(self, project: int, name: str) -> Call[str]:
        """Return a link that signs a member in once, below the service's own address."""
        return send("POST", paths.member(project, name, "/link"), under("link"))

    @result
    def invite(
        self, project: int, role: str = "annotator", *, days: float = 7, max_uses: int = 1
    ) -> Call[str]:
        """Return a link by which people join, below the service's own address; shown only once.

        Args:
            project: that they join.
            role: annotator, reader or lead.
            days: how long it works.
            max_uses: how many people it lets in.
        """
        body = {"role": role, "days": days, "max_uses": max_uses}
        return send("POST", paths.invitations(project), under("link"), body)

    @result
    def invitations(self, project: int) -> Call[list[Invitation]]:
        """Return the project's invitations without their links, newest first."""
        return get(paths.invitations(project), as_json)

    @result
    def revoke_invitation(self, project: int, invitation: int) -> Call[None]:
        """Let nobody in by this link any more; who joined stays."""
        return send("DELETE", paths.invitations(project, f"/{invitation}"), nothing)

    @result
    def progress(self, project: int, annotator: str | None = None) -> Call[Progress]:
        """Return how far the annotator is."""
        return get(paths.project(project, "/progress"), as_json, annotator=annotator)
