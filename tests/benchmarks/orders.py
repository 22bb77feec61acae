"""What is asked of the endpoint: how many pictures, how large, how fast: its prompt."""

from pydantic import BaseModel, ConfigDict


class Order(BaseModel):
    """One call's wish; a real endpoint would be given a wish for foxes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: Names the job in the logs of both servers.
    key: str
    pictures: int
    #: Of each picture, decoded.
    picture_bytes: int
    #: Bytes a second of the reply; None is as fast as it goes.
    rate: int | None = None

    @property
    def prompt(self) -> str:
        """The order as a prompt."""
        return self.model_dump_json()
