"""Whether anybody listens to what the app tells of itself."""

import sys


def anybody_listens() -> bool:
    """Tell whether spans and metrics can reach anybody.

    Whoever takes them has imported OpenTelemetry before the app is loaded, as the worker does in
    Azure; if nobody has, its API would do nothing, and a start need not wait for it.
    """
    return "opentelemetry" in sys.modules
