"""The judge: from what devices reported to Promote, Hold or RollBack, with reasons.

Diet: the model and the contract, PyYAML to write documents, Jinja2 for incidents. Pure: the present, the desired
state and the reports are arguments, and the same arguments give the same bytes.

Reading order: `exposure` (who is in which ring), `tally` (what they did), `gates` (pass, fail or insufficient
evidence), `opening` (the next ring's cuts), `verdict` (the decision), `documents` and `incident` (the files).
"""
