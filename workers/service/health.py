"""Asks a service whether it is ready, as its own machine does: directly, whatever proxy is set."""

from pathlib import Path
from typing import NamedTuple

import httpx

from app.config import Settings

ASK_SECONDS = 10.0
EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared


def base_url(host: str, port: int) -> str:
    """Return the URL by which this machine reaches a service that listens on this address."""
    reached = EVERY_ADDRESS.get(host, host)
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"


def running_url(settings: Settings) -> str:
    """Return the URL of the service that runs on the data folder, on whatever port it took.

    Where none runs there, as where each part is a container, that of the settings.
    """
    try:
        return address_file(settings).read_text().strip()
    except FileNotFoundError:
        return base_url(settings.host, settings.port)


def address_file(settings: Settings) -> Path:
    """Return the file in which a running `svp up` says where it answers."""
    return settings.data_folder / "address"


class Readiness(NamedTuple):
    """Reason why a service is not ready; `lacks_room_only` if it only lacks room on a disk."""

    fault: str | None
    lacks_room_only: bool = False


def readiness(url: str) -> str | None:
    """Return None if the service at `url` is ready, else why it is not."""
    return ask_readiness(url).fault


def ask_readiness(url: str) -> Readiness:
    """Ask the service at `url` whether it is ready."""
    try:
        answer = httpx.get(f"{url}/api/v1/health/ready", timeout=ASK_SECONDS, trust_env=False)
        if answer.is_success:
            return Readiness(None)
        problem = answer.json()
        parts = set(problem.get("parts") or ())
        # Where the disk is full, nothing can be stored on it either.
        return Readiness(str(problem["detail"]), "disk" in parts and parts <= {"disk", "artifacts"})
    except httpx.TransportError as error:
        return Readiness(f"{url} does not answer: {error}")
    except (ValueError, KeyError, TypeError, AttributeError):
        return Readiness(f"what answers at {url} is no svp ({answer.status_code})")
