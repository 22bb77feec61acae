"""How fast the app calls: the ledgers of its quota pools, only read."""

from functools import partial
from typing import Final

from pydantic import ValidationError

from ..errors import UnreadableRecord
from ..settings import Settings
from ..turns import Ledger
from .storage import Storage, Stored

_SUFFIX: Final = ".json"
#: Pools that are shown.
MOST: Final = 100


async def pools_of(storage: Storage, settings: Settings) -> dict[str, Ledger]:
    """Return the ledger of each quota pool that was ever called, by the pool's name."""
    container = settings.pace_container
    listed = await storage.listed(container, prefix="", most=MOST)
    names = [blob.name for blob in listed if "/" not in blob.name and blob.name.endswith(_SUFFIX)]
    found: dict[str, Ledger] = {}
    reads = [partial(storage.read, container, name) for name in names]
    for name, stored in zip(names, await storage.all_of(reads), strict=True):
        if isinstance(stored, Stored):
            found[name.removesuffix(_SUFFIX)] = _read(name, stored)
        elif stored is not None:
            raise stored
    return found


def _read(name: str, stored: Stored) -> Ledger:
    try:
        return Ledger.model_validate_json(stored.body)
    except ValidationError as error:
        raise UnreadableRecord(
            f"the ledger {name} is none that this version of the client understands"
        ) from error
