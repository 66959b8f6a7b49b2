"""Flag evaluators of other houses, each measured in an environment of its own on the same flags.

`runner.py` is started in a peer's environment and speaks to `benchmarks/against_peers.py` over its pipes. A module here
is one peer: how the flags of `benchmarks/workload.py` are written in its format, how it is fed without a network, and
how it is asked.
"""
