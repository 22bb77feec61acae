"""One request by a Python client of OpenAI's API: a JSON document in, one out.

It runs in `.venv-sdks`, which has these clients and nothing of the app.
"""

import asyncio
import base64
import hashlib
import io
import json
import sys
from typing import Any

import openai

type Json = dict[str, Any]


def pictures(asked: Json) -> list[bytes]:
    return [base64.b64decode(each) for each in asked.get("images", [])]


def describe(raw: Any) -> Json:  # noqa: ANN401 - a response of the client
    made = raw.parse()
    return images(made.data) | {
        "headers": dict(raw.headers),
        "hops": len(raw.http_response.history),
        "request_id": made._request_id,
        "usage": made.usage.model_dump() if made.usage else None,
    }


def images(data: Any) -> Json:  # noqa: ANN401 - as above
    return {
        "pictures": [
            hashlib.sha256(base64.b64decode(each.b64_json)).hexdigest()
            for each in data
            if each.b64_json
        ],
        "urls": [each.url for each in data if each.url],
    }


def options(asked: Json) -> Json:
    return {
        "api_key": asked["key"],
        "max_retries": asked.get("retries", 2),
        "timeout": asked.get("timeout", 60),
    }


def call_of(client: Any, asked: Json) -> Any:  # noqa: ANN401 - a client, a call
    """Return what makes the call, with all that is asked for."""
    source = client.images if asked["params"].get("stream") else client.images.with_raw_response
    given = pictures(asked)
    extra = {"extra_headers": asked.get("headers")}
    if not given:
        return lambda: source.generate(**asked["params"], **extra)
    # A single picture goes as `image`, several as `image[]`.
    image: Any = given[0] if len(given) == 1 else given
    mask = {"mask": base64.b64decode(asked["mask"])} if "mask" in asked else {}
    return lambda: source.edit(image=image, **mask, **asked["params"], **extra)


def event(each: Any) -> Json:  # noqa: ANN401 - an event
    picture = hashlib.sha256(base64.b64decode(each.b64_json)).hexdigest()
    return {"type": each.type, "picture": picture, "tokens": each.usage.total_tokens}


def run_sync(asked: Json) -> Json:
    host, kind = asked["host"], asked["client"]
    if kind == "azure":
        client: Any = openai.AzureOpenAI(
            azure_endpoint=f"{host}/api", api_version="2025-04-01-preview", **options(asked)
        )
    else:
        client = openai.OpenAI(base_url=f"{host}/api/openai/v1", **options(asked))
    if asked["call"] == "models":
        return {"models": [each.id for each in client.models.list()]}
    made = call_of(client, asked)()
    if asked["params"].get("stream"):
        return {"events": [event(each) for each in made]}
    return describe(made)


async def run_async(asked: Json) -> Json:
    base_url = f"{asked['host']}/api/openai/v1"
    async with openai.AsyncOpenAI(base_url=base_url, **options(asked)) as client:
        made = await call_of(client, asked)()
        if asked["params"].get("stream"):
            return {"events": [event(each) async for each in made]}
        return describe(made)


def run_litellm(asked: Json) -> Json:
    import litellm  # noqa: PLC0415 (it takes seconds, and only its own tests need it)

    azure = asked["client"] == "litellm-azure"
    params = dict(asked["params"])
    where = {
        "model": f"{'azure' if azure else 'openai'}/{params.pop('model')}",
        "api_base": f"{asked['host']}/api" + ("" if azure else "/openai/v1"),
        "api_key": asked["key"],
        **({"api_version": "2025-04-01-preview"} if azure else {}),
    }
    given = [io.BytesIO(each) for each in pictures(asked)]
    if given:
        return images(litellm.image_edit(image=given, **params, **where).data)
    return images(litellm.image_generation(**params, **where).data)


def main() -> None:
    asked = json.load(sys.stdin)
    try:
        if asked["client"] == "async":
            told = asyncio.run(run_async(asked))
        elif asked["client"].startswith("litellm"):
            told = run_litellm(asked)
        else:
            told = run_sync(asked)
    except openai.APIError as error:
        told = {
            "error": type(error).__name__,
            "status": getattr(error, "status_code", None),
            "code": error.code,
            "param": error.param,
            "message": str(error),
        }
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
