"""Windows in the time of the place: the zone follows from a label of the device."""

from collections.abc import Mapping
from dataclasses import dataclass

from ringtide_contract.windows import Window

SITE_ZONE = "site"
"""What a window says in place of a zone, to be in the zone of each device's site."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeZones:
    """Which zone a device is in."""

    label: str
    """Label that says where a device is, such as `site`."""
    zones: Mapping[str, str]
    """Its values, each with an IANA time zone."""

    def of(self, labels: Mapping[str, str]) -> str | None:
        """Return the zone of a device; None where nobody has written it, which is a finding."""
        return self.zones.get(labels.get(self.label, ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteWindow:
    """A weekly window in the time of each device's site."""

    days: frozenset[str]
    """Days on which it starts."""
    start: str
    """Local time of day."""
    end: str
    """Local time of day, exclusive."""

    def within(self, zone: str) -> Window:
        """Return the window as the devices of a zone have it."""
        return Window(days=self.days, start=self.start, end=self.end, zone=zone)
