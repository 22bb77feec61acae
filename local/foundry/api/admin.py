"""The emulator's own routes, under /admin: switches, quotas, faults, and the ledger."""

import json
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web
from pydantic import JsonValue, ValidationError

from local.foundry.replies.faults import NAMES, Rule
from local.foundry.state.emulator import Emulator
from local.foundry.state.settings import Settings

type Answering = Callable[[JsonValue], JsonValue]
type Handler = Callable[[web.Request], Awaitable[web.Response]]


def add_admin_routes(app: web.Application, world: Emulator) -> None:
    """Add the routes that look into the world and change it."""
    admin = Admin(world)
    for method, path, answering in (
        ("GET", "health", admin.health),
        ("GET", "ledger", admin.ledger),
        ("DELETE", "ledger", admin.clear_ledger),
        ("GET", "faults", admin.faults),
        ("POST", "faults", admin.add_fault),
        ("DELETE", "faults", admin.clear_faults),
        ("GET", "quota", admin.quota),
        ("POST", "quota", admin.set_quota),
        ("GET", "settings", admin.settings),
        ("POST", "settings", admin.change_settings),
    ):
        app.router.add_route(method, f"/admin/{path}", _handler(answering))


def _handler(answering: Answering) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        try:
            body = json.loads(await request.read() or b"{}")
            return web.json_response(answering(body))
        except ValidationError as error:
            faults = [
                f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()
            ]
            return web.json_response({"error": "; ".join(faults)}, status=400)
        except (ValueError, TypeError) as error:
            return web.json_response({"error": str(error)}, status=400)

    return handle


class Admin:
    """What each route does: a JSON body in, a JSON document out."""

    def __init__(self, world: Emulator) -> None:
        self._world = world

    def health(self, _: JsonValue) -> JsonValue:
        """That it is up, and what it has."""
        return {
            "status": "ok",
            "deployments": [each.model_dump() for each in self._world.deployments.values()],
        }

    def ledger(self, _: JsonValue) -> JsonValue:
        """All that was made and must be paid, and how each call ended."""
        return self._world.ledger.document()

    def clear_ledger(self, _: JsonValue) -> JsonValue:
        """Begin a new ledger."""
        self._world.ledger.clear()
        return self._world.ledger.document()

    def faults(self, _: JsonValue) -> JsonValue:
        """The rules, the blocked resources, and the names there are."""
        return {
            "rules": [rule.model_dump() for rule in self._world.faults.rules],
            "blocked": list[JsonValue](sorted(self._world.faults.blocked)),
            "known": dict(NAMES),
        }

    def add_fault(self, body: JsonValue) -> JsonValue:
        """Add a rule."""
        self._world.faults.add(Rule.model_validate(body))
        return self.faults(None)

    def clear_faults(self, _: JsonValue) -> JsonValue:
        """Lift all rules and blocks."""
        self._world.faults.clear()
        return self.faults(None)

    def quota(self, _: JsonValue) -> JsonValue:
        """Requests per minute of each pool."""
        return dict(self._world.quota.rates())

    def set_quota(self, body: JsonValue) -> JsonValue:
        """Set requests per minute by pool: {"gpt-image-2": 6}; "*" means all."""
        if not isinstance(body, Mapping):
            raise TypeError('quota: expected an object like {"gpt-image-2": 6}')
        for name, rpm in body.items():
            pools = self._world.quota.rates() if name == "*" else [name]
            if not isinstance(rpm, int | float) or isinstance(rpm, bool):
                raise TypeError(f"rpm of pool {name!r} is {rpm!r}; it must be a number")
            for pool in pools:
                self._world.quota.set(pool, rpm)
        return self.quota(None)

    def settings(self, _: JsonValue) -> JsonValue:
        """All switches."""
        return self._world.settings.model_dump()

    def change_settings(self, body: JsonValue) -> JsonValue:
        """Change the switches that the body names."""
        if not isinstance(body, dict):
            raise TypeError('settings: expected an object like {"time_scale": 0}')
        together = {**self._world.settings.model_dump(), **body}
        self._world.settings = Settings.model_validate(together)
        return self.settings(None)
