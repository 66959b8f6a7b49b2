"""The stores that these tests run on."""

from tests.support.stores import (  # noqa: F401 - fixtures
    clock,
    ids,
    open_store,
    postgresql_url,
    sqlite_url,
    store,
    store_url,
)
