"""Experiments that the service cannot run, each with the reason."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from models.catalog import Encoding, find_model
from workers.simulation.config import ExperimentConfig, ExperimentError, TrapsConfig
from workers.simulation.kinds import kind_of

WHY_NO_TRAP: Mapping[str, str] = MappingProxyType(
    {
        "scoring": "the service scores each item as it is: random crops would give annotators "
        "other items each time the same model ranks the same pool",
        "entropy_zeros": "the service would ask annotators first for the items of which its model "
        "is surest",
    }
)


def refuse_beyond_service(experiment: ExperimentConfig) -> None:
    """Refuse an experiment that cannot go through the service.

    Raises:
        ExperimentError: for these reasons, all of them.
    """
    reasons = list(_reasons(experiment))
    if reasons:
        raise ExperimentError(
            f"{experiment.name} cannot go through the service; leave --through-api and --url "
            f"out, or change this: {'; '.join(reasons)}."
        )


def _reasons(experiment: ExperimentConfig) -> Iterator[str]:
    for trap, reason in WHY_NO_TRAP.items():
        if getattr(experiment.traps, trap) != getattr(TrapsConfig(), trap):
            yield f"traps.{trap}: {reason}"
    for name, model in experiment.models.items():
        if find_model(model.model).encoding is Encoding.VECTORS:
            yield (
                f"models.{name}: {model.model} takes brought features, and the service has none "
                "of evaluation items, so it could give no error"
            )
    yield from kind_of(experiment).service_limits(experiment)
