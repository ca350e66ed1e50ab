"""Reading a document that its schema has accepted: every value knows its pointer, so that a refusal knows its place."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from ringtide_contract.errors import InputError
from ringtide_engine.load.documents import escape

T = TypeVar("T")


class MisfitError(InputError):
    """A value that the schema accepts and the model does not.

    Attributes:
        pointer: JSON pointer of the value.
    """

    def __init__(self, pointer: str, message: str) -> None:
        """Keep the pointer beside the message."""
        super().__init__(message)
        self.pointer = pointer


@dataclass(frozen=True, slots=True)
class Cursor:
    """A value of a document and where it stands."""

    value: Any
    """The value."""
    pointer: str = ""
    """Its JSON pointer."""

    def child(self, key: str) -> "Cursor":
        """Return the value of a field; None where it is absent."""
        value = self.value.get(key) if isinstance(self.value, Mapping) else None
        return Cursor(value, f"{self.pointer}/{escape(key)}")

    def items(self) -> Iterator["Cursor"]:
        """Yield the entries of a list; none where it is absent."""
        for position, value in enumerate(self.value or ()):
            yield Cursor(value, f"{self.pointer}/{position}")

    def fields(self) -> Iterator[tuple[str, "Cursor"]]:
        """Yield the fields of a mapping; none where it is absent."""
        for key in self.value or ():
            yield key, self.child(key)

    def get(self, key: str, default: Any = None) -> Any:
        """Return the plain value of a field."""
        value = self.value.get(key) if isinstance(self.value, Mapping) else None
        return default if value is None else value

    def read(self, key: str, parse: Callable[[Any], T], default: Any = None) -> T:
        """Return a field, parsed.

        Raises:
            MisfitError: `parse` refuses it.
        """
        try:
            return parse(self.get(key, default))
        except InputError as error:
            raise MisfitError(f"{self.pointer}/{escape(key)}", str(error)) from error

    def parse(self, parse: Callable[[Any], T]) -> T:
        """Return the value, parsed.

        Raises:
            MisfitError: `parse` refuses it.
        """
        try:
            return parse(self.value)
        except InputError as error:
            raise MisfitError(self.pointer, str(error)) from error
