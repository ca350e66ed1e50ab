"""What is configured, before it has its final types: every value with its place."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ringtide_agent.adapters.config_layers import full_name
from ringtide_contract.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Every value, written or by default."""

    values: Mapping[str, Mapping[str, Any]]
    """Table to key to value; a key that is not required and has no default is None."""
    places: Mapping[tuple[str, str], str]
    """Table and key to where the value stands."""


@contextmanager
def at(given: Inputs, table: str, key: str) -> Iterator[None]:
    """Let an error begin with the place of a value, and its name."""
    try:
        yield
    except (InputError, ValueError) as error:  # the latter from an address that `urlsplit` cannot read
        raise InputError(f"{given.places[table, key]}: {full_name(table, key)}: {error}") from error
