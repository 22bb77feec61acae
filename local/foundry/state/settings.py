"""The switches of the emulator: set at start, changed while it runs by `POST /admin/settings`."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """How the stand-in behaves where the real service is open, slow or various."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    time_scale: float = Field(0.02, ge=0, description="real seconds a second of the service takes")
    jitter: float = Field(0.15, ge=0, le=1, description="share by which a latency may vary")
    token_mode: Literal[1, 2] = Field(1, description="1 as measured on Azure, 2 as calculated")
    token_details: bool = Field(False, description="output_tokens_details in the usage")
    filter_results: bool = Field(False, description="content filter results in the reply")
    auto_size: str = Field("1024x1024", description="what size=auto gives, even off the grid")
    auto_quality: str | None = Field(None, description="what quality=auto gives; None: the model's")
    oversize: Literal["reject", "resize"] = Field("reject", description="above the pixel budget")
    refuse_model_member: bool = Field(False, description="refuse `model` on the deployment URL")
    key: str | None = Field(None, description="the only key accepted; None: any")
    strict_bearer: bool = Field(False, description="refuse bearers that are no JWT")
    slice_seconds: Literal[1, 10] = Field(10, description="the slices the quota is enforced in")
    wall_seconds: float | None = Field(
        None, gt=0, description="cut non-streamed calls after so many seconds of the service"
    )
    chunk_bytes: int = Field(65_536, ge=1, description="most bytes written at once")
    bytes_per_second: float | None = Field(None, gt=0, description="pace of the body")
    chunked: bool = Field(False, description="JSON replies without a content-length")
    escapes: bool = Field(False, description=r"\/ and \u002B in the base64")
    early_final: bool = Field(False, description="the final event before the last partial")
    keep_alive_seconds: float = Field(
        15, ge=0, description="seconds of the service between comments in a stream; 0: none"
    )
    noise: int = Field(0, ge=0, le=8, description="bits of grain, so that files weigh like photos")
    cache: bool = Field(False, description="draw each size once and send the same bytes again")
