"""A second opinion on a bill of materials: the schema of CycloneDX itself."""

from ringtide_contract.errors import InputError


def check_cyclonedx(content: bytes) -> None:
    """Hold a bill of materials against the strict schema of CycloneDX 1.6.

    Raises:
        InputError: It is not one.
    """
    # Importing the schema's grammars takes more than a second of CPU where nothing else has done so.
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    mistake = JsonStrictValidator(SchemaVersion.V1_6).validate_str(content.decode("utf-8"))
    if mistake is not None:
        first = str(getattr(mistake, "data", mistake)).strip().splitlines()[0][:300]
        raise InputError(f"the bill of materials is not CycloneDX 1.6: {first}")
