"""Compile: from a resolution to the documents that devices read, to plans, and to software bills of materials.

Diet: the model, the contract, and for the bill of materials cyclonedx. Pure: the same resolution gives the same bytes
on every machine; only signatures and times lie outside.
"""

from ringtide_engine.compile.tree import compile_tree

__all__ = ["compile_tree"]
