"""Reads the settings once, at the edge, from SVP_* variables."""

import os
import re

from pydantic import ValidationError

from app.config.settings import INJECTED_ADDRESS, Settings

# A cluster puts these into every container beside a service called "svp" or "svp-...". They are
# nobody's settings, but for SVP_PORT, which is one when it holds a number.
INJECTED = re.compile(
    r"SVP_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
INJECTED_PORT = re.compile(r"SVP_(\w+_)?PORT")
NOT_SETTINGS = frozenset(
    {"SVP_DATA_DIR", "SVP_REQUIRE_ALL", "SVP_TOKEN", "SVP_URL", "SVP_ADMIN_TOKEN"}
)


def environment_without_settings() -> dict[str, str]:
    """Return the environment without SVP_* variables, on which a child's environment is based."""
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
