"""Checks annotation settings as a whole."""

from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from typing import Any

from sqlalchemy.orm import Session

from app.db.queries import tokens
from app.domain.annotation import AnnotationOptions, ConsensusMethod, annotation_from_json
from app.domain.errors import InvalidProject
from app.domain.names import normalised

LIBRARIES = {
    ConsensusMethod.CROWDLAB: ("cleanlab",),
}


def checked_annotation(stored: Mapping[str, Any], labels_per_item: int) -> AnnotationOptions:
    """Return the options.

    Raises:
        InvalidProject: an option is unknown, contradicts another, or needs a missing library.
    """
    options = annotation_from_json(stored)
    options.check(labels_per_item)
    missing = [x for x in LIBRARIES.get(options.consensus, ()) if find_spec(x) is None]
    if missing:
        raise InvalidProject(
            f"annotation.consensus {options.consensus} needs {' and '.join(missing)}: install "
            "svp-labeling[crowd] for the API and the workers, or use majority."
        )
    return options


def introduce(session: Session, names: Iterable[str]) -> None:
    """Add annotators of these names where there are none.

    Call it before you lock a project. Names are locked before projects, and in alphabetical order,
    as in a tool's first request for an annotator; otherwise two requests could wait for each other.
    A caller that may wait for the project's lock commits the names first.
    """
    for name in sorted({normalised(name) for name in names}):
        tokens.annotator_id(session, name)
