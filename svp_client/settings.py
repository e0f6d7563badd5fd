"""Settings that methods take by name; the API's documentation explains each."""

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict


class ProjectSettings(TypedDict):
    """Settings of a new project.

    Models are `{"model": name, "recipe": {...}}`; without them the service's defaults are used.
    """

    name: str
    modality: str
    classes: Sequence[str]
    initial_budget: int
    round_budget: int
    total_budget: int
    reserve: NotRequired[int | None]
    proxy: NotRequired[Mapping[str, Any] | None]
    target: NotRequired[Mapping[str, Any] | None]
    strategy: NotRequired[str]
    labels_per_item: NotRequired[int]
    annotation: NotRequired[Mapping[str, Any]]
    selection: NotRequired[Mapping[str, Any]]
    trigger: NotRequired[Mapping[str, Any]]
    stop_when: NotRequired[Mapping[str, Any]]
    audit: NotRequired[Mapping[str, Any]]
    seed: NotRequired[int]
    measures_epochs: NotRequired[bool]


class ProjectChanges(TypedDict, total=False):
    """Settings of a project to change; those left out stay."""

    name: str
    proxy: Mapping[str, Any]
    target: Mapping[str, Any]
    strategy: str
    initial_budget: int
    round_budget: int
    total_budget: int
    reserve: int
    selection: Mapping[str, Any]
    trigger: Mapping[str, Any]
    stop_when: Mapping[str, Any]
    audit: Mapping[str, Any]


class AnnotationChanges(TypedDict, total=False):
    """Settings of annotation to change; those left out stay."""

    labels_per_item: int
    overlap_fraction: float
    consensus: str
    min_agreement: float
    max_labels_per_item: int | None
    adjudicators: Sequence[str]
    gold_fraction: float
    gold_min_accuracy: float | None
    gold_min_answers: int
    gold_action: str
    flagged_labels: str


class CoreSetSettings(TypedDict):
    """A request for a core-set: a strategy, and either `fraction` or `budget`."""

    strategy: str
    fraction: NotRequired[float | None]
    budget: NotRequired[int | None]
    model: NotRequired[str | None]
    recipe: NotRequired[Mapping[str, Any]]
    epochs: NotRequired[int | None]
    class_balance: NotRequired[bool]
    initial_uniform: NotRequired[int]
    seed: NotRequired[int | None]
    draw_seed: NotRequired[int | None]
    score_epochs: NotRequired[Sequence[int]]


class AuditSettings(TypedDict, total=False):
    """The audit that is wanted: whose scores are compared, on how many unlabeled items."""

    strategy: str | None
    n_sample: int


class LabelFilters(TypedDict, total=False):
    """The resolved labels to export; what is left out takes all.

    `since` is an instant with its zone, as 2026-11-30T12:00:00Z.
    """

    class_: str
    round_: int
    annotator: str
    flagged: bool
    max_agreement: float
    since: str
    split: str


class ClassChangeSettings(TypedDict):
    """A change of classes; `to` is a new name, or the class to merge into."""

    kind: str
    name: NotRequired[str]
    to: NotRequired[str]
    hint: NotRequired[str]
    names: NotRequired[Sequence[str]]


class ItemFilters(TypedDict, total=False):
    """The items to list; what is left out takes all.

    `state` is labeled, open, skipped, set_aside or unlabeled. `confused_by` is a model: items of
    the evaluation split that it took for `predicted`, of the class `class_`. `inside` are corners
    of a part of the map.
    """

    class_: str
    round_: int
    state: str
    annotator: str
    disputed: bool
    flagged: bool
    gold: bool
    min_score: float
    max_score: float
    suspected_by: int
    confused_by: int
    predicted: str
    search: str
    inside: str


class Candidate(TypedDict):
    """A proxy to try, by a name for the answer."""

    name: str
    model: str
    recipe: NotRequired[Mapping[str, Any]]


class ProxyAdviceSettings(TypedDict):
    """The advice that is wanted: a budget in seconds; what is tried, and how it is compared."""

    seconds: float
    strategy: NotRequired[str | None]
    n_sample: NotRequired[int]
    candidates: NotRequired[Sequence[Candidate]]
