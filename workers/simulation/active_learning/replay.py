"""An experiment's arm in process: the round step that the service runs, without the service.

Every round ends in a line on the disk; a training in progress leaves checkpoints. So a
killed run resumes where it was.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from app.domain.budget import BudgetState, next_batch_budget
from app.domain.strategy import cold_start_of, strategy_of_round
from models.training.train import TrainedModel, load_model
from selection.arrays import IntArray
from selection.options import needs_proxy
from workers.simulation.active_learning.config import ActiveLearningConfig
from workers.simulation.active_learning.lines import LineFile, RoundLine
from workers.simulation.active_learning.rare import count_rare, rare_recall
from workers.simulation.context import SeedContext, best_error
from workers.simulation.oracle import AnswerKey
from workers.steps.round import RoundInputs, RoundRequest, RoundResult, run_round_step
from workers.steps.training import RoundHooks


@dataclass(frozen=True, kw_only=True)
class RunContext(SeedContext):
    """One arm of an experiment with one seed, and where it runs."""

    experiment: ActiveLearningConfig
    arm: str
    key: AnswerKey

    @cached_property
    def lines(self) -> LineFile:
        """The arm's lines."""
        return LineFile(self.folder, self.arm, self.seed)

    @cached_property
    def target_selects(self) -> bool:
        """Whether the target selects for itself."""
        return self.experiment.selector_of(self.arm) == self.experiment.models["target"]

    def labels_of(self, index: IntArray) -> IntArray:
        """Return the oracle's resolved labels of these pool items."""
        wanted = self.experiment.labels_per_item
        return np.asarray([self.key.resolved(int(i), wanted) for i in index], np.int64)

    @property
    def selector_hooks(self) -> RoundHooks:
        """Hooks that watch and resume the selector's training and the selection."""
        return self.hooks(f"{self.arm}-selector")

    def proxy_before(self, number: int) -> TrainedModel | None:
        """Return the proxy of the latest round before `number` that kept one."""
        kept = [path for path in map(self._proxy_file, reversed(range(number))) if path.exists()]
        return load_model(kept[0]) if kept else None

    def keep_proxy(self, number: int, proxy: TrainedModel | None) -> None:
        """Keep a round's proxy for the next one, where its recipe says that it starts from it."""
        if proxy is None or not proxy.recipe.warm_start:
            return
        path = self._proxy_file(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        proxy.save(path)

    def drop_proxies(self, number: int) -> None:
        """Remove the proxies before that of this round, whose line is written, if it kept one."""
        if self._proxy_file(number).exists():
            for before in range(number):
                self._proxy_file(before).unlink(missing_ok=True)

    def _proxy_file(self, number: int) -> Path:
        name = f"{self.arm}-seed{self.seed}-proxy{number}.safetensors"
        return self.folder / "checkpoints" / name

    def with_target(self, line: RoundLine, index: IntArray) -> RoundLine:
        """Return the line with the target trained on these pool items.

        Its seconds are not part of the data selection's.
        """
        index = np.sort(index)
        labels = self.labels_of(index)
        cache_key = index.tobytes() + labels.tobytes()
        known = self.shared.targets
        if cache_key not in known:
            target = self.experiment.models["target"]
            result = self.train_target(target, index, labels, self.arm)
            known[cache_key] = {
                "target_error": 1 - result.metrics["accuracy"],
                "target_error_best": best_error(result.trained.measured),
                "target_rare_recall": rare_recall(result.predictions.evaluation, self.data.rare),
                "target_seconds": result.seconds.wall["training"],
                "target_cpu_seconds": result.seconds.cpu["training"],
                "target_recipe_hash": result.trained.recipe.hash,
            }
        return replace(line, **known[cache_key])

    def line(self, number: int, indices: list[int], before: int) -> RoundLine:
        """Return a round's line without its measurements."""
        target = self.experiment.models["target"]
        return RoundLine(
            experiment=self.experiment.name,
            experiment_hash=self.experiment.hash,
            data=self.data.title,
            arm=self.arm,
            seed=self.seed,
            number=number,
            strategy=self.experiment.strategy_of(self.arm),
            selector="none",
            indices=indices,
            n_labeled_before=before,
            n_labeled=before + len(indices),
            proxy_error=None,
            target_error=None,
            seconds={},
            target_seconds=None,
            device=self.device,
            recipe_hash=None,
            target_recipe_hash=target.resolved.hash,
            via="process",
            n_rare_in_pool=count_rare(self.data.pool.labels, self.data.rare),
        )


def replay_arm(context: RunContext, on_line: Callable[[RoundLine], None]) -> list[RoundLine]:
    """Run the arm's rounds that are not on the disk yet; return all its lines."""
    lines = context.lines.read()
    for line in lines:
        on_line(line)
    while (budget := _next_budget(context, lines)) > 0:
        labeled = np.sort(np.asarray([i for line in lines for i in line.indices], np.int64))
        number = len(lines)
        started = time.perf_counter()
        result, strategy = _select(context, number, labeled, budget)
        context.keep_proxy(number, result.proxy)
        line = _line_of(context, result, strategy, number, labeled)
        index = np.concatenate([labeled, result.ranked_index])
        line = replace(
            line,
            n_rare=count_rare(context.data.pool.labels[index], context.data.rare),
            whole_seconds=time.perf_counter() - started,
            opening_seconds=context.shared.opening_seconds if number == 0 else None,
        )
        is_last = line.n_labeled >= context.experiment.budgets.total_budget
        if is_last or not context.target_selects:
            line = context.with_target(line, index)
        context.lines.append(line)
        context.selector_hooks.forget()
        context.drop_proxies(number)
        lines.append(line)
        on_line(line)
    return lines


def _next_budget(context: RunContext, lines: list[RoundLine]) -> int:
    budgets = context.experiment.budgets
    n_labeled = lines[-1].n_labeled if lines else 0
    wanted = budgets.of_round(len(lines))
    state = BudgetState(budgets.total_budget, n_labeled, committed=0, open_batch=0)
    return next_batch_budget(wanted, state, len(context.data.pool) - n_labeled)


def _select(
    context: RunContext, number: int, labeled: IntArray, budget: int
) -> tuple[RoundResult, str]:
    wanted, options = context.experiment.strategy_of(context.arm), context.experiment.options
    labels = context.labels_of(labeled)
    n_classes_labeled = len(np.unique(labels))
    strategy = strategy_of_round(
        wanted,
        needs_model=needs_proxy(wanted, options),
        n_classes_labeled=n_classes_labeled,
        cold_start=cold_start_of(wanted, options.cold_start),
    )
    model = context.experiment.models[context.experiment.arms[context.arm].selector]
    inputs = RoundInputs(
        pool=context.pool(model),
        labeled_index=labeled,
        labels=labels,
        excluded_index=labeled,
        n_classes=len(context.data.classes),
        n_ranked=budget,
        evaluation=context.evaluation(model),
        initial=context.proxy_before(number) if model.resolved.warm_start else None,
        features=context.data.pool.vectors,
    )
    request = RoundRequest(
        strategy,
        model.setup,
        context.seed,
        number,
        trains=n_classes_labeled >= 2 and needs_proxy(strategy, options),
        options=options,
        scoring=context.scoring(strategy, number),
    )
    context.warm_up(model, strategy, options)
    result = run_round_step(
        inputs,
        request,
        device=context.device,
        hooks=replace(context.selector_hooks, on_epoch=context.at_epochs(model)),
    )
    return result, result.choice.strategy if result.choice else strategy


def _line_of(
    context: RunContext, result: RoundResult, strategy: str, number: int, labeled: IntArray
) -> RoundLine:
    line = context.line(number, result.ranked_index.tolist(), len(labeled))
    seconds = result.seconds
    line = replace(line, strategy=strategy, seconds=seconds.wall, cpu_seconds=seconds.cpu)
    if result.proxy is None:
        return line
    return replace(
        line,
        selector=result.proxy.model,
        recipe_hash=result.proxy.recipe.hash,
        recipe_name=result.proxy.recipe_name,
        proxy_error=1 - result.metrics["accuracy"],
        proxy_error_best=best_error(result.proxy.measured),
        proxy_rare_recall=rare_recall(result.predictions.evaluation, context.data.rare),
    )
