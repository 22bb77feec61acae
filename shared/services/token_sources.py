"""Where Entra tokens come from: the SDK's credentials, or the platform itself."""

from typing import NamedTuple, Protocol


class Token(NamedTuple):
    """A token, in the SDK's own words."""

    token: str
    #: Seconds since 1970.
    expires_on: int


class AnyToken(Protocol):
    """A token of whichever source."""

    @property
    def token(self) -> str:
        """What stands behind `Bearer`."""
        ...

    @property
    def expires_on(self) -> int:
        """Seconds since 1970."""
        ...


class TokenSource(Protocol):
    """Who gives tokens out."""

    async def get_token(
        self, scope: str, /, *, claims: str | None = None, tenant_id: str | None = None
    ) -> AnyToken:
        """Return a token for the scope, or raise whatever says why there is none."""
        ...

    async def close(self) -> None:
        """Close what is open."""
        ...
