"""Dependencies of routes: a transaction, settings, the store, and who calls.

What only looks at the request is `async`: FastAPI would take a thread for each plain function.
"""

from collections.abc import AsyncIterator, Callable
from typing import Annotated, ParamSpec, TypeVar

from anyio import CancelScope
from fastapi import Depends, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from app.api.admission import Admission
from app.config import Settings
from app.db.queries import projects
from app.db.queries.tokens import Caller
from app.db.session import reading, transaction
from app.db.tables import Project, Role
from app.domain.errors import NotAllowed, NotAuthenticated, NotFound
from app.domain.names import MAX_NAME
from app.services.image_urls import ImageUrls
from app.services.tokens import acting_annotator, authenticate
from app.storage.artifacts import ArtifactStore

_NUMBER = TypeAdapter(int)  # reads a path as FastAPI does
P = ParamSpec("P")
R = TypeVar("R")

bearer = HTTPBearer(auto_error=False, description="A token from `svp token create`.")


async def get_settings(request: Request) -> Settings:
    """Return the application's settings."""
    settings: Settings = request.app.state.settings
    return settings


async def admitted(request: Request) -> AsyncIterator[None]:
    """Wait for a place among the requests that use the database (app.api.admission)."""
    async with _admission(request).database.take(_path_project(request)):
        yield


async def get_session(
    request: Request, _place: Annotated[None, Depends(admitted, scope="function")]
) -> AsyncIterator[Session]:
    """Yield the request's one transaction; it commits before the answer is sent.

    A thread is taken only for what is left to commit or to roll back. The routes that annotators
    poll commit themselves, before they render: others wait for the project's lock meanwhile.
    """
    session: Session = request.app.state.session_factory()
    try:
        yield session
        if session.in_transaction():
            await run_in_threadpool(session.commit)
    finally:
        if session.in_transaction():
            with CancelScope(shield=True):
                await run_in_threadpool(session.rollback)
        session.close()


async def in_thread(request: Request, use: Callable[P, R], *args: P.args, **kw: P.kwargs) -> R:
    """Run a function that opens transactions of its own in a thread, in one of the places."""
    places = _admission(request).database
    async with places.take(_path_project(request)):
        return await run_in_threadpool(use, *args, **kw)


async def in_reading_thread(
    request: Request, use: Callable[P, R], *args: P.args, **kw: P.kwargs
) -> R:
    """Run a function that reads images or files, which may take long, in a thread.

    It opens no transaction and takes no place from those that do.
    """
    places = _admission(request).reading
    return await places.run(_path_project(request), use, *args, **kw)


def _path_project(request: Request) -> int | None:
    """Return the path's project; 1, 01 and 1.0 are the same project."""
    try:
        return _NUMBER.validate_python(request.path_params.get("project"))
    except ValidationError:
        return None  # none, or one that is refused


def _admission(request: Request) -> Admission:
    admission: Admission = request.app.state.admission
    return admission


async def get_store(request: Request) -> ArtifactStore:
    """Return the artifact store."""
    store: ArtifactStore = request.app.state.store
    return store


# scope="function": with the default scope the commit would come after the answer, and a failing
# commit would still have answered 201.
SessionDep = Annotated[Session, Depends(get_session, scope="function")]
SettingsDep = Annotated[Settings, Depends(get_settings)]
StoreDep = Annotated[ArtifactStore, Depends(get_store)]
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]


async def get_caller(request: Request, credentials: Credentials) -> Caller:
    """Return the caller, by one statement before the request's transaction.

    Routes that parse a body have asked before (app.api.bodies).
    """
    known: Caller | None = getattr(request.state, "caller", None)
    if known is not None:
        return known
    if credentials is None:
        raise NotAuthenticated("Send a token: `Authorization: Bearer svp_...`.")

    def read() -> Caller:
        with reading(request.app.state.authentication_factory) as session:
            return authenticate(session, credentials.credentials)

    request.state.caller = caller = await _admission(request).authentication.run(None, read)
    return caller


CallerDep = Annotated[Caller, Depends(get_caller)]


async def get_image_urls(request: Request) -> ImageUrls:
    """Return the object that signs and checks image URLs."""
    settings: Settings = request.app.state.settings
    root_path: str = request.scope.get("root_path", "")
    return ImageUrls(request.app.state.image_key, settings.image_url_seconds, root_path)


ImageUrlsDep = Annotated[ImageUrls, Depends(get_image_urls)]


async def get_admin(caller: CallerDep) -> Caller:
    """Return the caller if it is an admin."""
    if caller.role is not Role.ADMIN:
        raise NotAllowed("This needs the token of an admin; yours is an annotator's.")
    return caller


AdminDep = Annotated[Caller, Depends(get_admin)]


async def get_service_admin(admin: AdminDep) -> Caller:
    """Return the caller if it is an admin of the whole service, not of one project."""
    if admin.project_id is not None:
        raise NotAllowed(
            f"This needs an admin's token for every project; yours reaches project "
            f"{admin.project_id} alone."
        )
    return admin


ServiceAdminDep = Annotated[Caller, Depends(get_service_admin)]


async def get_project_id(project: int, caller: CallerDep) -> int:
    """Return the path's project id if the caller's token reaches that project."""
    if caller.project_id not in (None, project):
        raise NotFound("project", project)
    return project


ProjectIdDep = Annotated[int, Depends(get_project_id)]


def get_project(project_id: ProjectIdDep, session: SessionDep) -> Project:
    """Return the path's project."""
    return projects.get(session, project_id)


ProjectDep = Annotated[Project, Depends(get_project)]

AnnotatorQuery = Annotated[
    str | None,
    Query(
        description="For tokens with act_as: the annotator acted for. White space around the name "
        "does not count, capitals do.",
        max_length=MAX_NAME,
    ),
]


async def get_annotator_id(
    request: Request, caller: CallerDep, annotator: AnnotatorQuery = None
) -> int:
    """Return the id of the annotator that the request acts for.

    In a transaction of its own: a new annotator is known to other requests at once, though this
    one waits for its project's lock.
    """
    if annotator is None:
        return caller.annotator_id

    def find() -> int:
        with transaction(request.app.state.authentication_factory) as session:
            return acting_annotator(session, caller, annotator)

    return await _admission(request).authentication.run(None, find)


AnnotatorIdDep = Annotated[int, Depends(get_annotator_id)]
