"""OTLP/HTTP: evaluations and data points from OpenTelemetry's exporters and collectors."""
