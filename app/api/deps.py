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
from app.api.origin import check_origin
from app.api.user_header import named_by_proxy
from app.config import Settings
from app.db.queries import projects
from app.db.queries.tokens import Caller
from app.db.session import reading, transaction
from app.db.tables import Project
from app.domain.errors import NotAllowed, NotAuthenticated, NotFound
from app.domain.names import MAX_NAME
from app.domain.roles import Right
from app.services.image_urls import ImageUrls
from app.services.tokens import acting_annotator, authenticate
from app.services.web_sessions import authenticate_named, authenticate_session
from app.storage.artifacts import ArtifactStore

SESSION_COOKIE = "svp_session"
READING = frozenset({"GET", "HEAD", "OPTIONS"})
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
    async with _admission(request).database.take(path_project(request)):
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
    async with places.take(path_project(request)):
        return await run_in_threadpool(use, *args, **kw)


async def in_reading_thread(
    request: Request, use: Callable[P, R], *args: P.args, **kw: P.kwargs
) -> R:
    """Run a function that reads images or files, which may take long, in a thread.

    It opens no transaction and takes no place from those that do.
    """
    places = _admission(request).reading
    return await places.run(path_project(request), use, *args, **kw)


def path_project(request: Request) -> int | None:
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

    By its token; else by a proxy that signs people in, or by the session of its browser: of these
    only the service's own pages may change anything. Routes that parse a body have asked before
    (app.api.bodies).
    """
    known: Caller | None = getattr(request.state, "caller", None)
    if known is not None:
        return known
    secret = request.cookies.get(SESSION_COOKIE)
    name = named_by_proxy(request)
    if credentials is None and secret is None and name is None:
        raise NotAuthenticated("Send a token: `Authorization: Bearer svp_...`.")
    if credentials is None and request.method not in READING:
        check_origin(request)

    def read() -> Caller:
        with reading(request.app.state.authentication_factory) as session:
            if credentials is not None:
                return authenticate(session, credentials.credentials)
            if name is not None:
                return authenticate_named(session, name)
            assert secret is not None  # noqa: S101 - one of them is there
            return authenticate_session(session, secret, request.app.state.settings)

    request.state.caller = caller = await _admission(request).authentication.run(None, read)
    return caller


CallerDep = Annotated[Caller, Depends(get_caller)]


async def get_image_urls(request: Request) -> ImageUrls:
    """Return the object that signs and checks image URLs."""
    settings: Settings = request.app.state.settings
    root_path: str = request.scope.get("root_path", "")
    return ImageUrls(request.app.state.image_key, settings.image_url_seconds, root_path)


ImageUrlsDep = Annotated[ImageUrls, Depends(get_image_urls)]


def check_right(caller: Caller, right: Right, project_id: int | None) -> None:
    """Refuse a caller without this right in the project; None: in the whole service.

    Raises:
        NotFound: it does not reach the project at all.
        NotAllowed: it does, but lacks the right.
    """
    if project_id is not None and not caller.reaches(project_id):
        raise NotFound("project", project_id)
    if not caller.may(right, project_id):
        raise NotAllowed(NEEDED[right])


NEEDED = {
    Right.LABEL: "Readers label nothing; ask a lead of the project for a role that labels.",
    Right.READ: "This needs the token of an admin, or the role of a lead or reader.",
    Right.LEAD: "This needs the token of an admin, or the role of a lead.",
    Right.SERVE: "This needs an admin of the whole service.",
}


async def get_admin(request: Request, caller: CallerDep) -> Caller:
    """Return the caller if it leads the path's project; a reader may do what only reads."""
    right = Right.READ if request.method in READING else Right.LEAD
    check_right(caller, right, path_project(request))
    return caller


AdminDep = Annotated[Caller, Depends(get_admin)]


async def get_service_admin(caller: CallerDep) -> Caller:
    """Return the caller if it is an admin of the whole service, not of one project."""
    check_right(caller, Right.SERVE, None)
    return caller


ServiceAdminDep = Annotated[Caller, Depends(get_service_admin)]


async def get_project_id(project: int, caller: CallerDep) -> int:
    """Return the path's project id if the caller reaches that project."""
    if not caller.reaches(project):
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


# To read what is one's own; AnnotatorIdDep is for labeling.
ViewerIdDep = Annotated[int, Depends(get_annotator_id)]


async def get_labeling_annotator_id(
    request: Request, caller: CallerDep, annotator_id: ViewerIdDep
) -> int:
    """Return the id of the annotator that the request acts for, if the caller may label."""
    check_right(caller, Right.LABEL, path_project(request))
    return annotator_id


AnnotatorIdDep = Annotated[int, Depends(get_labeling_annotator_id)]
