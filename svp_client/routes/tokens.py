"""Tokens: who may use the service."""

from collections.abc import Sequence
from datetime import datetime

from svp_client import paths
from svp_client.calls import Call, as_json, get, nothing, send, under
from svp_client.methods import result
from svp_client.types import Token


class Tokens:
    """Methods of tokens, for admins of the whole service."""

    @result
    def create_token(  # noqa: PLR0913 - by name: the token's fields
        self,
        name: str,
        role: str = "annotator",
        *,
        project: int | None = None,
        all_projects: bool = False,
        act_as: bool = False,
        annotators: Sequence[str] | None = None,
        max_annotators: int | None = None,
        expires_at: datetime | None = None,
    ) -> Call[str]:
        """Create a token that reaches one project, or all, and return it; it is shown only once.

        Args:
            name: the annotator that it stands for.
            role: annotator, reader, lead or admin.
            project: the only project that it reaches.
            all_projects: whether it reaches all, in place of `project`.
            act_as: whether it may name other annotators: for annotation tools.
            annotators: with `act_as`, the only ones that it may name.
            max_annotators: with `act_as`, how many it may name at most.
            expires_at: an instant with its time zone; None: never.
        """
        body = {
            "name": name,
            "role": role,
            "project_id": project,
            "all_projects": all_projects,
            "act_as": act_as,
            "annotators": annotators and list(annotators),
            "expires_at": expires_at and expires_at.isoformat(),
        }
        if max_annotators is not None:
            body["max_annotators"] = max_annotators
        return send("POST", paths.TOKENS, under("token"), body)

    @result
    def tokens(self) -> Call[list[Token]]:
        """Return every token without its secret."""
        return get(paths.TOKENS, as_json)

    @result
    def revoke_token(self, token: int) -> Call[None]:
        """Revoke a token by its id; its holder is refused from now on."""
        return send("DELETE", paths.token(token), nothing)
