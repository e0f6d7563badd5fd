"""Errors of the domain: each has a stable `code` and a sentence that says what to do.

app.api.errors maps codes to HTTP in one table; nothing here knows of HTTP.
"""

from typing import Any, ClassVar


class DomainError(Exception):
    """Base of every error that a caller can fix; `detail` is the sentence shown."""

    code: ClassVar[str] = "domain_error"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class NotFound(DomainError):
    """The thing named does not exist or is not visible with this token."""

    code = "not_found"

    def __init__(self, noun: str, key: object) -> None:
        super().__init__(f"There is no {noun} {key!s}. List the {noun}s to see what exists.")


class TransitionNotAllowed(DomainError):
    """The requested state may not follow the current one."""

    code = "transition_not_allowed"

    def __init__(self, subject: str, old: str, new: str, allowed: list[str]) -> None:
        choices = ", ".join(allowed) if allowed else "nothing: it has ended"
        super().__init__(
            f"{subject} is {old} and cannot become {new}; what may follow is {choices}."
        )


class NotAuthenticated(DomainError):
    """The token is missing, unknown, revoked or expired."""

    code = "not_authenticated"


class NotAllowed(DomainError):
    """The token is valid but lacks the right."""

    code = "not_allowed"


class ImageUrlInvalid(DomainError):
    """A signed image address was not made by this service."""

    code = "image_url_invalid"


class ImageUrlExpired(DomainError):
    """A signed image address is too old."""

    code = "image_url_expired"


class InvalidName(DomainError, ValueError):
    """A name is blank, too long, or holds invisible characters.

    A ValueError, too, so that request schemas name the field.
    """

    code = "name_invalid"


class InvitationEnded(DomainError):
    """The link of an invitation is unknown, used up, revoked or too old."""

    code = "invitation_ended"

    def __init__(self) -> None:
        super().__init__(
            "This invitation is unknown, used up, revoked or too old. Ask for a new one."
        )


class TooManyAnnotators(DomainError):
    """A tool's token has acted for as many annotators as it may."""

    code = "too_many_annotators"


class InvalidProject(DomainError):
    """A project's settings contradict each other."""

    code = "project_invalid"


class CoreSetInvalid(DomainError):
    """The requested core-set cannot be made from the current labels."""

    code = "core_set_invalid"


class AnalysisInvalid(DomainError):
    """The requested analysis cannot be made of the project's labels and settings."""

    code = "analysis_invalid"


class AnalysisNotReady(DomainError):
    """The analysis' job has not ended yet, or has failed."""

    code = "analysis_not_ready"


class ExportInvalid(DomainError):
    """The items cannot be written in the format asked for."""

    code = "export_invalid"


class ExportTooLarge(DomainError):
    """The labels are too many for one answer; a job writes them to a file."""

    code = "export_too_large"


class LabelExportNotReady(DomainError):
    """The export's job has not ended yet, or has failed, or its file has expired."""

    code = "label_export_not_ready"


class CoreSetNotReady(DomainError):
    """The core-set's job has not ended yet, or has failed."""

    code = "core_set_not_ready"


class FeaturesInvalid(DomainError):
    """The brought features are not an array with one finite row per pool item."""

    code = "features_invalid"


class NameTaken(DomainError):
    """A name that must be unique is in use."""

    code = "name_taken"


class ProjectNotStartable(DomainError):
    """The project's items do not allow a start."""

    code = "project_not_startable"


class ProjectNotAccepting(DomainError):
    """The project's state does not allow what was asked."""

    code = "project_not_accepting"


class ProjectArchived(DomainError):
    """The project was archived: it can be read, and changes only once it is restored."""

    code = "project_archived"

    def __init__(self, project_id: int) -> None:
        super().__init__(
            f"Project {project_id} is archived and stays as it is. To go on with it, restore it: "
            f"POST /projects/{project_id}/restore."
        )


class DeletionNotConfirmed(DomainError):
    """A project is deleted only if its name is repeated."""

    code = "deletion_not_confirmed"


class AnnotatorPaused(DomainError):
    """The project hands this annotator nothing until an admin resumes them."""

    code = "annotator_paused"


class RoundNotEndable(DomainError):
    """The next round cannot begin: no round is being labeled."""

    code = "round_not_labeling"


class NoNewLabels(DomainError):
    """The next round cannot begin: no label has changed since the last selection."""

    code = "no_new_labels"


