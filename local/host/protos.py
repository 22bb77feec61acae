"""The message classes of the worker protocol, without grpc or protobuf.

azure-functions-runtime does not import protobuf: the host passes it a namespace of classes named
like those of FunctionRpc.proto. It uses only their attributes, and `WhichOneof` of two.
"""

from types import SimpleNamespace
from typing import Any

_KINDS = (
    "string",
    "json",
    "bytes",
    "http",
    "int",
    "double",
    "collection_bytes",
    "collection_string",
    "collection_double",
    "collection_sint64",
    "model_binding_data",
    "collection_model_binding_data",
)


class Message:
    """One message with its fields as attributes."""

    _oneof: tuple[str, ...] = ()

    def __init__(self, **fields: Any) -> None:  # noqa: ANN401 - a message holds anything
        self.__dict__.update(fields)

    def WhichOneof(self, _group: str) -> str | None:  # noqa: N802 - protobuf's name
        """Return the name of the field that is set in the group."""
        return next((kind for kind in self._oneof if self.__dict__.get(kind) is not None), None)

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how to make it again in the other process: by its name in `PROTOS`."""
        return _message, (type(self).__name__, self.__dict__)


class TypedData(Message):
    """A value and its kind."""

    _oneof = _KINDS


class ParameterBinding(Message):
    """The value of an input or output parameter."""

    _oneof = ("data", "rpc_shared_memory")


class StatusResult(Message):
    """Whether a request succeeded."""

    Failure, Success, Cancelled = 0, 1, 2


class RpcHttpCookie(Message):
    """A cookie of an HTTP response."""

    SameSite = SimpleNamespace(**{"None": 0, "Lax": 1, "Strict": 2, "ExplicitNone": 3})


class BindingInfo(Message):
    """A binding, as the worker describes it."""

    undefined, string, binary, stream = 0, 1, 2, 3
    out, inout = 1, 2


def _message(name: str, fields: dict[str, Any]) -> Message:
    made: Message = getattr(PROTOS, name)(**fields)
    return made


def _plain(name: str) -> type[Message]:
    return type(name, (Message,), {})


PROTOS = SimpleNamespace(
    TypedData=TypedData,
    ParameterBinding=ParameterBinding,
    StatusResult=StatusResult,
    RpcHttpCookie=RpcHttpCookie,
    BindingInfo=BindingInfo,
    **{
        name: _plain(name)
        for name in (
            "RpcHttp",
            "RpcException",
            "RpcFunctionMetadata",
            "RpcRetryOptions",
            "WorkerMetadata",
            "WorkerInitResponse",
            "FunctionMetadataResponse",
            "FunctionLoadResponse",
            "FunctionEnvironmentReloadResponse",
            "InvocationResponse",
            "NullableString",
            "NullableBool",
            "NullableDouble",
            "NullableTimestamp",
        )
    },
)
