"""What is fuzzed: each target reads one input, checks its result, and can make inputs."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from . import manifests, messages, pictures, queries, replies, settings, stored
from .target import Target

TARGETS: Final[Mapping[str, Target]] = MappingProxyType(
    {
        target.name: target
        for module in (messages, manifests, queries, settings, stored, replies, pictures)
        for target in module.TARGETS
    }
)
