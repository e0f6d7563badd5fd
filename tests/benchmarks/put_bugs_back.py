"""Puts each guarded bug back, one at a time, in a copy of the tree, and sees a test fail.

    python -m tests.benchmarks.put_bugs_back [NUMBER ...]

Prints one line per bug: the test that saw it, or that the bug has lost its place in the code and must
be written anew. A bug that no test sees is a gap in the tests. Takes about half an hour: run it nightly.
"""

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
LEFT_OUT = shutil.ignore_patterns(".venv", ".git", "out", "*.egg-info", ".*_cache", ".hypothesis")
TESTS = (  # the quick ones first
    "tests/app/test_leases.py",
    "tests/app/test_labels.py",
    "tests/app/test_requeue.py",
    "tests/app/test_statements.py",
    "tests/app/test_skips.py",
    "tests/app/test_consensus.py",
    "tests/app/test_annotation.py",
    "tests/app/test_annotators.py",
    "tests/app/test_gold.py",
    "tests/app/test_flags.py",
    "tests/app/test_budget.py",
    "tests/app/test_rounds.py",
    "tests/app/test_models.py",
    "tests/app/test_jobs.py",
    "tests/app/test_races.py",
    "tests/workers/jobs/test_labeling_machine.py",
)
ROUND_TESTS = (
    "tests/app/test_rounds.py",
    "tests/app/test_triggers.py",
    "tests/app/test_project_settings.py",
    "tests/app/test_advice.py",
    "tests/app/test_stopping.py",
    "tests/workers/jobs/test_changing_projects.py",
)


@dataclass(frozen=True)
class Bug:
    """One change: `right` becomes `wrong` in a file; `tests` should notice it."""

    name: str
    file: str
    right: str
    wrong: str = ""
    tests: tuple[str, ...] = TESTS


