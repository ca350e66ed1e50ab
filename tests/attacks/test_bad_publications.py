"""Bad publications, on a small real fleet: the device refuses each, says so, and runs on as if it had never seen it.

The attacker has taken the Git host, and where a test says so, also the online TUF keys.
"""

import subprocess
from pathlib import Path

from fakes.small_fleet import DEVICE, SmallFleet, establish, unharmed
from fakes.stolen_git_host import generation, next_publication, offer, signed, with_metadata
from ringtide_contract.ids import sha256
from ringtide_contract.keys import generate, key_hint, parse_private_key
from ringtide_contract.tree import manifest_path
from ringtide_engine.model.publication import PUBLISHED


def refused(fleet: SmallFleet, rule: str, words: str) -> None:
    """Check that the device refuses what is published, says which rule and why, and stays as it is."""
    with unharmed(fleet):
        said = fleet.once(code=4)
        assert said.out == "refused\n"
        assert f"Untrusted -> Distrusting: {words} [{rule}]\n" in said.err
        report = fleet.last_report()
        assert [(each.type, each.note) for each in report.conditions] == [("trust-refused", f"{words} [{rule}]")]
        assert (report.generation, fleet.digits().phase) == (2, "confirmed")


def verify_refuses(fleet: SmallFleet, rule: str) -> None:
    """Check that the engine's own verification refuses it too."""
    said = fleet.ringtide("verify", fleet.folder / "fleet.git", code=4)
    assert said.err.startswith("refused: ")
    assert f"[{rule}]" in said.err
    assert said.out == ""


def test_a_tampered_manifest_is_refused(fleet: SmallFleet) -> None:
    desired = fleet.digits().desired
    assert desired is not None
    manifest = manifest_path(desired)
    content = fleet.published.files[manifest]
    tampered = content.replace(b'"peakMemoryBytes":536870912', b'"peakMemoryBytes":999999999')
    assert tampered != content
    offer(fleet, {**fleet.published.files, manifest: tampered})
    verify_refuses(fleet, "ACCEPT-12")
    refused(fleet, "ACCEPT-12", "the manifest of 'digits' is not the one that was signed")


def test_an_index_that_holds_the_device_is_refused(fleet: SmallFleet) -> None:
    files = fleet.published.files
    (path,) = (each for each in files if each.startswith("index/") and DEVICE.encode() in files[each])
    held = files[path].replace(b'"active"', b'"held"')
    assert held != files[path]
    offer(fleet, {**files, path: held})
    verify_refuses(fleet, "TREE-PROOF")
    refused(fleet, "TREE-PROOF", "the audit path does not lead to the signed root")


def test_a_bundle_by_another_key_is_refused(fleet: SmallFleet) -> None:
    """The attacker swaps the bundle of a new generation on the way, which would have brought 1.1.0."""
    fleet.change(fleet.release("1.1.0", {}))
    fleet.publish("--accept-unreviewed-plan")
    published = fleet.published
    (path,) = (each for each in published.files if each.startswith("targets/release/"))
    bundle = signed(published.publication, generate())
    offer(fleet, {**published.files, path: bundle})
    words = f"Observed hash {sha256(bundle)} does not match expected hash {sha256(published.bundle)}"
    verify_refuses(fleet, "TUF-REFUSED")
    refused(fleet, "TUF-CONTENT", words)


def test_a_bundle_by_another_key_is_refused_although_its_metadata_are_true(fleet: SmallFleet) -> None:
    """The attacker holds the online TUF keys; the statement key is another custody."""
    key = generate()
    offer(fleet, with_metadata(fleet, fleet.published.files, signed(next_publication(fleet), key)))
    verify_refuses(fleet, "BUNDLE-KEY")
    hint = key_hint(key.public_key())
    refused(fleet, "BUNDLE-KEY", f"signed by key {hint!r}, which the trust policy does not name")


def test_publishing_with_another_key_is_refused_before_anything_is_signed(fleet: SmallFleet) -> None:
    stolen = fleet.folder / "stolen"
    fleet.ringtide("key", "new", "statement", stolen)
    fleet.change(fleet.release("1.1.0", {}))
    with unharmed(fleet):
        said = fleet.publish("--accept-unreviewed-plan", "--statement-keys", stolen, code=4)
        assert said.err == "refused: the trust policy does not name the statement key of this custody [PUBLISH-KEY]\n"
        assert said.out == ""


def test_an_older_publication_is_refused(fleet: SmallFleet) -> None:
    """It is honest, complete and not expired; it would take the model off the device."""
    older = generation(fleet, 1)
    command = ["git", "-C", str(fleet.folder / "fleet.git"), "update-ref", f"refs/heads/{PUBLISHED}", older.commit]
    subprocess.run(command, check=True, capture_output=True)
    assert fleet.published.publication.generation == 1
    refused(fleet, "TUF-VERSION", "New timestamp version 1 must be >= 2")


def test_an_older_publication_is_refused_although_its_metadata_are_new(fleet: SmallFleet) -> None:
    """The attacker holds the online TUF keys, and brings a statement that was honestly signed once."""
    older = generation(fleet, 1)
    offer(fleet, with_metadata(fleet, older.files, older.bundle))
    refused(fleet, "ACCEPT-05", "generation 1.1 is older than 1.2, which was verified here before")


def test_another_fleets_publication_is_refused(fleet: SmallFleet, tmp_path: Path) -> None:
    """The other fleet has a device of the same name and key, and keys of its own."""
    other = SmallFleet(folder=tmp_path)
    establish(other, "lighthouse")
    other.change({f"devices/{DEVICE}.yaml": fleet.files()[f"devices/{DEVICE}.yaml"]})
    other.publish("--accept-unreviewed-plan")
    offer(fleet, other.published.files)
    refused(fleet, "TUF-SIGNATURE", "timestamp was signed by 0/1 keys")


def test_another_fleets_publication_is_refused_although_both_have_the_same_keys(fleet: SmallFleet) -> None:
    key = parse_private_key((fleet.keys("statement") / "statement.pem").read_bytes())
    bundle = signed(next_publication(fleet, fleet="lighthouse"), key)
    offer(fleet, with_metadata(fleet, fleet.published.files, bundle))
    verify_refuses(fleet, "ACCEPT-03")
    refused(fleet, "ACCEPT-03", "a publication of fleet 'lighthouse', this is 'harbour'")


def test_the_next_honest_publication_ends_a_refusal(fleet: SmallFleet) -> None:
    offer(fleet, {**fleet.published.files, "quarantine.json": b"{}"})
    refused(fleet, "TREE-PROOF", "the audit path does not lead to the signed root")
    assert fleet.publish().out.startswith("refreshed generation 2\n")
    assert fleet.once().out == "converged\n"
    assert fleet.last_report().conditions == ()
