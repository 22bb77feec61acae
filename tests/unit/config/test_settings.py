"""What an operator sets: read once, filled in, and refused with a sentence for each mistake."""

import json
import re
from typing import Any

import pytest

from shared.catalogue.models import read_builtin
from shared.config.settings import read_catalogue, read_settings
from shared.errors import Misconfigured
from tests.simulation.scene import configured


def test_deployments_of_one_pool_have_one_quota() -> None:
    def two(**second: Any) -> str:  # noqa: ANN401 - fields of a deployment
        first = {"name": "one", "model": "gpt-image-2", "rpm": 6}
        return json.dumps([first, {"name": "two", "model": "gpt-image-2"} | second])

    configured(FOUNDRY_DEPLOYMENTS=two(rpm=6))
    configured(FOUNDRY_DEPLOYMENTS=two(rpm=9, pool="elsewhere"))
    with pytest.raises(Misconfigured, match="'one' and 'two' share the pool 'gpt-image-2'"):
        configured(FOUNDRY_DEPLOYMENTS=two(rpm=9))


def test_a_pool_is_named_so_that_a_blob_can_be() -> None:
    with pytest.raises(Misconfigured, match="pool"):
        configured(FOUNDRY_DEPLOYMENTS='[{"name": "gpt-image-2", "pool": "../jobs/x"}]')


NEEDED = {"ImageStorage": "UseDevelopmentStorage=true", "FOUNDRY_DEPLOYMENTS": "[]"}


def refusal(**given: str) -> list[str]:
    """The sentences for settings that must be refused, one for each."""
    with pytest.raises(Misconfigured) as caught:
        read_settings(NEEDED | given)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CALL_DEADLINE_SECONDS", "4"),
        ("CALL_DEADLINE_SECONDS", "soon"),
        ("EVENTS_QUEUE", "a--b"),
        ("EVENTS_QUEUE", "a" * 57),
        ("IMAGES_CONTAINER", "Images"),
        ("ON_UNKNOWN_OUTCOME", "retry"),
        ("READ_LINK_SECONDS", "86401"),
        ("DAILY_BUDGET_USD", "0"),
        ("DAILY_BUDGET_USD", "inf"),
        ("SWEEP_SCHEDULE", "every minute"),
        ("SWEEP_SCHEDULE", "* * * *"),
        ("PUBLISH_ACCEPTED", "perhaps"),
        ("FOUNDRY_ENDPOINT", "my-resource.openai.azure.com"),
        ("FOUNDRY_ENDPOINT", "http://127.0.0.1.evil.example"),
        ("FOUNDRY_DEPLOYMENTS", "gpt-image-2"),
        ("FOUNDRY_DEPLOYMENTS", '{"name": "gpt-image-2"}'),
        ("FOUNDRY_DEPLOYMENTS", "[[" * 100),
        ("WEBHOOKS", "{"),
        ("CALL_DEADLINE_SECONDS", "nan"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value(name: str, value: str) -> None:
    (said,) = refusal(**{name: value})
    assert said.startswith(f"{name}: ")
    assert said.endswith(f" (it is {value!r})")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"FOUNDRY_ENDPOINT": "my-resource.openai.azure.com"},
            "FOUNDRY_ENDPOINT: 'my-resource.openai.azure.com' is not an https URL",
        ),
        ({"FOUNDRY_DEPLOYMENTS": "[{]"}, "FOUNDRY_DEPLOYMENTS: is not valid JSON: ']' is not"),
        ({"FOUNDRY_DEPLOYMENTS": '[{"name": 7}]'}, "FOUNDRY_DEPLOYMENTS[0].name: 7 is not text"),
        ({"FOUNDRY_DEPLOYMENTS": '[{"nam": "a"}]'}, "FOUNDRY_DEPLOYMENTS[0].name: is missing"),
        ({"FOUNDRY_DEPLOYMENTS": '[{"name": "a", "rpm": 1e999}]'}, "is not a finite number"),
        ({"CALL_DEADLINE_SECONDS": "soon"}, "CALL_DEADLINE_SECONDS: 'soon' is not a number"),
        ({"READ_LINK_SECONDS": "1.5"}, "READ_LINK_SECONDS: '1.5' is not a whole number"),
        ({"PUBLISH_ACCEPTED": "perhaps"}, "'perhaps' is not 'true' or 'false'"),
        ({"EVENTS_QUEUE": "a--b"}, "use 3 to 56 of a-z 0-9 -"),
    ],
)
def test_a_usual_mistake_gets_our_sentence(given: dict[str, str], said: str) -> None:
    text = "\n".join(refusal(**given))
    assert said in text
    assert not re.search(r"Input should|pydantic|Value error|validation error|Expecting", text)


def test_every_wrong_setting_has_a_line_of_its_own() -> None:
    said = refusal(CALL_DEADLINE_SECONDS="4", EVENTS_QUEUE="A", READ_LINK_SECONDS="-1")
    names = ["EVENTS_QUEUE", "CALL_DEADLINE_SECONDS", "READ_LINK_SECONDS"]
    assert [line.partition(":")[0] for line in said] == names


