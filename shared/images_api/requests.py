"""The request a paid call sends: address, body and token scope, for every shape of the API."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from pydantic import JsonValue

from ..catalogue.deployments import Deployment, UrlShape
from ..pictures.inputs import InputPicture
from ..routing.plan import Edit, Plan

#: The paths an endpoint that is already a whole address ends with, or goes through.
_WHOLE = ("/images/generations", "/providers/blackforestlabs/")
_EDITS = "/images/edits"


@dataclass(frozen=True, slots=True)
class Upload:
    """A picture that a request sends along, under the name of its part or member."""

    field: str
    picture: InputPicture


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """A POST with a JSON body, or with a form where pictures go along as its parts."""

    url: str
    body: dict[str, JsonValue]
    #: Entra scope its token is for.
    scope: str
    #: The reply is asked for as server-sent events.
    stream: bool
    #: What is read from storage while it is sent.
    uploads: tuple[Upload, ...] = ()
    #: Multipart; else JSON, with uploads as members in base64.
    form: bool = False
    #: Hosts, or patterns of them, that the reply may link pictures at.
    picture_hosts: tuple[str, ...] = ()


def build_request(
    plan: Plan,
    deployment: Deployment,
    *,
    n: int,
    prompt: str,
    inputs: Sequence[InputPicture] = (),
    user: str | None = None,
) -> ImageRequest:
    """Write the request for `n` pictures of a deployment, whose settings are filled in by then.

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
            body[name] = n
    if user is not None and shape in {"deployment", "v1"}:
        body["user"] = user
    stream = plan.stream and deployment.stream
    if stream:
        body |= {"stream": True, "partial_images": 0}
    body |= deployment.extra_body
    return ImageRequest(
        url,
        body,
        deployment.scope or "",
        stream=body.get("stream") is True,
        uploads=tuple(_uploads(plan.edit, inputs)) if plan.edit else (),
        form=plan.edit is not None and plan.edit.how == "multipart",
        picture_hosts=deployment.picture_hosts,
    )


def _uploads(edit: Edit, inputs: Sequence[InputPicture]) -> Iterator[Upload]:
    """Name the pictures: parts of a form share a name, members of a body are numbered from 2."""
    for number, picture in enumerate(inputs, 1):
        if picture.role == "mask":
            yield Upload("mask", picture)
        elif edit.how == "multipart" or number == 1:
            yield Upload(edit.field, picture)
        else:
            yield Upload(f"{edit.field}_{number}", picture)


def _sends_model(deployment: Deployment, url: str) -> bool:
    """Leave `model` out where the address names the deployment: Azure has refused it there.

    https://github.com/openclaw/openclaw/issues/71705
    """
    if deployment.send_model is not None:
        return deployment.send_model
    return "/openai/deployments/" not in url


def _url(plan: Plan, deployment: Deployment, shape: UrlShape) -> str:
    endpoint = deployment.endpoint
    path, mark, query = endpoint.partition("?")
    images = _EDITS if plan.edit else _WHOLE[0]
    if path.endswith(_WHOLE[0]):
        return f"{path.removesuffix(_WHOLE[0])}{images}{mark}{query}"
    if _WHOLE[1] in path:
        return endpoint
    own = {
        "deployment": f"/openai/deployments/{quote(deployment.name)}{images}",
        "v1": f"/openai/v1{images}",
        "mai": f"/mai/v1{images}",
        # FLUX.2-pro is called at flux-2-pro.
        "bfl": f"/providers/blackforestlabs/v1/{plan.model.lower().replace('.', '-')}",
    }[shape]
    version = f"?api-version={deployment.api_version}" if deployment.api_version else ""
    return f"{endpoint}{own}{version}"
