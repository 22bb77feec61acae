"""What the SDK's errors become."""

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError

from shared.client.storage_account import check_address, describe_error
from shared.errors import Misconfigured


def test_an_extra_that_is_missing_is_named() -> None:
    def opened() -> None:
        with check_address():
            raise ImportError("aiohttp package is not installed")

    with pytest.raises(Misconfigured, match="extra `aio`"):
        opened()


def test_an_error_is_one_line_with_its_remedy() -> None:
    refused = HttpResponseError("This request is not authorized\nRequestId: 1")
    refused.status_code = 403
    assert describe_error(refused).startswith("403 HttpResponseError; the caller needs Storage")
    nobody = ClientAuthenticationError("no credential worked\nmore")
    assert describe_error(nobody) == (
        "no token: no credential worked; `az login`, or pass a credential"
    )
    assert describe_error(OSError("reset\nby peer")) == "OSError: reset"
