"""`ringtide key`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ringtide_contract.errors import InputError
from ringtide_engine import wiring
from ringtide_engine.cli import rendering
from ringtide_engine.cli.exits import OK
from ringtide_engine.cli.repositories import fleet_option

if TYPE_CHECKING:
    from ringtide_contract.keys import PrivateKey
    from ringtide_engine.workflows.establish_trust import CustodyKeys

_FOLDER = click.Path(path_type=Path)


@click.group("key")
def key_command() -> None:
    """Make keys, and write down which of them devices trust."""


@key_command.command("new")
@click.argument("custody", type=click.Choice(["root", "targets", "tuf", "statement", "devices"]))
@click.argument("folder", type=_FOLDER, metavar="DIR")
@click.option("--dry-run", is_flag=True, help="Name the files and write nothing.")
def new_command(custody: str, folder: Path, dry_run: bool) -> int:
    """Make the keys of a custody in DIR, outside of every repository.

    root: five keys, of which three must sign. targets: three, of which two. Keep both offline, each key with another
    person. tuf and statement: the keys of the two publishing jobs. devices: the key of `ringtide device certify`, which
    says nothing about publications. Nothing is ever overwritten.
    """
    _refuse_repository(folder)
    if dry_run:
        names = [f"{name}{end}" for name in wiring.custodies()[custody] for end in (".pem", ".pub")]
        rendering.write([folder / name for name in names], "name")
        return OK
    public = wiring.make_keys(custody, folder)
    rendering.write(public, "name")
    rendering.talk("the private keys lie beside them as .pem, readable by you alone")
    return OK


@key_command.command("list")
@click.argument("folder", type=_FOLDER, metavar="DIR")
@rendering.output_option("table", "json")
def list_command(folder: Path, output: rendering.Output) -> int:
    """List the public keys in DIR, with the hints by which publications name them."""
    from ringtide_contract.keys import key_hint

    hints = {name: key_hint(key) for name, key in sorted(wiring.public_keys(folder).items())}
    if output == "json":
        rendering.write([{"name": name, "hint": hint} for name, hint in hints.items()], "json")
    else:
        rendering.write_table(("name", "hint"), list(hints.items()))
    return OK


@key_command.command("establish")
@fleet_option()
@click.option("--root", type=_FOLDER, metavar="DIR", help="Root keys; needed at first, and to change root or TUF keys.")
@click.option("--targets", type=_FOLDER, required=True, metavar="DIR", help="Targets keys.")
@click.option("--tuf", type=_FOLDER, metavar="DIR", help="Public keys of the online TUF roles; needed with --root.")
@click.option(
    "--statement",
    "statements",
    type=_FOLDER,
    multiple=True,
    required=True,
    metavar="DIR",
    help="Public statement keys; repeat it while one takes over from the other.",
)
@click.option(
    "--sign-with", type=_FOLDER, multiple=True, metavar="DIR", help="More private keys to sign with; repeatable."
)
@click.option("--epoch", type=click.IntRange(min=1), help="Raise it after the theft of a statement key.")
@click.option("--dry-run", is_flag=True, help="Name the files and write nothing.")
def establish_command(
    fleet: Path,
    root: Path | None,
    targets: Path,
    tuf: Path | None,
    statements: tuple[Path, ...],
    sign_with: tuple[Path, ...],
    epoch: int | None,
    dry_run: bool,
) -> int:
    """Hold the key ceremony: write trust/ of the fleet repository, which says whose word devices take.

    The first one needs all four custodies. A later one writes new versions beside the old, so that every device follows
    from the root that it was enrolled with. Commit what it wrote.
    """
    from ringtide_engine.cli.work_tree import read_folder, write_file
    from ringtide_engine.workflows.establish_trust import Ceremony, establish_trust

    more = [key for folder in sign_with for key in wiring.private_keys(folder).values()]
    ceremony = Ceremony(
        fleet=_fleet_name(fleet),
        root=None if root is None else _custody(root, more),
        targets=_custody(targets, more),
        online=None if tuf is None else wiring.public_keys(tuf),
        statement=[key for folder in statements for key in wiring.public_keys(folder).values()],
        epoch=epoch,
    )
    trust = fleet / "trust"
    before = read_folder(trust) if trust.is_dir() else {}
    files = establish_trust(before, ceremony, wiring.clock().now())
    rendering.write([f"trust/{name}" for name in sorted(files)], "name")
    if dry_run:
        return OK
    for name in sorted(files):  # digits before letters: the policy comes last
        write_file(trust / name, files[name])
    rendering.talk(f'Next: git -C {fleet} add trust && git -C {fleet} commit -m "Establish trust"')
    return OK


def _custody(folder: Path, more: "list[PrivateKey]") -> "CustodyKeys":
    from ringtide_engine.workflows.establish_trust import CustodyKeys

    return CustodyKeys(
        public=tuple(wiring.public_keys(folder).values()),
        private=(*wiring.private_keys(folder).values(), *more),
    )


def _fleet_name(folder: Path) -> str:
    from ringtide_engine.cli.work_tree import read_file
    from ringtide_engine.load.desired import load_desired
    from ringtide_engine.model.finding import FindingsError

    loaded = load_desired({"fleet.yaml": read_file(folder / "fleet.yaml")})
    if loaded.state is None:
        raise FindingsError(loaded.findings)
    return loaded.state.fleet.name


def _refuse_repository(folder: Path) -> None:
    """Keep private keys out of work trees, where one `git add` makes them public."""
    whole = folder.resolve()
    for each in (whole, *whole.parents):
        if (each / ".git").exists():
            raise InputError(f"{folder} is within the repository {each}; name a folder outside for private keys")
