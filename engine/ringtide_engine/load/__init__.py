"""Text to desired state, or findings that say where the text is wrong.

Diet: the model, the contract, PyYAML, jsonschema. Nothing here reads a file; the schemas are part of the program.
"""

from ringtide_engine.load.late_grammar import postpone

postpone()  # before any module of this room imports jsonschema
