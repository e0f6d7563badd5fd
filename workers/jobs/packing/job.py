"""The packing job: packs the proxy's inputs as they are imported, until nothing is missing."""

import time
from dataclasses import dataclass, field

from app.db.queries import projects
from app.db.session import transaction
from app.db.tables import Project, Split
from app.services.packing import publish_packing
from models.catalog import Encoding, find_model, setup_from_json
from workers.jobs.attempt import Attempt
from workers.jobs.packing.forms import Form, TextForm, image_form
from workers.jobs.packing.splits import COMMIT_SECONDS, SplitPacker, every
from workers.jobs.packs import PackingStopped, Span

PROGRESS_SECONDS = 0.5
# An import brings its items in parts; a job for each would be many.
LINGER_SECONDS = 2.0
LOOK_SECONDS = 0.1


@dataclass
class PackingJob:
    """One attempt at a packing job.

    Attributes:
        linger_seconds: for how long new items are waited for once all are packed.
        block_items: of a block; None: as the form says.
        commit_seconds: a killed packing resumes from a commit that is at most this old.
    """

    attempt: Attempt
    linger_seconds: float = LINGER_SECONDS
    block_items: int | None = None
    commit_seconds: float = COMMIT_SECONDS
    _packers: dict[tuple[str, str], SplitPacker] = field(default_factory=dict)

    def run(self) -> None:
        """Pack until there is nothing new, then end the job.

        Raises:
            JobFenced: the job was taken from this worker.
            PackingStopped: `should_stop` asked for it; what was packed is kept.
            ArtifactMissing: most of what was read cannot be.
        """
        is_done = False
        while not is_done:
            project = self._project()
            packed = {name: getattr(project, name) for name in ("n_pool", "n_evaluation", "proxy")}
            self._pack(project)
            if self._brings_more(project):
                continue
            with transaction(self.attempt.factory) as session:
                is_done = publish_packing(session, self.attempt.claimed, packed)

    def _project(self) -> Project:
        with transaction(self.attempt.factory) as session:
            return projects.get(session, self.attempt.claimed.project_id)

    def _pack(self, project: Project) -> None:
        form = self._form(project)
        if form is None:
            return
        counts = {Split.POOL: project.n_pool, Split.EVALUATION: project.n_evaluation}
        is_due = every(PROGRESS_SECONDS)
        n_packed = 0

        def report() -> None:
            progress = {"n_packed": n_packed, "n_items": sum(counts.values()), "form": form.key}
            self.attempt.report(progress)

        def on_block(split: Split, span: Span) -> None:
            nonlocal n_packed
            n_packed = span[1] + (project.n_pool if split is Split.EVALUATION else 0)
            if is_due():
                report()

        for split, n in counts.items():
            packer = self._packer(project, split, form)
            packer.on_block = on_block
            with packer.packed(n):
                pass
        n_packed = sum(counts.values())
        report()

    def _form(self, project: Project) -> Form | None:
        """Return the form in which the proxy reads the items; None if it reads none."""
        setup = setup_from_json(project.proxy)
        encoding = find_model(setup.model).encoding
        if encoding is Encoding.VECTORS:
            return None
        if encoding is Encoding.PIXELS:
            return image_form(self.attempt.factory, project.id, setup, project.n_pool)
        return TextForm(encoding, setup.recipe)

    def _packer(self, project: Project, split: Split, form: Form) -> SplitPacker:
        key = (split, form.key)
        if key not in self._packers:
            a = self.attempt
            self._packers[key] = SplitPacker(
                a.factory, a.store, a.settings, project, split, form, a.should_stop,
                block_items=self.block_items, commit_seconds=self.commit_seconds,
            )  # fmt: skip
        return self._packers[key]

    def _brings_more(self, project: Project) -> bool:
        """Wait a while; return whether items were imported meanwhile."""
        deadline = time.monotonic() + self.linger_seconds
        while time.monotonic() < deadline:
            if self.attempt.should_stop():
                raise PackingStopped
            now = self._project()
            if (now.n_pool, now.n_evaluation) != (project.n_pool, project.n_evaluation):
                return True
            time.sleep(LOOK_SECONDS)
        return False