BUGS = (
    Bug(
        "no project lock",
        "app/db/queries/projects.py",
        "    .with_for_update(key_share=True)\n",
    ),
    Bug(
        "publish ignores what was labeled meanwhile",
        "app/db/queries/batches.py",
        "            ~exists().where(\n                BatchItem.item_id == Item.id, BatchItem.state != BatchItemState.WITHDRAWN\n            ),\n",
    ),
    Bug(
        "undo keeps n_labeled",
        "app/services/consensus.py",
        "    answers.project.n_labeled -= 1\n",
    ),
    Bug(
        "undo reopens a completed round",
        "app/services/consensus.py",
        "        batch_item.source = BatchSource.RESERVE\n",
        "        pass\n",
    ),
    Bug(
        "running jobs are not marked stale",
        "app/services/job_results.py",
        "        stale=job.snapshot_stale,\n",
    ),
    Bug(
        "models are not marked stale",
        "app/services/answers.py",
        "            models.mark_stale(self.session, self.project.id, min(self.replaced_versions))\n",
    ),
    Bug(
        "no fence",
        "app/db/queries/jobs.py",
        "        .where(Job.id == job_id, Job.token == token, Job.state == JobState.RUNNING)\n        .with_for_update()",
        "        .where(Job.id == job_id)\n        .with_for_update()",
    ),
    Bug(
        "reserve over the total budget",
        "app/services/labels.py",
        ".left_for_reserve <= 0",
        ".left_for_reserve <= -9",
    ),
    Bug(
        "polls take reserve over the budget",
        "app/services/leases.py",
        "unspent=project.total_budget - project.n_labeled",
        "unspent=project.n_pool",
    ),
    Bug(
        "a doubled claim wins",
        "app/db/queries/jobs.py",
        "        .where(Job.id == job_id, Job.kind.in_(kinds), is_claimable(max_lost_workers))\n",
        "        .where(Job.id == job_id)\n",
    ),
    Bug(
        "sweep does not look again",
        "app/db/queries/jobs.py",
        ".where(Job.id == job_id, IS_STALE)",
        ".where(Job.id == job_id)",
    ),
    Bug(
        "import does not advance",
        "app/services/items.py",
        "    advance(session, project, settings.job_max_attempts)\n",
    ),
    Bug(
        "a project goes on with leases that have ended",
        "app/services/lifecycle.py",
        "    free_expired(session, project)\n    round_",
        "    round_",
    ),
    Bug(
        "expiry does not advance",
        "app/services/leases.py",
        "    advance(session, project, settings.job_max_attempts)\n",
    ),
    Bug(
        "a skip is not counted",
        "app/services/skips.py",
        "    answers.project.n_skipped += 1\n",
    ),
    Bug(
        "an annotator gets an item twice",
        "app/db/queries/free_slots.py",
        "                AND slots.first_free IS NOT NULL AND NOT slots.is_mine\n"
        "            ORDER BY item.rank LIMIT",
        "                AND slots.first_free IS NOT NULL\n            ORDER BY item.rank LIMIT",
    ),
    Bug(
        "a new batch ignores live leases",
        "app/domain/budget.py",
        "        return max(0, self.total - self.labeled - self.committed)",
        "        return max(0, self.total - self.labeled)",
    ),
    Bug(
        "a gap in the index",
        "app/services/items.py",
        'row["index"] = next_index[split]\n            next_index[split] += 1\n',
        'next_index[split] += 1\n            row["index"] = next_index[split]\n',
        ("tests/app/test_items.py",),
    ),
    Bug(
        "late label takes another one's lease",
        "app/domain/lease.py",
        "return next(own, None) or next(iter(free), None)",
        "return next(own, None) or next(iter(free), None) or next((s for s in slots if not s.filled), None)",
    ),
    Bug(
        "a paused annotator is handed items",
        "app/services/leases.py",
        "if standing.paused_because is not None:",
        "if standing.paused_because is None and not project.id:",
    ),
    Bug(
        "gold is taken for a label",
        "app/services/labels.py",
        "        lambda e: gold.answer(answers, e.item_id, _class_index(answers, e)),\n",
    ),
    Bug(
        "a tie resolves at once",
        "app/domain/consensus.py",
        "    if is_tie or agreement < min_agreement:",
        "    if agreement < min_agreement:",
    ),
    Bug(
        "a requeued item leaves the budget",
        "app/db/queries/batches.py",
        "IS_COMMITTED = or_(has_slot(BatchItemSlot.leased_by.is_not(None)), BatchItem.is_requeued)",
        "IS_COMMITTED = has_slot(BatchItemSlot.leased_by.is_not(None))",
    ),
    Bug(
        "what is kept for one goes to another",
        "app/db/queries/free_slots.py",
        " AND (slot.reserved_for IS NULL OR slot.reserved_for = :annotator)\n",
        "\n",
    ),
    Bug(
        "a surplus place stays open",
        "app/services/consensus.py",
        "            slots.remove(slot)\n",
        "            pass\n",
    ),
    Bug(
        "a job that begins again takes the changed proxy",
        "workers/jobs/run.py",
        'context.setup(round_.settings["proxy"])',
        "context.setup(project.proxy)",
        ROUND_TESTS,
    ),
    Bug(
        "a round that ends early keeps its open items",
        "app/services/lifecycle.py",
        "n_left = batches.keep_as_reserve(session, round_.id)",
        "n_left = 0",
        ROUND_TESTS,
    ),
    Bug(
        "the last batch is cut into ever smaller ones",
        "app/services/lifecycle.py",
        "n_left > budget.open_batch",
        "n_left > 0",
        ROUND_TESTS,
    ),
    Bug(
        "one class ends a round early",
        "app/services/lifecycle.py",
        " and plan_round(session, project).strategy == project.strategy",
        "",
        ROUND_TESTS,
    ),
    Bug(
        "a failed round keeps the proxy that failed",
        "app/services/rounds.py",
        "    for name, value in _settings_of_round(project, plan).items():\n"
        "        setattr(round_, name, value)\n",
        "",
        ROUND_TESTS,
    ),
    Bug(
        "a stop hands the reserve out on",
        "app/services/lifecycle.py",
        "        batches.withdraw_uncommitted(session, project.id)\n",
        "        pass\n",
        ROUND_TESTS,
    ),
    Bug(
        "the strategy's items count as control arm",
        "app/db/queries/rounds.py",
        "            BatchItem.is_control,\n",
        "",
        ROUND_TESTS,
    ),
    Bug(
        "each round predicts another sample",
        "workers/steps/round.py",
        'random_stream(seed, 0, "stability")',
        'random_stream(len(pool_index), 0, "stability")',
        ROUND_TESTS,
    ),
    Bug(
        "a budget below what is handed out",
        "app/services/project_settings.py",
        "spent = budget.labeled + budget.committed + budget.open_batch",
        "spent = budget.labeled",
        ROUND_TESTS,
    ),
    Bug(
        "a change writes nothing but the key",
        "app/db/queries/rows.py",
        "for name in names[n_key:]})",
        "for name in names[:n_key]})",
    ),
    Bug(
        "only what the first row changed is written",
        "app/db/queries/rows.py",
        "for old, new in changed)\n            for",
        "for old, new in changed[:1])\n            for",
    ),
    Bug(
        "a request's transaction is not committed",
        "app/api/deps.py",
        "        if session.in_transaction():\n            await run_in_threadpool(session.commit)\n",
    ),
    Bug(
        "an import counts nothing that it stores",
        "app/services/items.py",
        "    counts.add(done)\n",
        tests=("tests/app/test_items.py",),
    ),
    Bug(
        "a kept slot goes to who holds the item",
        "app/db/queries/free_slots.py",
        " WHERE item.state = 'open' AND NOT slots.is_mine\n",
        " WHERE item.state = 'open'\n",
    ),
    Bug(
        "what is labeled is freed with what has expired",
        "app/db/queries/leases.py",
        "        _SLOTS.c.leased_until <= func.now(),\n        ~_SLOTS.c.filled,\n",
        "        or_(_SLOTS.c.leased_until <= func.now(), _SLOTS.c.filled),\n",
    ),
)


def main() -> None:
    chosen = [int(number) for number in sys.argv[1:]] or range(len(BUGS))
    for number in chosen:
        print(f"{number:2d} {BUGS[number].name}: {try_bug(BUGS[number])}", flush=True)


def try_bug(bug: Bug) -> str:
    """Return which test saw the bug."""
    with tempfile.TemporaryDirectory(prefix="svp-bug-") as folder:
        copy = Path(folder) / "tree"
        Path(folder).chmod(0o755)
        shutil.copytree(ROOT, copy, ignore=LEFT_OUT)
        path = copy / bug.file
        text = path.read_text()
        if text.count(bug.right) != 1:
            return "it has lost its place; write it anew"
        path.write_text(text.replace(bug.right, bug.wrong))
        options = ["-x", "-q", "-p", "no:cacheprovider"]
        run = subprocess.run(
            [sys.executable, "-m", "pytest", *options, *bug.tests],
            cwd=copy,
            check=False,
            capture_output=True,
            text=True,
        )
    if run.returncode == 0:
        return "NOT SEEN by any test"
    lines = run.stdout.splitlines()
    seen = [line.split()[1] for line in lines if line.startswith(("FAILED ", "ERROR "))]
    return f"seen by {seen[0] if seen else lines[-1]}"


if __name__ == "__main__":
    main()
