"""Decision quality: how rollouts end under ringtide's rules and under those of its peers, in one simulated fleet.

`python -m benchmarks.decisions` prints the table for a few runs, with intervals; `--full` for the counts that the
documents quote. Peers are written from their documentation; `peers.py` names it.
"""
