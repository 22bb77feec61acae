"""Requests of OpenAI's images API, from the few parameters a test is about."""

import json

from shared.http_api.openai_requests import ImagesRequest, read_form_request, read_json_request
from tests.simulation.scene import configured

CONFIGURATION = configured(
    FOUNDRY_DEPLOYMENTS='[{"name": "paint", "model": "gpt-image-2"}, {"name": "MAI-Image-2.5"}]'
)


def read(content: object, deployment: str | None = None) -> ImagesRequest:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return read_json_request(body, "application/json; charset=utf-8", deployment, CONFIGURATION)


def edit(*files: tuple[str, bytes], **fields: str) -> ImagesRequest:
    texts = [*({"prompt": "a scarf"} | fields).items()]
    return read_form_request(texts, files, None, CONFIGURATION)
