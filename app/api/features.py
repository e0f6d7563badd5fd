"""The route of brought features."""

from pathlib import Path

from fastapi import APIRouter, Request

from app.api.bodies import Route, takes_large_bodies
from app.api.deps import AdminDep, ProjectIdDep, SettingsDep, StoreDep, in_reading_thread, in_thread
from app.api.spool import spooled
from app.db.session import transaction
from app.db.tables import Split
from app.schemas.bodies import problems
from app.schemas.features import FeaturesOut
from app.services import features
from app.services.features import BroughtFeatures
from app.storage.room import check_room

router = APIRouter(prefix="/projects", tags=["projects"], route_class=Route)


@router.put(
    "/{project}/features",
    summary="Bring features",
    responses=problems(403, 404, 413, 507),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
            },
        }
    },
)
@takes_large_bodies
async def bring_features(
    request: Request,
    project: ProjectIdDep,
    _admin: AdminDep,
    store: StoreDep,
    settings: SettingsDep,
    split: Split = Split.POOL,
) -> FeaturesOut:
    """Store features of a split: a NumPy file (numpy.save) of float32 or float64 [n items, d].

    Row i belongs to the item of index i. Those of the pool serve cold starts, strategies that work
    on features (`selection.features` = brought), near-duplicates and candidate pools; with
    `split=evaluation`, as wide as the pool's, they let a probe on features be measured.
    """

    def store_file(path: Path) -> BroughtFeatures:
        n, d = features.check_features(path)
        return BroughtFeatures(store.put_file(path), n, d)

    def bring(brought: BroughtFeatures) -> None:
        with transaction(request.app.state.session_factory) as session:
            features.bring_features(session, project, brought, split)

    check_room(settings)
    async with spooled(request.stream(), settings.uploads_folder) as path:
        brought = await in_reading_thread(request, store_file, path)
    await in_thread(request, bring, brought)
    return FeaturesOut.model_validate(brought)
