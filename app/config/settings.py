"""Settings of this machine."""

import ipaddress
import os
import re
from pathlib import Path
from typing import Annotated, Any

import psutil
from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.config.passwords import with_password

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

    data_folder: Path = Field(
        default_factory=default_data_folder,
        description="Folder of everything the service keeps on this machine.",
    )
    database_url: SecretStr | None = Field(
        None,
        description="Your own Postgres; unset, `svp up` starts one in the data folder.",
    )
    database_password: SecretStr | None = Field(
        None, description="Its password, with any characters; it is put into the URL."
    )
    broker_url: SecretStr | None = Field(
        None,
        description="Redis or RabbitMQ that wakes workers; unset, Postgres does.",
    )
    broker_password: SecretStr | None = Field(
        None, description="Its password, with any characters; it is put into the URL."
    )
    artifact_url: str | None = Field(
        None,
        description="URL of stored files, for fsspec; unset, they are in the data folder.",
    )
    weights_folder: Path | None = Field(
        None,
        description="Files that a recipe's `weights` may name; unset, `DATA_FOLDER/weights`.",
    )
    min_free_bytes: int = Field(
        256 * 1024**2,
        ge=0,
        description="Below this much free disk, imports, uploads and jobs wait.",
    )
    host: str = Field("127.0.0.1", description="Address that the API listens on.")
    port: int = Field(
        8000, ge=0, le=65535, description="Port that the API listens on; 0 takes a free one."
    )
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|cuda(:\d+)?)$",
        description="Device of the workers: `auto`, `cpu`, `cuda` or `cuda:1`.",
    )
    worker_threads: int | None = Field(
        None, ge=1, description="CPU threads of a job; unset, one for each core."
    )
    queues: str = Field("gpu,cpu", description="Queues that a worker serves: `gpu`, `cpu` or both.")

    annotation_lease_seconds: float = Field(
        600.0, gt=0, description="How long an item belongs to the annotator who got it."
    )
    job_lease_seconds: float = Field(
        60.0,
        gt=0,
        le=MAX_JOB_LEASE_SECONDS,
        description="How long a job belongs to a worker that stops answering.",
    )
    image_url_seconds: int = Field(3600, ge=2, description="How long a signed image URL is valid.")
    max_leases_per_annotator: int = Field(
        1000, ge=1, description="The most items that one annotator may hold."
    )
    max_leases_per_token: int = Field(
        5000, ge=1, description="The most items that the annotators of one tool's token may hold."
    )
    heartbeat_seconds: float = Field(
        10.0, gt=0, description="How often a worker renews the lease of its job."
    )
    sweep_seconds: float = Field(
        5.0, gt=0, description="How often lost jobs and expired leases are looked for."
    )
    job_max_attempts: int = Field(3, ge=1, description="How often a job is tried before it fails.")
    job_max_lost_workers: int = Field(
        10, ge=1, description="How many workers a job may lose before it fails; no attempt counts."
    )
    job_max_seconds: float = Field(
        7 * 86_400.0, gt=0, description="The longest that one attempt of a job may take."
    )
    poll_after_seconds: int = Field(
        2, ge=1, description="When a tool that got no items is told to ask again."
    )

    label_studio_poll_seconds: float = Field(
        15.0, ge=1, description="How often a connected Label Studio is asked what is new."
    )
    label_studio_lease_days: float = Field(
        7.0,
        ge=1,
        le=365,
        description="How long an item belongs to its task in Label Studio; renewed by half of it.",
    )
    label_studio_image_days: float = Field(
        14.0,
        ge=1,
        le=365,
        description="How long the image URL in a task of Label Studio works; renewed in time.",
    )

    label_studio_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Hosts that leads may connect a Label Studio at although they are private or "
        "not by HTTPS, separated by commas; `HOST` or `HOST:PORT`. `svp labelstudio connect` "
        "reaches any.",
    )

    gold_answer_seconds: float = Field(
        0.05,
        ge=0,
        le=5,
        description="Where annotators get gold, answers to them take a multiple of this or of "
        "three times the median of the last, and by chance up to one more, so that no stopwatch "
        "tells gold apart; 0: no wait.",
    )
    lock_timeout_seconds: float = Field(
        5.0,
        gt=0,
        description="The longest that a request waits for a row that another holds; then 503.",
    )
    statement_timeout_seconds: float = Field(
        30.0, gt=0, description="The longest that one statement of a request may take; then 503."
    )
    idle_transaction_seconds: float = Field(
        30.0, gt=0, description="The longest pause between two statements of a request; then 503."
    )
    worker_statement_timeout_seconds: float = Field(
        900.0, gt=0, description="The longest that one statement of a job may take."
    )
    place_timeout_seconds: float = Field(
        10.0, gt=0, description="The longest that a request waits for its turn; then 503."
    )

    # Together shorter than the asker's time-out (workers.service.health).
    readiness_part_seconds: float = Field(
        5.0, gt=0, le=6, description="The longest that readiness waits for its parts to answer."
    )
    readiness_place_seconds: float = Field(
        2.0, gt=0, le=3, description="The longest that readiness waits for its turn."
    )

    root_path: str = Field(
        "",
        pattern=r"^(/[\w.~-]+)*$",
        description="Path prefix below which a proxy serves the API, e.g. `/svp`.",
    )
    session_days: float = Field(
        14.0, gt=0, le=3650, description="How long people stay signed in after their last request."
    )
    user_header: str | None = Field(
        None,
        pattern=r"^[\w-]+$",
        description="Header in which a proxy that signs people in names them; unset, none does.",
    )
    user_header_from: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Addresses or networks of that proxy, separated by commas; from others the "
        "header says nothing.",
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Origins whose pages may call the API, separated by commas; `*` allows all."
    )

    header_seconds: float = Field(
        10.0, gt=0, description="The longest that the head of a request may take to arrive."
    )
    body_seconds: float = Field(
        30.0, gt=0, description="The longest that a body may pause, or an answer may stay unread."
    )
    keep_alive_seconds: float = Field(
        75.0, ge=1, description="How long an idle connection stays open."
    )
    linger_seconds: float = Field(
        10.0, gt=0, description="How long the rest of a body may take once it was answered."
    )
    max_header_bytes: int = Field(32 * 1024, ge=1024, description="The largest head of a request.")
    max_connections: int = Field(
        1000, ge=1, description="The most connections at once; new ones replace waiting ones."
    )

    max_json_bytes: int = Field(1024**2, ge=1024, description="The largest JSON body, unpacked.")
    max_body_bytes: int = Field(
        2 * 1024**3, ge=1024, description="The largest import, upload or features file, unpacked."
    )
    max_expansion: int = Field(
        100,
        ge=1,
        description="How many times its size a compressed body of over 16 MiB may unpack to.",
    )
    max_lines: int = Field(20_000_000, ge=1, description="The most lines of one import.")
    max_refused_lines: int = Field(
        100_000, ge=1, description="An import with more refused lines ends; good lines are kept."
    )
    max_parse_seconds: float = Field(
        600.0, gt=0, description="The most processor time to split one import into lines."
    )
    import_chunk_lines: int = Field(
        4000, ge=1, description="The most lines of an import that are stored at once."
    )
    import_chunk_bytes: int = Field(
        4 * 1024**2, ge=1, description="The most bytes of lines that are stored at once."
    )
    max_line_bytes: int = Field(4 * 1024**2, ge=1024, description="The longest line of an import.")
    max_text_bytes: int = Field(1024**2, ge=16, description="The longest text of an item.")
    max_model_bytes: int | None = Field(
        None,
        ge=1024**2,
        description="The most memory that a training may need; unset, this machine's.",
    )
    discard_after_seconds: float = Field(
        900.0,
        ge=0,
        description="A stored file that nothing refers to any more is removed once nobody has "
        "stored its bytes for so long; longer than any upload takes.",
    )
    streamed_labels: int = Field(
        200_000,
        ge=1,
        description="The most labels that are exported in one answer; more are written to a file "
        "by a job.",
    )
    streamed_images: int = Field(
        5_000, ge=1, description="The same of exports that hold the images themselves."
    )
    label_export_seconds: float = Field(
        7 * 86_400.0,
        gt=0,
        description="How long the file of an export can be downloaded; then it is removed.",
    )
    max_image_bytes: int = Field(50 * 1024**2, ge=1024, description="The largest image file.")
    max_image_pixels: int = Field(50_000_000, ge=64, description="The most pixels of an image.")
    image_download_seconds: float = Field(
        30.0,
        gt=0,
        description="The longest that an image by URL may take, from the name to the last byte.",
    )
    import_download_seconds: float = Field(
        3600.0,
        gt=0,
        description="How long the service reads a file to import from an http(s) URL; slower ones "
        "are refused.",
    )
    image_roots: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Folders and fsspec URLs that `image_uri` may point into, separated by commas.",
    )
    image_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Hosts that images and files to import may be downloaded from, separated by "
        "commas.",
    )

    max_predict_bytes: int = Field(
        16 * 1024**2, ge=1024, description="The largest body of items to predict at once, unpacked."
    )
    predict_seconds: float = Field(
        20.0, gt=0, le=120, description="The longest that a prediction may take; then 503."
    )
    predict_device: str = Field(
        "cpu",
        pattern=r"^(cpu|cuda(:\d+)?)$",
        description="Device of predictions of given items: `cpu` leaves the GPU to trainings.",
    )
    predict_idle_seconds: float = Field(
        600.0, gt=0, description="How long a worker keeps models in memory that nobody asks."
    )

    webhook_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Hosts that webhooks may reach although they are private or not by HTTPS, "
        "separated by commas; `HOST` or `HOST:PORT`.",
    )
    webhook_seconds: float = Field(
        15.0,
        gt=0,
        le=60,
        description="The longest that a message to a webhook may take, from the name to the "
        "answer.",
    )
    webhook_keep_days: float = Field(
        30.0, gt=0, description="How long messages to webhooks are listed once they have ended."
    )

    annotator_hour_price: float | None = Field(
        None, ge=0, description="Price of an annotator's hour, for the costs of a project."
    )
    worker_hour_price: float | None = Field(
        None, ge=0, description="Price of a worker's hour, for the costs of a project."
    )
    currency: str = Field("", max_length=10, description="Shown beside prices, for example `EUR`.")

    log_format: str = Field(
        "console",
        pattern="^(console|json)$",
        description="`console`, or `json` for a line of JSON per event.",
    )
    log_level: str = Field(
        "info",
        pattern="^(debug|info|warning|error)$",
        description="`debug`, `info`, `warning` or `error`.",
    )

    @model_validator(mode="before")
    @classmethod
    def _put_passwords_into_urls(cls, values: dict[str, Any]) -> dict[str, Any]:
        for part in ("database", "broker"):
            url, password = values.get(f"{part}_url"), values.get(f"{part}_password")
            if url and password:
                values = {
                    **values,
                    f"{part}_url": with_password(url, password),
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

    @field_validator(
        "image_roots",
        "image_hosts",
        "webhook_hosts",
        "label_studio_hosts",
        "cors_origins",
        "user_header_from",
        mode="before",
    )
    @classmethod
    def _split_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("user_header_from", mode="after")
    @classmethod
    def _check_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            ipaddress.ip_network(network, strict=False)
        return value

    @property
    def most_model_bytes(self) -> int:
        """Limit on the bytes that a training may need; by default this machine's memory."""
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
