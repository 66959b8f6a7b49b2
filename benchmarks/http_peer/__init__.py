"""A server of another make, beside which evaluation over HTTP is measured."""
