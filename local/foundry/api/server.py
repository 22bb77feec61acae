"""The routes, and the steps of one call: authentication, quota, validation, reply."""

import json
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web
from pydantic import JsonValue

from local.foundry.api import auth, problems
from local.foundry.api.admin import add_admin_routes
from local.foundry.api.body_writer import Disconnected
from local.foundry.api.forms import Form, read_form
from local.foundry.api.requests import ImageRequest, Operation, read_flux, read_mai, read_openai
from local.foundry.api.responses import ImageCall, hang_up, raise_early_fault, reply
from local.foundry.api.validation import typed
from local.foundry.replies.faults import HEADER
from local.foundry.state.emulator import Caller, Emulator
from local.foundry.state.models import Deployment, Family

API_VERSIONS = {"2025-04-01-preview", "2024-02-01"}
V1_VERSIONS = {None, "preview"}  # the how-to asks for it, the streaming sample omits it (C-1)
MAX_CUSTOM_HEADERS = 10
MAX_JSON_BYTES = 512 << 20

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Call:
    """One call; its fields are filled step by step."""

    request: web.Request
    family: Family
    operation: Operation
    dated: bool = False
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    deployment: Deployment | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.headers = {
            "apim-request-id": self.request_id,
            "x-request-id": str(uuid.uuid4()),
            "x-ms-region": "Local",
        }
        if self.client_request_id:
            self.headers["x-ms-client-request-id"] = self.client_request_id

    @property
    def client_request_id(self) -> str | None:
        """The caller's id of the call, which the ledger stores."""
        return self.request.headers.get("x-ms-client-request-id")


