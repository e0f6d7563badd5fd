"""Requests and responses of the advice on the proxy."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from app.domain.names import Name
from app.schemas.audits import ComparisonOut
from app.schemas.bodies import Request, Response
from app.schemas.jobs import MadeByJobOut
from app.schemas.projects import ModelSpec
from app.services.audits import N_SAMPLE

MOST_CANDIDATES = 50
LONGEST_SECONDS = 30 * 86_400.0


class CandidateIn(ModelSpec):
    """A proxy to try, by a name for the answer."""

    name: Name


class ProxyAdviceIn(Request):
    """A question for the cheapest proxy that scores as the target does."""

    seconds: Annotated[
        float,
        Field(
            gt=0,
            le=LONGEST_SECONDS,
            description="Budget on the clock of all trainings and scorings. Two trainings of the "
            "target count in it and are done in any case.",
        ),
    ]
    strategy: Annotated[
        str | None, Field(description="Whose scores are compared; by default the newest round's.")
    ] = None
    n_sample: Annotated[
        int, Field(ge=100, le=100_000, description="Unlabeled items, drawn uniformly, to score.")
    ] = N_SAMPLE
    candidates: Annotated[
        list[CandidateIn],
        Field(
            max_length=MOST_CANDIDATES,
            description="Proxies, tried in this order; none: small models of the catalog, the "
            "target with fewer epochs, a probe on brought features, the present proxy.",
        ),
    ] = Field(default_factory=list)

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"seconds": 3600}})


class ProxyAdviceResult(Response):
    """Which proxy to take.

    `comparison` has the candidates that were tried. `selection_seconds` are those of a data
    selection by each: its training, and scoring the whole unlabeled pool; the `target` too.
    `reaching` lists the candidates whose gap to the ceiling may be 0, cheapest first; none where
    the ceiling itself may be 0. `recommended` is the first, or null. For those `not_tried` no
    seconds were left.
    """

    comparison: ComparisonOut
    selection_seconds: dict[str, float]
    reaching: list[str]
    recommended: str | None
    not_tried: list[str]


class ProxyAdviceOut(MadeByJobOut):
    """Advice on the proxy, from the labels at hand."""

    options: dict[str, Any]
    result: ProxyAdviceResult | None
