"""The simulation: a rollout's course over the real inventory, in virtual time, judged by the real judge.

Diet: the model, the contract and numpy. Pure: the judge's decision, the present and the seed are arguments, and the same
arguments give the same answers.

Reading order: `assumptions` (what is assumed of devices), `reach` (whom the rollout can reach), `links` (who is online),
`devices` (what devices do and report), `marks` and `tallies` (what the judge is told), `course` (one run), `answers`.
"""
