"""A person at the command line, with a fleet repository made by `ringtide init` and keys beside it."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from fakes.fleet_files import device_key
from ringtide_contract.keys import public_pem
from ringtide_engine.cli.main import run

CUSTODIES = ("root", "targets", "tuf", "statement")


@dataclass(frozen=True)
class Said:
    """What a verb wrote."""

    out: str
    err: str


@dataclass(frozen=True)
class Person:
    """Runs verbs, edits files, commits."""

    folder: Path
    capsys: pytest.CaptureFixture[str]

    @property
    def fleet(self) -> Path:
        return self.folder / "fleet"

    @property
    def custodies(self) -> tuple[str, ...]:
        keys = self.folder / "keys"
        return ("--statement-keys", str(keys / "statement"), "--tuf-keys", str(keys / "tuf"))

    def ringtide(self, *arguments: str | Path, code: int = 0) -> Said:
        """Run one command line in process; a defect is no answer to anything."""
        self.capsys.readouterr()
        answer = run([str(each) for each in arguments])
        said = Said(*self.capsys.readouterr())
        assert "defect of ringtide" not in said.err
        assert "Traceback" not in said.err
        assert answer == code, said.err
        return said

    def git(self, *arguments: str, at: Path | None = None) -> str:
        done = subprocess.run(
            ["git", "-C", str(at or self.fleet), *arguments], check=True, capture_output=True, text=True, timeout=60
        )
        return done.stdout.strip()

    def commit(self) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "-m", "Change")
        return self.git("rev-parse", "HEAD")

    def edit(self, path: str, old: str, new: str) -> None:
        file = self.fleet / path
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))

    def device(self, name: str, **fields: str) -> Path:
        """Write the document that enrolment prints for a device, outside of the repository."""
        pem = "".join(f"  {line}\n" for line in public_pem(device_key(name).public_key()).splitlines())
        lines = {"hardwareClass": "edge-m", "state": "active", **fields}
        text = "".join(f"{key}: {value}\n" for key, value in lines.items())
        document = self.folder / f"{name}.printed.yaml"
        document.write_text(f"apiVersion: ringtide/v1\nkind: Device\nid: {name}\npublicKey: |\n{pem}{text}")
        return document

    def make_keys(self) -> None:
        for custody in CUSTODIES:
            self.ringtide("key", "new", custody, self.folder / "keys" / custody)

    def establish(self, *more: str | Path, code: int = 0) -> Said:
        folders = [part for name in CUSTODIES for part in (f"--{name}", self.folder / "keys" / name)]
        return self.ringtide("key", "establish", "-C", self.fleet, *folders, *more, code=code)

    def publish(self, *more: str | Path, code: int = 0) -> Said:
        return self.ringtide("publish", "-C", self.fleet, *self.custodies, *more, code=code)

    def plan_digest(self) -> str:
        last = self.ringtide("plan", "-C", self.fleet).out.splitlines()[-1]
        label, _, digest = last.rpartition(" ")
        assert label == "plan digest:"
        return digest

    def published(self) -> str | None:
        """Return the newest commit on the branch that devices follow."""
        found = self.git("for-each-ref", "--format=%(objectname)", "refs/heads/published")
        return found or None


@pytest.fixture
def person(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Person:
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "operator")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "operator@example.org")
    for variable in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(variable, os.devnull)
    made = Person(tmp_path, capsys)
    made.ringtide("init", made.fleet)
    return made


@pytest.fixture
def established(person: Person) -> Person:
    """A fleet with trust, two devices and a release that they shall run, committed and not published."""
    person.make_keys()
    person.establish()
    person.ringtide("device", "add", "-C", person.fleet, person.device("cam-1"))
    person.ringtide("device", "add", "-C", person.fleet, person.device("cam-2"))
    person.edit("placements/digits.yaml", "release: null", 'release: "1.0.0"')
    person.commit()
    return person


@pytest.fixture
def running(established: Person) -> Person:
    """The same, published."""
    established.publish("--accept-unreviewed-plan")
    return established
