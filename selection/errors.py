"""Errors of selections; every message says what was found, where, and what to do."""


class SelectionError(ValueError):
    """The requested selection cannot be made."""


class UnknownStrategyError(SelectionError):
    """There is no strategy {name!r}; known are {known}."""

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(f"There is no strategy {name!r}; known are {', '.join(known)}.")


class MissingSignalError(SelectionError):
    """A strategy needs a signal that was not given."""

    def __init__(self, strategy: str, signal: str) -> None:
        super().__init__(f"Strategy {strategy} needs {signal}; none were given.")


class BudgetError(SelectionError):
    """The budget is outside 0..n."""

    def __init__(self, budget: int, n: int) -> None:
        super().__init__(f"The budget must be in 0..{n} (the pool's size), not {budget}.")


class EmptyPoolError(SelectionError):
    """There is nothing to select from."""

    def __init__(self) -> None:
        super().__init__("The pool is empty: there is nothing to select from.")


class ShapeError(SelectionError):
    """An array has the wrong shape or dtype."""


class NonFiniteError(SelectionError):
    """An array holds NaN or infinity."""

    def __init__(self, name: str, row: int, value: float) -> None:
        self.row, self.value = row, value
        super().__init__(f"{name} holds {value} in row {row}: did training diverge?")


class OverlapError(SelectionError):
    """Labeled items and pool share items, or an index appears twice."""


class NotProbabilitiesError(SelectionError):
    """A row of probs is negative somewhere or does not sum to 1."""

    def __init__(self, row: int, found: str) -> None:
        self.row = row
        super().__init__(f"Row {row} of probs {found}; its values must be >= 0 and sum to 1.")


class LargeValueError(SelectionError):
    """A value's square overflows float64."""

    def __init__(self, name: str, row: int, value: float) -> None:
        self.row, self.value = row, value
        super().__init__(
            f"{name} holds {value:g} in row {row}: squared distances would overflow; rescale them."
        )


class NotEnoughMemoryError(SelectionError):
    """The machine has less free memory than the selection needs."""

    def __init__(self, task: str, needed_bytes: int, free_bytes: int) -> None:
        self.needed_bytes, self.free_bytes = needed_bytes, free_bytes
        super().__init__(
            f"{task} needs {needed_bytes / 2**30:.2f} GiB beside the features, but "
            f"{free_bytes / 2**30:.2f} GiB are free. Use a candidate pool, shards or a larger "
            "machine."
        )