class BudgetSpent(DomainError):
    """The total budget or the pool leaves no room for what was asked."""

    code = "budget_spent"


class ModelNotReady(DomainError):
    """No trained model exists yet, but one is needed."""

    code = "model_not_ready"


class PredictionNotPossible(DomainError):
    """The model cannot predict what was sent: it learned from brought features, or is damaged."""

    code = "prediction_not_possible"


class PredictionsNotServed(DomainError):
    """No worker runs that could predict."""

    code = "predictions_not_served"


class NothingToTrainOn(DomainError):
    """Items are labeled, but all of them are set aside because they cannot be read."""

    code = "nothing_to_train_on"

    def __init__(self, project_id: int) -> None:
        super().__init__(
            f"Every labeled item of project {project_id} is set aside because it cannot be read; "
            f"GET /projects/{project_id}/set-aside says why. Fix the folder or the host of the "
            "images, POST to its /retry, then try again; or label other items."
        )


class ItemInvalid(DomainError):
    """One item of an import cannot be taken; the rest of the import continues.

    `code` differs per fault and is stable: text_empty, text_too_large, image_not_decodable, ...
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.item_code = code


class ImportRefused(DomainError):
    """A strict import with lines that cannot be taken; none of it is stored.

    `faults` are the refused lines: line, external_id, code and detail of each.
    """

    code = "import_refused"

    def __init__(self, detail: str, faults: list[dict[str, Any]]) -> None:
        super().__init__(detail)
        self.faults = faults


class BodyTooLarge(DomainError):
    """A request body is over the limit."""

    code = "body_too_large"


class BodyInvalid(DomainError):
    """A request body is not what its content type says."""

    code = "body_invalid"


class StorageFull(DomainError):
    """A disk of the service has no room left, or less than it keeps free for Postgres."""

    code = "storage_full"


class ArtifactMissing(DomainError):
    """An artifact that the database names is not in the store, or its bytes changed."""

    code = "artifact_missing"


class JobFenced(DomainError):
    """The job was taken from this worker: its lease ran out, or it was cancelled. Stop at once."""

    code = "job_fenced"

    def __init__(self, job_id: int) -> None:
        super().__init__(f"Job {job_id} no longer belongs to this worker; its result is dropped.")


class ServiceBusy(DomainError):
    """The service is too busy; it is safe to send the request again later."""

    code = "service_busy"


class TooManyStreams(DomainError):
    """The caller, or the service, has as many streams of events open as it may."""

    code = "too_many_streams"


class WebhookInvalid(DomainError):
    """A webhook's address may not be used, or it wants events that do not exist."""

    code = "webhook_invalid"


class WebhookDisabled(DomainError):
    """The webhook is disabled: nothing is sent until a lead enables it."""

    code = "webhook_disabled"

    def __init__(self, webhook_id: int) -> None:
        super().__init__(
            f"Webhook {webhook_id} is disabled. Mend its receiver, enable the webhook with "
            '{"is_enabled": true}, then try again.'
        )


class LabelStudioAway(DomainError):
    """Label Studio does not answer, or answers with a failure of its own; it is tried again."""

    code = "label_studio_away"


class LabelStudioRefused(DomainError):
    """Label Studio refuses the token, or what was asked of it."""

    code = "label_studio_refused"


class LabelStudioHostRefused(DomainError):
    """A lead may not connect that address: it is private or not by HTTPS, and not listed."""

    code = "label_studio_host_refused"


class LabelStudioProjectGone(DomainError):
    """The connected project was deleted in Label Studio. Labels are kept; connect a new one."""

    code = "label_studio_project_gone"


class LabelStudioClassesDiffer(DomainError):
    """The labeling config of Label Studio's project does not offer the project's classes."""

    code = "label_studio_classes_differ"


class LabelStudioNotConnected(DomainError):
    """The project has no connection to Label Studio, or one that lacks what was asked."""

    code = "label_studio_not_connected"


class LabelStudioBusy(DomainError):
    """Another process synchronises the connection at the moment."""

    code = "label_studio_busy"


class DatabaseNotUsable(DomainError):
    """The database is newer than the program, cannot be reached, or a migration failed."""

    code = "database_not_usable"


class NotReady(DomainError):
    """Parts that the service needs do not work; `parts` says why, by the name of each."""

    code = "not_ready"

    def __init__(self, parts: dict[str, str]) -> None:
        super().__init__("; ".join(f"{part}: {why}" for part, why in parts.items()))
        self.parts = parts