class Foundry:
    """The emulator as a web application."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator

    def application(self) -> web.Application:
        """Return the application; any other path is a 404 (E9)."""
        app = web.Application(client_max_size=MAX_JSON_BYTES)
        images = "images/{operation:generations|edits}"
        app.router.add_post("/openai/deployments/{deployment}/" + images, self._dated)
        app.router.add_post("/openai/v1/" + images, self._v1)
        app.router.add_post("/mai/v1/" + images, self._mai)
        app.router.add_post("/providers/blackforestlabs/v1/{path}", self._flux)
        app.router.add_get("/linked/{name}", self.emulator.links.serve)
        add_admin_routes(app, self.emulator)
        app.router.add_route("*", "/{anything:.*}", self._not_found)
        app.on_cleanup.append(self._close)
        return app

    async def _close(self, _: web.Application) -> None:
        await self.emulator.close()

    async def _not_found(self, request: web.Request) -> web.StreamResponse:
        return _problem(problems.no_resource(), Call(request, "gpt-image", "generations"))

    async def _dated(self, request: web.Request) -> web.StreamResponse:
        call = Call(request, "gpt-image", _operation(request), dated=True)
        version = request.query.get("api-version")
        return await self._serve(call, found=version in API_VERSIONS)

    async def _v1(self, request: web.Request) -> web.StreamResponse:
        call = Call(request, "gpt-image", _operation(request))
        return await self._serve(call, found=request.query.get("api-version") in V1_VERSIONS)

    async def _mai(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(Call(request, "mai", _operation(request)), found=True)

    async def _flux(self, request: web.Request) -> web.StreamResponse:
        paths = {each.facts.path for each in self.emulator.deployments.values()}
        found = request.query.get("api-version") == "preview"
        call = Call(request, "flux", "generations")
        return await self._serve(call, found=found and request.match_info["path"] in paths)

    async def _serve(self, call: Call, *, found: bool) -> web.StreamResponse:
        """Answer one call and store its outcome in the ledger."""
        outcome = "client gone"
        try:
            if not found:
                raise problems.no_resource()
            response, outcome = await self._answer(call)
        except problems.Problem as problem:
            outcome = problem.label
            return _problem(problem, call)
        except web.HTTPBadGateway as page:
            outcome = "502 html"
            return web.Response(
                status=page.status, text=page.text, content_type="text/html", headers=call.headers
            )
        except ConnectionError:
            return web.Response()  # the client has disconnected
        except Disconnected as stopped:
            outcome = str(stopped) or "disconnected"
            return await hang_up(call.request, outcome)
        else:
            return response
        finally:
            self.emulator.ledger.note(
                request_id=call.request_id,
                client_request_id=call.client_request_id,
                deployment=call.deployment.name if call.deployment else None,
                outcome=outcome,
            )

    async def _answer(self, call: Call) -> tuple[web.StreamResponse, str]:
        settings = self.emulator.settings
        headers = call.request.headers
        if sum(name.lower().startswith("x-") for name in headers) > MAX_CUSTOM_HEADERS:
            raise problems.too_many_headers()
        auth.check(headers, call.family, key=settings.key, strict=settings.strict_bearer)
        if call.dated:
            self._admit(call, call.request.match_info["deployment"])
        members, form = await _body(call)
        deployment = call.deployment or self._named(call, members)
        image = self._read(call, deployment, members, form)
        caller = Caller(call.request_id, call.client_request_id, deployment)
        try:
            faults = self.emulator.faults.chosen(
                header=headers.get(HEADER), prompt=image.prompt, deployment=deployment.name
            )
        except ValueError as error:
            raise problems.invalid(f"Emulator: {error}", HEADER, "unknown_fault") from error
        raise_early_fault(self.emulator, caller, faults)
        return await reply(
            ImageCall(self.emulator, call.request, image, caller, faults, headers=call.headers)
        )

    def _named(self, call: Call, members: dict[str, JsonValue]) -> Deployment:
        """Return the deployment that the body names, or for FLUX the path."""
        name = members.get("model")
        if name is None and call.family == "flux":
            path = call.request.match_info["path"]
            name = next(n for n, d in self.emulator.deployments.items() if d.facts.path == path)
        if not isinstance(name, str):
            raise problems.missing("model")
        return self._admit(call, name)

    def _admit(self, call: Call, name: str) -> Deployment:
        """Return the deployment after counting the call against its quota."""
        deployment = self.emulator.deployments.get(name)
        if deployment is None or deployment.facts.family != call.family:
            raise problems.no_deployment()
        path = call.request.match_info.get("path")
        if path is not None and deployment.facts.path != path:
            raise problems.no_deployment()
        call.deployment = deployment
        pool = deployment.pool or deployment.model
        admission = self.emulator.quota.take(pool, self.emulator.settings.slice_seconds)
        call.headers.update(admission.headers)
        if admission.wait is not None:
            raise problems.throttled(int(admission.wait * 1000) + 1)
        return deployment

    def _read(
        self, call: Call, deployment: Deployment, members: dict[str, JsonValue], form: Form | None
    ) -> ImageRequest:
        model, settings = deployment.facts, self.emulator.settings
        if call.family == "mai":
            return read_mai(members, model=model, operation=call.operation, form=form)
        if call.family == "flux":
            return read_flux(members, model=model)
        named = members.get("model")
        if call.dated and named is not None:
            known = named in {deployment.name, deployment.model}
            if settings.refuse_model_member or not known:
                message = f"The model '{named}' does not exist"
                raise problems.invalid(message, "model", "model_not_found")
        return read_openai(
            members, model=model, operation=call.operation, settings=settings, form=form
        )


def _operation(request: web.Request) -> Operation:
    return "edits" if request.match_info["operation"] == "edits" else "generations"


async def _body(call: Call) -> tuple[dict[str, JsonValue], Form | None]:
    """Return the fields of the request: from JSON, or for an edit from a form."""
    request = call.request
    if call.operation == "edits":
        form = await read_form(request)
        return typed(form.fields), form
    if request.content_type != "application/json":
        raise problems.wrong_media_type(request.content_type, "application/json")
    try:
        members = json.loads(await request.read())
    except ValueError as error:
        message = "We could not parse the JSON body of your request."
        raise problems.invalid(message, None, None) from error
    if not isinstance(members, dict):
        raise problems.invalid("The body of the request must be a JSON object.", None, None)
    return members, None


def _problem(problem: problems.Problem, call: Call) -> web.Response:
    return web.Response(
        status=problem.status,
        body=problem.data,
        content_type=problem.content_type,
        headers={**call.headers, **problem.headers},
    )
