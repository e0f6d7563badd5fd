"""States of project, round and job as transition tables, and the check that every setter calls.

Owns which state may follow which; app.services.transitions is the one place that writes a state.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from app.domain.errors import TransitionNotAllowed


class ProjectState(StrEnum):
    """DRAFT takes items; RUNNING selects and leases; TRAINING_TARGET has ended labeling.

    DELETING is seen by nobody: its rows and files go, and the project with the last of them.
    """

    DRAFT = "draft"
    RUNNING = "running"
    PAUSED = "paused"
    TRAINING_TARGET = "training_target"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    DELETING = "deleting"


class RoundState(StrEnum):
    """TRAINING the proxy, SELECTING with it, LABELING its batch; FAILED goes back to its stage."""

    TRAINING = "training"
    SELECTING = "selecting"
    LABELING = "labeling"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class JobState(StrEnum):
    """QUEUED waits for a worker; SUPERSEDED ended without effect because its cause went away."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"


class BatchItemState(StrEnum):
    """OPEN wants labels, LABELED has them, SKIPPED left the batch, WITHDRAWN is back in the pool.

    A skipped item is opened again only where it left because it could not be read, and now can.
    """

    OPEN = "open"
    LABELED = "labeled"
    SKIPPED = "skipped"
    WITHDRAWN = "withdrawn"


State = ProjectState | RoundState | JobState | BatchItemState


def _table(rows: dict[State, set[State]]) -> Mapping[State, frozenset[State]]:
    return MappingProxyType({state: frozenset(successors) for state, successors in rows.items()})


ALLOWED_TRANSITIONS: Mapping[type[StrEnum], Mapping[State, frozenset[State]]] = MappingProxyType(
    {
        ProjectState: _table(
            {
                ProjectState.DRAFT: {ProjectState.RUNNING, ProjectState.DELETING},
                ProjectState.RUNNING: {
                    ProjectState.PAUSED,
                    ProjectState.TRAINING_TARGET,
                    ProjectState.FINISHED,  # nothing was labeled and nothing can be
                    ProjectState.CANCELLED,
                    ProjectState.DELETING,
                },
                ProjectState.PAUSED: {
                    ProjectState.RUNNING,
                    ProjectState.CANCELLED,
                    ProjectState.DELETING,
                },
                ProjectState.TRAINING_TARGET: {ProjectState.FINISHED, ProjectState.DELETING},
                ProjectState.FINISHED: {ProjectState.PAUSED, ProjectState.DELETING},  # reopened
                ProjectState.CANCELLED: {ProjectState.DELETING},
                ProjectState.DELETING: set(),
            }
        ),
        RoundState: _table(
            {
                RoundState.TRAINING: {
                    RoundState.SELECTING,
                    RoundState.FAILED,
                    RoundState.CANCELLED,
                },
                RoundState.SELECTING: {
                    RoundState.LABELING,
                    RoundState.FAILED,
                    RoundState.CANCELLED,
                },
                RoundState.LABELING: {RoundState.COMPLETED, RoundState.CANCELLED},
                RoundState.FAILED: {
                    RoundState.TRAINING,
                    RoundState.SELECTING,
                    RoundState.CANCELLED,
                },
                RoundState.COMPLETED: set(),
                RoundState.CANCELLED: set(),
            }
        ),
        JobState: _table(
            {
                JobState.QUEUED: {JobState.RUNNING, JobState.FAILED, JobState.CANCELLED},
                JobState.RUNNING: {
                    JobState.QUEUED,
                    JobState.SUCCEEDED,
                    JobState.FAILED,
                    JobState.CANCELLED,
                    JobState.SUPERSEDED,
                },
                JobState.SUCCEEDED: set(),
                JobState.FAILED: set(),
                JobState.CANCELLED: set(),
                JobState.SUPERSEDED: set(),
            }
        ),
        BatchItemState: _table(
            {
                BatchItemState.OPEN: {
                    BatchItemState.LABELED,
                    BatchItemState.SKIPPED,
                    BatchItemState.WITHDRAWN,
                },
                BatchItemState.LABELED: {BatchItemState.OPEN},
                BatchItemState.SKIPPED: {BatchItemState.OPEN},
                BatchItemState.WITHDRAWN: set(),
            }
        ),
    }
)

LIVE_ROUND_STATES = frozenset(
    {RoundState.TRAINING, RoundState.SELECTING, RoundState.LABELING, RoundState.FAILED}
)
LIVE_JOB_STATES = frozenset({JobState.QUEUED, JobState.RUNNING})
LABEL_ACCEPTING_PROJECT_STATES = frozenset({ProjectState.RUNNING, ProjectState.PAUSED})


def check_transition(subject: str, old: State, new: State) -> None:
    """Check that `new` may follow `old`.

    Args:
        subject: what changes, for the error's sentence: "project 3".
        old: the state it is in.
        new: the state wanted; of the same enum.

    Raises:
        TransitionNotAllowed: `new` may not follow `old`; names the states that may.
    """
    if new not in ALLOWED_TRANSITIONS[type(old)][old]:
        raise TransitionNotAllowed(subject, str(old), str(new), may_follow(old))


def may_follow(state: State) -> list[str]:
    """Return the states that may follow, sorted."""
    return sorted(str(new) for new in ALLOWED_TRANSITIONS[type(state)][state])
