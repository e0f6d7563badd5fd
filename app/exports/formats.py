"""The formats of exported labels: names, media types, and endings of their files."""

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class ExportFormat(StrEnum):
    """The format of exported labels."""

    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"
    LABEL_STUDIO = "label-studio"
    FASTTEXT = "fasttext"
    IMAGES = "images"
    HUGGING_FACE = "hugging-face"


@dataclass(frozen=True)
class FileKind:
    """How a file is sent: its media type and the ending of its name."""

    media_type: str
    ending: str


ZIP = FileKind("application/zip", "zip")
FILE_KINDS = MappingProxyType(
    {
        ExportFormat.JSONL: FileKind("application/x-ndjson", "jsonl"),
        ExportFormat.CSV: FileKind("text/csv; charset=utf-8", "csv"),
        ExportFormat.PARQUET: FileKind("application/vnd.apache.parquet", "parquet"),
        ExportFormat.LABEL_STUDIO: FileKind("application/json", "json"),
        ExportFormat.FASTTEXT: FileKind("text/plain; charset=utf-8", "txt"),
        ExportFormat.IMAGES: ZIP,
        ExportFormat.HUGGING_FACE: ZIP,
    }
)
# Formats that hold the images themselves, where the items are images.
WITH_IMAGES = frozenset({ExportFormat.IMAGES, ExportFormat.HUGGING_FACE})
NEED_PYARROW = frozenset({ExportFormat.PARQUET, ExportFormat.HUGGING_FACE})
# Files of lines, which can be written on from where a writer stopped.
OF_LINES = frozenset(
    {ExportFormat.JSONL, ExportFormat.CSV, ExportFormat.LABEL_STUDIO, ExportFormat.FASTTEXT}
)
