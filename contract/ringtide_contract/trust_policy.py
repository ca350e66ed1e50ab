"""The trust policy: whose statements a fleet believes. A TUF target, signed by the offline targets role."""

from collections.abc import Mapping
from dataclasses import dataclass

from ringtide_contract import API_VERSION, fields
from ringtide_contract.canonical import decode, encode
from ringtide_contract.errors import InputError
from ringtide_contract.ids import parse_name
from ringtide_contract.keys import PublicKey, key_hint, parse_public_key, public_pem

MAX_TRUST_POLICY_BYTES = 32 * 1024

TRUST_POLICY_TARGET = "trust-policy.json"
"""Name of the TUF target that holds this document."""

STATEMENT_TARGET = "release/statement.sigstore.json"
"""Name of the TUF target that holds the statement's bundle, delegated to the role `release`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustPolicy:
    """The keys that may sign statements of one fleet."""

    fleet: str
    """The fleet."""
    epoch: int
    """The only epoch that statements may carry; raised after a theft of a statement key."""
    statement_keys: Mapping[str, PublicKey]
    """Public keys by hint; never empty."""

    @classmethod
    def decode(cls, content: bytes) -> "TrustPolicy":
        """Read a trust policy from its bytes.

        Raises:
            InputError: Not a trust policy, or no key at all.
        """
        data = fields.document(decode(content, limit=MAX_TRUST_POLICY_BYTES), "TrustPolicy")
        keys: dict[str, PublicKey] = {}
        for pem in fields.items(data, "statementKeys", fields.string):
            key = parse_public_key(pem)
            keys[key_hint(key)] = key
        if not keys:
            raise InputError("a trust policy without a statement key trusts nobody")
        return cls(
            fleet=parse_name(fields.text(data, "fleet")),
            epoch=fields.integer(data, "epoch", least=1),
            statement_keys=keys,
        )

    def encode(self) -> bytes:
        """Write the policy in canonical bytes."""
        return encode(
            {
                "apiVersion": API_VERSION,
                "kind": "TrustPolicy",
                "fleet": self.fleet,
                "epoch": self.epoch,
                "statementKeys": [public_pem(self.statement_keys[hint]) for hint in sorted(self.statement_keys)],
            }
        )
