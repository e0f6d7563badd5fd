"""Serves Swagger UI with its own files; opening it needs no token."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse
from starlette.exceptions import HTTPException

STATIC = Path(__file__).parent / "static"
FILES = {
    "docs.js": "text/javascript",
    "favicon-32x32.png": "image/png",
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "LICENSE": "text/plain",
    "NOTICE": "text/plain",
    "swagger-ui-bundle.js.LICENSE.txt": "text/plain",
}
# Addresses are relative: behind a proxy the page lies below its prefix.
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>svp API</title>
<link rel="icon" type="image/png" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/docs.js"></script>
</body>
</html>
"""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'"
)
HEADERS = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"}


def docs_router(describe: Callable[[FastAPI], dict[str, Any]]) -> APIRouter:
    """Return the routes of the documentation; `describe` makes the OpenAPI document."""
    router = APIRouter(include_in_schema=False)

    @router.get("/openapi.json")
    def openapi(request: Request) -> JSONResponse:
        return JSONResponse(describe(request.app))

    @router.get("/docs")
    def docs() -> HTMLResponse:
        return HTMLResponse(PAGE, headers=HEADERS)

    @router.get("/docs/{name}")
    def file(name: str) -> FileResponse:
        if name not in FILES:
            raise HTTPException(404, "The documentation has no such file.")
        return FileResponse(STATIC / name, media_type=FILES[name], headers=HEADERS)

    return router
