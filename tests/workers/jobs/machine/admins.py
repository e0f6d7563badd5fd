"""Rules of admins: settings, states, pauses, requeues, imports."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    precondition,
    rule,
)

from app.db.queries import jobs as job_queries
from app.db.session import transaction
from app.db.tables import Item
from app.domain.errors import (
    AnnotatorPaused,
    BudgetSpent,
    DomainError,
    InvalidProject,
    NoNewLabels,
    NotFound,
    ProjectNotAccepting,
    RoundNotEndable,
    TransitionNotAllowed,
)
from app.services import jobs, lifecycle
from app.services.annotation import change_annotation
from app.services.annotators import clear_flags, pause_annotator, resume_annotator
from app.services.answers import AnswerStatus
from app.services.corrections import correct_item
from app.services.erasures import erase_items
from app.services.next_round import begin_next_round
from app.services.prepared_items import NO_IMAGE
from app.services.project_settings import change_project
from app.services.requeue import reassign_items, requeue_items
from tests.workers.jobs.machine.workers import WorkerRules
from tests.workers.jobs.machine.world import ANNOTATION, CHANGE, END_AFTER, ITEM, N_POOL, NAMES


class AdminRules(WorkerRules):
    """Actions of admins, in any order."""

    @rule(item=ITEM)
    def requeue(self, item: int) -> None:
        chosen = self._item(item)
        try:
            with transaction(self.factory) as session:
                (outcome,) = requeue_items(session, self.project, [chosen], self.settings)
        except ProjectNotAccepting:
            return
        if outcome.status is AnswerStatus.REQUEUED:
            self._forget_item(chosen)

    @rule(item=ITEM, name=st.sampled_from([*NAMES, None]))
    def reassign(self, item: int, name: str | None) -> None:
        try:
            with transaction(self.factory) as session:
                reassign_items(session, self.project, [self._item(item)], name, self.settings)
        except (AnnotatorPaused, ProjectNotAccepting):
            return

    @rule(
        name=st.sampled_from(NAMES),
        resumes=st.sampled_from([False, True, True]),
        excludes=st.booleans(),
    )
    def pause_or_resume_somebody(self, name: str, resumes: bool, excludes: bool) -> None:
        try:
            with transaction(self.factory) as session:
                if resumes:
                    resume_annotator(session, self.project, name)
                else:
                    pause_annotator(
                        session, self.project, name, "x", self.settings, excludes=excludes
                    )
        except NotFound:
            return
        if not resumes:
            self._forget_requeued(self.annotators[NAMES.index(name)])

    @rule(name=st.sampled_from(NAMES))
    def clear_flags_of_somebody(self, name: str) -> None:
        try:
            with transaction(self.factory) as session:
                clear_flags(session, self.project, name, self.settings)
        except (NotFound, ProjectNotAccepting):
            return

    @rule(overlap=st.integers(1, 3), changes=st.sampled_from(ANNOTATION))
    def change_annotation(self, overlap: int, changes: dict[str, Any]) -> None:
        with transaction(self.factory) as session:
            try:
                change_annotation(session, self.project, changes, overlap, self.settings)
            except (InvalidProject, ProjectNotAccepting):
                return

    @rule()
    def next_round_by_hand(self) -> None:
        try:
            with transaction(self.factory) as session:
                begin_next_round(session, self.project, self.settings)
        except (ProjectNotAccepting, RoundNotEndable, NoNewLabels, BudgetSpent):
            return

    @rule(change=CHANGE)
    def change_settings(self, change: dict[str, Any]) -> None:
        try:
            with transaction(self.factory) as session:
                change_project(session, self.project, change, self.settings)
        except (ProjectNotAccepting, InvalidProject):
            return

    @rule(change=st.sampled_from(["pause", "resume", "resume", "reopen"]))
    def change_state(self, change: str) -> None:
        self._try(getattr(lifecycle, f"{change}_project"))

    @rule(change=st.sampled_from(["finish", "cancel"]))
    def end(self, change: str) -> None:
        if len(self.standing) <= END_AFTER:
            return
        self._try(getattr(lifecycle, f"{change}_project"))

    @rule(item=ITEM)
    def erase(self, item: int) -> None:
        chosen = self._item(item)
        with transaction(self.factory) as session:
            erase_items(session, self.project, [chosen], self.settings)
        self._forget_item(chosen)

    @rule(item=ITEM, text=st.sampled_from(["better", "best"]))
    def correct(self, item: int, text: str) -> None:
        chosen = self._item(item)
        with transaction(self.factory) as session:
            before = session.get_one(Item, chosen).text
        try:
            with transaction(self.factory) as session:
                correct_item(
                    session, self.project, chosen, {"text": text, **NO_IMAGE}, self.settings
                )
        except (NotFound, ProjectNotAccepting):
            return
        if text != before:
            self._forget_item(chosen)

    def _forget_item(self, item: int) -> None:
        self.standing = {key: c for key, c in self.standing.items() if key[1] != item}

    @precondition(lambda self: self.n_imported < N_POOL + 4)
    @rule()
    def import_more(self) -> None:
        try:
            with transaction(self.factory) as session:
                self._import(session, 2)
        except DomainError:
            return
        self._read_items()

    @rule()
    def retry(self) -> None:
        with transaction(self.factory) as session:
            newest = job_queries.list_page(session, self.project, None, 1)
        try:
            with transaction(self.factory) as session:
                jobs.retry(session, self.project, newest[0].id, self.settings)
        except TransitionNotAllowed:
            return