def test_a_missing_setting_is_asked_for() -> None:
    with pytest.raises(Misconfigured, match=r"^FOUNDRY_DEPLOYMENTS: is required; set it$"):
        read_settings({"ImageStorage": "UseDevelopmentStorage=true"})
    with pytest.raises(Misconfigured, match="set ImageStorage to a connection string, or"):
        read_settings({"FOUNDRY_DEPLOYMENTS": "[]", "ImageStorage__blobServiceUri": "https://a"})


def test_an_empty_value_is_as_good_as_none() -> None:
    assert read_settings(NEEDED | {"EVENTS_QUEUE": "", "DAILY_BUDGET_USD": ""}) == read_settings(
        NEEDED
    )


def test_secrets_are_in_no_text_of_the_settings() -> None:
    secret = {
        "ImageStorage": "AccountKey=s3cret",
        "FOUNDRY_API_KEY": "s3cret",
        "OPENAI_KEYS": '{"shop": "s3cret-s3cret-s3cret"}',
    }
    assert "s3cret" not in repr(read_settings(NEEDED | secret))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("s3cret-s3cret-s3cret", "is not valid JSON"),
        ('"s3cret-s3cret-s3cret"', "is not an object"),
        ("{}", "is not an object with a key"),
        ('{"Shop": "s3cret-s3cret-s3cret"}', "'Shop' is not a name"),
        ('{"shop": "s3cret"}', "the key of 'shop' is not allowed; use 16 to 256"),
        ('{"shop": ["s3cret-s3cret-s3cret"]}', "the key of 'shop' is not allowed"),
        ('{"a": "s3cret-s3cret-s3cret", "b": "s3cret-s3cret-s3cret"}', "have the same key"),
    ],
)
def test_a_wrong_key_of_a_caller_is_refused_and_not_repeated(given: str, says: str) -> None:
    (said,) = refusal(OPENAI_KEYS=given)
    assert says in said
    assert "s3cret" not in said


@pytest.mark.parametrize("twice", ["EVENTS_QUEUE", "FINISH_QUEUE", "TASKS_QUEUE"])
def test_no_two_queues_have_one_name(twice: str) -> None:
    (said,) = refusal(**{twice: "image-jobs"})
    assert "the queue 'image-jobs' is named twice" in said


@pytest.mark.parametrize(
    ("patterns", "queue", "allowed"),
    [
        ("replies-*, other", "replies-shop", True),
        ("replies-*, other", "other", True),
        ("replies-*", "other", False),
        ("replies-?", "replies-12", False),
        ("", "replies", False),
        ("*", "replies", True),
        ("*", "image-events", False),
        ("image-*", "image-tasks-poison", False),
        ("image-*", "image-jobs-small", False),  # of the version before
        ("image-*", "image-events-shop", True),
        ("finish", "finish", False),
    ],
)
def test_a_reply_queue_must_match_a_pattern_of_the_list(
    patterns: str,
    queue: str,
    allowed: bool,  # noqa: FBT001 (a table's column)
) -> None:
    settings = read_settings(NEEDED | {"REPLY_QUEUES": patterns, "FINISH_QUEUE": "finish"})
    assert settings.allows_reply_to(queue) is allowed


def test_what_a_deployment_leaves_out_comes_from_its_model_and_the_endpoint() -> None:
    given = [
        {"name": "gpt-image-2"},
        {"name": "own", "model": "gpt-image-2", "pool": "own", "rpm": 7},
    ]
    first, own = configured(FOUNDRY_DEPLOYMENTS=json.dumps(given)).deployments
    model = read_builtin().get("gpt-image-2")
    assert (first.model, first.pool, first.rpm) == ("gpt-image-2", "gpt-image-2", model.rpm)
    assert (first.endpoint, first.url, first.scope) == (
        "https://foundry.example", model.url, model.scope,
    )  # fmt: skip
    assert (own.model, own.pool, own.rpm) == ("gpt-image-2", "own", 7)


@pytest.mark.parametrize(
    ("deployments", "said"),
    [
        ("[]", "the list is empty"),
        ('[{"name": "a", "model": "gpt-image-9"}]', "'a' has the unknown model 'gpt-image-9'"),
        ('[{"name": "gpt-image-2"}, {"name": "gpt-image-2"}]', "'gpt-image-2' is used twice"),
    ],
)
def test_a_list_of_deployments_that_cannot_work_is_refused(deployments: str, said: str) -> None:
    with pytest.raises(Misconfigured, match=r"^FOUNDRY_DEPLOYMENTS: ") as caught:
        configured(FOUNDRY_DEPLOYMENTS=deployments)
    assert said in str(caught.value)


def test_a_deployment_without_any_endpoint_is_refused() -> None:
    with pytest.raises(Misconfigured, match="'gpt-image-2' has no endpoint"):
        configured(FOUNDRY_ENDPOINT="", FOUNDRY_DEPLOYMENTS='[{"name": "gpt-image-2"}]')


