"""The error bodies of the service, word for word if published.

E1 to E10 are the numbers of the project's notes on the API; *assumed* texts were never published.
"""

import json
from dataclasses import dataclass, field

from pydantic import JsonValue


@dataclass(slots=True, eq=False)
class Problem(Exception):
    """An error reply: status, body, extra headers, and its label in the ledger."""

    status: int
    body: JsonValue
    label: str
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def data(self) -> bytes:
        """The body as bytes; a text is a page."""
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()

    @property
    def content_type(self) -> str:
        """The type of the body."""
        return "text/html" if isinstance(self.body, str) else "application/json"


def _error(**members: JsonValue) -> JsonValue:
    return {"error": members}


def invalid(
    message: str, param: str | None, code: str | None, kind: str = "invalid_request_error"
) -> Problem:
    """400: a field of the request is wrong."""
    return Problem(
        400, _error(message=message, type=kind, param=param, code=code), code or "invalid"
    )


def invalid_size(message: str) -> Problem:
    """E5: a size the model can't make."""
    return invalid(message, "size", "invalid_value", "image_generation_user_error")


def unknown_parameter(name: str) -> Problem:
    """400: an unknown field."""
    return invalid(f"Unknown parameter: '{name}'.", name, "unknown_parameter")


def missing(name: str) -> Problem:
    """400: a required field is missing."""
    return invalid(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")


def wrong_media_type(given: str, wanted: str) -> Problem:
    """415: the body has another type (assumed: no Azure body was published)."""
    message = (
        f"Unsupported content type: '{given}'. This API method only accepts '{wanted}' requests, "
        f"but you specified the header 'Content-Type: {given}'. "
        "Please try again with a supported content type."
    )
    return Problem(
        415,
        _error(
            message=message,
            type="invalid_request_error",
            param=None,
            code="unsupported_content_type",
        ),
        "unsupported_content_type",
    )


def mai_value(message: str) -> Problem:
    """E6: a value MAI does not support."""
    text = f"Model does not support request parameter value supplied: {message}"
    body = _error(code="unsupported_request_value", message=text, details=message)
    return Problem(400, body, "unsupported_request_value")


def mai_parameter(name: str) -> Problem:
    """A parameter MAI does not support (assumed: only its 400 is documented, for `seed`)."""
    text = f"Model does not support request parameter supplied: '{name}'."
    body = _error(code="unsupported_request_parameter", message=text, details=text)
    return Problem(400, body, "unsupported_request_parameter")


def bad_key() -> Problem:
    """401: no key, or a wrong key."""
    message = (
        "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide "
        "a valid key for an active subscription and use a correct regional API endpoint for your "
        "resource."
    )
    return Problem(401, _error(code="401", message=message), "401")


def bad_token(audience: str) -> Problem:
    """401: a token that is invalid, expired or for another audience."""
    message = (
        f"Access token is missing, invalid, audience is incorrect ({audience}), or have expired."
    )
    return Problem(401, _error(code="Unauthorized", message=message), "401")


def blocked() -> Problem:
    """E7: the whole resource is blocked; every prompt fails until the block is removed."""
    message = (
        "Your resource has been temporarily blocked because we detected behavior that may violate "
        "our content policy. For more details on Azure OpenAI service content policy, please visit "
        "https://aka.ms/aoaicodeofconduct"
    )
    return Problem(403, _error(code="Forbidden", message=message), "blocked")


def account(status: int, code: str, message: str) -> Problem:
    """An account that may not pay; the words are OpenAI's, the 402 is assumed."""
    body = _error(message=message, type=code, param=None, code=code)
    return Problem(status, body, code)


def firewall() -> Problem:
    """403: the network rules of the resource."""
    message = "Public access is disabled. Please configure private endpoint."
    return Problem(403, _error(code="403", message=message), "403")


def no_deployment() -> Problem:
    """E8: no deployment of that name."""
    message = (
        "The API deployment for this resource does not exist. If you created the deployment within "
        "the last 5 minutes, please wait a moment and try again."
    )
    return Problem(404, _error(code="DeploymentNotFound", message=message), "DeploymentNotFound")


def no_resource() -> Problem:
    """E9: an unknown path or api-version."""
    return Problem(404, _error(code="404", message="Resource not found"), "404")


def timeout() -> Problem:
    """E10: 408; whether a picture was made is unknown."""
    body = _error(
        message="The operation was timeout.", type="server_error", param="", code="Timeout"
    )
    return Problem(408, body, "408")


def server_error(status: int) -> Problem:
    """500 or 503."""
    message = (
        "The server had an error while processing your request. Sorry about that!"
        if status == 500  # noqa: PLR2004  # the status itself
        else "The service is temporarily unable to process your request. Please try again later."
    )
    body = _error(message=message, type="server_error", param=None, code=str(status))
    return Problem(status, body, str(status))


def too_many_headers() -> Problem:
    """431: more than ten custom headers."""
    body = _error(code="431", message="Request Header Fields Too Large")
    return Problem(431, body, "431")


def throttled(milliseconds: int | None, *, capacity: bool = False) -> Problem:
    """429 of the quota or of the service; without `milliseconds` there is no Retry-After."""
    wait = f"Please retry after {-(-(milliseconds or 0) // 1000)} seconds."
    message = (
        "The service is temporarily unable to process your request: System is experiencing high "
        "demand. Please try again later."
        if capacity
        else "Requests to the Image generation Operation under Azure OpenAI API have been limited. "
        f"Rate limit is exceeded. {wait}"
    )
    headers = {}
    if milliseconds is not None:
        headers = {
            "retry-after-ms": str(milliseconds),
            "retry-after": str(-(-milliseconds // 1000)),
        }
    label = "429 capacity" if capacity else "429 quota"
    return Problem(429, _error(code="429", message=message), label, headers)
