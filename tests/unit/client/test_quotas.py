"""The ledgers of quota pools, read from outside."""

import pytest

from shared.client.driving import driven
from shared.client.quotas import pools_of
from shared.errors import UnreadableRecord
from shared.pacing import begun
from shared.tempo import Quota
from shared.turns import Ledger
from tests.fake_account import BEGAN, FakeStorage
from tests.unit.client.test_asking import FIELDS_ONLY

SETTINGS = FIELDS_ONLY.settings


def test_each_pool_is_told_by_its_name() -> None:
    ledger = Ledger(pace=begun(Quota(60), now=BEGAN))
    storage = FakeStorage(
        blobs={
            "pace/gpt-image-2.json": ledger.model_dump_json().encode(),
            "pace/elsewhere/x.json": b"{}",
            "pace/notes.txt": b"",
        }
    )
    assert driven(pools_of(storage, SETTINGS)) == {"gpt-image-2": ledger}


def test_a_ledger_of_a_later_version_is_told_as_such() -> None:
    storage = FakeStorage(blobs={"pace/a.json": b"{}"})
    with pytest.raises(UnreadableRecord, match=r"a\.json"):
        driven(pools_of(storage, SETTINGS))
