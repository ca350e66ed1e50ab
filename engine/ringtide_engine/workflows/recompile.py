"""Compile the source of a publication once more: the statement must not say more than the reviewed files do."""

from collections.abc import Mapping

from ringtide_contract.canonical import Json, encode
from ringtide_contract.errors import TrustError
from ringtide_contract.ids import Digest, sha256
from ringtide_engine.compile import compile_tree
from ringtide_engine.load.desired import load_desired
from ringtide_engine.model.finding import FindingsError
from ringtide_engine.model.publication import CompiledTree, Published
from ringtide_engine.ports import Repository
from ringtide_engine.resolve import resolve


def content_digest(files: Mapping[str, bytes]) -> Digest:
    """Return the digest of a source tree: SHA-256 of canonical [[path, mode, SHA-256], ...], sorted by path.

    The port gives regular files only; whether one is executable means nothing to ringtide, so every mode is 100644.
    """
    rows: list[Json] = [[path, "100644", sha256(files[path])] for path in sorted(files)]
    return sha256(encode(rows))


def recompile(repository: Repository, published: Published) -> CompiledTree:
    """Compile the source of a publication again.

    Raises:
        TrustError: The source, or the tree, is not the one that was signed.
    """
    source = published.publication.source
    files = repository.files(source.commit)
    if content_digest(files) != source.content_digest:
        raise TrustError("RECOMPILE-SOURCE", f"the files of {source.commit} are not those that were published")
    loaded = load_desired(files)
    if loaded.state is None:
        raise FindingsError(loaded.findings)
    tree = compile_tree(loaded.state, resolve(loaded.state), published.head)
    if tree.head != published.head:
        raise TrustError(
            "RECOMPILE-TREE",
            f"{source.commit} compiles to root {tree.head.root}, not {published.head.root}"
            f" (published by {published.publication.compiler})",
        )
    return tree
