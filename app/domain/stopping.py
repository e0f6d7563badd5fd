"""Advice on whether to label more, from measurements, and the rule for stopping automatically.

Source: Bloodgood and Vijay-Shanker, "A Method for Stopping Active Learning Based on Stabilizing
Predictions and the Need for User-Adjustable Stopping" (CoNLL 2009): kappa of successive models'
predictions on a fixed sample, at least 0.99 over three rounds. They average the three; here each
must reach it.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from app.domain.learning_curve import Gain

STABLE_KAPPA = 0.99
STABLE_ROUNDS = 3
SMALL_GAIN = 0.005


class Verdict(StrEnum):
    """A piece of advice."""

    CONTINUE = "continue"
    CONSIDER_STOPPING = "consider_stopping"
    STOP = "stop"


@dataclass(frozen=True)
class StopRule:
    """Conditions under which labeling ends by itself between rounds; all that are set must hold."""

    kappa: float | None = field(
        default=None,
        metadata={
            "ge": 0,
            "le": 1,
            "description": "Kappa of successive proxies' predictions is at least this,",
        },
    )
    rounds: int = field(
        default=STABLE_ROUNDS,
        metadata={"ge": 1, "le": 100, "description": "in each of so many rounds."},
    )
    gain: float | None = field(
        default=None,
        metadata={
            "ge": 0,
            "le": 1,
            "description": "The upper end of the next round's expected gain in accuracy (of its "
            "mean over trainings) is below this.",
        },
    )

    @property
    def is_set(self) -> bool:
        """Whether any condition is set, so that labeling may end by itself."""
        return self.kappa is not None or self.gain is not None

    def to_json(self) -> dict[str, Any]:
        """Return JSON values; `from_json` reads them back."""
        return asdict(self)


@dataclass(frozen=True)
class Evidence:
    """The evidence that a verdict rests on.

    Attributes:
        kappas: of each round's predictions with those of the round before, oldest first; None
            where it is not defined or was not measured.
        gain: of the next batch; None where too little was measured.
        n_next: items that the next batch would hold; 0 when the budget or the pool is spent.
        falls_faster: whether the error still falls faster than the law by which gains are foretold.
    """

    kappas: Sequence[float | None]
    gain: Gain | None
    n_next: int
    falls_faster: bool = False


@dataclass(frozen=True)
class Advice:
    """A verdict and the sentences that say why."""

    verdict: Verdict
    reasons: tuple[str, ...]


def is_stable(kappas: Sequence[float | None], kappa: float, rounds: int) -> bool:
    """Return whether the last `rounds` values are all at least `kappa`."""
    last = kappas[-rounds:]
    return len(last) == rounds and all(value is not None and value >= kappa for value in last)


def should_stop(rule: StopRule, evidence: Evidence) -> bool:
    """Return whether the rule ends labeling now."""
    if not rule.is_set:
        return False
    if rule.kappa is not None and not is_stable(evidence.kappas, rule.kappa, rule.rounds):
        return False
    return rule.gain is None or (evidence.gain is not None and evidence.gain.mean_high < rule.gain)


def advise(rule: StopRule, evidence: Evidence) -> Advice:
    """Return advice; conditions that the rule leaves open take this module's usual values.

    Stable predictions and a small gain together say stop, one of them alone says to consider it.
    """
    if evidence.n_next == 0:
        spent = "The total budget is spent or no item is left to select; nothing more is labeled."
        return Advice(Verdict.STOP, (spent,))
    kappa = STABLE_KAPPA if rule.kappa is None else rule.kappa
    small = SMALL_GAIN if rule.gain is None else rule.gain
    stable = is_stable(evidence.kappas, kappa, rule.rounds)
    is_small = evidence.gain is not None and evidence.gain.mean_high < small
    verdicts = (Verdict.CONTINUE, Verdict.CONSIDER_STOPPING, Verdict.STOP)
    return Advice(
        verdicts[stable + is_small],
        (
            _about_stability(evidence.kappas, kappa, rule.rounds, stable=stable),
            _about_gain(evidence, small, is_small=is_small),
        ),
    )


def _about_stability(
    kappas: Sequence[float | None], kappa: float, rounds: int, *, stable: bool
) -> str:
    last = [value for value in kappas[-rounds:] if value is not None]
    if not last:
        return "Stability of predictions is not known: it takes two rounds with a trained proxy."
    shown = ", ".join(f"{value:.3f}" for value in last)
    if stable:
        return f"Predictions are stable: kappa of the last {rounds} rounds is {shown} (>= {kappa})."
    return (
        f"Predictions still change: kappa of the last rounds is {shown}; they are stable when "
        f"{rounds} rounds in a row reach {kappa}."
    )


def _about_gain(evidence: Evidence, small: float, *, is_small: bool) -> str:
    gain = evidence.gain
    if evidence.falls_faster:
        return (
            "The gain of the next round is not foretold: the error still falls faster than the law "
            "by which it would be, so that it would come out too small."
        )
    if gain is None:
        return (
            "The gain of the next round is not known: not enough rounds with a measured accuracy "
            "by the present proxy. Three with different numbers of labels are needed, and an "
            "evaluation split or a control arm to measure on."
        )
    compared = "below" if is_small else "not surely below"
    return (
        f"{gain.n_to - gain.n_from} more labels are expected to raise the proxy's accuracy by "
        f"{gain.expected:.2%} (95% interval of one training {gain.low:.2%} to {gain.high:.2%}); "
        f"the mean over trainings rises by at most {gain.mean_high:.2%}, {compared} {small:.2%}."
    )
