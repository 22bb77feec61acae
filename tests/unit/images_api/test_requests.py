from datetime import date
from typing import Any

import pytest

from shared.catalogue.deployments import Deployment
from shared.catalogue.models import read_builtin
from shared.images_api.requests import ImageRequest, build_request
from shared.jobs.job import Job
from shared.routing.router import route
from tests.builders.strategies import deployment

HOST = "https://res.openai.azure.com"


def request(
    served: Deployment,
    **asked: Any,  # noqa: ANN401 - any field of a job
) -> ImageRequest:
    job = Job(job_id="job-1", prompt="a fox", **asked)
    (plan,) = route(
        job, catalogue=read_builtin(), deployments=[served], today=date(2026, 11, 22),
        prompt_characters=5,
    )  # fmt: skip
    return build_request(plan, served, n=plan.per_call, prompt="a fox")


def test_a_deployment_url_names_the_deployment_and_the_body_does_not() -> None:
    made = request(deployment("gpt-image-2"))
    assert made.url == (
        f"{HOST}/openai/deployments/gpt-image-2/images/generations?api-version=2025-04-01-preview"
    )
    assert made.body == {
        "prompt": "a fox", "size": "1024x1024", "quality": "medium", "n": 1,
        "output_format": "png", "stream": True, "partial_images": 0,
    }  # fmt: skip
    assert made.scope == "https://ai.azure.com/.default"
    assert made.stream


def test_previews_are_asked_for_in_the_stream_of_each_picture() -> None:
    made = request(deployment("gpt-image-2"), n=3, previews=2)
    assert (made.body["n"], made.body["stream"], made.body["partial_images"]) == (1, True, 2)
    assert made.stream


def test_v1_names_the_deployment_in_the_body() -> None:
    made = request(deployment("west", model="gpt-image-2", url="v1"), n=2)
    assert made.url == f"{HOST}/openai/v1/images/generations?api-version=preview"
    assert (made.body["model"], made.body["n"]) == ("west", 2)
    assert not made.stream
    assert "stream" not in made.body


def test_mai_takes_edges_and_makes_one_picture() -> None:
    made = request(deployment("mai", model="MAI-Image-2.6"), n=2)
    assert made.url == f"{HOST}/mai/v1/images/generations"
    assert made.body == {"prompt": "a fox", "model": "mai", "width": 1024, "height": 1024}
    assert made.scope == "https://cognitiveservices.azure.com/.default"


def test_flux_is_called_by_the_name_of_the_model() -> None:
    made = request(deployment("flux", model="FLUX.2-pro"), format="jpeg")
    assert made.url == f"{HOST}/providers/blackforestlabs/v1/flux-2-pro?api-version=preview"
    assert made.body == {
        "model": "FLUX.2-pro", "prompt": "a fox", "width": 1024, "height": 1024,
        "output_format": "jpeg", "num_images": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    "endpoint",
    [
        f"{HOST}/openai/deployments/x/images/generations?api-version=2024-02-01",
        f"{HOST}/openai/deployments/x/images/generations",
        "https://host.example/providers/blackforestlabs/v1/flux-pro-1.1?api-version=preview",
    ],
)
def test_a_whole_address_is_used_as_it_is(endpoint: str) -> None:
    assert request(deployment("gpt-image-2", endpoint=endpoint)).url == endpoint


def test_a_whole_address_of_another_host_gets_the_model() -> None:
    endpoint = "https://api.example/v1/images/generations"
    assert request(deployment("gpt-image-2", endpoint=endpoint)).body["model"] == "gpt-image-2"


def test_no_api_version_leaves_the_query_out() -> None:
    made = request(deployment("gpt-image-2", url="v1", api_version=""))
    assert made.url == f"{HOST}/openai/v1/images/generations"


def test_compression_and_background_are_sent_only_when_asked() -> None:
    made = request(deployment("gpt-image-2"), format="jpeg", compression=70, background="opaque")
    assert (made.body["output_compression"], made.body["background"]) == (70, "opaque")
    plain = request(deployment("gpt-image-2"), format="jpeg")
    assert {"output_compression", "background"}.isdisjoint(plain.body)


def test_a_deployment_may_refuse_streaming_and_add_members() -> None:
    made = request(deployment("gpt-image-2", stream=False, extra_body={"moderation": "low"}))
    assert not made.stream
    assert (made.body["moderation"], "stream" in made.body) == ("low", False)
    told = request(deployment("gpt-image-2", extra_body={"stream": False}))
    assert not told.stream


def test_the_sample_of_the_announcement_can_be_sent_as_it_stands() -> None:
    endpoint = f"{HOST}/openai/deployments/gpt-image-2/images/generations?api-version=2024-02-01"
    scope = "https://cognitiveservices.azure.com/.default"
    served = deployment(
        "gpt-image-2", endpoint=endpoint, scope=scope, stream=False, send_model=True,
        extra_body={"output_compression": 100},
    )  # fmt: skip
    made = request(served, size="1024x1024", quality="medium")
    assert (made.url, made.scope) == (endpoint, scope)
    assert made.body == {
        "prompt": "a fox", "model": "gpt-image-2", "size": "1024x1024", "quality": "medium",
        "output_compression": 100, "output_format": "png", "n": 1,
    }  # fmt: skip
