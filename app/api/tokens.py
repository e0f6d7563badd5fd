"""Routes of tokens, for admins of the whole service: a token made here may reach any project."""

from fastapi import APIRouter

from app.api.bodies import Route
from app.api.deps import ServiceAdminDep, SessionDep
from app.db.queries import tokens as queries
from app.presenters.tokens import present_token
from app.schemas.bodies import problems
from app.schemas.tokens import TokenCreate, TokenCreated, TokenOut
from app.services.tokens import create_token, revoke_token

router = APIRouter(prefix="/tokens", tags=["tokens"], route_class=Route)


@router.post("", status_code=201, summary="Create a token", responses=problems(403, 404))
def create(body: TokenCreate, session: SessionDep, _admin: ServiceAdminDep) -> TokenCreated:
    """Create a token; it is shown once, only its hash is stored."""
    clear, token = create_token(
        session,
        body.name,
        body.role,
        project_id=body.project_id,
        act_as=body.act_as,
        annotators=body.annotators,
        max_annotators=body.max_annotators,
        expires_at=body.expires_at,
    )
    return TokenCreated.model_validate(
        {**present_token(token, body.name).model_dump(), "token": clear}
    )


@router.get("", summary="List tokens", responses=problems(403))
def list_tokens(session: SessionDep, _admin: ServiceAdminDep) -> list[TokenOut]:
    """Return every token without its secret."""
    return [present_token(t, name) for t, name in queries.list_all(session)]


@router.delete("/{token}", status_code=204, summary="Revoke a token", responses=problems(403, 404))
def revoke(token: int, session: SessionDep, _admin: ServiceAdminDep) -> None:
    """Revoke a token; its holder is refused from now on."""
    revoke_token(session, token)
