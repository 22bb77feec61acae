"""Options that the command lines of `local` share."""

import argparse


def setting(text: str) -> tuple[str, str]:
    """Read an app setting from the command line, NAME=VALUE."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not a setting: write NAME=VALUE")
    return name, value
