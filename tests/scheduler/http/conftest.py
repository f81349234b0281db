"""A server that all tests of this folder ask."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from http_stand import Here, serving


@pytest.fixture(scope="package")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    with serving(tmp_path_factory.mktemp("http")) as served:
        yield served
