"""Cases of what is signed: canonical JSON, the bytes under a signature, envelopes, bundles, sealed reports, keys."""

import base64
import json
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from ringtide_contract.bundle import MEDIA_TYPE, write_bundle
from ringtide_contract.canonical import encode
from ringtide_contract.envelope import IN_TOTO, REPORT, Envelope, pae
from ringtide_contract.ids import DeviceId, sha256
from ringtide_contract.keys import PrivateKey, key_hint, private_pem, public_pem
from vectors import samples
from vectors.cases import GONE, Case, bad, edit, good


def keys() -> list[Case]:
    """The private keys of these vectors, for tests only: everybody has them."""
    named: dict[str, PrivateKey] = {
        "test-only-statement": samples.STATEMENT_KEY,
        "test-only-second-statement": samples.SECOND_KEY,
        "test-only-device": samples.DEVICE_KEY,
        "test-only-stranger": samples.STRANGER_KEY,
        "test-only-ed25519": samples.ED25519_KEY,
    }
    return [
        good(name, private_pem(key), public=public_pem(key.public_key()), hint=key_hint(key.public_key()))
        for name, key in named.items()
    ] + [
        bad("test-only-p384", private_pem(ec.derive_private_key(7, ec.SECP384R1())), "neither P-256 nor Ed25519"),
        bad("not-pem", b"AAAA", "not an unencrypted PEM private key"),
    ]


def canonical() -> list[Case]:
    def written(name: str, canonical_bytes: bytes, *spellings: str) -> Case:
        return good(name, canonical_bytes, spellings=list(spellings))

    deepest = b"[" * 32 + b"1" + b"]" * 32
    return [
        written("literals", b"[null,true,false]", "[ null , true,\nfalse ]"),
        written(
            "integers", b"[0,-1,9007199254740991,-9007199254740991]", "[-0, -1, 9007199254740991,-9007199254740991]"
        ),
        written("empty", b'{"a":[],"b":{},"c":""}', '{"c":"","b":{ },"a":[ ]}'),
        written(
            "escapes",
            b'"\\b\\t\\n\\f\\r\\"\\\\/\\u0000\\u001f\x7f"',
            r'"\u0008\u0009\u000a\u000c\u000d\"\\\/\u0000\u001f\u007f"',
        ),
        written("unicode-stays-itself", '"€ é 😀 \u2028"'.encode(), r'"\u20ac \u00e9 \ud83d\ude00 \u2028"'),
        written("no-normalisation", '"e\u0301 \u00e9"'.encode(), r'"e\u0301 \u00e9"'),
        # RFC 8785 section 3.2.3: members are sorted by UTF-16 code units, where U+1F600 stands before U+FB33.
        written(
            "rfc8785-sorting",
            '{"\\r":"Carriage Return","1":"One","\u0080":"Control\u007f","\u00f6":"Latin Small Letter O With Diaeresis",'
            '"\u20ac":"Euro Sign","\U0001f600":"Emoji: Grinning Face","\ufb33":"Hebrew Letter Dalet With Dagesh"}'.encode(),
            r'{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One",'
            r'"\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control\u007f","\u00f6":"Latin Small Letter O With Diaeresis"}',
        ),
        written("deepest", deepest),
        bad("duplicate-member", b'{"a":1,"a":1}', "'a' stands twice"),
        bad("duplicate-member-spelled-otherwise", b'{"a":1,"\\u0061":2}', "'a' stands twice"),
        bad("float", b"[1.5]", "the number 1.5 is not an integer"),
        bad("whole-float", b"[1.0]", "the number 1.0 is not an integer"),
        bad("exponent", b"[1e2]", "the number 1e2 is not an integer"),
        bad("nan", b"[NaN]", "the number NaN is not an integer"),
        bad("infinity", b"[-Infinity]", "the number -Infinity is not an integer"),
        bad("integer-2^53", b"9007199254740992", "beyond 2^53 - 1"),
        bad("integer-minus-2^53", b"-9007199254740992", "beyond 2^53 - 1"),
        bad("integer-of-5000-digits", b"9" * 5000, "not JSON"),
        bad("leading-zero", b"[01]", "not JSON"),
        bad("too-deep", b"[" + deepest + b"]", "nested deeper than 32 levels"),
        bad("far-too-deep", b"[" * 3000 + b"]" * 3000, ""),
        bad("lone-surrogate", b'"\\ud800"', "lone surrogate"),
        bad("lone-surrogate-in-a-name", b'{"\\udc00":1}', "lone surrogate"),
        bad("swapped-surrogates", b'"\\ude00\\ud83d"', "lone surrogate"),
        bad("latin-1", b'"\xe9"', "not JSON"),
        bad("overlong-utf-8", b'"\xc0\xaf"', "not JSON"),
        bad("surrogate-in-utf-8", b'"\xed\xa0\x80"', "not JSON"),
        bad("utf-16", '"a"'.encode("utf-16"), "not JSON"),
        bad("byte-order-mark", b'\xef\xbb\xbf"a"', "not JSON"),
        bad("raw-control-sign", b'"\n"', "not JSON"),
        bad("two-values", b"1 2", "not JSON"),
        bad("trailing-comma", b"[1,]", "not JSON"),
        bad("single-quotes", b"{'a':1}", "not JSON"),
        bad("comment", b"[1/**/]", "not JSON"),
        bad("cut-off", b'{"a":', "not JSON"),
        bad("nothing", b"", "not JSON"),
    ]


