"""Code, infrastructure and laptop mean the same settings, queues and containers.

The rule, in short (CONTRIBUTING says it too): a setting of the app stands either in the table of
infra/modules/app.bicep, when Azure has a value for it, or as a member of `Tuning` in
infra/modules/types.bicep, when only an operator has; a queue or container is in
infra/modules/layout.bicep, under the name of its setting.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from local.stack import settings as laptop
from shared.catalogue.deployments import Deployment
from shared.config.settings import CONNECTION, Settings
from tests.architecture.test_index import TRIGGERS
from tests.architecture.test_settings import OF_THE_HOST

from .bicep import descendants, members, read, text
from .evaluation import Evaluation, value_in
from .test_bicep import INFRA

APP = INFRA / "modules" / "app.bicep"
LAYOUT = INFRA / "modules" / "layout.bicep"
TYPES = INFRA / "modules" / "types.bicep"

#: Read by the app, and never set in Azure.
NOT_IN_AZURE = {
    CONNECTION: "a connection string holds a key; the identity's trio stands for it",
    "FOUNDRY_ENDPOINT": "each deployment has one, by the format of its model",
    "EVENT_GRID_TOPIC_KEY": "the topic has no keys; the identity asks for tokens",
    "FOUNDRY_API_KEY": "the account has no keys; the identity asks for tokens",
}
#: Made in Azure, and not on a laptop, which has no Event Grid.
ONLY_IN_AZURE = {"undelivered"}

#: Settings of the layout that start a function, by the variables they stand in.
LISTS = (
    "jobQueues",
    "waitingQueues",
    "eventQueues",
    "writtenContainers",
    "labelledContainers",
    "readContainers",
)


def defaults() -> dict[str, Any]:
    """Every setting of the code, and its default."""
    return {
        str(field.alias): None if field.is_required() else field.default
        for field in Settings.model_fields.values()
    }


def layout() -> dict[str, str]:
    """The queues and containers that are made and told, by setting."""
    return {name: value for each in LISTS for name, value in value_in(LAYOUT, each).items()}


def table(name: str) -> set[str]:
    """The settings in a variable of app.bicep."""
    return set(members(read(APP).of("var")[name].value))


def tuning() -> set[str]:
    """The settings that an operator may give."""
    return set(members(read(TYPES).of("type")["Tuning"].value))


def set_in_azure() -> set[str]:
    """Every setting that is given, or may be, in Azure."""
    return table("appSettings") | set(layout()) | tuning()


def unset(code: set[str]) -> Iterator[str]:
    """Yield what to do about each setting that the infrastructure does not know."""
    for name in sorted(code - set_in_azure() - set(NOT_IN_AZURE)):
        if name.endswith(("_QUEUE", "_CONTAINER")):
            default = defaults().get(name)
            variable = "jobQueues" if name.endswith("_QUEUE") else "writtenContainers"
            yield (
                f"{name} is read by config/settings.py, and infra/ makes no such thing: add the "
                f"line `{name}: '{default}'` to `{variable}` in infra/modules/layout.bicep "
                f"(or to the variable there that fits better)"
            )
        else:
            yield (
                f"{name} is read by config/settings.py, and infra/ does not know it. If Azure has "
                f"a value for it, add the line `{name}: <value>` to `appSettings` in "
                f"infra/modules/app.bicep; if only an operator has, add the lines "
                f"`@description('<a sentence>.')` and `{name}: string?` to `Tuning` in "
                f"infra/modules/types.bicep"
            )


def test_the_infrastructure_knows_every_setting_of_the_code() -> None:
    assert [*unset(set(defaults()))] == []


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("NEWEST_QUEUE", "to `jobQueues` in infra/modules/layout.bicep"),
        ("NEWEST_CONTAINER", "to `writtenContainers` in infra/modules/layout.bicep"),
        ("NEWEST_SECONDS", "`NEWEST_SECONDS: string?` to `Tuning`"),
    ],
)
def test_a_setting_that_the_infrastructure_does_not_know_is_told_with_its_line(
    name: str, told: str
) -> None:
    (found,) = (each for each in unset({*defaults(), name}) if name in each)
    assert told in found


def test_the_infrastructure_sets_nothing_that_the_code_does_not_read() -> None:
    unread = set_in_azure() - set(defaults())
    assert [
        f"{name} is set in infra/, and config/settings.py does not read it: take its line away"
        for name in sorted(unread)
    ] == []


def test_no_setting_is_given_twice() -> None:
    given = [*table("appSettings"), *layout(), *tuning(), *table("hostSettings")]
    assert sorted({name for name in given if given.count(name) > 1}) == []


def test_what_the_platform_reads_is_named_as_it_reads_it() -> None:
    known = re.compile(rf"{OF_THE_HOST.pattern}|APPLICATIONINSIGHTS_\w+|OTEL_\w+|PYDANTIC_\w+")
    assert [name for name in sorted(table("hostSettings")) if not known.fullmatch(name)] == []


def test_settings_that_flex_consumption_refuses_are_not_set() -> None:
    refused = re.compile(
        r"FUNCTIONS_\w+|WEBSITE_\w+|SCM_\w+|ENABLE_ORYX_BUILD|AzureWebJobsStorage|APPINSIGHTS_\w+"
    )
    given = table("hostSettings") | table("appSettings")
    assert [name for name in sorted(given) if refused.fullmatch(name)] == []


def test_each_queue_and_container_is_made_under_the_name_that_the_code_expects() -> None:
    expected = {name: default for name, default in defaults().items() if name in layout()}
    assert layout() == expected


def test_a_connection_by_identity_is_whole() -> None:
    connections = {
        str(trigger["connection"]) for trigger in TRIGGERS.values() if "connection" in trigger
    }
    assert connections == {CONNECTION}
    for connection in connections:
        trio = {f"{connection}__{part}" for part in ("queueServiceUri", "credential", "clientId")}
        assert trio <= table("appSettings")
    # Not accountName, with which the host tries tables and queues too.
    host = {f"AzureWebJobsStorage__{part}" for part in ("blobServiceUri", "credential", "clientId")}
    assert host <= table("hostSettings")


def made(kind: str) -> set[str]:
    """Names of the queues or containers of the data account, as main.bicep makes them."""
    main = read(INFRA / "main.bicep")
    given = members(members(main.of("module")["dataStorage"].body)["params"])[kind]
    return set(Evaluation(main, {"replyQueues": None}).value(given, {}))


def test_every_queue_that_starts_a_function_is_made_with_its_poison_queue() -> None:
    queues = made("queues")
    starting = {str(each["queueName"]) for each in TRIGGERS.values() if "queueName" in each}
    needed = {
        name for each in starting for name in (each, each.removesuffix("-poison") + "-poison")
    }
    assert sorted(needed - queues) == []


def test_the_laptop_has_the_queues_and_containers_of_azure() -> None:
    assert set(laptop.QUEUES) - made("queues") == set()
    assert set(laptop.CONTAINERS) - made("containers") == set()
    assert made("queues") - ONLY_IN_AZURE - set(laptop.QUEUES) == set()
    assert made("containers") - ONLY_IN_AZURE - set(laptop.CONTAINERS) == set()


def test_the_names_keep_the_rules_of_storage() -> None:
    wrong = [
        name
        for name in made("queues") | made("containers")
        if not re.fullmatch(r"(?=.{3,63}$)[a-z0-9](-?[a-z0-9])*", name)
    ]
    assert wrong == []


def test_the_app_is_told_of_deployments_in_words_it_knows() -> None:
    access = read(INFRA / "modules" / "foundry-access.bicep")
    told = {
        text(node.named_children[0])
        for node in descendants(access.of("output")["deployments"].node)
        if node.type == "object_property"
    }
    assert told <= set(Deployment.model_fields)
    assert {"name", "model", "endpoint", "rpm", "pool"} <= told


def test_every_group_of_functions_can_be_kept_warm() -> None:
    groups = set(members(read(TYPES).of("type")["AlwaysReady"].value))
    # Functions with an HTTP trigger are one group; each other function scales alone.
    alone = {name for name, trigger in TRIGGERS.items() if trigger["type"] != "httpTrigger"}
    assert groups == alone | {"http"}


def test_every_parameter_can_be_given_through_azd_and_none_is_made_up() -> None:
    given = json.loads((INFRA / "main.parameters.json").read_text())["parameters"]
    declared = read(INFRA / "main.bicep").of("param")
    assert set(given) == set(declared) - {"thisMonth"}
    for name, parameter in given.items():
        variable = re.fullmatch(r"\$\{([A-Z_]+)(?:=([^{}]*))?\}", parameter["value"])
        assert variable, f"{name}: {parameter['value']!r} is no variable of the environment"
        kind = declared[name].type_name
        if kind.endswith("?"):
            assert variable[2] == "null", f"{name} may be left out, so its default is null"
