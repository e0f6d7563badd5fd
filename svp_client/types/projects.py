"""Answers about projects."""

from typing import Any, TypedDict


class ShownClass(TypedDict):
    """A class as people see it; no label may name a retired one."""

    name: str
    hint: str
    is_retired: bool


class ClassChange(TypedDict):
    """What a change of classes did, or would do, and the classes in the order shown."""

    is_dry_run: bool
    n_labels: int
    n_labeled: int
    n_imported: int
    n_evaluation: int
    n_gold: int
    n_models: int
    sentences: list[str]
    classes: list[ShownClass]


class RoundRef(TypedDict):
    """The newest round of a project."""

    number: int
    state: str


class Project(TypedDict):
    """A project and its progress; counts are of items."""

    id: int
    name: str
    state: str
    modality: str
    classes: list[str]
    class_list: list[ShownClass]
    proxy: dict[str, Any]
    target: dict[str, Any]
    strategy: str
    initial_budget: int
    round_budget: int
    total_budget: int
    reserve: int
    labels_per_item: int
    annotation: dict[str, Any]
    selection: dict[str, Any]
    trigger: dict[str, Any]
    stop_when: dict[str, Any]
    audit: dict[str, Any]
    features_hash: str | None
    evaluation_features_hash: str | None
    seed: int
    measures_epochs: bool
    n_pool: int
    n_evaluation: int
    n_labeled: int
    n_imported: int
    n_skipped: int
    round: RoundRef | None
    created_at: str
    finished_at: str | None
    archived_at: str | None


class DeletedProject(TypedDict):
    """The record of a deleted project, and what is still on the disks."""

    id: int
    name: str
    deleted_by: str
    deleted_at: str
    ended_at: str | None
    n_items: int
    n_items_left: int
    n_files_left: int
