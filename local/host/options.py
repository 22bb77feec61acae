"""What command lines of this project share."""

import argparse


def setting(text: str) -> tuple[str, str]:
    """An app setting of the command line, NAME=VALUE."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is no setting: NAME=VALUE is right")
    return name, value
