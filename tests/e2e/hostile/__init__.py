"""Clients that mean harm by being slow, thousands at once, beside one that means well.

`python -m tests.e2e.hostile --sockets 10000` runs the same by hand, with as many as the descriptors allow.
"""
