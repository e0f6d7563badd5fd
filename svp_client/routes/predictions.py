"""Predictions of given items."""

import base64
from collections.abc import Iterable

from svp_client import paths
from svp_client.calls import Call, as_json, send
from svp_client.methods import result
from svp_client.types import Predictions


class GivenItems:
    """Methods of predictions of given items."""

    @result
    def predict(
        self,
        project: int,
        contents: Iterable[str | bytes],
        *,
        model: int | None = None,
        top: int = 1,
    ) -> Call[Predictions]:
        """Return what a model says of up to 100 texts, or image files as bytes, in their order.

        Args:
            project: whose model it is.
            contents: that need not belong to the project.
            model: its id; None: the newest proxy or target.
            top: how many classes of each item are wanted.
        """
        given = [
            {"text": item} if isinstance(item, str) else {"image": base64.b64encode(item).decode()}
            for item in contents
        ]
        body = {"items": given, "model_id": model, "top": top}
        path = paths.project(project, "/predictions")
        return send("POST", path, as_json, body, is_idempotent=True)
