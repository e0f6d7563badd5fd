"""Reads uploads of image files (multipart/form-data) once the caller is known."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from app.config import Settings
from app.schemas.items import UploadForm, UploadMetadata, answers_of
from app.services.prepared_items import ItemIn

MAX_FILES = 1000
CHARSETS = frozenset({"utf-8", "utf8", "us-ascii", "iso-8859-1"})
UPLOAD_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["files"],
    "properties": {
        "files": {
            "type": "array",
            "items": {"type": "string", "format": "binary"},
            "description": "Image files, up to 1,000.",
        },
        "split": {
            "type": "string",
            "enum": ["pool", "evaluation"],
            "default": "pool",
            "description": "For files without metadata.",
        },
        "class": {"type": "string", "description": "For files without metadata."},
        "metadata": {
            "type": "string",
            "default": "{}",
            "description": '{"a.png": {"external_id": "a", "class": "cat", "metadata": {}}}',
        },
    },
}


def check_is_form(request: Request, files: str) -> None:
    """Refuse a body that is no form in UTF-8; `files` names in words what to send.

    Raises:
        HTTPException: 415.
    """
    kind, _, options = request.headers.get("content-type", "").partition(";")
    if kind.strip().lower() != "multipart/form-data":
        raise HTTPException(415, f"Send {files} as multipart/form-data, in fields named files.")
    charset = options.lower().partition("charset=")[2].partition(";")[0].strip(' "')
    if charset and charset not in CHARSETS:
        raise HTTPException(415, "Send the form in UTF-8, without another charset.")


@asynccontextmanager
async def uploaded(request: Request) -> AsyncIterator[tuple[UploadForm, list[UploadFile]]]:
    """Yield the form's fields and files; large files stay on the disk until the end.

    Raises:
        RequestValidationError: a field is missing or not what it should be.
        HTTPException: 415, the body is no form; 400, it is damaged or holds too much.
    """
    check_is_form(request, "image files")
    async with request.form(max_files=MAX_FILES, max_fields=10) as form:
        yield _read(form)


def items_of(form: UploadForm, files: list[UploadFile], settings: Settings) -> Iterator[ItemIn]:
    """Yield an item for each file, its bytes read when its turn comes."""
    for file in files:
        name = file.filename or ""
        given = form.metadata.get(name, UploadMetadata())
        yield ItemIn(
            external_id=given.external_id or name,
            split=given.split or form.split,
            class_name=_class_of(given, form),
            answers=answers_of(given.labels),
            image=file.file.read(settings.max_image_bytes + 1),
            metadata=given.metadata,
        )


def _class_of(given: UploadMetadata, form: UploadForm) -> str | None:
    """Return the file's class, or the form's where the file comes with nothing of its own."""
    return form.class_ if given.class_ is None and not given.labels else given.class_


def _read(form: FormData) -> tuple[UploadForm, list[UploadFile]]:
    files = form.getlist("files")
    faults: list[dict[str, Any]] = []
    if not files or not all(isinstance(file, UploadFile) for file in files):
        faults.append({"loc": ("body", "files"), "msg": "Send at least one file named files"})
    fields = {name: value for name, value in form.items() if name != "files"}
    try:
        read = UploadForm.model_validate(fields)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        faults += [{"loc": ("body", *fault["loc"]), "msg": fault["msg"]} for fault in found]
    if faults:
        raise RequestValidationError(faults)
    return read, [file for file in files if isinstance(file, UploadFile)]
