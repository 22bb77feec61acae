"""Settings of the emulator: given at start, changed by `POST /admin/settings`."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """How the emulator behaves where the real service is slow, undocumented or varies."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    time_scale: float = Field(0.02, ge=0, description="real seconds per second of the service")
    jitter: float = Field(0.15, ge=0, le=1, description="share by which a latency may vary")
    token_mode: Literal[1, 2] = Field(2, description="1 as in April 2026, 2 as billed since")
    token_details: bool = Field(False, description="output_tokens_details in the usage")
    filter_results: bool = Field(False, description="content filter results in the reply")
    auto_size: str = Field("1024x1024", description="the size of size=auto; may be off the grid")
    auto_quality: str | None = Field(None, description="the quality of quality=auto")
    oversize: Literal["reject", "resize"] = Field("reject", description="above the pixel budget")
    refuse_model_member: bool = Field(False, description="reject `model` on a deployment URL")
    key: str | None = Field(None, description="the only key accepted; None: any")
    strict_bearer: bool = Field(False, description="reject a bearer that is not a JWT")
    slice_seconds: Literal[1, 10] = Field(10, description="seconds per slice of the quota")
    wall_seconds: float | None = Field(
        None, gt=0, description="cut a call without a stream after this many service seconds"
    )
    chunk_bytes: int = Field(65_536, ge=1, description="most bytes written at once")
    bytes_per_second: float | None = Field(None, gt=0, description="rate of the body")
    chunked: bool = Field(False, description="JSON replies without a content-length")
    escapes: bool = Field(False, description=r"\/ and \u002B in the base64")
    early_final: bool = Field(False, description="send the final event before the last partial one")
    keep_alive_seconds: float = Field(
        15, ge=0, description="service seconds between comments in a stream; 0: no comments"
    )
    noise: int = Field(0, ge=0, le=8, description="bits of noise: files as large as photos")
    cache: bool = Field(False, description="draw each size once and reuse its bytes")
