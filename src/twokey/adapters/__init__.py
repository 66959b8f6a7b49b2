"""The wires: what reaches databases, clocks, keys and other services."""
