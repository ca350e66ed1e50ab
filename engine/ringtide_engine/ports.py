"""What the engine needs of the world, by role. Adapters translate every failure into one of the three families."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from ringtide_contract.broker import Presence, Taken
from ringtide_contract.envelope import Envelope
from ringtide_contract.errors import InputError, TransientError
from ringtide_contract.ids import DeviceId, Digest
from ringtide_contract.keys import PublicKey


class ConflictError(TransientError):
    """Somebody else moved the branch first; read again, compute again, try again."""


class ReadOnlyTokenError(InputError):
    """The token may read and not write, as that of a pull request from a fork."""


class Clock(Protocol):
    """The present; read once per run."""

    def now(self) -> datetime:
        """Return the aware UTC instant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitInfo:
    """One commit."""

    id: str
    """Object id."""
    parents: tuple[str, ...]
    """Object ids of its parents."""
    author: str
    """`Name <address>`."""
    message: str
    """Whole message."""
    at: datetime
    """Commit time."""


class Repository(Protocol):
    """A Git repository, with the rule that branches only move forward.

    Where it has a remote `origin`, reading a branch fetches it first and writing pushes it, never forced.
    """

    def head(self, branch: str) -> str | None:
        """Return the newest commit of a branch, or None where the branch does not exist.

        Raises:
            TransientError: The remote does not answer.
        """

    def branches(self, prefix: str) -> Mapping[str, str]:
        """Return branches whose name starts with `prefix`, and their newest commits.

        Raises:
            TransientError: The remote does not answer.
        """

    def commit_of(self, revision: str) -> str:
        """Return the commit that a revision names.

        Raises:
            InputError: No such revision.
        """

    def files(self, commit: str, prefix: str = "") -> Mapping[str, bytes]:
        """Return path to content of all regular files of a commit whose path starts with `prefix`.

        Raises:
            InputError: No such commit, or a symbolic link or submodule is among them.
        """

    def file(self, commit: str, path: str) -> bytes | None:
        """Return one file of a commit, or None where it has none of that path."""

    def worktree_files(self) -> Mapping[str, bytes]:
        """Return path to content of the files in the work tree that Git does not ignore.

        Raises:
            InputError: The repository has no work tree.
        """

    def history(self, head: str, *, since: str | None = None) -> Iterator[CommitInfo]:
        """Yield the first-parent history of `head`, newest first, down to but without `since`."""

    def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        """Tell whether `ancestor` is `descendant` or in its history."""

    def merge_base(self, one: str, other: str) -> str:
        """Return the newest common ancestor.

        Raises:
            InputError: The histories are unrelated.
        """

    def changed_paths(self, old: str, new: str) -> tuple[str, ...]:
        """Return the paths that differ between two commits, sorted."""

    def shallow(self, commit: str, *folders: str) -> Mapping[str, str]:
        """Return path to object of what lies in folders of a commit that strangers may have made, folders among it.

        Args:
            commit: The commit.
            folders: Paths of folders, "" for the root; one that is not there has nothing in it.

        Raises:
            InputError: No such commit, far too many names, or a symbolic link or submodule is among them.
        """

    def rewritten(self, old: str | None, new: str, folder: str, *, most: int) -> Mapping[str, tuple[str, ...]]:
        """Return path to the objects that files in a folder were before they were replaced, newest first.

        Args:
            old: Where to begin, without it; None for the first commit.
            new: The commit to go up to.
            folder: The folder; those in it are left alone.
            most: Commits that count, the newest.

        Raises:
            InputError: A commit is not there.
        """

    def contents(self, objects: Iterable[str], *, most_bytes: int) -> Mapping[str, bytes]:
        """Return object to content, of those that are files of at most so many bytes."""

    def commit(
        self, branch: str, *, parent: str | None, changes: Mapping[str, bytes | None], message: str, at: datetime
    ) -> str:
        """Commit `changes` (None removes a path) on top of `parent` and move the branch there.

        Args:
            branch: Branch to move; created where `parent` is None.
            parent: The branch's newest commit as the caller knows it.
            changes: Path to new content, or None to remove the path.
            message: Commit message.
            at: Author and commit time.

        Returns:
            The new commit.

        Raises:
            ConflictError: The branch is no longer at `parent`.
            TransientError: The remote does not answer.
        """


class StatementSigner(Protocol):
    """Custody of the statement key."""

    def public_key(self) -> PublicKey:
        """Return the public key."""

    def seal(self, payload_type: str, payload: bytes) -> Envelope:
        """Sign a payload."""


class TufSigner(Protocol):
    """Custody of the online TUF roles: release, snapshot, timestamp."""

    def metadata(
        self,
        *,
        previous: Mapping[str, bytes],
        trust: Mapping[str, bytes],
        bundle: bytes,
        now: datetime,
        timestamp_lifetime: timedelta,
    ) -> Mapping[str, bytes]:
        """Return the files under `metadata/` and `targets/` that publish `bundle`.

        Args:
            previous: These files as published last; empty for the first time.
            trust: Files of the fleet repository's `trust/` folder: root and targets metadata, trust policy.
            bundle: The statement's bundle; the one published last where only freshness is renewed.
            now: The present.
            timestamp_lifetime: How long the timestamp is fresh. The roles below it last as long as the statement.

        Raises:
            TrustError: The key is not the one that the trust folder names.
            InputError: The trust folder is incomplete.
        """


