"""Routes of trained models."""

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse, StreamingResponse

from app.api.bodies import Route
from app.api.deps import AdminDep, ProjectDep, SessionDep, StoreDep
from app.api.downloads import FILE, as_file
from app.db.queries import models
from app.db.tables import Model
from app.domain.errors import NotFound
from app.presenters.model_cards import present_card
from app.presenters.model_metrics import present_model_metrics
from app.schemas.bodies import problems
from app.schemas.model_metrics import ModelMetricsOut
from app.schemas.models import ModelOut
from app.services.model_cards import read_card
from app.services.model_metrics import read_model_metrics

router = APIRouter(prefix="/projects/{project}/models", tags=["progress"], route_class=Route)


def _get(session: SessionDep, project: ProjectDep, model: int) -> Model:
    found = models.get(session, project.id, model)
    if found is None:
        raise NotFound("model", model)
    return found


@router.get("", summary="List models", responses=problems(403, 404))
def list_models(session: SessionDep, project: ProjectDep, _admin: AdminDep) -> list[ModelOut]:
    """Return every trained model, oldest first."""
    return [ModelOut.model_validate(m) for m in models.list_all(session, project.id)]


@router.get("/{model}", summary="Read a model", responses=problems(403, 404))
def read_model(session: SessionDep, project: ProjectDep, _admin: AdminDep, model: int) -> ModelOut:
    """Return one model with its metrics, recipe and provenance."""
    return ModelOut.model_validate(_get(session, project, model))


@router.get("/{model}/metrics", summary="Read a model's metrics", responses=problems(403, 404))
def read_metrics(
    session: SessionDep, project: ProjectDep, _admin: AdminDep, model: int
) -> ModelMetricsOut:
    """Return how good the model is: by class, its confusions, its calibration."""
    found = read_model_metrics(session, project, _get(session, project, model))
    return present_model_metrics(found, project.classes)


@router.get(
    "/{model}/card",
    summary="Read a model's card",
    response_class=PlainTextResponse,
    responses={
        **problems(403, 404),
        200: {"content": {"text/markdown": {"schema": {"type": "string"}}}},
    },
)
def read_model_card(
    session: SessionDep, project: ProjectDep, _admin: AdminDep, model: int
) -> PlainTextResponse:
    """Return the model's card as Markdown: data, labels, quality, recipe, cost, limits, hashes."""
    card = read_card(session, project, _get(session, project, model))
    return PlainTextResponse(present_card(card), media_type="text/markdown")


@router.get(
    "/{model}/predictions",
    summary="Download predictions",
    response_class=StreamingResponse,
    responses={**problems(403, 404, 410), **FILE},
)
def download_predictions(
    session: SessionDep, project: ProjectDep, _admin: AdminDep, store: StoreDep, model: int
) -> StreamingResponse:
    """Return the predictions of the items that measure the model: a NumPy archive (npz) of arrays.

    `evaluation_index` (in the split), `evaluation_labels`, `evaluation_classes` (predicted),
    `evaluation_confidences` and, where they are not too many, `evaluation_probs`; of a proxy that
    ranked a control arm the same by `control_`, without labels: those came later.
    """
    found = _get(session, project, model)
    if found.predictions_hash is None:
        raise NotFound("stored prediction of model", model)
    name = f"project-{project.id}-{found.role}-{found.id}-predictions.npz"
    return as_file(store, found.predictions_hash, name)


@router.get(
    "/{model}/weights",
    summary="Download weights",
    response_class=StreamingResponse,
    responses={**problems(403, 404, 410), **FILE},
)
def download(
    session: SessionDep, project: ProjectDep, _admin: AdminDep, store: StoreDep, model: int
) -> StreamingResponse:
    """Return the weights as a safetensors file; its metadata rebuilds the network."""
    found = _get(session, project, model)
    name = f"project-{project.id}-{found.role}-{found.id}.safetensors"
    return as_file(store, found.weights_hash, name)
