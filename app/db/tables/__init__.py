"""The tables and the constraints that carry the service's promises, each with its sentence.

States are text, checked against app.domain.states; instants are UTC by the database's clock.
"""

from app.db.tables.access import (
    Annotator,
    Invitation,
    Membership,
    SigningKey,
    SignInLink,
    Token,
    TokenAnnotator,
    WebSession,
)
from app.db.tables.analyses import Analysis, AnalysisKind, SuspectedLabel
from app.db.tables.base import Base
from app.db.tables.deletions import DeletedProject, DiscardedArtifact
from app.db.tables.events import Event
from app.db.tables.gold import GoldAnswer, GoldItem, PausedAnnotator
from app.db.tables.imports import Import, RefusedImportLine
from app.db.tables.label_exports import LabelExport
from app.db.tables.label_studio import (
    LabelStudioAnnotation,
    LabelStudioConnection,
    LabelStudioTask,
    LabelStudioUser,
    LabelStudioWake,
    RoundEnd,
    TaskState,
)
from app.db.tables.labels import (
    ConsensusSource,
    ItemFlag,
    Label,
    LabelRevision,
    LabelSource,
    ResolvedLabel,
)
from app.db.tables.predictions import PredictionRequest
from app.db.tables.projects import Item, Project, SetAsideItem, Split
from app.db.tables.rounds import BatchItem, BatchItemSlot, BatchSource, Round, SkipReason
from app.db.tables.webhooks import DeliveryState, Webhook, WebhookDelivery
from app.db.tables.work import (
    CoreSet,
    CoreSetItem,
    CoreSetScores,
    Job,
    JobKind,
    Model,
    ModelRole,
    Worker,
)
from app.domain.roles import Role

__all__ = [
    "Analysis",
    "AnalysisKind",
    "Annotator",
    "Base",
    "BatchItem",
    "BatchItemSlot",
    "BatchSource",
    "ConsensusSource",
    "CoreSet",
    "CoreSetItem",
    "CoreSetScores",
    "DeletedProject",
    "DeliveryState",
    "DiscardedArtifact",
    "Event",
    "GoldAnswer",
    "GoldItem",
    "Import",
    "Invitation",
    "Item",
    "ItemFlag",
    "Job",
    "JobKind",
    "Label",
    "LabelExport",
    "LabelRevision",
    "LabelSource",
    "LabelStudioAnnotation",
    "LabelStudioConnection",
    "LabelStudioTask",
    "LabelStudioUser",
    "LabelStudioWake",
    "Membership",
    "Model",
    "ModelRole",
    "PausedAnnotator",
    "PredictionRequest",
    "Project",
    "RefusedImportLine",
    "ResolvedLabel",
    "Role",
    "Round",
    "RoundEnd",
    "SetAsideItem",
    "SignInLink",
    "SigningKey",
    "SkipReason",
    "Split",
    "SuspectedLabel",
    "TaskState",
    "Token",
    "TokenAnnotator",
    "WebSession",
    "Webhook",
    "WebhookDelivery",
    "Worker",
]
