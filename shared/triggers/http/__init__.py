"""The HTTP functions, each imported with its first request."""
