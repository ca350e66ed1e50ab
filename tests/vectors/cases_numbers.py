"""Cases of what is computed: the tree and its paths, membership, windows, the latency sketch, a whole publication."""

import base64
import hashlib
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

from ringtide_contract.canonical import encode
from ringtide_contract.ids import Digest, format_instant, sha256
from ringtide_contract.membership import (
    EVERYBODY,
    bucket,
    control_cut,
    opening_cut,
    salt,
    share_cut,
    turn,
    write_cut,
)
from ringtide_contract.sketch import MAX_BUCKET, LatencySketch, bucket_of, merge, upper_border_us
from ringtide_contract.tree import (
    catalog_path,
    class_path,
    class_prefix,
    device_prefix,
    inclusion_proof,
    index_path,
    leaf_hash,
    make_tiles,
    manifest_path,
    node_hash,
    root_hash,
    shard_bits,
    tile_path,
)
from ringtide_contract.windows import Window
from vectors import samples
from vectors.cases import GONE, Case, edits, good

# The inputs and roots that the Certificate Transparency project publishes for RFC 6962 section 2.1.
_RFC6962_INPUTS = ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
_RFC6962_ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)


def sample_leaves(size: int) -> list[bytes]:
    """Return the leaves of the sample trees: leaf i is SHA-256 of the decimal i."""
    return [hashlib.sha256(str(number).encode()).digest() for number in range(size)]


def rfc6962() -> list[Case]:
    return [
        good(f"size-{size}", bytes.fromhex(root), inputs=list(_RFC6962_INPUTS[:size]))
        for size, root in enumerate(_RFC6962_ROOTS, start=1)
    ] + [good("size-0", hashlib.sha256(b"").digest(), inputs=[])]


