"""Cases: what functools keeps of the results of the functions that a step calls."""

import functools
import types

import numpy as np
from corpus import batch, case

X = (batch(),)
CACHES = {"forever": functools.cache, "some": functools.lru_cache}


@case(runs=4)
def cached_function():
    table = {"factor": 2.0}

    @functools.lru_cache
    def factor():
        return table["factor"]

    def change():
        table["factor"] = 3.0
        factor.cache_clear()

    return lambda x: x * factor(), [X, X, X, change, X, X, X]


@case(runs=6)
def cached_number_that_outlives_what_made_it():
    table = {"factor": 2.0}

    @functools.lru_cache
    def factor():
        return table["factor"]

    change = lambda: table.update(factor=3.0)  # noqa: E731
    return lambda x: x * factor(), [X, X, X, change, X, X, X, factor.cache_clear, X, X, X]


def settings_of(cache):
    @cache
    def settings():
        return types.SimpleNamespace(rate=2.0)

    return settings


def set_anew(settings, rate):
    settings.cache_clear()
    settings().rate = rate


def cached_settings(cache):
    settings = settings_of(cache)
    change = lambda: setattr(settings(), "rate", 3.0)  # noqa: E731
    anew = lambda: set_anew(settings, 4.0)  # noqa: E731
    return lambda x: x * settings().rate, [X, X, X, change, X, X, X, anew, X, X, X, X]


def cached_settings_cleared_while_recording(cache):
    settings = settings_of(cache)
    change = lambda: setattr(settings(), "rate", 3.0)  # noqa: E731
    return lambda x: x * settings().rate, [X, settings.cache_clear, X, X, change, X, X, X]


def cached_closure(cache):
    @cache
    def make(rate):
        rates = [rate]
        scale = lambda x: x * rates[0]  # noqa: E731
        scale.rates = rates
        return scale

    change = lambda: make(2.0).rates.append(make(2.0).rates.pop() + 1.0)  # noqa: E731
    return lambda x: make(2.0)(x), [X, X, X, change, X, X, X]


def cached_for_each_rate(cache):
    """A result that is new at each recording is nothing that the step writes."""
    rate = 1.0

    @cache
    def scale(rate):
        return np.full(3, rate, np.float32)

    def change():
        nonlocal rate
        rate += 1.0

    return lambda x: x * scale(rate), [X, change, X, change, X, X, X]


for _name, _cache in CACHES.items():
    for _make, _runs in (
        (cached_settings, 6),
        (cached_settings_cleared_while_recording, 4),
        (cached_closure, 4),
        (cached_for_each_rate, 4),
    ):
        _made = functools.partial(_make, _cache)
        _made.__name__ = f"{_make.__name__}_kept_{_name}"
        case(_runs)(_made)
