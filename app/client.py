"""The Python client of the HTTP API: what users and the oracle use."""

import base64
import hashlib
import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, BinaryIO

import httpx
import orjson

UPLOAD_FILES = 500
CHUNK_BYTES = 1 << 20


class ClientError(Exception):
    """The service refused a request; `code` is stable, the message says what to do.

    `errors` are the faults that it lists, where it does. The code `no_problem` means that something
    in between answered, e.g. a proxy.
    """

    def __init__(
        self, status: int, code: str, detail: str, errors: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        super().__init__(f"{detail} ({status} {code})")
        self.status = status
        self.code = code
        self.errors = list(errors)


class Client:
    """Talks to one service with one token.

    Args:
        url: base URL, e.g. http://127.0.0.1:8000.
        token: bearer token.
        http: an httpx client to use instead of its own.
        trust_env: take proxies from HTTP_PROXY and the like; by default unless the service runs
            on this machine.
    """

    def __init__(
        self,
        url: str,
        token: str,
        http: httpx.Client | None = None,
        *,
        trust_env: bool | None = None,
    ) -> None:
        if trust_env is None:
            trust_env = not is_loopback(url)
        self._http = http or httpx.Client(base_url=url, timeout=60.0, trust_env=trust_env)
        self._headers = {"Authorization": f"Bearer {token}"}

    def __enter__(self) -> "Client":
        """Return the client; leaving closes its connections."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self._http.close()

    def request(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        """Return the answer of one request below /api/v1.

        Raises:
            ClientError: the service refused it, or a file arrived damaged.
        """
        headers = {**self._headers, **kwargs.pop("headers", {})}
        response = self._http.request(method, f"/api/v1{path}", headers=headers, **kwargs)
        if response.is_error:
            raise _error_of(response)
        _check_digest(response)
        return response

    def with_token(self, token: str) -> "Client":
        """Return a client with another token over the same connections."""
        return Client("", token, self._http)

    def create_token(
        self,
        name: str,
        role: str = "annotator",
        *,
        project: int | None = None,
        all_projects: bool = False,
        **more: Any,
    ) -> str:
        """Create a token that reaches one project, or all, and return it.

        More: act_as, and with it annotators (names) and max_annotators; expires_at.
        """
        reach = {"project_id": project, "all_projects": all_projects}
        body = {"name": name, "role": role, **reach, **more}
        return str(self._json("POST", "/tokens", json=body)["token"])

    def create_project(self, **settings: Any) -> dict[str, Any]:
        """Create a draft project and return it."""
        return self._object("POST", "/projects", json=settings)

    def find_project(self, name: str) -> dict[str, Any] | None:
        """Return the project of this name, or None."""
        projects = self._pages("/projects", "projects")
        return next((project for project in projects if project["name"] == name), None)

    def project(self, project: int) -> dict[str, Any]:
        """Return the project with its counts and newest round."""
        return self._object("GET", f"/projects/{project}")

    def change_project(self, project: int, **settings: Any) -> dict[str, Any]:
        """Change settings, most for the next round; return the project."""
        return self._object("PATCH", f"/projects/{project}", json=settings)

    def bring_features(self, project: int, npy: bytes | BinaryIO) -> dict[str, Any]:
        """Store features of the pool: a NumPy file's bytes, or the open file; return what it is."""
        content = npy if isinstance(npy, bytes) else _chunks(npy)
        return self._object("PUT", f"/projects/{project}/features", content=content)

    def start(self, project: int) -> dict[str, Any]:
        """Start the project."""
        return self._object("POST", f"/projects/{project}/start")

    def upload_images(
        self,
        project: int,
        files: Sequence[tuple[str, bytes]],
        metadata: Mapping[str, Mapping[str, str]] | None = None,
    ) -> dict[str, int]:
        """Upload (name, bytes) image files in requests of 500; return the summed counts.

        Args:
            project: its id.
            files: name and bytes of each; the name is the external id.
            metadata: by name: external_id, split, class.
        """
        counts = {"n_created": 0, "n_updated": 0, "n_known": 0, "n_failed": 0}
        for start in range(0, len(files), UPLOAD_FILES):
            part = files[start : start + UPLOAD_FILES]
            about = {name: (metadata or {}).get(name, {}) for name, _ in part}
            result = self._json(
                "POST",
                f"/projects/{project}/items/upload",
                files=[("files", (name, data)) for name, data in part],
                data={"metadata": orjson.dumps(about).decode()},
            )
            counts = {key: n + result[key] for key, n in counts.items()}
        return counts

    def import_texts(self, project: int, lines: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        """Stream items as NDJSON and return what became of them."""
        return self._object(
            "POST",
            f"/projects/{project}/items",
            content=(orjson.dumps(line) + b"\n" for line in lines),
            headers={"Content-Type": "application/x-ndjson"},
        )

    def next_batch(self, project: int, size: int, annotator: str | None = None) -> dict[str, Any]:
        """Lease up to `size` items."""
        params = {"size": size, **({"annotator": annotator} if annotator else {})}
        return self._object("GET", f"/projects/{project}/next-batch", params=params)

    def submit_labels(
        self, project: int, labels: Sequence[Mapping[str, Any]], annotator: str | None = None
    ) -> list[dict[str, Any]]:
        """Submit labels {item_id, class, seconds?}; return one outcome per label."""
        return self._answer(project, "labels", {"labels": list(labels)}, annotator)

    def withdraw_labels(
        self, project: int, item_ids: Sequence[int], annotator: str | None = None
    ) -> list[dict[str, Any]]:
        """Undo own labels; return one outcome per item."""
        return self._answer(project, "labels/withdraw", {"item_ids": list(item_ids)}, annotator)

    def skip(
        self,
        project: int,
        item_ids: Sequence[int],
        reason: str,
        annotator: str | None = None,
        comment: str | None = None,
    ) -> list[dict[str, Any]]:
        """Skip items that cannot be labeled; return one outcome per item.

        Reasons: unreadable, ambiguous, no_class_fits, duplicate, sensitive, other.
        """
        body = {"item_ids": list(item_ids), "reason": reason, "comment": comment}
        return self._answer(project, "skips", body, annotator)

    def flag(
        self, project: int, item_ids: Sequence[int], comment: str, annotator: str | None = None
    ) -> list[dict[str, Any]]:
        """Note a remark on items that one was given; return one outcome per item."""
        body = {"item_ids": list(item_ids), "comment": comment}
        return self._answer(project, "flags", body, annotator)

    def flags(self, project: int) -> Iterator[dict[str, Any]]:
        """Yield the open remarks, oldest first."""
        return self._pages(f"/projects/{project}/flags", "flags")

    def close_flag(self, project: int, flag: int) -> None:
        """Close a remark."""
        self.request("POST", f"/projects/{project}/flags/{flag}/close")

    def requeue(self, project: int, item_ids: Sequence[int]) -> list[dict[str, Any]]:
        """Withdraw all labels of items and hand them out again; return one outcome per item."""
        return self._answer(project, "requeue", {"item_ids": list(item_ids)}, None)

    def reassign(
        self, project: int, item_ids: Sequence[int], annotator: str | None
    ) -> list[dict[str, Any]]:
        """Keep open items for one annotator, None: for nobody; return one outcome per item."""
        body = {"item_ids": list(item_ids), "annotator": annotator}
        return self._answer(project, "reassign", body, None)

    def label_history(self, project: int, item: int) -> list[dict[str, Any]]:
        """Return every label that an item was given, withdrawn ones too."""
        return list(self._json("GET", f"/projects/{project}/items/{item}/labels"))

    def change_annotation(self, project: int, **changes: Any) -> dict[str, Any]:
        """Change overlap, consensus, adjudicators or gold; return the project."""
        return self._object("PATCH", f"/projects/{project}/annotation", json=changes)

    def set_gold(self, project: int, classes: Mapping[str, str | None]) -> list[dict[str, Any]]:
        """Make labeled items gold: external id -> class, None the label it has."""
        items = [
            {"external_id": key} if name is None else {"external_id": key, "class": name}
            for key, name in classes.items()
        ]
        body = {"items": items}
        return list(self._json("PUT", f"/projects/{project}/gold", json=body)["results"])

    def remove_gold(self, project: int, external_ids: Sequence[str]) -> int:
        """Make items gold no more; return how many were."""
        body = {"external_ids": list(external_ids)}
        answer = self._object("POST", f"/projects/{project}/gold/remove", json=body)
        return int(answer["n_removed"])

    def gold(self, project: int) -> list[dict[str, Any]]:
        """Return the gold items (up to 1,000) and how often they were answered rightly."""
        answer = self._object("GET", f"/projects/{project}/gold", params={"limit": 1000})
        return list(answer["items"])

    def annotators(self, project: int) -> list[dict[str, Any]]:
        """Return what each annotator gave, how they did on gold, and who is paused."""
        return list(self._json("GET", f"/projects/{project}/annotators"))

    def pause_annotator(self, project: int, name: str, reason: str) -> None:
        """Hand an annotator nothing more."""
        path = f"/projects/{project}/annotators/{name}/pause"
        self.request("POST", path, json={"reason": reason})

    def resume_annotator(self, project: int, name: str) -> None:
        """Hand a paused annotator items again."""
        self.request("POST", f"/projects/{project}/annotators/{name}/resume")

    def clear_flags(self, project: int, name: str) -> None:
        """Let an annotator's labels lose their flags and count again."""
        self.request("POST", f"/projects/{project}/annotators/{name}/clear-flags")

    def agreement(self, project: int) -> dict[str, Any]:
        """Return alpha and kappas of the project, by round, annotator and pair."""
        return self._object("GET", f"/projects/{project}/agreement")

    def renew_leases(
        self, project: int, item_ids: Sequence[int] | None = None
    ) -> list[dict[str, Any]]:
        """Extend own leases (of these items, or all); return those that live."""
        return self._leases(project, "renew", item_ids)

    def release_leases(
        self, project: int, item_ids: Sequence[int] | None = None
    ) -> list[dict[str, Any]]:
        """Give items back unlabeled (these, or all); return the leases that are left."""
        return self._leases(project, "release", item_ids)

    def rounds(self, project: int) -> list[dict[str, Any]]:
        """Return every round."""
        return list(self._json("GET", f"/projects/{project}/rounds"))

    def begin_next_round(self, project: int) -> dict[str, Any]:
        """End the round in labeling, train on the labels so far; return the next round."""
        return self._object("POST", f"/projects/{project}/rounds")

    def advice(self, project: int) -> dict[str, Any]:
        """Return whether labeling more is worth it, why, and what was measured of each round."""
        return self._object("GET", f"/projects/{project}/advice")

    def selected(self, project: int, number: int) -> Iterator[dict[str, Any]]:
        """Yield the items that a round selected, best rank first."""
        return self._pages(f"/projects/{project}/rounds/{number}/items", "items", cursor=-1)

    def jobs(self, project: int) -> list[dict[str, Any]]:
        """Return the newest jobs first."""
        return list(self._json("GET", f"/projects/{project}/jobs")["jobs"])

    def learning_curve(self, project: int) -> list[dict[str, Any]]:
        """Return every model's accuracy on the evaluation split, oldest first."""
        return list(self._json("GET", f"/projects/{project}/learning-curve"))

    def models(self, project: int) -> list[dict[str, Any]]:
        """Return every trained model, oldest first."""
        return list(self._json("GET", f"/projects/{project}/models"))

    def model_weights(self, project: int, model: int) -> bytes:
        """Return the weights of a trained model as safetensors."""
        return self.request("GET", f"/projects/{project}/models/{model}/weights").content

    def create_coreset(self, project: int, **wanted: Any) -> dict[str, Any]:
        """Ask for a core-set of the labeled items and return it; a worker makes it."""
        return self._object("POST", f"/projects/{project}/coresets", json=wanted)

    def coreset(self, project: int, coreset: int) -> dict[str, Any]:
        """Return a core-set with the state of its job."""
        return self._object("GET", f"/projects/{project}/coresets/{coreset}")

    def coreset_items(self, project: int, coreset: int) -> Iterator[dict[str, Any]]:
        """Yield the items that a core-set keeps, in order of selection."""
        return self._lines(f"/projects/{project}/coresets/{coreset}/items")

    def coresets(self, project: int) -> list[dict[str, Any]]:
        """Return every core-set, oldest first."""
        return list(self._json("GET", f"/projects/{project}/coresets"))

    def coreset_scores(self, project: int, coreset: int) -> list[dict[str, Any]]:
        """Return the selection model's accuracy after each epoch whose scores were kept."""
        return list(self._json("GET", f"/projects/{project}/coresets/{coreset}/scores"))

    def coreset_scores_file(self, project: int, coreset: int, epoch: int) -> bytes:
        """Return all labeled items' scores after an epoch, a NumPy archive (npz)."""
        path = f"/projects/{project}/coresets/{coreset}/scores/{epoch}"
        return self.request("GET", path).content

    def export_labels(self, project: int) -> Iterator[dict[str, Any]]:
        """Yield the resolved labels in order of import."""
        return self._lines(f"/projects/{project}/labels")

    def _answer(
        self, project: int, path: str, body: Mapping[str, Any], annotator: str | None
    ) -> list[dict[str, Any]]:
        params = {"annotator": annotator} if annotator else {}
        answer = self._json("POST", f"/projects/{project}/{path}", params=params, json=body)
        results: list[dict[str, Any]] = answer["results"]
        return results

    def _leases(
        self, project: int, change: str, item_ids: Sequence[int] | None
    ) -> list[dict[str, Any]]:
        body = {} if item_ids is None else {"item_ids": list(item_ids)}
        return list(self._json("POST", f"/projects/{project}/leases/{change}", json=body)["leases"])

    def _pages(self, path: str, key: str, cursor: int | None = 0) -> Iterator[dict[str, Any]]:
        """Yield what stands under `key` on every page, from the cursor on."""
        while cursor is not None:
            page = self._object("GET", path, params={"cursor": cursor, "limit": 1000})
            yield from page[key]
            cursor = page["next_cursor"]

    def _lines(self, path: str) -> Iterator[dict[str, Any]]:
        """Return the objects of an answer in NDJSON."""
        content = self.request("GET", path).content
        return (orjson.loads(line) for line in content.split(b"\n") if line)

    def _object(self, method: str, path: str, **kwargs: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self._json(method, path, **kwargs)
        return answer

    def _json(self, method: str, path: str, **kwargs: Any) -> Any:
        response = self.request(method, path, **kwargs)
        try:
            return orjson.loads(response.content)
        except orjson.JSONDecodeError:
            raise _error_of(response) from None


def is_loopback(url: str) -> bool:
    """Return whether the URL names this machine."""
    host = httpx.URL(url).host
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _error_of(response: httpx.Response) -> ClientError:
    """Return the error of an answer, whoever gave it."""
    try:
        problem = orjson.loads(response.content)
        errors = problem.get("errors") or ()
        return ClientError(response.status_code, problem["code"], problem["detail"], errors)
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        kind = response.headers.get("content-type", "nothing")
        return ClientError(
            response.status_code,
            "no_problem",
            f"{response.url} answered {kind} instead of JSON: something other than the service, "
            f"such as a proxy, replied {response.reason_phrase!r}.",
        )


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(CHUNK_BYTES):
        yield chunk


def _check_digest(response: httpx.Response) -> None:
    """Compare a file with the SHA-256 that was sent with it.

    Raises:
        ClientError: they differ.
    """
    sent = response.headers.get("Repr-Digest", "")
    if not sent.startswith("sha-256=:"):
        return
    found = base64.b64encode(hashlib.sha256(response.content).digest()).decode()
    if sent != f"sha-256=:{found}:":
        raise ClientError(
            response.status_code,
            "download_damaged",
            "The file is cut off or damaged: its SHA-256 is not the one that the service sent. "
            "Download it again; if that does not help, the stored file is damaged.",
        )
