"""The ports made real: the only place that imports httpx, aiohttp and the Azure SDKs."""
