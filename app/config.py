"""Settings of this machine, read once at the edge from SVP_* variables and handed down."""

import os
import re
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlsplit, urlunsplit

import psutil
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

# A cluster puts these into every container beside a service called "svp" or "svp-...". They are
# nobody's settings, but for SVP_PORT, which is one when it holds a number.
INJECTED = re.compile(
    r"SVP_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
INJECTED_PORT = re.compile(r"SVP_(\w+_)?PORT")
INJECTED_ADDRESS = re.compile(r"(tcp|udp|sctp)://.*")
MAX_JOB_LEASE_SECONDS = 600.0


def default_data_folder() -> Path:
    """Return where an unconfigured service keeps its data.

    As root never under /root: the embedded Postgres runs as a user of its own and would have to
    open the folder's parents to it.
    """
    if os.geteuid() == 0:
        return Path("/var/lib/svp")
    try:
        return Path.home() / ".local" / "share" / "svp"
    except RuntimeError:
        raise ValueError(
            "This user has no home folder; set SVP_DATA_FOLDER to where the data shall lie."
        ) from None


class Settings(BaseSettings):
    """This machine's settings. Unknown SVP_* keys are refused by `read_settings`."""

    model_config = SettingsConfigDict(env_prefix="SVP_", frozen=True, extra="forbid")

    data_folder: Path = Field(default_factory=default_data_folder)
    database_url: SecretStr | None = None
    database_password: SecretStr | None = None  # put into the URL, whatever characters it has
    broker_url: SecretStr | None = None
    broker_password: SecretStr | None = None
    artifact_url: str | None = None
    weights_folder: Path | None = None
    min_free_bytes: int = Field(256 * 1024**2, ge=0)
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    worker_threads: int | None = Field(None, ge=1)
    queues: str = "gpu,cpu"

    annotation_lease_seconds: float = Field(600.0, gt=0)
    job_lease_seconds: float = Field(60.0, gt=0, le=MAX_JOB_LEASE_SECONDS)
    image_url_seconds: int = Field(3600, ge=2)
    max_leases_per_annotator: int = Field(1000, ge=1)
    max_leases_per_token: int = Field(5000, ge=1)
    heartbeat_seconds: float = Field(10.0, gt=0)
    sweep_seconds: float = Field(5.0, gt=0)
    job_max_attempts: int = Field(3, ge=1)
    job_max_seconds: float = Field(7 * 86_400.0, gt=0)  # of one attempt
    poll_after_seconds: int = Field(2, ge=1)

    lock_timeout_seconds: float = Field(
        5.0, gt=0, description="A request's wait for what another holds; then 503."
    )
    statement_timeout_seconds: float = Field(
        30.0, gt=0, description="Of one statement of a request; then 503."
    )
    idle_transaction_seconds: float = Field(
        30.0, gt=0, description="Between two statements of a request; then 503."
    )
    worker_statement_timeout_seconds: float = Field(
        900.0, gt=0, description="Of one statement of a job."
    )
    place_timeout_seconds: float = Field(
        10.0, gt=0, description="A request's wait for a place among those under way; then 503."
    )

    root_path: str = Field(
        "", pattern=r"^(/[\w.~-]+)*$", description="Path below which a proxy serves, e.g. /svp."
    )
    cors_origins: Annotated[
        tuple[str, ...],
        NoDecode,
        Field(description="Origins whose pages may call the API, by commas; * for all."),
    ] = ()

    header_seconds: float = Field(10.0, gt=0, description="For the head of a request.")
    body_seconds: float = Field(
        30.0, gt=0, description="Without a byte of a body, or with an answer that is not read."
    )
    keep_alive_seconds: float = Field(75.0, ge=1, description="Of an idle connection.")
    max_header_bytes: int = Field(32 * 1024, ge=1024, description="Of a request's head.")
    max_connections: int = Field(1000, ge=1, description="New ones replace waiting ones.")

    max_json_bytes: int = Field(1024**2, ge=1024, description="Of a JSON body, unpacked.")
    max_body_bytes: int = Field(
        2 * 1024**3, ge=1024, description="Of an import, an upload or features, unpacked."
    )
    max_expansion: int = Field(
        100, ge=1, description="How many times its size a body of over 16 MiB may unpack to."
    )
    max_lines: int = Field(20_000_000, ge=1, description="Of one import.")
    max_refused_lines: int = Field(
        100_000, ge=1, description="An import with more of them ends; what was good is kept."
    )
    max_parse_seconds: float = Field(
        600.0, gt=0, description="Of processor time to split one import into lines."
    )
    max_line_bytes: int = Field(4 * 1024**2, ge=1024)
    max_text_bytes: int = Field(1024**2, ge=16)
    max_model_bytes: int | None = Field(None, ge=1024**2)  # None: this machine's memory
    max_image_bytes: int = Field(50 * 1024**2, ge=1024)
    max_image_pixels: int = Field(50_000_000, ge=64)
    image_download_seconds: float = Field(
        30.0, gt=0, description="For the whole of an image by URL, from the name to the last byte."
    )
    image_roots: Annotated[tuple[str, ...], NoDecode] = ()
    image_hosts: Annotated[tuple[str, ...], NoDecode] = ()

    log_format: str = Field("console", pattern="^(console|json)$")
    log_level: str = Field("info", pattern="^(debug|info|warning|error)$")

    @model_validator(mode="before")
    @classmethod
    def _put_passwords_into_urls(cls, values: dict[str, Any]) -> dict[str, Any]:
        for part in ("database", "broker"):
            url, password = values.get(f"{part}_url"), values.get(f"{part}_password")
            if url and password:
                values = {
                    **values,
                    f"{part}_url": _with_password(_revealed(url), _revealed(password)),
                    f"{part}_password": None,
                }
        return values

    @field_validator("port", mode="before")
    @classmethod
    def _ignore_injected_port(cls, value: object) -> object:
        is_injected = isinstance(value, str) and INJECTED_ADDRESS.fullmatch(value)
        return cls.model_fields["port"].default if is_injected else value

    @field_validator("data_folder", mode="after")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("image_roots", "image_hosts", "cors_origins", mode="before")
    @classmethod
    def _split_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @property
    def most_model_bytes(self) -> int:
        """The most bytes that a training may need; by default this machine's memory."""
        if self.max_model_bytes is not None:
            return self.max_model_bytes
        total: int = psutil.virtual_memory().total
        return total

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


def make_settings(**values: object) -> Settings:
    """Return the settings from the environment, with these values in place of it.

    Raises:
        ValueError: a SVP_* variable is unknown or has a value that is not allowed; the message
            names it.
    """
    known = {f"SVP_{name.upper()}" for name in Settings.model_fields} | NOT_SETTINGS
    unknown = sorted(
        name
        for name in os.environ
        if name.startswith("SVP_") and name not in known and not _is_injected(name)
    )
    if unknown:
        raise ValueError(
            f"Unknown setting {', '.join(unknown)}. Known are: {', '.join(sorted(known))}."
        )
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise ValueError(_sentence(error)) from None


def read_settings() -> Settings:
    """Return the settings from the environment; see `make_settings`."""
    return make_settings()


def _is_injected(name: str) -> bool:
    if INJECTED.fullmatch(name):
        return True
    holds_address = INJECTED_ADDRESS.fullmatch(os.environ[name])
    return bool(INJECTED_PORT.fullmatch(name) and holds_address)


def _sentence(error: ValidationError) -> str:
    """Return what is wrong with which settings; never their values, which may be secrets."""
    faults = [
        f"SVP_{'_'.join(str(part) for part in fault['loc']).upper() or 'SETTINGS'}: {fault['msg']}"
        for fault in error.errors()
    ]
    return f"A setting cannot be used: {'; '.join(faults)}. Correct it and start again."


def _revealed(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def _with_password(url: str, password: str) -> str:
    """Return the URL with this password in place of any that it holds."""
    parts = urlsplit(url)
    user_info, _, address = parts.netloc.rpartition("@")
    user = user_info.split(":", 1)[0]
    return urlunsplit(parts._replace(netloc=f"{user}:{quote(password, safe='')}@{address}"))


NOT_SETTINGS = frozenset(
    {"SVP_DATA_DIR", "SVP_REQUIRE_ALL", "SVP_TOKEN", "SVP_URL", "SVP_ADMIN_TOKEN"}
)