def tree() -> list[Case]:
    cases = []
    for size in (1, 2, 3, 7, 16, 17, 33, 255, 256, 257, 4097):
        leaves = sample_leaves(size)
        proofs = {
            str(index): [node.hex() for node in inclusion_proof(leaves, index)]
            for index in sorted({0, size // 2, size - 1})
        }
        tiles = {path: sha256(content) for path, content in make_tiles(leaves).items()} if size <= 257 else {}
        cases.append(good(f"size-{size}", root_hash(leaves), size=size, proofs=proofs, tiles=tiles))
    return cases


def leaf() -> list[Case]:
    left, right = sample_leaves(2)
    digest = sha256(b"content")
    return [
        good("leaf", leaf_hash("index/3.json", digest), path="index/3.json", digest=digest),
        good("node", node_hash(left, right), left=left.hex(), right=right.hex()),
    ]


def paths() -> list[Case]:
    digest = sha256(b"manifest")
    table: dict[str, tuple[str, dict[str, object]]] = {}
    for bits, prefix in ((0, 0), (1, 1), (4, 10), (5, 31), (8, 171), (9, 256), (14, 0x1FFF), (24, 0xABCDEF)):
        table[f"index-{bits}-{prefix}"] = (index_path(bits, prefix), {"bits": bits, "prefix": prefix})
        table[f"catalog-{bits}-{prefix}"] = (catalog_path(bits, prefix), {"bits": bits, "prefix": prefix})
    for level, number in ((0, 0), (0, 255), (0, 256), (1, 3), (5, 0xFFFF)):
        table[f"tile-{level}-{number}"] = (tile_path(level, number), {"level": level, "number": number})
    table["class"] = (class_path(samples.ARM, "gauge"), {"class": samples.ARM, "model": "gauge"})
    table["manifest"] = (manifest_path(digest), {"digest": digest})
    return [good(name, path.encode(), **facts) for name, (path, facts) in table.items()]


def prefixes() -> list[Case]:
    devices = {f"{device}-{bits}": (device, bits) for device in ("gate-01", "yard-01") for bits in (0, 1, 5, 24)}
    classes = {f"class-{bits}": bits for bits in (0, 1, 5, 24)}
    sizes = (0, 1, 64, 65, 128, 129, 1000, 100_000, 1_000_000)
    return [
        *(
            good(name, device.encode(), bits=bits, prefix=device_prefix(device, bits))
            for name, (device, bits) in devices.items()
        ),
        *(
            good(name, samples.X86.encode(), bits=bits, classPrefix=class_prefix(samples.X86, bits))
            for name, bits in classes.items()
        ),
        *(good(f"shards-of-{entries}", str(entries).encode(), shardBits=shard_bits(entries)) for entries in sizes),
    ]


def membership() -> list[Case]:
    text = salt(samples.FLEET, "gauge-2026-11", "1.1.0")
    units = (*samples.DEVICES, "pier-4", "Süd 3")
    buckets = [bucket(text, f"unit-{number}") for number in range(40)]
    few = buckets[:3]

    def opening(name: str, stratum: list[int], share: Fraction, minimum: int, ceiling: int = EVERYBODY) -> Case:
        cut = write_cut(
            opening_cut(stratum, share, minimum, control_cut(stratum, Fraction(1, 20)) if ceiling == 0 else EVERYBODY)
        )
        facts = {"units": len(stratum), "share": str(share), "minimum": minimum, "belowControl": ceiling == 0}
        return good(name, cut.encode(), **facts)

    return [
        *(good(f"bucket-{unit}", unit.encode(), salt=text, bucket=f"{bucket(text, unit):016x}") for unit in units),
        *(good(f"turn-{unit}", unit.encode(), salt=text, turn=f"{turn(text, unit):016x}") for unit in units),
        good("share-of-nobody", write_cut(share_cut(Fraction(0))).encode(), cutOf="0"),
        good("share-of-one-percent", write_cut(share_cut(Fraction(1, 100))).encode(), cutOf="1/100"),
        good("share-of-a-third", write_cut(share_cut(Fraction(1, 3))).encode(), cutOf="1/3"),
        good("share-of-everybody", write_cut(share_cut(Fraction(1))).encode(), cutOf="1"),
        opening("opening-1-percent-of-40", buckets, Fraction(1, 100), 1),
        opening("opening-10-percent-of-40", buckets, Fraction(1, 10), 1),
        opening("opening-10-percent-of-33-is-4", buckets[:33], Fraction(1, 10), 0),
        opening("opening-5-at-least", buckets, Fraction(1, 100), 5),
        opening("opening-of-3-asks-for-5", few, Fraction(1, 100), 5),
        opening("opening-of-none", [], Fraction(1, 100), 5),
        opening("opening-below-control", buckets, Fraction(1), 40, 0),
        *(
            good(
                f"control-of-{len(stratum)}-at-{share.numerator}-of-{share.denominator}",
                write_cut(control_cut(stratum, share)).encode(),
                units=len(stratum),
                controlShare=str(share),
            )
            for stratum in (buckets, buckets[:4], few)
            for share in (Fraction(0), Fraction(1, 20), Fraction(1, 2))
        ),
    ]


def start() -> list[Case]:
    """Return when devices of a ring begin: `turn` of 2^64, seen at `now`."""

    def case(name: str, windows: list[Window], spread_s: int, turn_: Fraction, now: str, begins: str | None) -> Case:
        ring = replace(samples.EARLY, spread_s=spread_s, windows=tuple(windows))
        return good(name, encode(ring.to_dict()), turn=f"{int(turn_ * 2**64):016x}", now=now, begins=begins)

    night = Window(days=frozenset({"mon", "tue"}), start="02:00", end="05:00", zone="Europe/Berlin")
    sunday = Window(days=frozenset({"sun"}), start="01:30", end="03:30", zone="Europe/Berlin")
    gap = Window(days=frozenset({"sun"}), start="02:00", end="03:00", zone="Europe/Berlin")
    half, none, last = Fraction(1, 2), Fraction(0), Fraction(2**64 - 1, 2**64)
    opened = "2026-11-23T08:00:00Z"  # a Monday
    return [
        case("without-a-window", [], 3600, half, opened, "2026-11-23T08:30:00Z"),
        case("whose-turn-has-passed", [], 3600, half, "2026-11-25T07:07:07Z", "2026-11-25T07:07:07Z"),
        case("before-the-ring-opens", [], 0, none, "2026-11-20T00:00:00Z", opened),
        case("first-of-a-window", [night], 21600, none, opened, "2026-11-24T01:00:00Z"),
        case("half-way-through-three-quarters", [night], 21600, half, opened, "2026-11-24T02:07:30Z"),
        case("last-of-a-window", [night], 21600, last, opened, "2026-11-24T03:14:59Z"),
        case("a-spread-that-ends-before-the-window", [night], 600, half, opened, "2026-11-24T01:05:00Z"),
        case("late-in-the-window", [night], 21600, half, "2026-11-24T03:59:59Z", "2026-11-24T03:59:59Z"),
        case("after-the-window-its-turn-comes-anew", [night], 21600, half, "2026-11-24T04:00:00Z", "2026-11-30T02:07:30Z"),
        case("spring-makes-the-window-shorter", [sunday], 21600, last, "2027-03-27T12:00:00Z", "2027-03-28T01:14:59Z"),
        case("autumn-makes-the-window-longer", [sunday], 21600, last, "2027-10-30T12:00:00Z", "2027-10-31T01:44:59Z"),
        case("spring-leaps-over-the-window", [gap], 0, none, "2027-03-21T02:00:00Z", None),
    ]  # fmt: skip


def window() -> list[Case]:
    def week(name: str, days: str, start: str, end: str, zone: str, opened: list[str], closed: list[str]) -> Case:
        value = Window(days=frozenset(days.split()), start=start, end=end, zone=zone)
        return good(name, encode(value.to_dict()), open=opened, closed=closed)

    whole = encode(samples.NIGHT.to_dict())
    berlin = "Europe/Berlin"
    return [
        week(
            "past-midnight", "mon tue sat", "22:30", "04:00", berlin,
            ["2026-11-23T21:30:00Z", "2026-11-24T02:59:59Z", "2026-11-29T02:59:00Z"],
            ["2026-11-23T21:29:59Z", "2026-11-24T03:00:00Z", "2026-11-23T02:00:00Z", "2026-11-26T00:00:00Z"],
        ),
        week(
            "spring-hour-does-not-exist", "sun", "02:00", "03:00", berlin,
            ["2026-03-22T01:00:00Z", "2026-04-05T00:00:00Z"],
            ["2026-03-29T00:59:59Z", "2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"],
        ),
        week(
            "across-the-spring-gap", "sun", "01:30", "03:30", berlin,
            ["2026-03-29T00:30:00Z", "2026-03-29T01:29:59Z"],
            ["2026-03-29T00:29:59Z", "2026-03-29T01:30:00Z"],
        ),
        week(
            "autumn-hour-comes-twice", "sun", "02:00", "03:00", berlin,
            ["2026-10-25T00:00:00Z", "2026-10-25T00:59:59Z", "2026-10-25T01:00:00Z", "2026-10-25T01:59:59Z"],
            ["2026-10-24T23:59:59Z", "2026-10-25T02:00:00Z"],
        ),
        week(
            "whole-day", "fri", "00:00", "00:00", "UTC",
            ["2026-11-27T00:00:00Z", "2026-11-27T23:59:59Z"],
            ["2026-11-26T23:59:59Z", "2026-11-28T00:00:00Z"],
        ),
        week(
            "half-hour-zone", "mon", "09:00", "17:00", "Asia/Kolkata",
            ["2026-11-23T03:30:00Z", "2026-11-23T11:29:59Z"],
            ["2026-11-23T03:29:59Z", "2026-11-23T11:30:00Z"],
        ),
        *edits(
            whole,
            {
                "no-day": ("days", [], "a window starts on some of"),
                "day-in-full": ("days", ["monday"], "a window starts on some of"),
                "hour-24": ("to", "24:00", "is not a time of day"),
                "hour-of-one-digit": ("from", "2:00", "is not a time of day"),
                "hour-in-other-digits": ("from", "0٣:00", "is not a time of day"),
                "zone-unknown": ("zone", "Europe/Hamburg", "is not a known IANA time zone"),
                "zone-a-path": ("zone", "../../etc/passwd", "is not a known IANA time zone"),
                "zone-a-folder": ("zone", "Europe", "is not a known IANA time zone"),
                "no-zone": ("zone", GONE, "'zone' is not a string"),
            },
        ),
    ]  # fmt: skip


def latency_sketch() -> list[Case]:
    values = (*range(1, 40), 100, 1000, 4095, 4096, 65_535, 1_000_000, 2**40 - 1, 2**40, 2**62, 2**63)
    borders = {str(value): bucket_of(value) for value in (0, *values)}
    uppers = {str(number): upper_border_us(number) for number in (0, 1, 15, 16, 31, 64, 160, 639, MAX_BUCKET)}
    shares = {"0.5": samples.SKETCH.quantile_us(0.5), "0.95": samples.SKETCH.quantile_us(0.95)}
    twice = merge([samples.SKETCH, samples.SKETCH])
    empty = LatencySketch(counts={})
    whole = encode(samples.SKETCH.to_dict())
    latencies = list(samples.LATENCIES_US)
    return [
        good("twelve", whole, latenciesUs=latencies, quantilesUs=shares, buckets=borders, upperBordersUs=uppers),
        good("twelve-twice", encode(twice.to_dict()), latenciesUs=latencies * 2, quantilesUs=shares),
        good("empty", encode(empty.to_dict()), latenciesUs=[], quantilesUs={"0.5": None}),
        *edits(
            whole,
            {
                "bucket-beyond": ("log16us", {"641": 1}, "'641' is not a latency bucket"),
                "bucket-negative": ("log16us", {"-1": 1}, "'-1' is not a latency bucket"),
                "bucket-with-zero": ("log16us", {"007": 1}, "'007' is not a latency bucket"),
                "bucket-in-other-digits": ("log16us", {"٣": 1}, "is not a latency bucket"),
                "bucket-of-5000-digits": ("log16us", {"9" * 5000: 1}, "is not a latency bucket"),
                "count-negative": ("log16us", {"7": -1}, "is not an integer of at least 0"),
                "count-as-text": ("log16us", {"7": "1"}, "is not an integer of at least 0"),
                "counts-an-array": ("log16us", [1], "'log16us' is not an object"),
            },
        ),
    ]


def publication() -> list[Case]:
    """A whole publication: what is published, and what each device is to make of it."""
    tree_ = samples.compile_tree()
    statement = samples.statement_of(tree_)
    rollout = f"rollout/{samples.ROLLOUT.rollout}/"

    def runs(manifest: bytes | None, reason: str) -> dict[str, Digest | str | None]:
        return {"manifest": None if manifest is None else sha256(manifest), "reason": reason}

    stable, candidate = samples.STABLE.encode(), samples.CANDIDATE.encode()
    lamp = runs(samples.LAMP.encode(), "stable")
    devices = {
        "gate-01": {"gauge": runs(candidate, rollout + "early"), "lamp": lamp},
        "gate-02": {"gauge": runs(stable, "stable"), "lamp": lamp},
        "gate-03": {"gauge": runs(stable, "stable"), "lamp": lamp},
        "gate-04": {"gauge": runs(candidate, rollout + "canary"), "lamp": lamp},
        "gate-05": {"gauge": runs(samples.PINNED.encode(), "pin"), "lamp": lamp},
        "gate-08": {"gauge": runs(candidate, rollout + "early"), "lamp": lamp},
        "yard-01": {"gauge": runs(samples.CANDIDATE_X86.encode(), rollout + "early"), "lamp": runs(None, "stable")},
    }
    text = {path: content.decode() for path, content in tree_.files.items() if not path.startswith("tiles/")}
    tiles = {
        path: base64.b64encode(content).decode() for path, content in tree_.files.items() if path.startswith("tiles/")
    }
    facts = {
        "fleet": samples.FLEET,
        "now": format_instant(samples.NOW),
        "trustPolicy": samples.TRUST.encode().decode(),
        "devices": devices,
        "files": text,
        "tiles": tiles,
    }
    whole = samples.sign_statement(statement)
    expired = {**facts, "now": format_instant(statement.not_after + timedelta(seconds=1)), "files": {}, "tiles": {}}
    return [
        good("harbour-7", whole, **facts),
        {**good("harbour-7-expired", whole, **expired), "error": "the publication expired on", "rule": "ACCEPT-07"},
    ]
