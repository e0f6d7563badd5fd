"""Settings of this machine, read once at the edge from SVP_* variables and handed down."""

from app.config.environment import (
    NOT_SETTINGS,
    environment_without_settings,
    make_settings,
    read_settings,
)
from app.config.settings import MAX_JOB_LEASE_SECONDS, Settings, default_data_folder

__all__ = [
    "MAX_JOB_LEASE_SECONDS",
    "NOT_SETTINGS",
    "Settings",
    "default_data_folder",
    "environment_without_settings",
    "make_settings",
    "read_settings",
]
