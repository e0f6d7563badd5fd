"""Answers of the busiest routes, rendered once."""

from collections.abc import Mapping

from fastapi import Response
from pydantic import BaseModel


def rendered(answer: BaseModel, headers: Mapping[str, str] | None = None) -> Response:
    """Return the answer as JSON.

    FastAPI would validate it a second time, and render it in a thread that it has to wait for.
    """
    body = answer.__pydantic_serializer__.to_json(answer, by_alias=True)
    return Response(body, media_type="application/json", headers=dict(headers or {}))
