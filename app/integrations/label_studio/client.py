"""The calls of Label Studio's API that we use, and their answers as plain objects."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from app.domain.errors import LabelStudioProjectGone, LabelStudioRefused
from app.integrations.label_studio.transport import Transport, json_of, said_of

PAGE = 100  # its own largest page may be smaller than what is asked for
WAKING = ("ANNOTATION_CREATED", "ANNOTATIONS_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_DELETED")
WAKING_TASKS = ("TASKS_DELETED",)


@dataclass(frozen=True)
class ProjectThere:
    """A project of Label Studio."""

    id: int
    title: str
    label_config: str
    description: str
    n_tasks: int
    model_version: str


@dataclass(frozen=True)
class AnnotationThere:
    """An annotation. `user_id` is None for one that was imported."""

    id: int
    user_id: int | None
    updated_at: datetime
    result: list[Any]
    is_skip: bool
    seconds: float | None


@dataclass(frozen=True)
class TaskThere:
    """A task; without `annotations` where only ids were listed."""

    id: int
    data: Mapping[str, Any]
    updated_at: datetime
    n_annotations: int
    annotations: tuple[AnnotationThere, ...] = ()


class LabelStudio:
    """A Label Studio, as one of its users.

    Every method raises LabelStudioAway if it does not answer and LabelStudioRefused if it refuses
    the token or what was sent.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def check(self) -> None:
        """Check that it is a Label Studio and that it knows the token."""
        self._get("/api/current-user/whoami")

    def project(self, project: int) -> ProjectThere:
        """Return a project.

        Raises:
            LabelStudioProjectGone: there is none of this id.
        """
        answer = self._transport.request("GET", f"/api/projects/{project}/")
        if answer.status_code == httpx.codes.NOT_FOUND:
            json_of(answer)  # a page of something else is no answer
            raise LabelStudioProjectGone(
                f"Label Studio has no project {project} (any more), or the token's user may not "
                "see it. Labels are kept; connect again, to another project or a new one."
            )
        return _project(json_of(_ok(answer)))

    def find_project(self, description: str) -> ProjectThere | None:
        """Return the project of this description; None if there is none."""
        page = 1
        while True:
            found = self._get("/api/projects/", params={"page": page, "page_size": PAGE})
            for shown in found["results"]:
                if shown.get("description") == description:
                    return _project(shown)
            if not found.get("next"):
                return None
            page += 1

    def create_project(self, **fields: Any) -> ProjectThere:
        """Create a project."""
        answer = self._transport.request("POST", "/api/projects/", is_idempotent=False, json=fields)
        return _project(json_of(_ok(answer)))

    def change_project(self, project: int, **fields: Any) -> None:
        """Change fields of a project."""
        _ok(self._transport.request("PATCH", f"/api/projects/{project}/", json=fields))

    def changed_tasks(self, project: int, since: datetime | None) -> Iterator[list[TaskThere]]:
        """Yield pages of tasks with annotations, those changed longest ago first.

        Each page begins where the last one ended, so that none is missed that changes meanwhile.
        """
        page = 1
        while True:
            items = [_at_least("updated_at", "Datetime", _instant(since))] if since else []
            tasks = self._tasks(project, items, "updated_at", page, fields="all")
            if tasks:
                yield tasks
            if len(tasks) < PAGE:
                return
            page = page + 1 if tasks[-1].updated_at == since else 1
            since = tasks[-1].updated_at

    def all_tasks(self, project: int) -> Iterator[list[TaskThere]]:
        """Yield pages of all tasks, by id, without annotations."""
        first = 0
        while True:
            items = [_at_least("id", "Number", first)]
            tasks = self._tasks(project, items, "id", 1)
            if tasks:
                yield tasks
            if len(tasks) < PAGE:
                return
            first = tasks[-1].id + 1

    def _tasks(
        self, project: int, filters: list[dict[str, Any]], order: str, page: int, **more: str
    ) -> list[TaskThere]:
        query: dict[str, Any] = {"ordering": [f"tasks:{order}"]}
        if filters:
            query["filters"] = {"conjunction": "and", "items": filters}
        params = {"project": project, "page": page, "page_size": PAGE, "query": json.dumps(query)}
        answer = self._transport.request("GET", "/api/tasks/", params={**params, **more})
        if page > 1 and answer.status_code == httpx.codes.NOT_FOUND:
            return []  # the page before was the last
        return [_task(task) for task in json_of(_ok(answer))["tasks"]]

    def task(self, task: int) -> TaskThere | None:
        """Return a task with its annotations; None if it was deleted."""
        answer = self._transport.request("GET", f"/api/tasks/{task}/")
        if answer.status_code == httpx.codes.NOT_FOUND:
            json_of(answer)
            return None
        return _task(json_of(_ok(answer)))

    def import_tasks(self, project: int, tasks: Sequence[Mapping[str, Any]]) -> list[int] | None:
        """Create tasks in this order; return their ids, or None where it creates them later.

        Sent once: without an answer nobody knows whether they were created.
        """
        answer = self._transport.request(
            "POST",
            f"/api/projects/{project}/import",
            is_idempotent=False,
            params={"return_task_ids": "true"},
            json=list(tasks),
        )
        ids = json_of(_ok(answer)).get("task_ids")
        return None if ids is None or len(ids) != len(tasks) else [int(id_) for id_ in ids]

    def change_task(self, task: int, data: Mapping[str, Any]) -> None:
        """Give a task other data; one that was deleted is left alone."""
        answer = self._transport.request("PATCH", f"/api/tasks/{task}/", json={"data": dict(data)})
        if answer.status_code != httpx.codes.NOT_FOUND:
            _ok(answer)

    def delete_tasks(self, project: int, tasks: Sequence[int]) -> None:
        """Delete these tasks, and their annotations."""
        selected = {"selectedItems": {"all": False, "included": list(tasks)}}
        params: dict[str, str | int] = {"id": "delete_tasks", "project": project}
        _ok(self._transport.request("POST", "/api/dm/actions/", params=params, json=selected))

    def emails(self) -> dict[int, str]:
        """Return user id -> e-mail of the users that the token's user sees."""
        return {user["id"]: user.get("email") or "" for user in self._get("/api/users/")}

    def ensure_webhook(self, project: int, url: str, headers: Mapping[str, str]) -> int:
        """Return the id of the project's webhook to this URL, created or updated."""
        wanted = {
            "project": project,
            "url": url,
            "headers": dict(headers),
            "send_payload": False,
            "send_for_all_actions": False,
            "actions": [*WAKING, *WAKING_TASKS],
            "is_active": True,
        }
        for known in self._get("/api/webhooks/", params={"project": project}):
            if known["url"] == url:
                path = f"/api/webhooks/{known['id']}/"
                _ok(self._transport.request("PATCH", path, json=wanted))
                return int(known["id"])
        answer = self._transport.request("POST", "/api/webhooks/", is_idempotent=False, json=wanted)
        return int(json_of(_ok(answer))["id"])

    def delete_webhook(self, webhook: int) -> None:
        """Delete a webhook; one that is gone already is fine."""
        answer = self._transport.request("DELETE", f"/api/webhooks/{webhook}/")
        if answer.status_code != httpx.codes.NOT_FOUND:
            _ok(answer)

    def _get(self, path: str, **sent: Any) -> Any:
        return json_of(_ok(self._transport.request("GET", path, **sent)))


