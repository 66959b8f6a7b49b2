"""Flag evaluation, pure: no input or output, clock, randomness or logging."""
