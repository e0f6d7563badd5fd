"""The application, created from settings and never at import."""

import gc
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

import structlog
from fastapi import APIRouter, Depends, FastAPI
from sqlalchemy.orm import Session, sessionmaker
from starlette.middleware.cors import CORSMiddleware

from app.api import (
    advice,
    agreement,
    annotation,
    annotators,
    audits,
    class_changes,
    classes,
    core_sets,
    costs,
    decisions,
    deletions,
    events,
    features,
    file_imports,
    flags,
    gold,
    health,
    images,
    item_changes,
    items,
    jobs,
    label_errors,
    label_exports,
    label_studio,
    labels,
    labels_saved,
    learning_curve,
    leases,
    lifecycle,
    maps,
    models,
    overview,
    people,
    pool_predictions,
    predictions,
    project_settings,
    projects,
    requeue,
    rounds,
    set_aside,
    skips,
    tokens,
    webhooks,
)
from app.api.access_log import AccessLog
from app.api.admission import AUTHENTICATION, Admission
from app.api.bodies import check_parameters
from app.api.deps import get_caller
from app.api.docs import docs_router
from app.api.errors import add_error_handlers
from app.api.even_time import Steps
from app.api.event_streams import EventStreams
from app.api.middleware import Head, RequestId, RootPath
from app.api.recent import Recent
from app.config import Settings, read_settings
from app.db.migrate import check_current
from app.db.queries.signing_keys import key_for
from app.db.session import Timeouts, make_engine, make_session_factory, transaction
from app.logging import configure_logging
from app.pages import annotators as annotator_pages
from app.pages import assets, exports, labeling, sign_in, wizard
from app.pages import items as item_pages
from app.pages import jobs as job_pages
from app.pages import label_errors as label_error_pages
from app.pages import label_studio as label_studio_pages
from app.pages import maps as map_pages
from app.pages import models as model_pages
from app.pages import overview as overview_pages
from app.pages import people as people_pages
from app.pages import projects as project_pages
from app.pages import rounds as round_pages
from app.pages import settings as settings_pages
from app.pages import webhooks as webhook_pages
from app.pages.errors import render_error
from app.queue import make_publisher
from app.schemas.bodies import Problem, problems
from app.server import END_STREAMS
from app.services.deletions import remove_some
from app.services.image_urls import PURPOSE
from app.services.jobs import sweep
from app.storage.artifacts import ArtifactStore

PREFIX = "/api/v1"
# In the order in which the API's page shows them.
ROUTES = (
    projects, project_settings, lifecycle, deletions, class_changes,
    features, events, items, item_changes,
    file_imports, set_aside, leases, labels, label_exports, skips, flags, requeue, decisions,
    annotation, annotators, agreement, gold,
    overview, costs, rounds, advice, learning_curve, classes, jobs, models, core_sets,
    audits, label_errors, labels_saved, maps, pool_predictions, predictions, people, webhooks,
    label_studio, tokens,
)  # fmt: skip
PAGES = (
    sign_in, wizard, project_pages, overview_pages, item_pages, model_pages, annotator_pages,
    round_pages, map_pages, job_pages, exports, label_error_pages, settings_pages, webhook_pages,
    label_studio_pages, people_pages,
    labeling, assets,
)  # fmt: skip
CORS_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
CORS_HEADERS = (
    "Authorization", "Content-Encoding", "Content-Type", "If-None-Match", "X-Request-ID",
)  # fmt: skip
CORS_EXPOSED = ("Content-Disposition", "ETag", "Retry-After", "X-Request-ID")
# A thread that has heard from Postgres holds its project's lock while it waits for Python's. Turns
# of a tenth of Python's own: 10,000 labels of 50 annotators in 2.7 s instead of 3.9 s (by hand).
SWITCH_SECONDS = 0.0005


