"""The request a paid call sends: address, body and token scope, for every shape of the API."""

from dataclasses import dataclass
from urllib.parse import quote

from pydantic import JsonValue

from .deployments import Deployment, UrlShape
from .plans import Plan, Task

#: The paths an endpoint that is already a whole address ends with, or goes through.
_WHOLE = ("/images/generations", "/providers/blackforestlabs/")


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """A POST with a JSON body."""

    url: str
    body: dict[str, JsonValue]
    #: Entra scope its token is for.
    scope: str
    #: The reply is asked for as server-sent events.
    stream: bool


def generation(
    plan: Plan, task: Task, deployment: Deployment, *, prompt: str, user: str | None = None
) -> ImageRequest:
    """Write the request of a task on a deployment, whose settings are filled in by then.

    `user` is sent as it is, so it must already be a hash; only OpenAI's format has it.
    """
    shape: UrlShape = deployment.url or "deployment"
    url = _url(plan, deployment, shape)
    body: dict[str, JsonValue] = {"prompt": prompt}
    if _sends_model(deployment, url):
        body["model"] = plan.model if shape == "bfl" else deployment.name
    body |= plan.parameters
    for name in ("n", "num_images"):
        if name in body:
            body[name] = task.n
    if user is not None and shape in {"deployment", "v1"}:
        body["user"] = user
    stream = plan.stream and deployment.stream
    if stream:
        body |= {"stream": True, "partial_images": 0}
    body |= deployment.extra_body
    return ImageRequest(url, body, deployment.scope or "", stream=body.get("stream") is True)


def _sends_model(deployment: Deployment, url: str) -> bool:
    """Leave `model` out where the address names the deployment: Azure has refused it there.

    https://github.com/openclaw/openclaw/issues/71705
    """
    if deployment.send_model is not None:
        return deployment.send_model
    return "/openai/deployments/" not in url


def _url(plan: Plan, deployment: Deployment, shape: UrlShape) -> str:
    endpoint = deployment.endpoint
    path = endpoint.partition("?")[0]
    if path.endswith(_WHOLE[0]) or _WHOLE[1] in path:
        return endpoint
    own = {
        "deployment": f"/openai/deployments/{quote(deployment.name)}/images/generations",
        "v1": "/openai/v1/images/generations",
        "mai": "/mai/v1/images/generations",
        # FLUX.2-pro is called at flux-2-pro.
        "bfl": f"/providers/blackforestlabs/v1/{plan.model.lower().replace('.', '-')}",
    }[shape]
    version = f"?api-version={deployment.api_version}" if deployment.api_version else ""
    return f"{endpoint}{own}{version}"
