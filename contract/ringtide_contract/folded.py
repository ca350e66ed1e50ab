"""What a device remembers of reports that it could not keep until somebody took them: their numbers, and a summary.

An outbox is bounded. The oldest reports that wait are folded into one of these, and each later report carries it until one of
them has been taken, so that whoever reads the reports can account for every number.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ringtide_contract import fields
from ringtide_contract.canonical import Json
from ringtide_contract.errors import InputError
from ringtide_contract.ids import format_instant, parse_instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """A run of numbers whose reports are gone. One of them may have been taken after all, its answer lost on the way."""

    first: int
    """The first number."""
    last: int
    """The last number."""
    since: datetime
    """When the first was made, by the device's clock."""
    until: datetime
    """When the last was made."""
    conditions: Mapping[str, int]
    """Type of condition to how many of the reports named it."""
    phases: Mapping[str, Mapping[str, int]]
    """Model to phase to how many of the reports named it."""

    @classmethod
    def from_dict(cls, value: object) -> "Folded":
        """Read it from decoded JSON.

        Raises:
            InputError: A member is missing or wrong, or the run is empty.
        """
        data = fields.members(value, "folded reports")

        def counts(each: object) -> Mapping[str, int]:
            return {name: fields.whole(count) for name, count in fields.members(each, "counts").items()}

        folded = cls(
            first=fields.integer(data, "first", least=1),
            last=fields.integer(data, "last", least=1),
            since=parse_instant(fields.text(data, "since")),
            until=parse_instant(fields.text(data, "until")),
            conditions=counts(data.get("conditions")),
            phases=fields.mapping(data, "phases", counts),
        )
        if folded.first > folded.last:
            raise InputError("folded reports begin after their end")
        return folded

    def to_dict(self) -> dict[str, Json]:
        """Write it as `from_dict` reads it."""
        return {
            "first": self.first,
            "last": self.last,
            "since": format_instant(self.since),
            "until": format_instant(self.until),
            "conditions": dict(self.conditions),
            "phases": {model: dict(phases) for model, phases in self.phases.items()},
        }

    def covers(self, number: int) -> bool:
        """Tell whether a number is among them."""
        return self.first <= number <= self.last
