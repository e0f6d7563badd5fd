"""Values that no column holds: a code, a sentence that says what to do, never a 500."""

from collections.abc import Callable
from typing import Any

import pytest

from app.db.tables import Role
from svp_client import Client, ClientError


class TestValues:
    @pytest.mark.parametrize(
        ("method", "path", "body", "status"),
        [
            ("GET", "/projects/{huge}", None, 422),
            ("GET", "/projects/{project}/items/{huge}", None, 422),
            ("GET", "/projects/{project}/next-batch?annotator=a%00b", None, 422),
            ("POST", "/projects/{project}/skips", {"item_ids": [2**80], "reason": "x"}, 422),
            ("POST", "/tokens", {"name": "ada", "project_id": 99}, 404),
            ("POST", "/tokens", {"name": "a\x00"}, 422),
        ],
    )
    def test_what_no_column_holds_is_refused(
        self,
        make_client: Callable[..., Client],
        admin: Client,
        text_project: int,
        method: str,
        path: str,
        body: dict[str, Any] | None,
        status: int,
    ) -> None:
        admin.start(text_project)
        tool = make_client("tool", Role.ADMIN, act_as=True)
        with pytest.raises(ClientError) as refusal:
            tool.request(method, path.format(huge=2**80, project=text_project), json=body)
        assert refusal.value.status == status
