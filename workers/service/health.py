"""Whether a service answers, asked as its own machine asks: directly, whatever proxy is set."""

import httpx

ASK_SECONDS = 10.0
EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared


def base_url(host: str, port: int) -> str:
    """Return the URL by which this machine reaches a service that listens on this address."""
    reached = EVERY_ADDRESS.get(host, host)
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"


def readiness(url: str) -> str | None:
    """Return None if the service at `url` is ready, else why it is not."""
    try:
        answer = httpx.get(f"{url}/api/v1/health/ready", timeout=ASK_SECONDS, trust_env=False)
        if answer.is_success:
            return None
        return str(answer.json()["detail"])
    except httpx.TransportError as error:
        return f"{url} does not answer: {error}"
    except (ValueError, KeyError, TypeError):
        return f"what answers at {url} is no svp ({answer.status_code})"
