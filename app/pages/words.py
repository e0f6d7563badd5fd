"""Numbers, times and money as people read them; the templates' filters."""

from collections.abc import Mapping
from datetime import UTC, datetime

NO_VALUE = "\u2013"  # an en dash
THIN = "\u202f"
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
SHORT = 0.05  # seconds, which duration would show as none


def duration(seconds: float | None) -> str:
    """Return seconds in the unit that suits them; a dash where there are none."""
    if seconds is None:
        return NO_VALUE
    if seconds < 10:
        return f"{seconds:.1f}{THIN}s"
    if seconds < 2 * MINUTE:
        return f"{seconds:.0f}{THIN}s"
    if seconds < 2 * HOUR:
        return f"{seconds / MINUTE:.0f}{THIN}min"
    if seconds < 2 * DAY:
        return f"{seconds / HOUR:.1f}{THIN}h"
    return f"{seconds / DAY:.1f} days"


def ago(when: datetime | None) -> str:
    """Return how long ago an instant was; a dash where there is none."""
    if when is None:
        return NO_VALUE
    seconds = (datetime.now(UTC) - when).total_seconds()
    return "just now" if seconds < 10 else f"{duration(seconds)} ago"


def until(when: datetime | None) -> str:
    """Return how far ahead an instant is; a dash where there is none."""
    if when is None:
        return NO_VALUE
    seconds = (when - datetime.now(UTC)).total_seconds()
    return f"in {duration(seconds)}" if seconds > 1 else "any moment"


def money(amount: float | None, currency: str = "") -> str:
    """Return an amount with its currency; a dash where there is none."""
    if amount is None:
        return NO_VALUE
    return f"{amount:,.2f}{THIN}{currency}".rstrip(THIN)


def decimal(value: float | None, digits: int = 2) -> str:
    """Return a number with so many digits behind the point; a dash where there is none."""
    return NO_VALUE if value is None else f"{value:.{digits}f}"


def plain(name: object) -> str:
    """Return an identifier as words: `train_and_select` as `train and select`."""
    return str(name).replace("_", " ")


WORK = {
    "select": "select",
    "train_target": "train the target",
    "select_core_set": "select a core-set",
    "pack": "prepare the items",
    "analyze": "analysis",
    "labels_saved": "estimate the labels saved",
    "audit": "audit the proxy",
    "label_errors": "search for label errors",
    "proxy_advice": "compare proxies",
    "map": "draw the map",
    "predictions": "predict the pool",
    "export_labels": "export labels",
}


def work(kind: object) -> str:
    """Return the kind of a job or of an analysis in words."""
    words = WORK.get(str(kind), plain(kind))
    return f"{words[0].upper()}{words[1:]}"


def stage(name: object) -> str:
    """Return the part that a job is at in words: `epoch-6` as `epoch 6`."""
    return plain(name).replace("-", " ")


def parts(seconds: Mapping[str, float]) -> str:
    """Return the seconds of each part, longest first; short ones together."""
    ordered = sorted(seconds.items(), key=lambda part: -part[1])
    shown = [f"{plain(name)} {duration(spent)}" for name, spent in ordered if spent >= SHORT]
    rest = sum(spent for _, spent in ordered if spent < SHORT)
    if rest or not shown:
        shown.append(f"{'the rest' if shown else 'together'} {duration(rest if seconds else None)}")
    return ", ".join(shown)


def shortened(text: str, n: int = 200) -> str:
    """Return the beginning of a text, with an ellipsis where something was cut off."""
    return text if len(text) <= n else f"{text[:n].rstrip()}\u2026"


FILTERS = {
    each.__name__: each
    for each in (duration, ago, until, money, decimal, plain, work, stage, parts, shortened)
}
