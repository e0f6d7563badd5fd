"""Sends items as lines or files, and reads the refusals."""

from typing import Any

import pytest

from svp_client import Client, ClientError

PROJECT: dict[str, Any] = {
    "modality": "image",
    "classes": ["a", "b"],
    "initial_budget": 2,
    "round_budget": 2,
    "total_budget": 4,
}


def upload(client: Client, project: int, **files: bytes) -> dict[str, str]:
    """Upload files and return name -> code of those refused."""
    answer = client.request(
        "POST",
        f"/projects/{project}/items/upload",
        files=[("files", (name, data)) for name, data in files.items()],
    ).json()
    assert answer["n_created"] + answer["n_known"] + answer["n_failed"] == len(files)
    assert all(len(e["detail"]) > 20 for e in answer["errors"])
    return {error["external_id"]: error["code"] for error in answer["errors"]}


def post_lines(client: Client, project: int, body: bytes, **headers: str) -> dict[str, Any]:
    return dict(
        client.request(
            "POST",
            f"/projects/{project}/items",
            content=body,
            headers={"Content-Type": "application/x-ndjson", **headers},
        ).json()
    )


NDJSON = {"Content-Type": "application/x-ndjson"}


IMAGES: dict[str, Any] = {
    "modality": "image",
    "classes": ["a", "b"],
    "initial_budget": 2,
    "round_budget": 2,
    "total_budget": 4,
}


def line(number: int, **more: str) -> bytes:
    extra = "".join(f', "{name}": "{value}"' for name, value in more.items())
    return f'{{"external_id": "n-{number}", "text": "text {number}"{extra}}}\n'.encode()


def post(client: Client, project: int, body: bytes, query: str = "", **headers: str) -> Any:
    path = f"/projects/{project}/items{query}"
    return client.request("POST", path, content=body, headers={**NDJSON, **headers}).json()


def refusal(client: Client, method: str, path: str, **sent: Any) -> tuple[int, str]:
    with pytest.raises(ClientError) as refused:
        client.request(method, path, **sent)
    return refused.value.status, refused.value.code


NESTED = b"[" + b"[]," * 500_000 + b"[]]"


def routes_with_bodies(project: int) -> list[tuple[str, str, str]]:
    """Return (method, path, content type): two of JSON, then those that take large bodies."""
    here = f"/projects/{project}"
    return [
        ("POST", "/projects", "application/json"),
        ("POST", f"{here}/labels", "application/json"),
        ("POST", f"{here}/items", "application/x-ndjson"),
        ("POST", f"{here}/items/upload", "multipart/form-data; boundary=x"),
        ("PUT", f"{here}/features", "application/octet-stream"),
    ]
