"""The device's side: pull, verify, try, switch, serve, watch, report.

Diet: the contract, tuf and cryptography in the supervisor; numpy and onnxruntime only in the worker processes under
`serve`; GitPython only in a short-lived child. The engine is never imported.

The decision is pure: `state` is the machine and its table, `decide` looks at what is and says what to do next, `steps`
do it one at a time and return an event, `loop` writes the order down once.
"""

__version__ = "0.1.0"
