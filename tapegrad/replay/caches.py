"""What functools keeps of the results of a cached function, which nobody else may hold."""

from __future__ import annotations

import gc
import types
from itertools import pairwise
from typing import Any

from ..tree import text_of
from .libraries import is_library_function
from .look import static

MAX_KEPT = 8  # results of a cache that are looked into


def results_of(path: str, cached: Any) -> tuple[dict, list[tuple], list[tuple[str, Any]]]:
    """The results of a functools.lru_cache around a user's function.

    Returns:
        (the dict in it, rows (checks.py) that each result is there, (path, result) of each).
    """
    function = static(cached, "__wrapped__")
    referents = gc.get_referents(cached)
    at = [type(a) is dict and b is function for a, b in pairwise(referents)]
    if True not in at or (
        isinstance(function, types.FunctionType) and is_library_function(function)
    ):
        return {}, [], []
    cache = referents[at.index(True)]
    if cached.cache_info().maxsize is None:
        rows = [(cache, key, result, "item") for key, result in list(cache.items())]
    else:
        # The dict of one that forgets holds links, which show keys and results to the collector
        # alone.
        keys, parts = list(cache), iter(referents[: at.index(True)])
        ids = set(map(id, keys))
        kept = {id(part): next(parts) for part in parts if id(part) in ids}
        rows = [(cached, key, kept[id(key)], "kept") for key in keys if id(key) in kept]
    rows = rows if len(rows) <= MAX_KEPT else []
    return cache, rows, [(f"{path}{_call(key)}", result) for _, key, result, _ in rows]


def _call(key: Any) -> str:
    """What a key of a cache is made of, as arguments."""
    return text_of(key) if type(key) is tuple else f"({text_of(key)})"