def test_a_deployment_is_found_by_its_name_while_it_is_configured() -> None:
    configuration = configured()
    found = configuration.deployment("gpt-image-2")
    assert found is not None
    assert found.name == "gpt-image-2"
    assert configuration.deployment("gone") is None


@pytest.mark.parametrize(
    ("own", "sentence"),
    [
        (
            "[models.gpt-image-2]\nrpm = -1",
            "'gpt-image-2'.rpm: -1 is too small; it must be above 0",
        ),
        ("[models.gpt-image-2]\nrpm = nan", "'gpt-image-2'.rpm: nan is not a finite number"),
        ("[models.gpt-image-2]\nrpm = 1e308", "'gpt-image-2'.rpm: 1e+308 is too big; at most 100"),
        ("[models.gpt-image-2]\nprices.text_in = 1e300", "'gpt-image-2'.prices.text_in: 1e+300 is"),
        ("[models.'a b']\nlike = 'gpt-image-2'", "'a b'.name: 'a b' must match ^[A-Za-z0-9]"),
        ("[models.gpt-image-2]\ncolour = 1", "'gpt-image-2'.colour: is not a field here"),
        (
            "[models.gpt-image-2]\nsizes.grid = 0",
            "'gpt-image-2'.sizes.free.grid: 0 is too small; at least 1",
        ),
        (
            "[models.gpt-image-2]\nsizes = {kind = 'any'}",
            "'gpt-image-2'.sizes: 'kind' 'any' is not allowed; use 'free', 'fixed'",
        ),
        ("[models.gpt-image-2]\nsizes = {kind = []}", "'gpt-image-2'.sizes: "),
        (
            "[models.gpt-image-2]\nretires = 'soon'",
            "'gpt-image-2'.retires: 'soon' is not a date like '2027-04-01'",
        ),
        (
            "[models.gpt-image-2]\nusual_sizes = [[512, 512]]",
            "'gpt-image-2': usual_sizes: its 262,144 pixels are below 655,360",
        ),
        (
            "[models.new]\nlike = 'mine'",
            "field 'like': 'mine' is not defined before it",
        ),
        ("[models.new]\nlike = []", "model 'new', field 'like': '[]' is not defined before it"),
        ("[models]\nnew = 3", "model 'new' must be a table, not '3'"),
        ('[models."FLUX.2-pro"]\nparameters = ["seed"]', "'FLUX.2-pro'.parameters[0]: 'seed' is"),
        ('[models."FLUX.2-pro"]\nqualities = 3', "'FLUX.2-pro'.qualities: 3 is not a list"),
        ('[models."MAI-Image-2.6"]\ntokens = "grid"', "'MAI-Image-2.6': tokens: 'grid' needs"),
        ('[models."MAI-Image-2.6-Flash".prices]\ntext_in = 1', "prices: image_out is missing"),
        ("[models.gpt-image-2]\nqualities.max.seconds = 9", "qualities: 'max' needs a bucket"),
        ('[models.gpt-image-2]\nauto_quality = "max"', "auto_quality: 'max' is not one of"),
        ("a = 1\nb = = 2", "the file is not valid TOML or JSON: line 2, column 5, in 'b = = 2'"),
        ("a = ", "the file is not valid TOML or JSON"),
        (
            '{"models": ',
            "line 1, column 12, in '{\"models\": '",
        ),
        ('{"a": %s}' % ("[" * 99_999), "the file is not valid TOML or JSON"),
        (f'{{"a": {"9" * 5000}}}', "the file is not valid TOML or JSON"),
        ('{"gpt-image-2": {}}', "expected only the table 'models', found 'gpt-image-2'"),
        ('{"\\ud800": {}}', "expected only the table 'models', found '\\ud800'"),
        ("", "expected only the table 'models', found nothing"),
    ],
)
def test_a_wrong_catalogue_is_refused_by_model_and_field_in_our_words(
    own: str, sentence: str
) -> None:
    with pytest.raises(Misconfigured) as caught:
        read_catalogue(own)
    told = str(caught.value)
    assert sentence in told
    assert all(line.startswith("MODEL_CATALOGUE: ") for line in told.splitlines())


def test_every_fault_of_a_catalogue_is_told_at_once() -> None:
    with pytest.raises(Misconfigured) as caught:
        read_catalogue("[models.new]\nfamily = 'mai'\n[models.gpt-image-2]\nrpm = 0")
    lines = str(caught.value).splitlines()
    assert "MODEL_CATALOGUE: new.url: is missing" in lines
    assert "MODEL_CATALOGUE: 'gpt-image-2'.rpm: 0 is too small; it must be above 0" in lines


@pytest.mark.parametrize("url", ["https://[::1", "http://a:99999/"])
def test_a_url_that_can_not_be_split_is_refused_in_our_words(url: str) -> None:
    told = refusal(EVENT_GRID_TOPIC_ENDPOINT=url)
    assert told == [f"EVENT_GRID_TOPIC_ENDPOINT: its host or its port is not valid (it is {url!r})"]
