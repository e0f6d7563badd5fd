"""The stopping advice as the API and pages show it."""

from dataclasses import asdict

from app.domain.learning_curve import Share
from app.schemas.advice import (
    AdviceOut,
    AdvisedAuditOut,
    GainOut,
    MeasuredRoundOut,
    ShareOut,
    StabilityOut,
)
from app.services.advice import ProjectAdvice


def present_advice(found: ProjectAdvice) -> AdviceOut:
    """Return the advice, with what was measured of each round."""
    return AdviceOut(
        advice=found.advice.verdict,
        reasons=list(found.advice.reasons),
        expected_gain=GainOut(**asdict(found.gain)) if found.gain else None,
        measured_on=found.measured_on,
        audit=AdvisedAuditOut.model_validate(found.audit) if found.audit else None,
        rounds=[
            MeasuredRoundOut(
                round=measured.round_.number,
                model_id=measured.model.id,
                proxy=measured.model.name,
                n_labeled=measured.model.n_labeled,
                evaluation=_share(measured.evaluation),
                control=_share(measured.control),
                stability=StabilityOut(**measured.stability) if measured.stability else None,
            )
            for measured in found.rounds
        ],
    )


def _share(share: Share | None) -> ShareOut | None:
    if share is None:
        return None
    low, high = share.interval
    return ShareOut(accuracy=share.value, low=low, high=high, n=share.n)