def _at_least(column: str, kind: str, value: str | int) -> dict[str, Any]:
    return {
        "filter": f"filter:tasks:{column}",
        "operator": "greater_or_equal",
        "type": kind,
        "value": value,
    }


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _ok(answer: httpx.Response) -> httpx.Response:
    if answer.is_success:
        return answer
    raise LabelStudioRefused(
        f"Label Studio refused {answer.request.method} {answer.request.url.path} with "
        f"{answer.status_code}: {said_of(answer)}. Check its URL and the token's rights."
    )


def _project(shown: Mapping[str, Any]) -> ProjectThere:
    return ProjectThere(
        id=int(shown["id"]),
        title=shown.get("title") or "",
        label_config=shown.get("label_config") or "",
        description=shown.get("description") or "",
        n_tasks=int(shown.get("task_number") or 0),
        model_version=shown.get("model_version") or "",
    )


def _task(shown: Mapping[str, Any]) -> TaskThere:
    n = int(shown.get("total_annotations") or 0) + int(shown.get("cancelled_annotations") or 0)
    return TaskThere(
        id=int(shown["id"]),
        data=shown.get("data") or {},
        updated_at=datetime.fromisoformat(shown["updated_at"]),
        n_annotations=n,
        annotations=tuple(_annotation(a) for a in shown.get("annotations") or ()),
    )


def _annotation(shown: Mapping[str, Any]) -> AnnotationThere:
    user = shown.get("completed_by")
    if isinstance(user, dict):
        user = user.get("id")
    return AnnotationThere(
        id=int(shown["id"]),
        user_id=user,
        updated_at=datetime.fromisoformat(shown["updated_at"]),
        result=shown.get("result") or [],
        is_skip=bool(shown.get("was_cancelled")),
        seconds=shown.get("lead_time"),
    )
