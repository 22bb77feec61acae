"""Mistakes of each kind, planted in a copy of the infrastructure, break the law they offend."""

import shutil
from pathlib import Path

import pytest

from . import test_settings_law as laws
from .test_bicep import INFRA


@pytest.mark.parametrize(
    ("file", "right", "wrong", "law"),
    [
        (
            "modules/app.bicep",
            "  ImageStorage__credential: 'managedidentity'\n",
            "",
            "test_a_connection_by_identity_is_whole",
        ),
        (
            "modules/app.bicep",
            "  REPLY_QUEUES: join",
            "  REPLY_QUEUS: join",
            "test_the_infrastructure_sets_nothing_that_the_code_does_not_read",
        ),
        (
            "modules/app.bicep",
            "  APPLICATIONINSIGHTS_AUTH",
            "  FUNCTIONS_WORKER_RUNTIME: 'python'\n  APPLICATIONINSIGHTS_AUTH",
            "test_settings_that_flex_consumption_refuses_are_not_set",
        ),
        (
            "modules/layout.bicep",
            "  TASKS_QUEUE: 'image-tasks'\n",
            "",
            "test_every_queue_that_starts_a_function_is_made_with_its_poison_queue",
        ),
        (
            "modules/layout.bicep",
            "JOBS_CONTAINER: 'jobs'",
            "JOBS_CONTAINER: 'job'",
            "test_each_queue_and_container_is_made_under_the_name_that_the_code_expects",
        ),
        (
            "modules/layout.bicep",
            "PACE_CONTAINER: 'pace'",
            "PACE_CONTAINER: 'paces'",
            "test_the_laptop_has_the_queues_and_containers_of_azure",
        ),
        (
            "modules/layout.bicep",
            "'image-events'",
            "'image_events'",
            "test_the_names_keep_the_rules_of_storage",
        ),
        (
            "modules/types.bicep",
            "  finish: int?",
            "  finnish: int?",
            "test_every_group_of_functions_can_be_kept_warm",
        ),
        (
            "modules/foundry-access.bicep",
            "      endpoint: 'https",
            "      host: 'https",
            "test_the_app_is_told_of_deployments_in_words_it_knows",
        ),
        (
            "main.parameters.json",
            "${TUNING=null}",
            "${TUNING}",
            "test_every_parameter_can_be_given_through_azd_and_none_is_made_up",
        ),
    ],
)
def test_a_planted_mistake_breaks_its_law(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    file: str,
    right: str,
    wrong: str,
    law: str,
) -> None:
    copy = tmp_path / "infra"
    shutil.copytree(INFRA, copy)
    path = copy / file
    assert path.read_text().count(right) == 1
    path.write_text(path.read_text().replace(right, wrong))
    places = {name: getattr(laws, name) for name in ("INFRA", "APP", "LAYOUT", "TYPES")}
    for name, place in places.items():
        monkeypatch.setattr(laws, name, copy / place.relative_to(INFRA))
    with pytest.raises(AssertionError):
        getattr(laws, law)()
