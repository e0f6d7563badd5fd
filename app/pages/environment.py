"""The templates: escaped always, and a name that nobody gave is an error."""

from datetime import UTC, datetime

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from app.pages.assets import ASSETS
from app.pages.words import FILTERS, NO_VALUE


def number(value: float) -> str:
    """Return a count with thin spaces between thousands."""
    return f"{value:,.0f}".replace(",", "\u202f")


def percent(fraction: float | None, digits: int = 1) -> str:
    """Return a share of 0..1 in percent; a dash where there is none."""
    return NO_VALUE if fraction is None else f"{100 * fraction:.{digits}f}\u202f%"


def instant(when: datetime | None) -> str:
    """Return an instant in UTC, to the minute; a dash where there is none."""
    if when is None:
        return NO_VALUE
    utc = when.astimezone(UTC)
    return Markup('<time datetime="{}"><span>{}</span> <span>{} UTC</span></time>').format(
        utc.isoformat(timespec="seconds"), f"{utc:%Y-%m-%d}", f"{utc:%H:%M}"
    )


ENVIRONMENT = Environment(
    loader=PackageLoader("app.pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
ENVIRONMENT.globals["static"] = ASSETS.path
ENVIRONMENT.filters.update(FILTERS, number=number, percent=percent, instant=instant)
