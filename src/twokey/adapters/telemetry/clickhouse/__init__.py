"""The telemetry store on ClickHouse."""

from twokey.adapters.telemetry.clickhouse.store import ClickHouseTelemetry, connect

__all__ = ["ClickHouseTelemetry", "connect"]
