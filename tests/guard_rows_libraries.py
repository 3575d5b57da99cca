"""Rows: code that looks like a library's and is the user's, and what is reached by libraries."""

import functools
import sys
import types

from guard_rows import row, setting


def module(name, source):
    """A user's module; it is not in sys.modules."""
    made = types.ModuleType(name)
    exec(source, vars(made))
    return made


@row
def _function_of_a_module_named_as_a_library():
    profile = module("profile", "RATE = 2.0\ndef scaled(x): return x * RATE")
    profile.__file__ = "/home/user/profile.py"
    return lambda x: profile.scaled(x), setting(profile, "RATE", 3.0), "RATE' of module profile was"


@row
def _attribute_of_a_module_named_as_a_library():
    torch = module("torch", "RATE = 2.0")
    return lambda x: x * torch.RATE, setting(torch, "RATE", 3.0), "'torch'.RATE was 2.0, is 3.0"


@row
def _class_of_a_module_named_as_a_library():
    name = next(n for n in ("antigravity", "this", "turtledemo") if n not in sys.modules)
    made = module(name, "class T:\n  rate = 2.0\n  def step(self, x): return x * self.rate").T
    return made().step, setting(made, "rate", 3.0), "T.rate was 2.0, is 3.0"


@row
def _attribute_that_a_module_computes():
    settings = module("settings", "D = {'rate': 2.0}\ndef __getattr__(name): return D[name]")
    return lambda x: x * settings.rate, lambda: settings.D.update(rate=3.0), "['rate'] was 2.0"


@row
def _property_of_a_kind_of_module():
    class Settings(types.ModuleType):
        scale = 2.0

        @property
        def rate(self):
            return self.scale

    settings = Settings("settings")
    return lambda x: x * settings.rate, setting(Settings, "scale", 3.0), "Settings.scale was 2.0"


@row
def _class_made_by_exec():
    scope = {}
    exec("class T:\n  rate = 2.0\n  def step(self, x): return x * self.rate", scope)
    return scope["T"]().step, setting(scope["T"], "rate", 3.0), "T.rate was 2.0, is 3.0"


@row
def _function_made_by_exec():
    scope = {}
    exec("RATE = 2.0\ndef step(x): return x * RATE", scope)
    return scope["step"], lambda: scope.update(RATE=3.0), "'RATE' was 2.0, is 3.0"


# --- what functools keeps


class Settings:
    rate = 2.0


CACHES = {
    "unbounded": functools.cache,
    "bounded": functools.lru_cache,
    "full": functools.lru_cache(maxsize=2, typed=True),
}


def _cleared(settings):
    settings.cache_clear()
    settings()


CHANGES = {
    "attribute": (lambda s: setattr(s(), "rate", 3.0), "'settings'().rate is new: 3.0"),
    "part": (lambda s: s().rates.update(a=3.0), "'settings'().rates['a'] was 2.0, is 3.0"),
    "argument": (lambda s: setattr(s("b"), "rate", 3.0), "'settings'('b').rate is new: 3.0"),
    "cleared": (lambda s: s.cache_clear(), "'settings'() was <guard_rows_libraries.Settings"),
    "made anew": (_cleared, "'settings'() was <guard_rows_libraries.Settings"),
    "hit": (lambda s: (s("b"), s()), None),
}


def _cached(cache, change, sentence):
    @cache
    def settings(name="a"):
        found = Settings()
        found.rates = {name: found.rate}
        return found

    settings()
    settings("b")
    return lambda x: x * settings().rates["a"] * settings().rate, lambda: change(settings), sentence


for _kind, _cache in CACHES.items():
    for _name, (_change, _sentence) in CHANGES.items():
        if (_kind, _name) != ("full", "argument"):  # its key shows the type, too
            row(functools.partial(_cached, _cache, _change, _sentence), f"{_kind} cache {_name}")


@row
def _another_result_in_a_cache():
    cache = functools.lru_cache(maxsize=3)
    return _cached(cache, lambda settings: settings("c"), None)


@row
def _another_result_in_a_full_cache():
    return _cached(CACHES["full"], lambda settings: settings("c"), "'settings'() was")
