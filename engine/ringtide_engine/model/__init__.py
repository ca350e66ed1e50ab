"""Nouns of the engine: frozen values without behaviour of their own.

Diet: the standard library and the contract.
"""
