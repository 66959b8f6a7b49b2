"""The `twokey` command: an HTTP client of the server, except `serve`, `init`, `demo` and offline verification."""
