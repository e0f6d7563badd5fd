"""A fake Label Studio: a real HTTP server on the loopback that answers as 1.23.2 does.

Its answers have the shape of captured ones. People's work there is done by methods; faults can be
asked for.
"""

import base64
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

LEGACY = "0123456789abcdef0123456789abcdef01234567"
PERSONAL = "eyJhbGciOiJIUzI1NiJ9.eyJ0b2tlbl90eXBlIjoicmVmcmVzaCJ9.c2lnbmF0dXJl"
ADA, BOB = 2, 3
Json = dict[str, Any]


class Fake:
    """The server's state; every method takes its lock."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.projects: dict[int, Json] = {}
        self.tasks: dict[int, Json] = {}
        self.annotations: dict[int, Json] = {}
        self.webhooks: dict[int, Json] = {}
        self.emails = {1: "ci@example.com", ADA: "ada@example.com", BOB: "bob@example.com"}
        self.requests: list[tuple[str, str, Any]] = []
        self.faults: list[Callable[[str, str], str | int | None]] = []
        self.access_tokens: set[str] = set()
        self.n_refreshes = 0
        self.delivers = True
        self.on_request: Callable[[str, str], object] = lambda _method, _path: None
        self._at = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)
        self.url = ""

    # What people and time do there.

    def annotate(
        self, task: int, choice: str | None, user: int = ADA, *, was_cancelled: bool = False
    ) -> int:
        """Create an annotation; without a choice its result is empty."""
        with self.lock:
            id_ = self._next("annotation")
            at = self._now()
            self.annotations[id_] = {
                "id": id_,
                "result": [] if choice is None else self.result(task, choice),
                "created_username": f" {self.emails.get(user, '')}, {user}",
                "created_ago": "0\u00a0minutes",
                "completed_by": user,
                "was_cancelled": was_cancelled,
                "ground_truth": False,
                "created_at": at,
                "updated_at": at,
                "lead_time": 3.2,
                "task": task,
                "project": self.tasks[task]["project"],
            }
            self._touch(task)
        self._deliver("ANNOTATION_CREATED", task)
        return id_

    def skip(self, task: int, user: int = ADA) -> int:
        """Skip a task."""
        return self.annotate(task, None, user, was_cancelled=True)

    def revise(self, annotation: int, choice: str | None, *, was_cancelled: bool = False) -> None:
        """Change an annotation: the same id, a newer updated_at."""
        with self.lock:
            found = self.annotations[annotation]
            found["result"] = [] if choice is None else self.result(found["task"], choice)
            found["was_cancelled"] = was_cancelled
            found["updated_at"] = self._now()
            self._touch(found["task"])
        self._deliver("ANNOTATION_UPDATED", found["task"])

    def delete(self, annotation: int) -> None:
        """Delete an annotation."""
        with self.lock:
            task = self.annotations.pop(annotation)["task"]
            self._touch(task)
        self._deliver("ANNOTATIONS_DELETED", task)

    def delete_task(self, task: int) -> None:
        """Delete a task with its annotations."""
        with self.lock:
            del self.tasks[task]
            for id_ in [i for i, a in self.annotations.items() if a["task"] == task]:
                del self.annotations[id_]

    def delete_project(self, project: int) -> None:
        """Delete a project with its tasks."""
        with self.lock:
            del self.projects[project]
            for task in [i for i, t in self.tasks.items() if t["project"] == project]:
                self.delete_task(task)

    def result(self, task: int, choice: str) -> list[Json]:
        """Return the result of a choice, in the words of the project's config."""
        config = self.projects[self.tasks[task]["project"]]["label_config"]
        found = re.search(r"<Choices[^>]*", config)
        assert found is not None
        names = dict(re.findall(r'(\w+)="([^"]*)"', found[0]))
        return [
            {
                "from_name": names["name"],
                "to_name": names["toName"],
                "type": "choices",
                "value": {"choices": [choice]},
            }
        ]

    def annotations_of(self, task: int) -> list[int]:
        """Return the annotations of a task."""
        with self.lock:
            return [id_ for id_, a in self.annotations.items() if a["task"] == task]

    def open_tasks(self) -> list[int]:
        """Return the tasks, by id."""
        with self.lock:
            return sorted(self.tasks)

    def answers(self) -> dict[str, list[tuple[int, str]]]:
        """Return item key -> (user, choice) of every annotation that is there."""
        found: dict[str, list[tuple[int, str]]] = {}
        with self.lock:
            for a in self.annotations.values():
                if not a["was_cancelled"] and a["result"]:
                    key = self.tasks[a["task"]]["data"]["svp_item"]
                    choice = a["result"][0]["value"]["choices"][0]
                    found.setdefault(key, []).append((a["completed_by"], choice))
        return found

    def fail(self, n: int, what: str | int, path: str = "") -> None:
        """Let the next `n` requests fail: by a status, or "before" or "after" they are done."""
        left = [n]

        def fault(_method: str, asked: str) -> str | int | None:
            if left[0] == 0 or path not in asked:
                return None
            left[0] -= 1
            return what

        self.faults.append(fault)

    # What it answers.

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        """Return (status, JSON) of a request whose token was accepted."""
        for pattern, allowed, serve in ROUTES:
            found = re.fullmatch(pattern, path)
            if found and method in allowed:
                with self.lock:
                    return serve(self, method, query, body, *map(int, found.groups()))
        return 404, {"status_code": 404, "detail": "Not found."}

    def is_known(self, authorization: str) -> bool:
        """Return whether it knows this credential."""
        kind, _, token = authorization.partition(" ")
        if kind == "Token":
            return token == LEGACY
        return kind == "Bearer" and token in self.access_tokens

    def refresh(self, body: Any) -> tuple[int, Any]:
        """Return an access token for the personal one; it lives until `expire_tokens`."""
        if body != {"refresh": PERSONAL}:
            return 401, {"status_code": 401, "detail": "Token is invalid"}
        self.n_refreshes += 1
        token = base64.b64encode(f"access {self.n_refreshes}".encode()).decode()
        self.access_tokens.add(token)
        return 200, {"access": token}

    def expire_tokens(self) -> None:
        """Let five minutes pass for all access tokens."""
        self.access_tokens.clear()

    def whoami(self, *_: Any) -> tuple[int, Any]:
        return 200, {"id": 1, "email": self.emails[1]}

    def users(self, *_: Any) -> tuple[int, Any]:
        return 200, [{"id": id_, "email": email} for id_, email in self.emails.items()]

    def list_projects(self, method: str, _query: Any, body: Any) -> tuple[int, Any]:
        if method == "GET":
            return 200, {"next": None, "results": [self._shown(p) for p in self.projects.values()]}
        if not 3 <= len(body["title"]) <= 50:
            return 400, {"detail": "Validation error", "validation_errors": {"title": ["length"]}}
        id_ = self._next("project")
        self.projects[id_] = {"id": id_, "model_version": "", "description": "", **body}
        return 201, self._shown(self.projects[id_])

    def one_project(self, method: str, _query: Any, body: Any, project: int) -> tuple[int, Any]:
        found = self.projects.get(project)
        if found is None:
            return 404, {"status_code": 404, "detail": "No Project matches the given query."}
        if method == "PATCH":
            found.update(body)
        return 200, self._shown(found)

    def import_(self, _method: str, _query: Any, body: Any, project: int) -> tuple[int, Any]:
        ids = []
        for given in body:
            id_ = self._next("task")
            self.tasks[id_] = {
                "id": id_,
                "data": given["data"],
                "meta": given.get("meta", {}),
                "predictions": given.get("predictions", []),
                "created_at": self._now(),
                "updated_at": self._now(),
                "project": project,
                "overlap": 1,
            }
            ids.append(id_)
            if given.get("predictions") and not self.projects[project]["model_version"]:
                self.projects[project]["model_version"] = given["predictions"][0]["model_version"]
        return 201, {"task_count": len(ids), "annotation_count": None, "task_ids": ids}

    def list_tasks(self, _method: str, query: dict[str, str], _body: Any) -> tuple[int, Any]:
        asked = json.loads(query["query"])
        (order,) = asked["ordering"]
        column = order.removeprefix("tasks:")
        tasks = [t for t in self.tasks.values() if t["project"] == int(query["project"])]
        for item in asked.get("filters", {}).get("items", []):
            assert item["operator"] == "greater_or_equal"
            assert item["filter"] == f"filter:tasks:{column}"
            tasks = [t for t in tasks if t[column] >= item["value"]]
        tasks.sort(key=lambda t: t[column])
        size, page = int(query["page_size"]), int(query["page"])
        part = tasks[(page - 1) * size : page * size]
        if not part and page > 1:
            return 404, {"status_code": 404, "detail": "Invalid page."}
        shown = [self._task(t, all_fields=query.get("fields") == "all") for t in part]
        return 200, {"total": len(tasks), "tasks": shown}

    def one_task(self, method: str, _query: Any, body: Any, task: int) -> tuple[int, Any]:
        if task not in self.tasks:
            return 404, {"status_code": 404, "detail": "No Task matches the given query."}
        if method == "PATCH":
            self.tasks[task].update(body)
            self._touch(task)
        return 200, self._task(self.tasks[task], all_fields=True)

    def actions(self, _method: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        assert query["id"] == "delete_tasks"
        assert body["selectedItems"]["all"] is False
        included = [t for t in body["selectedItems"]["included"] if t in self.tasks]
        for task in included:
            self.delete_task(task)
        return 200, {"processed_items": len(included)}

    def list_webhooks(self, method: str, _query: Any, body: Any) -> tuple[int, Any]:
        if method == "GET":
            return 200, list(self.webhooks.values())
        id_ = self._next("webhook")
        self.webhooks[id_] = {"id": id_, **body}
        return 201, self.webhooks[id_]

    def one_webhook(self, method: str, _query: Any, body: Any, webhook: int) -> tuple[int, Any]:
        if webhook not in self.webhooks:
            return 404, {"status_code": 404, "detail": "No Webhook matches the given query."}
        if method == "DELETE":
            del self.webhooks[webhook]
            return 204, None
        self.webhooks[webhook].update(body)
        return 200, self.webhooks[webhook]

    def _shown(self, project: Json) -> Json:
        n = sum(t["project"] == project["id"] for t in self.tasks.values())
        return {"token": "a secret of the project", **project, "task_number": n}

    def _task(self, task: Json, *, all_fields: bool) -> Json:
        found = [a for a in self.annotations.values() if a["task"] == task["id"]]
        n_skips = sum(a["was_cancelled"] for a in found)
        counts = {
            "total_annotations": len(found) - n_skips,
            "cancelled_annotations": n_skips,
            "is_labeled": len(found) > n_skips,
        }
        shown = {**task, **counts, "annotations": found}
        return shown if all_fields else {k: v for k, v in shown.items() if k != "annotations"}

    def _next(self, kind: str) -> int:
        """Return an id as its SQLite does: that of the newest may come again once it is deleted."""
        known = {
            "project": self.projects,
            "task": self.tasks,
            "annotation": self.annotations,
            "webhook": self.webhooks,
        }[kind]
        return max(known, default=0) + 1

    def _now(self) -> str:
        """Return the next microsecond, as no two changes have the same instant."""
        self._at += timedelta(milliseconds=7)
        return self._at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def let_time_pass(self, seconds: float) -> None:
        """Move its clock."""
        with self.lock:
            self._at += timedelta(seconds=seconds)

    def _touch(self, task: int) -> None:
        self.tasks[task]["updated_at"] = self._now()

    def _deliver(self, action: str, task: int) -> None:
        """Call the project's webhooks as it does: within a second, never again."""
        if not self.delivers:
            return
        project = self.tasks[task]["project"]
        for webhook in list(self.webhooks.values()):
            if webhook["project"] == project and action in webhook["actions"]:
                with suppress(httpx.HTTPError):
                    httpx.post(
                        webhook["url"],
                        json={"action": action},
                        headers=webhook["headers"],
                        timeout=1.0,
                        trust_env=False,
                    )


ROUTES: list[tuple[str, str, Callable[..., tuple[int, Any]]]] = [
    (r"/api/current-user/whoami", "GET", Fake.whoami),
    (r"/api/users/", "GET", Fake.users),
    (r"/api/projects/", "GET POST", Fake.list_projects),
    (r"/api/projects/(\d+)/", "GET PATCH", Fake.one_project),
    (r"/api/projects/(\d+)/import", "POST", Fake.import_),
    (r"/api/tasks/", "GET", Fake.list_tasks),
    (r"/api/tasks/(\d+)/", "GET PATCH", Fake.one_task),
    (r"/api/dm/actions/", "POST", Fake.actions),
    (r"/api/webhooks/", "GET POST", Fake.list_webhooks),
    (r"/api/webhooks/(\d+)/", "PATCH DELETE", Fake.one_webhook),
]


@contextmanager
def serve_fake() -> Iterator[Fake]:
    """Yield a running fake; `fake.url` is its address."""
    fake = Fake()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            parts = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            length = int(self.headers.get("Content-Length") or 0)
            raw = self.rfile.read(length)
            body = json.loads(raw) if raw else None
            fake.requests.append((self.command, parts.path, body))
            faults = [found for f in fake.faults if (found := f(self.command, parts.path))]
            if "before" in faults:
                self.close_connection = True
                return
            if statuses := [found for found in faults if isinstance(found, int)]:
                self._send(statuses[0], {"detail": "asked to fail"})
                return
            fake.on_request(self.command, parts.path)
            if parts.path == "/api/token/refresh/":
                status, shown = fake.refresh(body)
            elif not fake.is_known(self.headers.get("Authorization", "")):
                status, shown = 401, {"status_code": 401, "detail": "Invalid token."}
            else:
                status, shown = fake.answer(self.command, parts.path, query, body)
            if "after" in faults:
                self.close_connection = True
                return
            self._send(status, shown)

        do_GET = do_POST = do_PATCH = do_DELETE = handle_any  # noqa: N815 - the library's names

        def _send(self, status: int, shown: Any) -> None:
            data = b"" if shown is None else json.dumps(shown).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
