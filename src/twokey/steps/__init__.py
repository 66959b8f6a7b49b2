"""The verbs of the loop: one file per move. Load, decide by pure functions, commit once."""
