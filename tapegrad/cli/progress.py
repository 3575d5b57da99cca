"""A progress bar for loops that a person watches: tqdm's if installed, else one line of ours."""

import sys
import time
from collections.abc import Iterator

__all__ = ["track"]

WIDTH = 30
SECONDS_BETWEEN_DRAWS = 0.05


def track(count: int, label: str) -> Iterator[int]:
    """Yield 0 .. count - 1, drawing a bar on standard error if that is a terminal."""
    if not sys.stderr.isatty():
        yield from range(count)
        return
    try:
        from tqdm import tqdm
    except ImportError:
        yield from _draw(count, label)
    else:
        yield from tqdm(range(count), desc=label, leave=False)


def _draw(count: int, label: str) -> Iterator[int]:
    drawn = 0.0
    try:
        for i in range(count):
            yield i
            now = time.monotonic()
            if now - drawn >= SECONDS_BETWEEN_DRAWS:
                drawn = now
                full = WIDTH * (i + 1) // count
                bar = "#" * full + "." * (WIDTH - full)
                sys.stderr.write(f"\r{label} [{bar}] {i + 1}/{count}")
                sys.stderr.flush()
    finally:
        sys.stderr.write("\r\x1b[K")  # erase the line: the results follow
        sys.stderr.flush()
