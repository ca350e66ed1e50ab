"""What a check and a plan look like: findings and reports in, text out.

Pure. Diet: `model/`, the contract and the standard library; no clock, no disk. Words that come from files are hostile
until `untrusted` has made them safe for the format that they go into.
"""