def pae_() -> list[Case]:
    # The DSSE protocol's own test vector: key, message and signature (as raw r and s) are from its page.
    secret = 97358161215184420915383655311931858321456579547487070936769975997791359926199
    raw = base64.b64decode("A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA==")
    signature = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    public = public_pem(ec.derive_private_key(secret, ec.SECP256R1()).public_key())
    specification = good(
        "dsse-specification",
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world",
        payloadType="http://example.com/HelloWorld",
        payload="hello world",
        publicKey=public,
        signature=base64.b64encode(signature).decode(),
    )
    lengths_are_bytes = good("lengths-count-bytes", pae("x/é", "€".encode()), payloadType="x/é", payload="€")
    empty = good("nothing-of-nothing", b"DSSEv1 0  0 ", payloadType="", payload="")
    return [specification, lengths_are_bytes, empty]


def envelope() -> list[Case]:
    whole = encode(samples.sealed_report().to_dict())
    sig = json.loads(whole)["signatures"][0]["sig"]
    return [
        good("report", whole, publicKey=public_pem(samples.DEVICE_KEY.public_key()), payloadType=REPORT),
        good(
            "ed25519",
            encode(samples.sealed_report(key=samples.ED25519_KEY).to_dict()),
            publicKey=public_pem(samples.ED25519_KEY.public_key()),
            payloadType=REPORT,
        ),
        *(
            bad(name, edit(whole, path, value), error)
            for name, path, value, error in (
                ("two-signatures", "signatures", [{"sig": sig}, {"sig": sig}], "exactly one signature"),
                ("no-signature", "signatures", [], "exactly one signature"),
                ("signatures-an-object", "signatures", {"sig": sig}, "exactly one signature"),
                ("signature-with-certificate", "signatures/0/cert", "MIIB", "a signature has sig and keyid"),
                ("unknown-member", "comment", "hello", "an envelope has payload, payloadType and signatures"),
                ("no-payload", "payload", GONE, "an envelope has payload, payloadType and signatures"),
                ("payload-a-number", "payload", 7, "'payload' is not a string"),
                ("base64-of-urls", "payload", "__--", "not base64"),
                ("base64-without-padding", "payload", "YQ", "not base64"),
                ("base64-with-slack-bits", "payload", "YR==", "not in its canonical form"),
                ("base64-with-line-break", "payload", "YWJj\nYWJj", "not base64"),
                ("base64-not-ascii", "payload", "é", "not base64"),
            )
        ),
    ]


