"""Items: import, upload, read."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Unpack

from svp_client import ndjson, paths
from svp_client.calls import Call, Pages, Series, as_bytes, as_json, as_query, get, send
from svp_client.methods import entries, result
from svp_client.settings import ItemFilters
from svp_client.types import (
    ErasedItems,
    ImportResult,
    Item,
    ItemHistory,
    ListedItem,
    Retried,
    SetAside,
)

IMPORT_BYTES = 8 << 20
UPLOAD_FILES = 500
UPLOAD_BYTES = 64 << 20


class Items:
    """Methods of items."""

    @result
    def import_items(
        self,
        project: int,
        items: Iterable[Mapping[str, Any]],
        *,
        copies_images: bool = False,
        request_bytes: int = IMPORT_BYTES,
    ) -> Series[ImportResult]:
        """Import items and return the counts; importing again changes nothing.

        They are sent in requests of 8 MiB, so the source may be a generator of any length, and a
        connection that breaks costs one request. A bad item does not stop the others.

        Args:
            project: its id.
            items: each with `external_id`, one of `text` and `image_uri`, and where wanted `split`
                (pool or evaluation), `class` or `labels` (a list of `annotator` and `class`), and
                `metadata`.
            copies_images: whether the service stores the images behind `image_uri`.
            request_bytes: the most bytes of one request.
        """
        done = _nothing_yet()
        n_before = 0
        for n, content in ndjson.pieces(items, request_bytes):
            body = {"content": content, "headers": {"Content-Type": ndjson.MEDIA_TYPE}}
            call = _import_call(paths.items(project), body)
            if copies_images:
                call = replace(call, query={"copies_images": True})
            _add(done, (yield call), n_before)
            n_before += n
        return done

    @result
    def upload_images(
        self,
        project: int,
        files: Iterable[tuple[str, bytes]],
        metadata: Mapping[str, Mapping[str, Any]] | None = None,
        *,
        request_files: int = UPLOAD_FILES,
        request_bytes: int = UPLOAD_BYTES,
    ) -> Series[ImportResult]:
        """Upload image files and return the counts; uploading again changes nothing.

        Args:
            project: its id.
            files: name and bytes of each; the name is its external id.
            metadata: by name, where wanted: `external_id`, `split`, `class` or `labels`, and
                `metadata`.
            request_files: the most files of one request.
            request_bytes: the most bytes of one request; a larger file goes alone.
        """
        done = _nothing_yet()
        n_before = 0
        for part in _parts(files, request_files, request_bytes):
            about = {name: dict((metadata or {}).get(name, {})) for name, _ in part}
            body = {
                "files": [("files", (name, data)) for name, data in part],
                "data": {"metadata": json.dumps(about)},
            }
            _add(done, (yield _import_call(paths.items(project, "/upload"), body)), n_before)
            n_before += len(part)
        return done

    @entries
    def items(
        self,
        project: int,
        split: str = "pool",
        metadata: Mapping[str, Any] | None = None,
        **filters: Unpack[ItemFilters],
    ) -> Pages[ListedItem]:
        """Yield the wanted items of a split, in order of import, with what is known of them.

        Args:
            project: its id.
            split: "pool" or "evaluation".
            metadata: those alone whose metadata hold this.
            **filters: what else is wanted.
        """
        wanted = None if metadata is None else json.dumps(metadata)
        query = {"split": split, "metadata": wanted, **as_query(filters)}
        return Pages(get(paths.items(project), as_json, **query), "items")

    @result
    def item(self, project: int, item: int) -> Call[Item]:
        """Return one item."""
        return get(paths.items(project, f"/{item}"), as_json)

    @result
    def item_history(self, project: int, item: int) -> Call[ItemHistory]:
        """Return an item and what happened to it: selections, leases, labels, flags, gold."""
        return get(paths.items(project, f"/{item}/history"), as_json)

    @result
    def image(self, project: int, item: int) -> Call[bytes]:
        """Return an item's image as it was imported."""
        return get(paths.items(project, f"/{item}/image"), as_bytes)

    @result
    def correct_item(
        self, project: int, item: int, *, text: str | None = None, image_uri: str | None = None
    ) -> Call[Item]:
        """Give an item another text or image and return it; its labels are asked again."""
        given = {"text": text, "image_uri": image_uri}
        changes = {name: value for name, value in given.items() if value is not None}
        path = paths.items(project, f"/{item}")
        return send("PATCH", path, as_json, changes, is_idempotent=True)

    @result
    def correct_image(self, project: int, item: int, image: bytes) -> Call[Item]:
        """Give an item another image, whose bytes are sent; its labels are asked again."""
        body = {"content": image, "headers": {"Content-Type": "application/octet-stream"}}
        path = paths.items(project, f"/{item}/image")
        return Call("PUT", path, as_json, body=body, is_idempotent=True)

    @result
    def erase_items(self, project: int, item_ids: Iterable[int]) -> Call[ErasedItems]:
        """Erase content and labels of up to 1,000 items for good; their places stay."""
        body = {"item_ids": list(item_ids)}
        return send("POST", paths.items(project, "/erase"), as_json, body, is_idempotent=True)

    @entries
    def set_aside(self, project: int) -> Pages[SetAside]:
        """Yield the items that are set aside because their content could not be read."""
        return Pages(get(paths.set_aside(project), as_json), "items")

    @result
    def retry_set_aside(self, project: int, item_ids: Iterable[int] | None = None) -> Call[Retried]:
        """Read set-aside items again, these or the first 1,000; return how many could be read."""
        body = {} if item_ids is None else {"item_ids": list(item_ids)}
        path = paths.set_aside(project, "/retry")
        return send("POST", path, as_json, body, is_idempotent=True)


def _import_call(path: str, body: Mapping[str, Any]) -> Call[ImportResult]:
    return Call("POST", path, as_json, body=body, is_idempotent=True)


def _nothing_yet() -> ImportResult:
    return {
        "n_created": 0,
        "n_updated": 0,
        "n_known": 0,
        "n_failed": 0,
        "n_without_spaces": 0,
        "n_labels": 0,
        "errors": [],
    }


def _add(done: ImportResult, part: ImportResult, n_before: int) -> None:
    """Add the result of a request that follows `n_before` lines."""
    done["n_created"] += part["n_created"]
    done["n_updated"] += part["n_updated"]
    done["n_known"] += part["n_known"]
    done["n_failed"] += part["n_failed"]
    done["n_without_spaces"] += part["n_without_spaces"]
    done["n_labels"] += part.get("n_labels", 0)  # older services do not say
    for error in part["errors"]:
        done["errors"].append({**error, "line": error["line"] + n_before})


def _parts(
    files: Iterable[tuple[str, bytes]], most_files: int, most_bytes: int
) -> Iterator[list[tuple[str, bytes]]]:
    part: list[tuple[str, bytes]] = []
    n_bytes = 0
    for name, data in files:
        if part and (len(part) == most_files or n_bytes + len(data) > most_bytes):
            yield part
            part, n_bytes = [], 0
        part.append((name, data))
        n_bytes += len(data)
    if part:
        yield part
