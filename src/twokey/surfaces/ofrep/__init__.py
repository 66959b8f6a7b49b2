"""OFREP 0.3: evaluation and change notice for any OpenFeature client, on raw ASGI."""

from twokey.surfaces.ofrep.door import PREFIX, Ofrep

__all__ = ["PREFIX", "Ofrep"]
