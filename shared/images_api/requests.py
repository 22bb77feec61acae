"""Build the request of a paid call: URL, body and token scope, for every URL shape of the API."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from pydantic import JsonValue

from ..catalogue.deployments import Deployment, UrlShape
from ..pictures.inputs import InputPicture
from ..routing.plan import Edit, Plan

#: An endpoint with one of these paths is a full URL.
_GENERATIONS, _FLUX = "/images/generations", "/providers/blackforestlabs/"
_EDITS = "/images/edits"


@dataclass(frozen=True, slots=True)
class Upload:
    """A picture that a request uploads, with the name of its form part or member."""

    field: str
    picture: InputPicture


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """A POST with a JSON body, or with a form that has pictures as parts."""

    url: str
    body: dict[str, JsonValue]
    #: Entra scope of the token.
    scope: str
    #: The reply is requested as server-sent events.
    stream: bool
    #: Pictures that are read from storage while the request is sent.
    uploads: tuple[Upload, ...] = ()
    #: A multipart form; else JSON, with uploads as members in base64.
    form: bool = False
    #: Hosts, or patterns of hosts, that the reply may link pictures at.
    picture_hosts: tuple[str, ...] = ()
    #: Partial pictures that were asked for; others that come are ignored.
    previews: int = 0


def build_request(
    plan: Plan,
    deployment: Deployment,
    *,
    n: int,
    prompt: str,
    inputs: Sequence[InputPicture] = (),
) -> ImageRequest:
    """Build the request for `n` pictures; the deployment must have its settings filled in."""
    shape: UrlShape = deployment.url or "deployment"
    url = _build_url(plan, deployment, shape)
    body: dict[str, JsonValue] = {"prompt": prompt}
    if _sends_model(deployment, url):
        body["model"] = plan.model if shape == "bfl" else deployment.name
    body |= plan.parameters
    for name in ("n", "num_images"):
        if name in body:
            body[name] = n
    stream = plan.stream and deployment.stream
    if stream:
        body |= {"stream": True, "partial_images": plan.previews}
    body |= deployment.extra_body
    return ImageRequest(
        url,
        body,
        deployment.scope or "",
        stream=body.get("stream") is True,
        uploads=tuple(_list_uploads(plan.edit, inputs)) if plan.edit else (),
        form=plan.edit is not None and plan.edit.how == "multipart",
        picture_hosts=deployment.picture_hosts,
        previews=plan.previews if stream else 0,
    )


def _list_uploads(edit: Edit, inputs: Sequence[InputPicture]) -> Iterator[Upload]:
    """Yield the uploads: form parts share a name, members of a body are numbered from 2."""
    for number, picture in enumerate(inputs, 1):
        if picture.role == "mask":
            yield Upload("mask", picture)
        elif edit.how == "multipart" or number == 1:
            yield Upload(edit.field, picture)
        else:
            yield Upload(f"{edit.field}_{number}", picture)


def _sends_model(deployment: Deployment, url: str) -> bool:
    """Return whether the body has `model`: not where the URL names the deployment.

    Azure has rejected it there: https://github.com/openclaw/openclaw/issues/71705
    """
    if deployment.send_model is not None:
        return deployment.send_model
    return "/openai/deployments/" not in url


def _build_url(plan: Plan, deployment: Deployment, shape: UrlShape) -> str:
    endpoint = deployment.endpoint
    path, mark, query = endpoint.partition("?")
    images = _EDITS if plan.edit else _GENERATIONS
    if path.endswith(_GENERATIONS):
        return f"{path.removesuffix(_GENERATIONS)}{images}{mark}{query}"
    if _FLUX in path:
        return endpoint
    shaped = {
        "deployment": f"/openai/deployments/{quote(deployment.name)}{images}",
        "v1": f"/openai/v1{images}",
        "mai": f"/mai/v1{images}",
        # FLUX.2-pro is called at flux-2-pro.
        "bfl": f"{_FLUX}v1/{plan.model.lower().replace('.', '-')}",
    }[shape]
    version = f"?api-version={deployment.api_version}" if deployment.api_version else ""
    return f"{endpoint}{shaped}{version}"
