"""The model-backed assistant: a process of its own that reads by HTTP, asks a model, and submits what it says.

Rules kept here:
- nothing of it can write: it holds an agent's token, a provider's key, and no store, no file of one and no signing key;
- what a model says is one typed finding, or it is refused; what it is told was written by others, and is marked so;
- everything is bounded (requests, tokens, seconds, sizes, tries), and whatever happens is told on the case;
- a secret of this process leaves it in one header, to the one place that it is for, and nowhere else.
"""
