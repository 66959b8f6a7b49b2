"""The nouns of the loop: pure values and the rules they keep. No I/O, no clock, no randomness, no logging."""
