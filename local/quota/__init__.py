"""How well a quota is used: hosts that share one, and a worker that retries as most are written."""
