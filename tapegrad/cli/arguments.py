"""Types of command line arguments: what a wrong one is answered with."""

import argparse


def count(text: str) -> int:
    """A number of turns: 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no count; give 1 or more")
    return int(text)


def seed_number(text: str) -> int:
    """A seed: 0 or more."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no seed; give an integer, 0 or more")
    return int(text)
