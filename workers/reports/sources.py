"""Reads the runs of one report, checks that they belong together, and merges their arms."""

import json
import os
import platform
import shlex
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

from models.catalog import ModelError
from workers.reports.document import Table
from workers.simulation.config import ExperimentConfig, ExperimentError, ModelConfig, TrapsConfig
from workers.simulation.kind import Experiment, Kind
from workers.simulation.load import bundled, read_experiment
from workers.simulation.paper_scale import is_paper_scale
from workers.simulation.results import Line, read_lines_of

MODIFIED = "(modified)"
TRAPS = dict(TrapsConfig())  # as they are by default


@dataclass(frozen=True)
class Source(Generic[Experiment, Line]):
    """One run: its experiment, and its lines by (arm or model, seed).

    Attributes:
        path: that was given: a folder, or an archive.
        folder: of its files.
    """

    path: Path
    folder: Path
    experiment: Experiment
    lines: Mapping[tuple[str, int], Sequence[Line]]


@dataclass(frozen=True)
class Setting:
    """The settings that make two arms of different experiments the same.

    Attributes:
        selector: catalog name; "none" where the strategy needs no model.
        recipe_hash: of the selector's recipe; "" without one.
        other: all further settings that decide the arm's selection, as text.
    """

    strategy: str
    selector: str
    recipe_hash: str = ""
    other: str = ""


@dataclass(frozen=True)
class Arm(Generic[Line]):
    """One arm over its seeds, from one folder or several."""

    name: str
    setting: Setting
    runs: Mapping[int, Sequence[Line]]


@dataclass(frozen=True)
class MeasuredArm(Generic[Line]):
    """The results of an arm's runs, for any kind of experiment.

    Attributes:
        is_target: whether the target selects for itself.
        dataset: the paper's, whose numbers are comparable; None where none are.
    """

    arm: Arm[Line]
    is_target: bool
    dataset: str | None

    @property
    def name(self) -> str:
        """The arm's name."""
        return self.arm.name

    @property
    def strategy(self) -> str:
        """The arm's strategy."""
        return self.arm.setting.strategy

    @property
    def selector(self) -> str:
        """Catalog name of the model that selects; "none" without one."""
        return self.arm.setting.selector


def read_sources(
    kind: Kind[Experiment, Line], folders: Mapping[Path, Path]
) -> list[Source[Experiment, Line]]:
    """Return the experiments and lines of these runs, given as path -> folder of its files.

    Raises:
        ExperimentError: a folder holds no run, or they are of different kinds or on different data.
    """
    sources = []
    for path, folder in folders.items():
        experiment = read_experiment(folder)
        if not isinstance(experiment, kind.experiment_type):
            kinds = f"{next(iter(folders))} and {path} hold different kinds of experiments"
            raise ExperimentError(f"{kinds}; write a report of each.")
        lines = read_lines_of(kind.line_type, folder)
        if not lines:
            raise ExperimentError(f"{path} holds no finished line yet.")
        sources.append(Source(path, folder, experiment, lines))
    require_same(sources, "data", lambda source: source.experiment.data.model_dump())
    require_same(sources, "the data's files", lambda source: sorted(data_titles([source])))
    return sources


def require_same(
    sources: Sequence[Source[Experiment, Line]],
    what: str,
    value: Callable[[Source[Experiment, Line]], Any],
) -> None:
    """Refuse folders whose arms cannot stand in one table because they differ in a value.

    Raises:
        ExperimentError: they differ.
    """
    first = sources[0]
    for other in sources[1:]:
        if value(other) != value(first):
            raise ExperimentError(
                f"{first.path} and {other.path} differ in {what}: {value(first)} and "
                f"{value(other)}. A report compares like with like; write one of each."
            )


def merge_arms(
    sources: Sequence[Source[Experiment, Line]],
    arms_of: Callable[[Experiment], Iterable[str]],
    setting_of: Callable[[Experiment, str], Setting],
) -> list[Arm[Line]]:
    """Return the arms that have run or should have; those of one setting are one, seeds together.

    Where two folders hold the same seed of the same arm, the first one's counts.
    """
    runs: dict[Setting, dict[int, Sequence[Line]]] = {}
    names: dict[Setting, tuple[str, str]] = {}
    for source in sources:
        for arm in arms_of(source.experiment):
            setting = setting_of(source.experiment, arm)
            names.setdefault(setting, (arm, f"{arm} ({source.experiment.name})"))
            own = {seed: run for (name, seed), run in source.lines.items() if name == arm}
            runs[setting] = own | runs.get(setting, {})
    short = [name for name, _ in names.values()]
    return [
        Arm(long if short.count(name) > 1 else name, setting, dict(sorted(runs[setting].items())))
        for setting, (name, long) in names.items()
    ]


def setting_of(strategy: str, selector: ModelConfig | None, other: Mapping[str, Any]) -> Setting:
    """Return the setting of an arm; `other` holds its further settings."""
    text = json.dumps(other, sort_keys=True)
    if selector is None:
        return Setting(strategy, "none", other=text)
    return Setting(strategy, selector.model, selector.recipe_hash, text)


def target_of(experiment: ExperimentConfig) -> tuple[str, str]:
    """Return catalog name and recipe's hash of the model that is delivered."""
    target = experiment.models["target"]
    return target.model, target.recipe_hash


def data_titles(sources: Sequence[Source[Experiment, Line]]) -> set[str]:
    """Return the names of the lines' data; "(modified)" marks files other than the published."""
    return {line.data for source in sources for run in source.lines.values() for line in run}


