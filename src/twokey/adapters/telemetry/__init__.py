"""Telemetry stores behind the telemetry port."""

from twokey.adapters.telemetry.store import IN_MEMORY, DuckTelemetry

__all__ = ["IN_MEMORY", "DuckTelemetry"]
