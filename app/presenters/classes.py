"""The classes of a project as the API and pages show them."""

from dataclasses import asdict

from app.domain.classification import Interval
from app.schemas.classes import ClassesOut, FoundByRoundOut, FoundClassOut
from app.schemas.measures import IntervalOut
from app.services.classes import ProjectClasses


def present_interval(found: Interval | None) -> IntervalOut | None:
    """Return a measured value with its interval."""
    return None if found is None else IntervalOut(**asdict(found))


def present_classes(found: ProjectClasses, names: list[str]) -> ClassesOut:
    """Return the classes with their names."""
    return ClassesOut(
        shares_from=found.shares_from,
        classes=[
            FoundClassOut(
                class_=names[c.class_index],
                n_labeled=c.n_labeled,
                share=present_interval(c.share),
                is_rare=c.is_rare,
            )
            for c in found.classes
        ],
        rounds=[
            FoundByRoundOut(
                round=r.round_number,
                n_labeled=r.n_labeled,
                n_rare=r.n_rare,
                n_control=r.n_control,
                n_control_rare=r.n_control_rare,
                n_classes=r.n_classes,
                n_rare_classes=r.n_rare_classes,
            )
            for r in found.rounds
        ],
    )