def paper_dataset(sources: Sequence[Source[Experiment, Line]]) -> str | None:
    """Return the paper's data set whose numbers may stand beside ours; None where none may.

    All folders must repeat the paper on the same data set, whole and unmodified, at its settings.
    """
    papers = [source.experiment.paper for source in sources]
    datasets = {None if paper is None else paper.dataset for paper in papers}
    if len(datasets) > 1 or _unlike(sources):
        return None
    return datasets.pop()


def title_of(sources: Sequence[Source[Experiment, Line]]) -> str:
    """Return the report's title; it says why there is no paper column where one is expected."""
    titles = list(dict.fromkeys(source.experiment.title for source in sources))
    reasons = _unlike(sources)
    return " + ".join(titles) + (f" ({', '.join(reasons)})" if reasons else "")


def _unlike(sources: Sequence[Source[Experiment, Line]]) -> list[str]:
    """Return why these runs are not comparable with the paper's results that they repeat."""
    reasons = []
    for source in sources:
        data = source.experiment.data
        if source.experiment.paper is None or is_paper_scale(source.experiment, [data.name]):
            continue
        is_cut = data.n_pool is not None or data.n_evaluation is not None
        reasons.append("small scale" if is_cut else "not the paper's settings")
    if any(title.endswith(MODIFIED) for title in data_titles(sources)):
        reasons.append("modified data")
    return list(dict.fromkeys(reasons))


def facts_of(sources: Sequence[Source[Experiment, Line]]) -> dict[str, str]:
    """Return the facts about the runs: experiment, command, data, machine."""
    lines = [line for source in sources for run in source.lines.values() for line in run]
    seeds = sorted({line.seed for line in lines})
    vias = sorted({line.via for line in lines})
    traps = {f"{name} {v}" for s in sources for name, v in s.experiment.traps if v != TRAPS[name]}
    facts = {
        "experiment": ", ".join(
            dict.fromkeys(f"{s.experiment.name} ({s.experiment.hash})" for s in sources)
        ),
        "command": "; ".join(dict.fromkeys(_command(source) for source in sources)),
        "data": ", ".join(sorted(data_titles(sources))),
        "seeds": ", ".join(str(seed) for seed in seeds),
        "ran": " and ".join(
            "through the HTTP service" if via == "service" else "in process" for via in vias
        ),
        "device": ", ".join(sorted({line.device for line in lines})),
        "versions": ", ".join(f"{k} {v}" for k, v in lines[-1].versions.items()),
        "report written": f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} CPU cores, "
        f"{platform.machine()}",
    }
    return facts | ({"as the published code": ", ".join(sorted(traps))} if traps else {})


def gaps_of(
    sources: Sequence[Source[Experiment, Line]],
    arms: Sequence[Arm[Line]],
    lacks: Callable[[Arm[Line], int], str],
) -> list[str]:
    """Return sentences on the seeds that an arm has not run, or not to its end.

    Args:
        sources: say which seeds are wanted, beside those that have run.
        arms: as merged.
        lacks: (arm, seed) -> what is missing of a run that began; "" where it is whole.
    """
    wanted = {seed for source in sources for seed in source.experiment.seeds}
    wanted |= {seed for arm in arms for seed in arm.runs}
    missing: dict[tuple[int, ...], list[str]] = {}
    sentences = []
    for arm in arms:
        absent = tuple(sorted(wanted - set(arm.runs)))
        if absent:
            missing.setdefault(absent, []).append(arm.name)
        sentences += [
            f"Unfinished: {arm.name}, seed {seed}: {what}."
            for seed in arm.runs
            if (what := lacks(arm, seed))
        ]
    for absent, names in missing.items():
        who = "no arm" if len(names) == len(arms) else ", ".join(names)
        seeds = f"seed{'s' * (len(absent) > 1)} {', '.join(map(str, absent))}"
        verb = "has run" if who == "no arm" else "not run"
        sentences.append(f"Missing: {who} {verb} with {seeds}.")
    return sentences


def recipes_table(sources: Sequence[Source[Experiment, Line]]) -> Table:
    """Return every model's whole recipe, a column a model."""
    models = {
        name if len(sources) == 1 else f"{name} ({source.experiment.name})": model
        for source in sources
        for name, model in source.experiment.models.items()
    }
    recipes = {name: recipe_values(model) for name, model in models.items()}
    keys = dict.fromkeys(key for recipe in recipes.values() for key in recipe)
    rows = [["model", *(model.model for model in models.values())]]
    rows += [[key, *(str(recipe.get(key, "")) for recipe in recipes.values())] for key in keys]
    return Table("Recipes in full", ["", *models], rows)


def recipe_values(model: ModelConfig) -> dict[str, Any]:
    """Return a model's whole recipe; of a model whose package is gone, what the experiment says."""
    try:
        return model.resolved.to_json()
    except ModelError:
        return model.recipe


def _command(source: Source[Experiment, Line]) -> str:
    """Return the command that repeats a run: a bundled experiment's with what differs from it."""
    experiment = source.experiment
    known = bundled().get(experiment.name)
    if known is None or known.kind != experiment.kind:
        return f"svp simulate {experiment.name}.toml"
    of_no_effect = {"title", "paper"}
    now, shipped = (
        _flat(each.model_dump(mode="json", exclude=of_no_effect)) for each in (experiment, known)
    )
    changes = [key for key in now if now[key] != shipped.get(key)]
    if any(key not in now for key in shipped) or any(now[key] is None for key in changes):
        return f"svp simulate {experiment.name}.toml"
    settings = [f"--set {shlex.quote(f'{key}={_toml(now[key])}')}" for key in changes]
    via = {line.via for run in source.lines.values() for line in run}
    through = ["--through-api"] if via == {"service"} else []
    return " ".join(["svp simulate", experiment.name, *settings, *through])


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings by dotted keys."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict) and value:
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def _toml(value: Any) -> str:
    """Return a value as TOML; that of JSON is also TOML's."""
    return json.dumps(value)
