"""Settings of this machine, read once at the edge from SVP_* variables and handed down."""

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


def default_data_folder() -> Path:
    """Return where an unconfigured service keeps its data.

    As root never under /root: the embedded Postgres runs as a user of its own and would have to
    open the folder's parents to it.
    """
    if os.geteuid() == 0:
        return Path("/var/lib/svp")
    return Path.home() / ".local" / "share" / "svp"


class Settings(BaseSettings):
    """This machine's settings. Unknown SVP_* keys are refused by `read_settings`."""

    model_config = SettingsConfigDict(env_prefix="SVP_", frozen=True, extra="forbid")

    data_folder: Path = Field(default_factory=default_data_folder)
    database_url: SecretStr | None = None
    broker_url: SecretStr | None = None
    artifact_url: str | None = None
    weights_folder: Path | None = None
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    worker_threads: int | None = Field(None, ge=1)
    queues: str = "gpu,cpu"

    annotation_lease_seconds: float = Field(600.0, gt=0)
    job_lease_seconds: float = Field(60.0, gt=0)
    heartbeat_seconds: float = Field(10.0, gt=0)
    sweep_seconds: float = Field(5.0, gt=0)
    job_max_attempts: int = Field(3, ge=1)
    poll_after_seconds: int = Field(2, ge=1)

    max_body_bytes: int = Field(2 * 1024**3, ge=1024)
    max_line_bytes: int = Field(4 * 1024**2, ge=1024)
    max_text_bytes: int = Field(1024**2, ge=16)
    max_image_bytes: int = Field(50 * 1024**2, ge=1024)
    max_image_pixels: int = Field(50_000_000, ge=64)
    image_roots: Annotated[tuple[str, ...], NoDecode] = ()
    image_hosts: Annotated[tuple[str, ...], NoDecode] = ()

    log_format: str = Field("console", pattern="^(console|json)$")
    log_level: str = Field("info", pattern="^(debug|info|warning|error)$")

    @field_validator("image_roots", "image_hosts", mode="before")
    @classmethod
    def _split_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    def to_environment(self) -> dict[str, str]:
        """Return the SVP_* variables that make a child process read these settings."""
        environment = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, SecretStr):
                value = value.get_secret_value()
            if isinstance(value, tuple):
                value = ",".join(value)
            if value is not None:
                environment[f"SVP_{name.upper()}"] = str(value)
        return environment

    @property
    def uploads_folder(self) -> Path:
        """Folder of request bodies while they are read."""
        return self.data_folder / "uploads"

    @property
    def broker_folder(self) -> Path:
        """Folder of the filesystem broker, used when no broker URL is set."""
        return self.data_folder / "broker"

    @property
    def postgres_folder(self) -> Path:
        """Data folder of the embedded Postgres, used when no database URL is set."""
        return self.data_folder / "postgres"

    @property
    def cache_folder(self) -> Path:
        """Folder of the workers' packed pools and checkpoints; may be deleted while none runs."""
        return self.data_folder / "cache"

    @property
    def recipe_weights_folder(self) -> Path:
        """Folder of the files that a recipe's `weights` may name."""
        return self.weights_folder or self.data_folder / "weights"

    @property
    def artifact_store_url(self) -> str:
        """URL of the artifact store as fsspec reads it."""
        return self.artifact_url or f"file://{self.data_folder / 'artifacts'}"


def environment_without_settings() -> dict[str, str]:
    """Return this process's environment less every SVP_*: what a child gets beside its settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("SVP_")}


def read_settings() -> Settings:
    """Return the settings from the environment.

    Raises:
        ValueError: a SVP_* variable is unknown or has a value that is not allowed; the message
            names it.
    """
    known = {f"SVP_{name.upper()}" for name in Settings.model_fields} | NOT_SETTINGS
    unknown = sorted(k for k in os.environ if k.startswith("SVP_") and k not in known)
    if unknown:
        raise ValueError(
            f"Unknown setting {', '.join(unknown)}. Known are: {', '.join(sorted(known))}."
        )
    return Settings()


NOT_SETTINGS = frozenset(
    {"SVP_DATA_DIR", "SVP_REQUIRE_ALL", "SVP_TOKEN", "SVP_URL", "SVP_ADMIN_TOKEN"}
)
