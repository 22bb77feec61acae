"""Settings of webhooks, and their secrets."""

import base64
import json

OLD, NEW, OTHER = (f"whsec_{base64.b64encode(bytes([n]) * 32).decode()}" for n in (1, 2, 3))


def hook(url: str, secrets: str = "OLD", **more: object) -> dict[str, object]:
    """Return a webhook of `WEBHOOKS`; `secrets` names the settings that have them."""
    return {"name": "shop", "url": url, "secrets": secrets.split(), **more}


def settings_of(*hooks: dict[str, object], **more: str) -> dict[str, str]:
    """Return the settings of an app with these webhooks."""
    given = {
        "WEBHOOKS": json.dumps(hooks),
        "WEBHOOK_HOSTS": "hooks.example,*.hooks.example",
        "WEBHOOK_LOCAL_HOSTS": "127.0.0.1,localhost",
        "OLD": OLD,
        "NEW": NEW,
    }
    return given | more
