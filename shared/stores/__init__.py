"""Repositories over `Blobs` and `Queues`."""
