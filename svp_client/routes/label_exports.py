"""Exports of labels: streamed, or written to a file by a job where they are too large for that."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar, Unpack

import httpx

from svp_client import paths
from svp_client.calls import (
    Blocks,
    Call,
    Lines,
    Pause,
    Series,
    as_bytes,
    as_json,
    as_query,
    as_text,
    get,
    send,
)
from svp_client.errors import ClientError
from svp_client.methods import entries, result
from svp_client.settings import LabelFilters
from svp_client.types import ExportedLabel, LabelExport

T = TypeVar("T")
TOO_LARGE = "export_too_large"
LONGEST_PAUSE = 5.0


class LabelExports:
    """Methods that export labels; whoever reads a large export waits for its job."""

    @entries
    def export_labels(self, project: int, **filters: Unpack[LabelFilters]) -> Lines[ExportedLabel]:
        """Yield the resolved labels that the filters leave, in order of import, as they come."""
        query = as_query(filters)
        call = get(paths.labels(project), as_json, **query)
        return Lines(call, TOO_LARGE, lambda: _by_job(project, query))

    @entries
    def stream_labels(
        self,
        project: int,
        file_format: str = "csv",
        *,
        annotators: bool = False,
        raw: bool = False,
        **filters: Unpack[LabelFilters],
    ) -> Blocks:
        """Yield the bytes of a file of the resolved labels, as they come.

        Formats: jsonl, csv, parquet, label-studio, fasttext (texts), images (a zip), hugging-face
        (a zip).

        Args:
            project: its id.
            file_format: of the file.
            annotators: whether each annotator has a column, in tables.
            raw: whether what a spreadsheet would take for a formula stays as it is, in CSV.
            **filters: what is wanted.
        """
        query = _query(file_format, filters, annotators=annotators, raw=raw)
        call = get(paths.labels(project), as_json, **query)
        return Blocks(call, TOO_LARGE, lambda: _by_job(project, query))

    @result
    def download_labels(
        self, project: int, file_format: str = "csv", **filters: Unpack[LabelFilters]
    ) -> Series[bytes]:
        """Return the resolved labels as a file; formats are those of `stream_labels`."""
        query = _query(file_format, filters, annotators=False, raw=False)
        return _whole(project, query, as_bytes)

    @result
    def export_labels_csv(
        self,
        project: int,
        *,
        annotators: bool = False,
        raw: bool = False,
        **filters: Unpack[LabelFilters],
    ) -> Series[str]:
        """Return the resolved labels in order of import as CSV.

        Args:
            project: its id.
            annotators: whether each annotator has a column.
            raw: whether what a spreadsheet would take for a formula stays as it is.
            **filters: what is wanted.
        """
        query = _query("csv", filters, annotators=annotators, raw=raw)
        return _whole(project, query, as_text)

    @result
    def create_label_export(
        self,
        project: int,
        file_format: str = "csv",
        *,
        annotators: bool = False,
        raw: bool = False,
        **filters: Unpack[LabelFilters],
    ) -> Call[LabelExport]:
        """Let a worker write the resolved labels to a file; return the export.

        Formats and filters are those of `stream_labels`.
        """
        query = _query(file_format, filters, annotators=annotators, raw=raw)
        return send("POST", paths.label_exports(project), as_json, **query)

    @result
    def label_exports(self, project: int) -> Call[list[LabelExport]]:
        """Return every export that a job wrote or writes, oldest first."""
        return get(paths.label_exports(project), as_json)

    @result
    def label_export(self, project: int, number: int) -> Call[LabelExport]:
        """Return one export with the state of its job."""
        return get(paths.label_exports(project, f"/{number}"), as_json)

    @entries
    def label_export_file(self, project: int, number: int) -> Blocks:
        """Yield the bytes of an export's file, as they come."""
        return Blocks(get(paths.label_exports(project, f"/{number}/file"), as_json))


def _query(
    file_format: str, filters: Mapping[str, Any], *, annotators: bool, raw: bool
) -> dict[str, Any]:
    more = {"annotators": annotators or None, "raw": raw or None}
    return {"format": file_format, **more, **as_query(filters)}


def _whole(
    project: int, query: Mapping[str, Any], parse: Callable[[httpx.Response], T]
) -> Series[T]:
    """Return the file in one piece, from the answer or from the job that the service wants."""
    try:
        streamed: T = yield get(paths.labels(project), parse, **query)
    except ClientError as refusal:
        if refusal.code != TOO_LARGE:
            raise
    else:
        return streamed
    call = yield from _by_job(project, query)
    written: T = yield replace(call, parse=parse)
    return written


def _by_job(project: int, query: Mapping[str, Any]) -> Series[Call[Any]]:
    """Let a worker write the file; return the call that reads it once it is there."""
    export = yield send("POST", paths.label_exports(project), as_json, **query)
    path, pause = paths.label_exports(project, f"/{export['id']}"), 0.1
    while export["state"] in ("queued", "running"):
        yield Pause(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
        export = yield get(path, as_json)
    if export["state"] != "succeeded":
        why = export["error"] or f"its job is {export['state']}"
        raise ClientError(0, "label_export_not_ready", f"The labels were not exported: {why}")
    return get(f"{path}/file", as_json)