class TrustReader(Protocol):
    """The TUF client over published files, as a device runs it."""

    def current(self, published: Mapping[str, bytes], root: bytes, now: datetime) -> tuple[bytes, bytes]:
        """Return the trust policy and the statement's bundle that are current.

        Args:
            published: The files of the branch.
            root: A root that is trusted already.
            now: The present.

        Raises:
            TrustError: Metadata that is not signed, inconsistent, or expired.
        """


class SecondOpinion(Protocol):
    """Another implementation's reading of a bundle."""

    def payload(self, bundle: bytes) -> bytes:
        """Return the payload that it finds.

        Raises:
            TrustError: It refuses the bundle.
        """


class ArtifactStore(Protocol):
    """Where model files lie, by digest."""

    def has(self, digest: Digest) -> bool:
        """Tell whether the store has the artifact."""

    def put(self, content: bytes) -> str:
        """Store content and return its URI; storing it twice changes nothing."""

    def get(self, digest: Digest, limit: int) -> bytes:
        """Return the content of an artifact of at most `limit` bytes.

        Raises:
            TransientError: Not there, or the store does not answer.
            TrustError: Other bytes than the digest names.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedCertificate:
    """A client certificate of a device."""

    key: PublicKey
    """The key that it is over."""
    begins: datetime
    """From when it holds."""
    ends: datetime
    """Until when."""


class DeviceCertificates(Protocol):
    """Where the client certificates of devices lie, by device."""

    def issued(self) -> Mapping[DeviceId, IssuedCertificate | None]:
        """Return what lies there; None for what is of no use."""

    def issue(self, device: DeviceId, key: PublicKey, begins: datetime, ends: datetime) -> None:
        """Put a certificate there, in place of the one before.

        Raises:
            TransientError: It cannot be written.
        """

    def withdraw(self, device: DeviceId) -> None:
        """Take a certificate away, if there is one."""


class Mirror(Protocol):
    """A folder of static files that devices read over the web."""

    def show(self, newest: Callable[[], tuple[str, Mapping[str, bytes]]]) -> bool:
        """Show the newest state, whole or not at all; tell whether it was another one before.

        Args:
            newest: Returns the state's name and its files; called when no other publisher writes the mirror.

        Raises:
            TransientError: The folder cannot be written.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One report as it arrived: who sent it and what it is, is what the transport says."""

    device: DeviceId
    """Device on whose topic it came."""
    number: int
    """Number that the topic says."""
    content: bytes
    """The sealed report."""
    mark: tuple[int, int]
    """By which the transport knows it."""


class Inbox(Protocol):
    """Reports that arrive by themselves, each again and again until it is done."""

    @property
    def trouble(self) -> str:
        """Why nothing can arrive; empty where it can."""

    def letters(self, wait_s: float) -> Sequence[Letter]:
        """Return what has arrived and is not done, in order; wait for it so long, or until it is a batch."""

    def hurry(self) -> None:
        """Wait no more: whoever collects is asked to end. Signal handlers may call it."""

    def done(self, letters: Sequence[Letter]) -> None:
        """Let letters go: they are committed, or will never be."""

    def tell(self, device: DeviceId, taken: Taken) -> None:
        """Tell a device how far its reports are committed."""

    def presences(self) -> Mapping[DeviceId, Presence]:
        """Return which devices are connected, as they or the transport say; for people only."""


class Notifier(Protocol):
    """Tells devices that a new publication is there: a hint, never data."""

    def hint(self, fleet: str, commit: str) -> None:
        """Send the hint; failing to do so delays devices until their next poll and nothing more.

        Raises:
            TransientError: The broker did not take it.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """One comment on a pull request."""

    id: int
    """Number; a later comment has a higher one."""
    author: str
    """Login of the person or app that wrote it."""
    body: str
    """Text as it was sent."""


class PullRequest(Protocol):
    """The comments of one pull request.

    Every method raises InputError where the request will always be refused (ReadOnlyTokenError where only writing is),
    and TransientError where the service does not answer in time.
    """

    def own_login(self) -> str:
        """Return the login under which the token's comments stand."""

    def comments(self) -> tuple[Comment, ...]:
        """Return all comments, oldest first."""

    def create(self, body: str) -> Comment:
        """Write a comment."""

    def edit(self, comment: int, body: str) -> bool:
        """Give a comment another text; False where it is gone."""

    def delete(self, comment: int) -> None:
        """Delete a comment, unless it is gone already."""


class Forge(Protocol):
    """Where pull requests are; keeps the plans of checked commits, too, where no change of the repository reaches them.

    Every method raises what those of `PullRequest` raise.
    """

    def pull_request(self, number: int) -> PullRequest:
        """Return a pull request by its number."""

    def record(self, commit: str, plan: Digest) -> None:
        """Record that a plan passed the check of a commit."""

    def recorded(self, commit: str) -> Digest | None:
        """Return the plan recorded last for a commit, or for the head of the pull request that was merged as it."""
