"""Requests of annotation settings."""

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict

from app.domain.annotation import MAX_LABELS_PER_ITEM, AnnotationOptions
from app.schemas.bodies import KeysOf


@dataclass(frozen=True)
class AnnotationChange(AnnotationOptions):
    """Annotation settings; a request that changes them leaves out those that stay."""

    labels_per_item: int = field(default=1, metadata={"ge": 1, "le": MAX_LABELS_PER_ITEM})

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {"labels_per_item": 3, "overlap_fraction": 0.2, "consensus": "majority"}
        },
    )


GivenAnnotation = Annotated[dict[str, Any], KeysOf(AnnotationChange, skips_null=True)]
