"""Trials under faults: kill hosts, break calls, send messages twice, then audit the result."""
