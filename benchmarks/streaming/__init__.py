"""The parts of `benchmarks/stream.py`: the server with a clock in it, the floor, and a crowd of clients."""
