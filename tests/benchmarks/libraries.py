"""The floor of a cold start: the libraries of the app and five models, without the app.

Run in a process of its own, beside the app (see `deployed`); prints CPU milliseconds and modules
as JSON.
"""

import gc
import json
import sys
import time


def main() -> None:
    """Import them, make the models, and tell what it took."""
    # ruff: noqa: PLC0415, F401 (what is loaded, and when, is what this is about)
    gc.disable()
    import asyncio

    import aiohttp
    import azure.functions
    import pydantic

    for number in range(5):
        pydantic.create_model(f"Model{number}", name=str, size=int, share=float, tag=(str, ""))
    sys.stdout.write(json.dumps({"call": (time.process_time() * 1000, len(sys.modules))}))


if __name__ == "__main__":
    main()
