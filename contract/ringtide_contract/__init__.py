"""The wire formats that the engine and the agent agree on.

Diet: the standard library and `cryptography`, nothing else, so that a device carries no more than it needs and a
reader can audit the whole of it. Nothing here reads a clock, a disk, a network or a random number: time, bytes and
keys are arguments.

Reading order: `ids` and `canonical` (values and their one encoding), `envelope` and `bundle` (what is signed),
`tree` (what the signature covers), the documents (`head`, `index`, `class_file`, `artifact`, `manifest`, `quarantine`,
`report`) and last `acceptance`, the numbered rules by which a device believes a publication.
"""

API_VERSION = "ringtide/v1"
"""The version of every document in this package."""
