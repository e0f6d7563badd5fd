"""Answers of the API as typed dictionaries.

Instants are ISO 8601 texts; states and other names are those that the API documents.
"""

from svp_client.types.advice import Advice, AdvisedAudit, Gain, MeasuredRound, Share, Stability
from svp_client.types.agreement import (
    Agreement,
    AnnotatorAgreement,
    PairAgreement,
    RoundAgreement,
    SharedAgreement,
)
from svp_client.types.analyses import (
    Audit,
    Comparison,
    CurvePart,
    LabelErrors,
    LabelErrorsResult,
    LabelsSaved,
    LabelsSavedResult,
    Map,
    MapPoints,
    MapResult,
    ModelAgreement,
    ProxyAdvice,
    ProxyAdviceResult,
    SuspectedLabel,
    TrainingCost,
)
from svp_client.types.annotators import Annotator, GoldScore
from svp_client.types.answers import AnswerOutcome
from svp_client.types.classes import Classes, FoundByRound, FoundClass
from svp_client.types.core_sets import CoreSet, CoreSetItem, CoreSetScores
from svp_client.types.costs import AnnotatorCost, Costs, Prices, TargetSelection, WorkerCost
from svp_client.types.events import Event
from svp_client.types.features import Features
from svp_client.types.flags import Flag
from svp_client.types.gold import GoldItem, GoldOutcome
from svp_client.types.imports import Import, RefusedLine
from svp_client.types.item_history import GoldAnswer, ItemHistory, Selection, Slot, Suspicion
from svp_client.types.items import (
    Content,
    ErasedItems,
    ImportResult,
    Item,
    LineError,
    ListedItem,
)
from svp_client.types.jobs import Job
from svp_client.types.label_exports import LabelExport
from svp_client.types.label_studio import LabelStudioConnected, LabelStudioConnection
from svp_client.types.labels import ExportedLabel, GivenLabel, LabelHistory
from svp_client.types.leases import BatchItem, Lease, NextBatch, Suggestion
from svp_client.types.model_metrics import (
    Calibration,
    CalibrationError,
    ClassMetrics,
    Confusion,
    Interval,
    ModelMetrics,
    ReliabilityBin,
    SplitMetrics,
)
from svp_client.types.models import (
    CurvePoint,
    Model,
    PoolPredictions,
    PoolPredictionsResult,
    PredictedItem,
)
from svp_client.types.overview import FoundProblem, LiveJob, Overview, Pace, Queue
from svp_client.types.people import Invitation, Member, Progress
from svp_client.types.predictions import Predicted, Predictions
from svp_client.types.projects import (
    ClassChange,
    DeletedProject,
    Project,
    RoundRef,
    ShownClass,
)
from svp_client.types.rounds import Round, SelectedItem
from svp_client.types.set_aside import Retried, SetAside
from svp_client.types.tokens import Token
from svp_client.types.webhooks import Delivery, Webhook, WebhookCreated

__all__ = [
    "Advice",
    "AdvisedAudit",
    "Agreement",
    "Annotator",
    "AnnotatorAgreement",
    "AnnotatorCost",
    "AnswerOutcome",
    "Audit",
    "BatchItem",
    "Calibration",
    "CalibrationError",
    "ClassChange",
    "ClassMetrics",
    "Classes",
    "Comparison",
    "Confusion",
    "Content",
    "CoreSet",
    "CoreSetItem",
    "CoreSetScores",
    "Costs",
    "CurvePart",
    "CurvePoint",
    "DeletedProject",
    "Delivery",
    "ErasedItems",
    "Event",
    "ExportedLabel",
    "Features",
    "Flag",
    "FoundByRound",
    "FoundClass",
    "FoundProblem",
    "Gain",
    "GivenLabel",
    "GoldAnswer",
    "GoldItem",
    "GoldOutcome",
    "GoldScore",
    "Import",
    "ImportResult",
    "Interval",
    "Invitation",
    "Item",
    "ItemHistory",
    "Job",
    "LabelErrors",
    "LabelErrorsResult",
    "LabelExport",
    "LabelHistory",
    "LabelStudioConnected",
    "LabelStudioConnection",
    "LabelsSaved",
    "LabelsSavedResult",
    "Lease",
    "LineError",
    "ListedItem",
    "LiveJob",
    "Map",
    "MapPoints",
    "MapResult",
    "MeasuredRound",
    "Member",
    "Model",
    "ModelAgreement",
    "ModelMetrics",
    "NextBatch",
    "Overview",
    "Pace",
    "PairAgreement",
    "PoolPredictions",
    "PoolPredictionsResult",
    "Predicted",
    "PredictedItem",
    "Predictions",
    "Prices",
    "Progress",
    "Project",
    "ProxyAdvice",
    "ProxyAdviceResult",
    "Queue",
    "RefusedLine",
    "ReliabilityBin",
    "Retried",
    "Round",
    "RoundAgreement",
    "RoundRef",
    "SelectedItem",
    "Selection",
    "SetAside",
    "Share",
    "SharedAgreement",
    "ShownClass",
    "Slot",
    "SplitMetrics",
    "Stability",
    "Suggestion",
    "SuspectedLabel",
    "Suspicion",
    "TargetSelection",
    "Token",
    "TrainingCost",
    "Webhook",
    "WebhookCreated",
    "WorkerCost",
]
