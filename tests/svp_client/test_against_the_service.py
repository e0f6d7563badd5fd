"""Both clients against the real application: the labeling loop, lists, exports and refusals."""

import asyncio

import anyio.to_thread
import httpx
import pytest
from fastapi.testclient import TestClient

from app.db.tables import Role
from svp_client import AsyncClient, Client, ClientError
from tests.app.conftest import MakeClient


class Through(httpx.AsyncBaseTransport):
    """Asks the application in process."""

    def __init__(self, http: TestClient) -> None:
        self._http = http

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return the application's answer."""
        body = await request.aread()
        answer = await anyio.to_thread.run_sync(
            lambda: self._http.request(
                request.method, str(request.url), content=body, headers=request.headers
            )
        )
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


class TestClientOfTheService:
    def test_items_are_imported_listed_and_read(self, admin: Client, text_project: int) -> None:
        again = admin.import_items(text_project, [{"external_id": "t-0", "text": "text 0"}])
        assert (again["n_created"], again["n_known"]) == (0, 1)
        listed = list(admin.items(text_project))
        assert [item["external_id"] for item in listed] == [f"t-{i}" for i in range(40)]
        assert admin.item(text_project, listed[3]["item_id"])["content"]["text"] == "text 3"

    def test_a_line_that_utf8_lacks_is_refused_alone(
        self, admin: Client, text_project: int
    ) -> None:
        lines = [{"external_id": "bad", "text": "\ud800"}, {"external_id": "good", "text": "x"}]
        done = admin.import_items(text_project, lines)
        assert (done["n_created"], done["n_failed"]) == (1, 1)
        assert (done["errors"][0]["line"], done["errors"][0]["code"]) == (1, "line_not_utf8")

    def test_states_events_and_csv(self, admin: Client, text_project: int) -> None:
        assert admin.start(text_project)["state"] == "running"
        assert admin.pause(text_project)["state"] == "paused"
        assert admin.resume(text_project)["state"] == "running"
        assert admin.cancel(text_project)["state"] == "cancelled"
        assert "project.state_changed" in [event["name"] for event in admin.events(text_project)]
        assert [p["name"] for p in admin.projects()] == ["texts"]
        assert admin.export_labels_csv(text_project).startswith(
            "item_id,external_id,split,index,class"
        )

    def test_tokens_are_created_listed_and_revoked(self, admin: Client) -> None:
        secret = admin.create_token("ada", all_projects=True)
        (ada,) = [token for token in admin.tokens() if token["name"] == "ada"]
        admin.with_token(secret).project  # noqa: B018 - made, not asked
        admin.revoke_token(ada["id"])
        with pytest.raises(ClientError) as error:
            list(admin.with_token(secret).projects())
        assert error.value.code == "not_authenticated"

    def test_a_closed_client_leaves_the_connections_it_was_given(
        self, admin: Client, make_client: MakeClient
    ) -> None:
        with make_client("eve", Role.ADMIN) as other:
            assert list(other.projects()) == []
        assert list(admin.projects()) == []


class TestAsyncClientOfTheService:
    def test_the_loop_as_with_the_other_client(
        self, http: TestClient, admin: Client, text_project: int
    ) -> None:
        token = admin.create_token("root", "admin", all_projects=True)

        async def work() -> None:
            transport = httpx.AsyncClient(transport=Through(http))
            async with (
                transport,
                AsyncClient("http://testserver", token, http=transport) as client,
            ):
                new = [{"external_id": "new", "text": "new"}]
                assert (await client.import_items(text_project, new))["n_created"] == 1
                assert len([item async for item in client.items(text_project)]) == 41
                found = await client.find_project("texts")
                assert found is not None
                assert (await client.start(found["id"]))["state"] == "running"
                batch = await client.next_batch(text_project)
                assert (batch["items"], batch["waiting_for"]) == ([], "selection")
                assert [label async for label in client.export_labels(text_project)] == []
                with pytest.raises(ClientError) as error:
                    await client.project(999)
                assert (error.value.status, error.value.code) == (404, "not_found")

        asyncio.run(work())
