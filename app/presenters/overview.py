"""The overview as the API and pages show it."""

from app.domain.annotation import annotation_from_json
from app.domain.states import ProjectState
from app.schemas.jobs import JobOut
from app.schemas.overview import (
    FlaggedLabelsOut,
    FoundProblemOut,
    LiveJobOut,
    OverviewOut,
    PaceOut,
    QueueOut,
)
from app.schemas.projects import RoundRef
from app.services.overview import Overview


def present_overview(found: Overview) -> OverviewOut:
    """Return the overview."""
    project = found.project
    shown = (
        "id", "name", "n_pool", "n_evaluation", "n_labeled", "n_imported", "n_skipped",
        "total_budget", "stop_reasons",
    )  # fmt: skip
    return OverviewOut(
        **{name: getattr(project, name) for name in shown},
        state=ProjectState(project.state),
        progress=min(1.0, project.n_labeled / project.total_budget),
        round=RoundRef.model_validate(found.round_) if found.round_ else None,
        pace=PaceOut.model_validate(found.pace),
        queue=QueueOut.model_validate(found.queue),
        flagged_labels=FlaggedLabelsOut(
            setting=annotation_from_json(project.annotation).flagged_labels,
            n_labels=found.distrusted.n_labels,
            n_excluded=found.distrusted.n_excluded,
        ),
        jobs=[
            LiveJobOut(
                **JobOut.model_validate(live.job).model_dump(),
                last_seconds=live.last_seconds,
                expected_end_at=live.expected_end_at,
            )
            for live in found.jobs
        ],
        n_workers=found.n_workers,
        problems=[FoundProblemOut.model_validate(problem) for problem in found.problems],
    )
