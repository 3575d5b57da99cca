"""Replay: record a step once, run it as one call. See docs/replay.md."""

from .compiled import Compiled, compile

__all__ = ["Compiled", "compile"]
