"""Answers of the API as typed dictionaries.

Instants are ISO 8601 texts; states and other names are those that the API documents.
"""

from typing import Any, TypedDict


class Content(TypedDict):
    """Content for the annotator: a text, or the URL of an image."""

    text: str | None
    image_url: str | None


Item = TypedDict(
    "Item",
    {
        "item_id": int,
        "external_id": str,
        "split": str,
        "index": int,
        "content": Content,
        "class": str | None,
    },
)
"""An item; annotators see its ids and its content only."""


class SetAside(TypedDict):
    """An item whose content could not be read, and why."""

    item_id: int
    external_id: str
    split: str
    index: int
    image_uri: str | None
    reason: str
    set_aside_at: str


class Retried(TypedDict):
    """How many items could be read again, and how many are still set aside."""

    n_taken_back: int
    n_left: int


class LineError(TypedDict):
    """Why one line or file, counted from 1, was refused."""

    line: int
    external_id: str | None
    code: str
    detail: str


class ImportResult(TypedDict):
    """The result of an import; a bad line does not stop the others."""

    n_created: int
    n_updated: int
    n_known: int
    n_failed: int
    n_without_spaces: int
    errors: list[LineError]


class RoundRef(TypedDict):
    """The newest round of a project."""

    number: int
    state: str


class Project(TypedDict):
    """A project and how far it is; counts are of items."""

    id: int
    name: str
    state: str
    modality: str
    classes: list[str]
    proxy: dict[str, Any]
    target: dict[str, Any]
    strategy: str
    initial_budget: int
    round_budget: int
    total_budget: int
    reserve: int
    labels_per_item: int
    annotation: dict[str, Any]
    selection: dict[str, Any]
    trigger: dict[str, Any]
    stop_when: dict[str, Any]
    features_hash: str | None
    seed: int
    measures_epochs: bool
    n_pool: int
    n_evaluation: int
    n_labeled: int
    n_imported: int
    n_skipped: int
    round: RoundRef | None
    created_at: str
    finished_at: str | None


class Event(TypedDict):
    """An event of a project."""

    id: int
    name: str
    facts: dict[str, Any]
    created_at: str


class Features(TypedDict):
    """Features that were brought: `n` rows, one a pool item, of `d` values."""

    features_hash: str
    n: int
    d: int


Suggestion = TypedDict(
    "Suggestion",
    {
        "class": str,
        "confidence": float,
    },
)
"""The proxy's most probable class; confidence is its probability."""


class BatchItem(TypedDict):
    """An item leased to the annotator until `leased_until`."""

    item_id: int
    external_id: str
    content: Content
    suggestion: Suggestion | None
    rank: int | None
    source: str | None
    model_version: str | None
    labels_behind: int | None
    leased_until: str | None


class NextBatch(TypedDict):
    """Items to label now; where there are none, `state` and `waiting_for` say why."""

    state: str
    round: int | None
    items: list[BatchItem]
    waiting_for: str | None


class Lease(TypedDict):
    """A live lease of the annotator."""

    item_id: int
    leased_until: str


class AnswerOutcome(TypedDict):
    """The outcome of one entry; `code` and `detail` say why it was refused."""

    item_id: int
    status: str
    code: str | None
    detail: str | None


GivenLabel = TypedDict(
    "GivenLabel",
    {
        "annotator": str,
        "class": str,
        "is_flagged": bool,
        "is_excluded": bool,
        "is_adjudication": bool,
    },
)
"""One annotator's label of an item."""


ExportedLabel = TypedDict(
    "ExportedLabel",
    {
        "item_id": int,
        "external_id": str,
        "index": int,
        "class": str,
        "source": str,
        "round": int | None,
        "is_control": bool,
        "method": str,
        "agreement": float,
        "confidence": float | None,
        "labels": list[GivenLabel],
        "flags": list[str],
        "resolved_at": str,
    },
)
"""One resolved label of an export."""


LabelHistory = TypedDict(
    "LabelHistory",
    {
        "annotator": str,
        "class": str,
        "is_flagged": bool,
        "is_excluded": bool,
        "is_adjudication": bool,
        "item_id": int,
        "created_at": str,
        "revised_at": str | None,
        "withdrawn_at": str | None,
        "earlier_classes": list[str],
    },
)
"""One annotator's label of an item, with the classes it had before; withdrawn ones too."""


class Flag(TypedDict):
    """An annotator's comment on an item."""

    id: int
    item_id: int
    annotator: str
    comment: str
    created_at: str
    closed_at: str | None


class GoldScore(TypedDict):
    """Share of gold answered rightly since the last pause, with its 95% interval."""

    n_answers: int
    n_right: int
    accuracy: float | None
    low: float
    high: float


class Annotator(TypedDict):
    """The work of one annotator; withdrawn labels are not counted."""

    name: str
    n_labels: int
    n_on_reserve: int
    labels_behind_median: float
    seconds_median: float | None
    last_label_at: str | None
    n_flagged: int
    gold: GoldScore
    paused: str | None


class SharedAgreement(TypedDict):
    """Agreement on items with at least two labels; null where it says nothing."""

    n_items: int
    n_labels: int
    krippendorff_alpha: float | None
    fleiss_kappa: float | None


