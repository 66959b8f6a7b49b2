"""Twokey, a release-control plane that takes two keys: nothing reaches production on one person's word."""

__version__ = "0.1.0"
