"""The real Label Studio, in an environment of its own, started and stopped by tests.

LABEL_STUDIO_FOLDER names the environment's folder; by default ~/.cache/label-studio.
"""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import httpx

from tests.support import require, wait_for
from workers.service.ports import free_port

TOKEN = "0123456789abcdef0123456789abcdef01234567"  # noqa: S105 - of a test
FIRST_START_SECONDS = 300  # it makes its database
START_SECONDS = 90
SETTINGS = {
    "LABEL_STUDIO_USERNAME": "ada@example.com",
    "LABEL_STUDIO_PASSWORD": "ci-password-1",
    "LABEL_STUDIO_USER_TOKEN": TOKEN,
    "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
    "SSRF_PROTECTION_ENABLED": "false",  # else no webhook reaches this machine
    "COLLECT_ANALYTICS": "false",
    "LATEST_VERSION_CHECK": "false",
    "SENTRY_DSN": "",
    "FRONTEND_SENTRY_DSN": "",
}


def environment_folder() -> Path:
    """Return the folder of the environment that holds it; skip the test if there is none."""
    default = Path.home() / ".cache" / "label-studio"
    folder = Path(os.environ.get("LABEL_STUDIO_FOLDER", default))
    require(
        (folder / "bin" / "label-studio").exists(),
        f"no Label Studio in {folder}: python3 -m venv {folder} && "
        f"{folder}/bin/pip install label-studio, or set LABEL_STUDIO_FOLDER",
    )
    return folder


class RealLabelStudio:
    """A Label Studio on a data folder; `ada` is its first user, `bob` its second.

    Its empty database is made once and kept beside its environment.
    """

    def __init__(self, data: Path) -> None:
        self._program = environment_folder() / "bin" / "label-studio"
        self._template = environment_folder() / "empty-database"
        self._data = data
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Token {TOKEN}"},
            timeout=60,
            trust_env=False,
        )

    def start(self) -> None:
        """Start it; return when it answers."""
        is_first = not self._data.exists()
        if is_first and self._template.exists():
            shutil.copytree(self._template, self._data)
        self._run(START_SECONDS if self._data.exists() else FIRST_START_SECONDS)
        if is_first and not self._template.exists():
            self.stop()
            shutil.copytree(self._data, self._template)
            self._run(START_SECONDS)

    def _run(self, seconds: float) -> None:
        self._data.mkdir(parents=True, exist_ok=True)
        with (self._data.parent / "label-studio.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, "start", "-b", "--internal-host", "127.0.0.1",
                 "-p", str(self.port)],
                env={**os.environ, **SETTINGS, "LABEL_STUDIO_BASE_DATA_DIR": str(self._data)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )  # fmt: skip
        wait_for(self._answers, seconds)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "Label Studio has ended; see label-studio.log"
        try:
            return httpx.get(f"{self.url}/health", timeout=2, trust_env=False).is_success
        except httpx.HTTPError:
            return False

    def close(self) -> None:
        """Stop it for good."""
        self.stop()
        self.http.close()

    def stop(self, with_signal: int = signal.SIGTERM) -> None:
        """Stop it, with SIGKILL at once."""
        if self._process is not None:
            os.killpg(self._process.pid, with_signal)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait(10)
            self._process = None

    def call(self, method: str, path: str, **sent: Any) -> Any:
        """Return the JSON of a request that must succeed."""
        answer = self.http.request(method, path, **sent)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json() if answer.content else None

    def add_user(self, email: str) -> int:
        """Return the id of a new user."""
        name = email.partition("@")[0]
        given = {"email": email, "username": name, "password": "ci-password-2"}
        return int(self.call("POST", "/api/users/", json=given)["id"])

    def tasks(self, project: int, first: int = 0) -> list[dict[str, Any]]:
        """Return the project's tasks from an id on, with their annotations, by id."""
        found: list[dict[str, Any]] = []
        while True:
            item = {"filter": "filter:tasks:id", "operator": "greater_or_equal", "type": "Number"}
            filters = {"conjunction": "and", "items": [{**item, "value": first}]}
            query = json.dumps({"ordering": ["tasks:id"], "filters": filters})
            params: dict[str, Any] = {"project": project, "page_size": 100, "query": query}
            part = self.call("GET", "/api/tasks/", params={**params, "fields": "all"})["tasks"]
            found += part
            if len(part) < 100:
                return found
            first = part[-1]["id"] + 1

    def annotate(self, task: int, choice: str | None, user: int) -> int:
        """Return the id of a new annotation; without a choice it is a skip."""
        return int(
            self.call(
                "POST",
                f"/api/tasks/{task}/annotations/",
                json={
                    "result": result_of(choice),
                    "was_cancelled": choice is None,
                    "completed_by": user,
                    "lead_time": 1.5,
                },
            )["id"]
        )

    def revise(self, annotation: int, choice: str) -> None:
        """Change an annotation."""
        body = {"result": result_of(choice), "was_cancelled": False}
        self.call("PATCH", f"/api/annotations/{annotation}/", json=body)

    def delete(self, annotation: int) -> None:
        """Delete an annotation."""
        self.call("DELETE", f"/api/annotations/{annotation}/")


def result_of(choice: str | None) -> list[dict[str, Any]]:
    """Return the result of a choice, as the config that we write names it."""
    if choice is None:
        return []
    part = {"from_name": "class", "to_name": "text", "type": "choices"}
    return [{**part, "value": {"choices": [choice]}}]