class RoundAgreement(TypedDict):
    """Agreement on one round's items."""

    n_items: int
    n_labels: int
    krippendorff_alpha: float | None
    fleiss_kappa: float | None
    round: int


class AnnotatorAgreement(TypedDict):
    """One annotator's mean kappa with the others and share of agreement with the consensus."""

    name: str
    n_shared: int
    cohen_kappa: float | None
    n_resolved: int
    with_consensus: float | None


class PairAgreement(TypedDict):
    """Cohen's kappa of two annotators on the items that both labeled."""

    first: str
    second: str
    n_items: int
    cohen_kappa: float | None


class Agreement(TypedDict):
    """Agreement of the labels: of the project, by round, annotator and pair."""

    project: SharedAgreement
    rounds: list[RoundAgreement]
    annotators: list[AnnotatorAgreement]
    pairs: list[PairAgreement]


GoldItem = TypedDict(
    "GoldItem",
    {
        "item_id": int,
        "external_id": str,
        "class": str,
        "n_answers": int,
        "n_right": int,
    },
)
"""A gold item, how often it was answered, and how often rightly."""


class GoldOutcome(TypedDict):
    """The outcome of one item; `code` and `detail` say why it was refused."""

    external_id: str
    status: str
    code: str | None
    detail: str | None


class Round(TypedDict):
    """One train-select-label cycle; `seconds` by part, device-synchronised."""

    number: int
    state: str
    strategy: str
    budget: int
    n_labeled: int | None
    model_id: int | None
    seconds: dict[str, float]
    settings: dict[str, Any]
    selection: dict[str, Any]
    created_at: str
    labeling_at: str | None
    completed_at: str | None


class SelectedItem(TypedDict):
    """An item that a round selected: its place, its score (higher = sooner), what became of it."""

    item_id: int
    external_id: str
    index: int
    rank: int
    source: str
    score: float
    is_control: bool
    state: str


class Share(TypedDict):
    """A measured share of `n` items with its 95% interval (Wilson)."""

    accuracy: float
    low: float
    high: float
    n: int


class Stability(TypedDict):
    """How far two proxies agree on `n` unlabeled items, a fixed uniform sample of the pool."""

    round: int
    n: int
    agreement: float
    kappa: float | None


class MeasuredRound(TypedDict):
    """Measurements of a round's proxy."""

    round: int
    model_id: int
    proxy: str
    n_labeled: int
    evaluation: Share | None
    control: Share | None
    stability: Stability | None


class Gain(TypedDict):
    """By how much the proxy's accuracy is expected to rise from `n_from` to `n_to` labels."""

    n_from: int
    n_to: int
    expected: float
    low: float
    high: float
    mean_high: float


class Advice(TypedDict):
    """Advice on whether to label more, the reasons, and the measurements."""

    advice: str
    reasons: list[str]
    expected_gain: Gain | None
    measured_on: str | None
    rounds: list[MeasuredRound]


class Job(TypedDict):
    """Work for a worker; `error` is why its last attempt ended."""

    id: int
    kind: str
    state: str
    attempts: int
    max_attempts: int
    lost_workers: int
    progress: dict[str, Any]
    error: str | None
    created_at: str
    started_at: str | None
    finished_at: str | None


class Model(TypedDict):
    """A trained model; `stale` says that a label it learned from was revised since."""

    id: int
    role: str
    name: str
    round_number: int | None
    n_labeled: int
    metrics: dict[str, Any]
    seconds: dict[str, float]
    recipe: dict[str, Any]
    recipe_hash: str
    provenance: dict[str, Any]
    stale: bool
    created_at: str


class CurvePoint(TypedDict):
    """One model on the evaluation split."""

    model_id: int
    role: str
    round: int | None
    n_labeled: int
    accuracy: float | None
    seconds: dict[str, float]


class CoreSet(TypedDict):
    """A core-set; its items can be read once `state` is `succeeded`."""

    id: int
    strategy: str
    budget: int
    class_balance: bool
    initial_uniform: int
    model: str
    recipe: dict[str, Any]
    seed: int
    draw_seed: int | None
    score_epochs: list[int]
    job_id: int
    state: str
    progress: dict[str, Any]
    error: str | None
    n_labeled: int | None
    label_version: int | None
    seconds: dict[str, float]
    provenance: dict[str, Any]
    weights_hash: str | None
    created_at: str


CoreSetItem = TypedDict(
    "CoreSetItem",
    {
        "rank": int,
        "item_id": int,
        "external_id": str,
        "index": int,
        "class": str,
        "score": float,
    },
)
"""One kept item; `rank` 0 was selected first, `class` is the label it was selected with."""


class CoreSetScores(TypedDict):
    """The selection model after one epoch of its training; epochs count from 1."""

    epoch: int
    accuracy: float | None
    train_seconds: float


class Token(TypedDict):
    """A token without its secret."""

    id: int
    name: str
    role: str
    act_as: bool
    annotators: list[str] | None
    max_annotators: int
    project_id: int | None
    created_at: str
    expires_at: str | None
    revoked_at: str | None
