"""What a client knows of the app: the environment, overridden by arguments."""

from pathlib import Path
from typing import Any

import pytest

from shared.client.caller import NOWHERE, merge_arguments, read_configuration
from shared.errors import Misconfigured
from tests.builders.connections import ROUTING, STORAGE


def merged(**arguments: Any) -> dict[str, str]:  # noqa: ANN401 (arguments as a caller writes them)
    none = {"connection_string": None, "account": None, "deployments": None}
    return dict(
        merge_arguments({"ImageStorage": "of the environment", "X": "x"}, **none | arguments)
    )


def test_arguments_go_over_the_merge_arguments() -> None:
    assert merged() == {"ImageStorage": "of the environment", "X": "x"}
    assert merged(connection_string="mine")["ImageStorage"] == "mine"
    by_name = merged(account="pictures", deployments=["a", {"name": "b", "model": "c"}])
    assert by_name == {
        "ImageStorage__queueServiceUri": "https://pictures.queue.core.windows.net",
        "ImageStorage__blobServiceUri": "https://pictures.blob.core.windows.net",
        "FOUNDRY_DEPLOYMENTS": '[{"name": "a"}, {"name": "b", "model": "c"}]',
        "X": "x",
    }


def test_two_ways_to_an_account_are_one_too_many() -> None:
    with pytest.raises(Misconfigured, match="not both"):
        merged(connection_string="mine", account="pictures")


def test_a_client_needs_no_endpoint_but_keeps_one_it_is_merged() -> None:
    assert ROUTING.deployments[0].endpoint == NOWHERE
    own = read_configuration(
        STORAGE
        | {"FOUNDRY_DEPLOYMENTS": '[{"name": "gpt-image-2"}]', "FOUNDRY_ENDPOINT": "https://a.b"}
    )
    assert own.deployments[0].endpoint == "https://a.b"


def test_own_models_are_read_from_their_file(tmp_path: Path) -> None:
    file = tmp_path / "models.toml"
    file.write_text('[models.mine]\nlike = "gpt-image-2"\n')
    environ = STORAGE | {"MODEL_CATALOGUE": str(file), "FOUNDRY_DEPLOYMENTS": '[{"name": "mine"}]'}
    assert read_configuration(environ).deployments[0].model == "mine"
    with pytest.raises(Misconfigured, match="can't be read"):
        read_configuration(STORAGE | {"MODEL_CATALOGUE": str(tmp_path / "none.toml")})
