"""Resolve: which device runs which release of which model.

Diet: the model and the contract. Pure: the same desired state gives the same resolution, in whatever order its files
were read.
"""

from ringtide_engine.resolve.state import resolve, rollout_units

__all__ = ["resolve", "rollout_units"]
