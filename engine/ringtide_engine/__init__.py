"""The operator's side: from a change in Git to signed manifests, and from reports to verdicts.

The path, one room a step: `load` (text to desired state), `validate` (findings), `resolve` (which device runs what),
`compile` (documents), then the workflow `publish` signs and commits; reports come back through the workflow `ingest`,
`judge` reads the evidence, and the workflow `advance` writes the verdict as a commit.

The rooms are pure and do not know one another; `workflows` reads, calls rooms and writes; `adapters` alone touch the
world; `wiring` alone names adapters.
"""

__version__ = "0.1.0"