def create_app(settings: Settings) -> FastAPI:
    """Return the application; it connects when it starts, not now.

    Raises:
        ValueError: no database URL is set.
    """
    if settings.database_url is None:
        raise ValueError(
            "SVP_DATABASE_URL is not set; `svp up` starts a private Postgres and sets it."
        )
    app = FastAPI(
        title="svp",
        summary="A labeling service that selects by proxy",
        version="1",
        lifespan=_lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # the address a redirect names would be wrong behind a proxy
    )
    app.state.settings = settings
    add_error_handlers(app, render_error)
    app.add_middleware(Head)
    app.add_middleware(AccessLog)
    app.add_middleware(RequestId)
    app.add_middleware(RootPath, root_path=settings.root_path)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=CORS_METHODS,
            allow_headers=CORS_HEADERS,
            expose_headers=CORS_EXPOSED,
            max_age=600,
        )
    with_token = APIRouter(
        prefix=PREFIX, dependencies=[Depends(get_caller), Depends(check_parameters)]
    )
    for module in ROUTES:
        with_token.include_router(module.router)
    app.include_router(with_token)
    app.include_router(docs_router(describe), prefix=PREFIX)
    app.include_router(images.router, prefix=PREFIX)  # by signed address: without a token
    app.include_router(label_studio.open_router, prefix=PREFIX)  # by a secret of its own
    app.include_router(health.router, prefix=PREFIX)
    for page in PAGES:
        app.include_router(page.router)
    return app


def create_app_from_environment() -> FastAPI:
    """Return the application from SVP_* variables; what uvicorn runs."""
    settings = read_settings()
    configure_logging(settings)
    sys.setswitchinterval(SWITCH_SECONDS)
    app = create_app(settings)
    gc.freeze()  # what lives as long as the process need not be searched for garbage
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    settings: Settings = app.state.settings
    assert settings.database_url is not None  # noqa: S101 - create_app refuses it
    url = settings.database_url.get_secret_value()
    timeouts = Timeouts(
        settings.lock_timeout_seconds,
        settings.statement_timeout_seconds,
        settings.idle_transaction_seconds,
    )
    engine = make_engine(url, timeouts=timeouts)
    # Connections of their own for asking who calls: it never waits behind a project.
    n = AUTHENTICATION
    asking = make_engine(url, pool_size=n, max_connections=n, timeouts=timeouts)
    check_current(engine)
    app.state.session_factory = make_session_factory(engine, make_publisher(settings))
    app.state.authentication_factory = sessionmaker(asking, expire_on_commit=False)
    with transaction(app.state.session_factory) as session:
        app.state.image_key = key_for(session, PURPOSE)
    app.state.store = ArtifactStore(settings.artifact_store_url)
    app.state.steps = Steps()
    app.state.recent = Recent(app.state.session_factory)
    app.state.admission = Admission.create(settings.place_timeout_seconds)
    app.state.event_streams = streams = EventStreams(app.state.session_factory)
    stop = threading.Event()
    arguments = (stop, app.state.session_factory, settings)
    threads = [
        threading.Thread(target=_sweep_until, args=arguments, name="sweeper"),
        threading.Thread(target=_remove_until, args=(*arguments, app.state.store), name="remover"),
    ]
    for thread in threads:
        thread.start()
    yield {END_STREAMS: streams.close}
    streams.close()
    stop.set()
    for thread in threads:
        thread.join()
    app.state.recent.close()
    asking.dispose()
    engine.dispose()


def _sweep_until(stop: threading.Event, factory: sessionmaker[Session], settings: Settings) -> None:
    """Sweep every `sweep_seconds`; any number of API processes may do so at once."""
    log = structlog.get_logger()
    while not stop.wait(settings.sweep_seconds):
        try:
            result = sweep(factory, settings)
        except Exception as error:  # noqa: BLE001 - the next sweep tries again
            log.warning("sweep.failed", reason=str(error))
        else:
            swept = asdict(result)
            if any(swept.values()):
                log.info("jobs.swept", **swept)


def _remove_until(
    stop: threading.Event,
    factory: sessionmaker[Session],
    settings: Settings,
    store: ArtifactStore,
) -> None:
    """Remove what was deleted, piece by piece; any number of API processes may do so at once."""
    while not stop.wait(settings.sweep_seconds):
        try:
            while remove_some(factory, store, settings) and not stop.is_set():
                pass
        except Exception as error:  # noqa: BLE001 - the next look tries again
            structlog.get_logger().warning("removal.failed", reason=str(error))


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI schema, with the problem that all error responses refer to.

    What any route may answer is added here: 503 while the database is away, and for a body 400
    (unreadable), 413 (too large) and 415 (of another kind).
    """
    schema = app.openapi()
    if root_path := app.state.settings.root_path:
        schema["servers"] = [{"url": root_path}]
    schema["components"]["schemas"]["Problem"] = Problem.model_json_schema()
    for operation in (o for methods in schema["paths"].values() for o in methods.values()):
        common = [503] if "security" in operation else []
        if "requestBody" in operation:
            common += [400, 413, 415]
        for status in common:
            operation["responses"].setdefault(str(status), problems(status)[status])
    return schema
