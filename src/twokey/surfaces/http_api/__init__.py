"""The JSON API under `/api/v1` for people's pages, the CLI and other tools."""
