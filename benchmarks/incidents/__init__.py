"""Incidents with a known cause, for assistants to be measured by: `python -m benchmarks.incidents`."""
