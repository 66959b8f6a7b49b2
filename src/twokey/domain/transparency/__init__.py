"""The audit log as a transparency log: a Merkle tree, signed checkpoints, and proofs that anybody can check alone."""
