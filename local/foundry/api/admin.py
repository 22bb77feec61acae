"""The admin routes of the emulator: settings, quotas, faults and the ledger."""

import json
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web
from pydantic import JsonValue, ValidationError

from local.foundry.replies.faults import NAMES, Rule
from local.foundry.state.emulator import Emulator
from local.foundry.state.settings import Settings

type Action = Callable[[JsonValue], JsonValue]
type Handler = Callable[[web.Request], Awaitable[web.Response]]


def add_admin_routes(app: web.Application, emulator: Emulator) -> None:
    """Add the routes that read and change the state of the emulator."""
    admin = Admin(emulator)
    for method, path, action in (
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
        app.router.add_route(method, f"/admin/{path}", _handler(action))


def _handler(action: Action) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        try:
            body = json.loads(await request.read() or b"{}")
            return web.json_response(action(body))
        except ValidationError as error:
            faults = [
                f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()
            ]
            return web.json_response({"error": "; ".join(faults)}, status=400)
        except (ValueError, TypeError) as error:
            return web.json_response({"error": str(error)}, status=400)

    return handle


class Admin:
    """The actions of the routes: a JSON body in, a JSON document out."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    def health(self, _: JsonValue) -> JsonValue:
        """Return the status and the deployments."""
        return {
            "status": "ok",
            "deployments": [each.model_dump() for each in self._emulator.deployments.values()],
        }

    def ledger(self, _: JsonValue) -> JsonValue:
        """Return every paid call, and the outcome of every call."""
        return self._emulator.ledger.document()

    def clear_ledger(self, _: JsonValue) -> JsonValue:
        """Clear the ledger."""
        self._emulator.ledger.clear()
        return self._emulator.ledger.document()

    def faults(self, _: JsonValue) -> JsonValue:
        """Return the rules, the blocked resources and the known faults."""
        return {
            "rules": [rule.model_dump() for rule in self._emulator.faults.rules],
            "blocked": list[JsonValue](sorted(self._emulator.faults.blocked)),
            "known": dict(NAMES),
        }

    def add_fault(self, body: JsonValue) -> JsonValue:
        """Add a rule."""
        self._emulator.faults.add(Rule.model_validate(body))
        return self.faults(None)

    def clear_faults(self, _: JsonValue) -> JsonValue:
        """Remove all rules and blocks."""
        self._emulator.faults.clear()
        return self.faults(None)

    def quota(self, _: JsonValue) -> JsonValue:
        """Return the requests per minute of each pool."""
        return dict(self._emulator.quota.rates())

    def set_quota(self, body: JsonValue) -> JsonValue:
        """Set requests per minute by pool: {"gpt-image-2": 6}; "*" means all pools."""
        if not isinstance(body, Mapping):
            raise TypeError('quota: expected an object like {"gpt-image-2": 6}')
        for name, rpm in body.items():
            pools = self._emulator.quota.rates() if name == "*" else [name]
            if not isinstance(rpm, int | float) or isinstance(rpm, bool):
                raise TypeError(f"rpm of pool {name!r} is {rpm!r}; it must be a number")
            for pool in pools:
                self._emulator.quota.set(pool, rpm)
        return self.quota(None)

    def settings(self, _: JsonValue) -> JsonValue:
        """Return all settings."""
        return self._emulator.settings.model_dump()

    def change_settings(self, body: JsonValue) -> JsonValue:
        """Change the settings that the body names."""
        if not isinstance(body, dict):
            raise TypeError('settings: expected an object like {"time_scale": 0}')
        changed = {**self._emulator.settings.model_dump(), **body}
        self._emulator.settings = Settings.model_validate(changed)
        return self.settings(None)