def bundle() -> list[Case]:
    publication = samples.statement_of(samples.compile_tree())
    whole = samples.sign_statement(publication)
    hint = key_hint(samples.STATEMENT_KEY.public_key())
    stranger = samples.sign_statement(publication, samples.STRANGER_KEY)
    as_report = samples.seal_again(samples.STATEMENT_KEY, REPORT, publication.encode())
    unsigned = Envelope(payload=publication.encode(), payload_type=IN_TOTO, signature=b"")
    raw = samples.seal_again(samples.STATEMENT_KEY, IN_TOTO, publication.encode())
    other = replace(raw, payload=raw.payload.replace(b'"generation":7', b'"generation":8'))

    def form(name: str, path: str, value: object, error: str) -> Case:
        return bad(name, edit(whole, path, value), error, rule="BUNDLE-FORM")

    material = "verificationMaterial"
    return [
        good("statement", whole, payloadSha256=sha256(publication.encode()), hint=hint),
        good("second-key", samples.sign_statement(publication, samples.SECOND_KEY)),
        form("certificate", material, {"certificate": {"rawBytes": "MIIB"}}, "certificates are refused"),
        form("certificate-chain", material, {"x509CertificateChain": {"certificates": []}}, "certificates are refused"),
        form("certificate-beside-the-key", material + "/certificate", {"rawBytes": "MIIB"}, "certificates are refused"),
        form("log-entries", material + "/tlogEntries", [{"logIndex": "1"}], "transparency log entries"),
        form("log-entries-null", material + "/tlogEntries", None, "transparency log entries"),
        form("key-in-the-bundle", material + "/publicKey/rawBytes", "MFkw", "named by its hint"),
        form("no-hint", material, {"publicKey": {}}, "named by its hint"),
        form("message-signature", "messageSignature", {}, "unexpected members"),
        form("bundle-v0.2", "mediaType", MEDIA_TYPE.replace("v0.3", "v0.2"), "media type"),
        form("two-signatures", "dsseEnvelope/signatures", [{"sig": "YQ=="}] * 2, "exactly one signature"),
        bad("not-json", b"-----BEGIN CERTIFICATE-----", "not JSON", rule="BUNDLE-FORM"),
        bad("stranger", stranger, "which the trust policy does not name", rule="BUNDLE-KEY"),
        bad("empty-hint", write_bundle(raw, ""), "which the trust policy does not name", rule="BUNDLE-KEY"),
        bad(
            "stranger-under-a-trusted-hint",
            edit(stranger, material + "/publicKey/hint", hint),
            "the signature does not match",
            rule="ENVELOPE-SIGNATURE",
        ),
        bad("other-payload", write_bundle(other, hint), "the signature does not match", rule="ENVELOPE-SIGNATURE"),
        bad("unsigned", write_bundle(unsigned, hint), "the signature does not match", rule="ENVELOPE-SIGNATURE"),
        bad("report-type", write_bundle(as_report, hint), "payload type", rule="ENVELOPE-TYPE"),
    ]


def sealed_report() -> list[Case]:
    facts = {"fleet": samples.FLEET, "device": "gate-04", "publicKey": public_pem(samples.DEVICE_KEY.public_key())}
    report = samples.REPORT_DOCUMENT

    def refused(name: str, envelope_: Envelope, error: str, rule: str) -> Case:
        return bad(name, encode(envelope_.to_dict()), error, rule=rule, **facts)

    as_statement = samples.seal_again(samples.DEVICE_KEY, IN_TOTO, report.encode())
    neighbour = samples.sealed_report(replace(report, device=DeviceId("gate-05")))
    other_fleet = samples.sealed_report(replace(report, fleet="airport"))
    changed = replace(samples.sealed_report(), payload=report.encode().replace(b'"failures":1,', b'"failures":0,'))
    nonsense = samples.seal_again(samples.DEVICE_KEY, REPORT, b"{}")
    return [
        good("on-probation", encode(samples.sealed_report().to_dict()), **facts),
        good("first", encode(samples.sealed_report(samples.FIRST_REPORT).to_dict()), **facts),
        refused("stranger", samples.sealed_report(key=samples.STRANGER_KEY), "does not match", "ENVELOPE-SIGNATURE"),
        refused("failures-removed", changed, "does not match", "ENVELOPE-SIGNATURE"),
        refused("statement-type", as_statement, "payload type", "ENVELOPE-TYPE"),
        refused("neighbour", neighbour, "a report of harbour/gate-05", "REPORT-DEVICE"),
        refused("other-fleet", other_fleet, "a report of airport/gate-04", "REPORT-DEVICE"),
        refused("not-a-report", nonsense, "not a Report", "REPORT-FORM"),
        bad("not-an-envelope", b"{}", "not a report", rule="REPORT-FORM", **facts),
    ]
