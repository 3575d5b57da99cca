"""Guards: every kind of plain data that a function reads, changed behind its back."""

import builtins
import collections.abc
import decimal
import functools
import gc
import importlib
import itertools
import os
import sys
import threading
import types
import weakref
from pathlib import Path

import numpy as np
import pytest
from guard_rows import ROWS, Config, Net

import tapegrad as tg
from tapegrad import optim
from tapegrad.replay.checks import Checks, PythonChecks
from tapegrad.replay.guards import Guards
from tapegrad.replay.libraries import is_library_class, is_library_module

for found in sorted(Path(__file__).parent.glob("guard_rows_*.py")):
    importlib.import_module(found.stem)  # which adds its rows

CHECKS = list(dict.fromkeys((PythonChecks, Checks)))


alpha = 0.1


LAYERS = [8, 4]


class Empty:
    __slots__ = ("rate",)


def scaled(x):
    return x * alpha


@pytest.fixture(params=CHECKS, ids=lambda kind: kind.__name__)
def checks(request, monkeypatch):
    """Each implementation of the checks."""
    monkeypatch.setattr("tapegrad.replay.guards.Checks", request.param)


@pytest.mark.parametrize("make", ROWS.values(), ids=ROWS)
def test_changes_are_named(make, checks):
    function, change, sentence = make()
    guards = Guards(function)
    assert guards.changed() is None
    assert guards.written() is None
    change()
    if sentence is None:
        assert guards.changed() is None
        assert guards.changed() is None  # what was replaced by an equal one has been adopted
    else:
        assert sentence in guards.changed()
        assert sentence in guards.changed()  # and stays so


@pytest.mark.parametrize("make", ROWS.values(), ids=ROWS)
def test_unchanged_guards_need_no_walk(make, checks, monkeypatch):
    guards = Guards(make()[0])
    monkeypatch.setattr(guards, "_compare", None)
    assert guards.changed() is None


def test_modes_change_without_a_walk(checks, monkeypatch):
    net, other = Net().train(), Net()
    guards = Guards(lambda x: net(x))
    held = guards.checks()
    monkeypatch.setattr(guards, "_compare", None)
    other.eval()
    assert not held.hold()  # something has changed somewhere
    assert guards.changed() is None
    assert held.hold()
    net.eval()
    assert ".training was True, is False" in guards.changed()
    assert not held.hold()
    net.train()
    assert guards.changed() is None
    assert held.hold()


def test_checks_of_an_earlier_walk_do_not_hold_again(checks):
    net = Net()
    guards = Guards(lambda x: net(x))
    held = guards.checks()
    layers, net.layers = net.layers, list(net.layers)
    assert guards.changed() is None
    assert not held.hold()
    layers.append(None)
    assert guards.changed() is None
    assert guards.checks().hold()
    assert not held.hold()


def test_checks_refuse_what_is_no_row(checks):
    Checks = sys.modules["tapegrad.replay.guards"].Checks
    assert Checks([]).hold()
    for rows in ([1], [({}, 1, 2)], [({}, 1, 2, "key")]):
        with pytest.raises((TypeError, ValueError, KeyError)):
            Checks(rows)


def test_what_shows_the_collector_nothing_keeps_nothing(checks):
    Checks = sys.modules["tapegrad.replay.guards"].Checks
    kept = functools.cache(lambda: None)
    assert not Checks([(kept, (), None, "kept")]).hold()
    if Checks is not PythonChecks:
        with pytest.raises(TypeError):
            Checks([(1, (), None, "kept")])


def test_a_descriptor_of_something_else_does_not_hold(checks):
    Checks = sys.modules["tapegrad.replay.guards"].Checks
    descriptor = vars(Empty)["rate"]
    assert Checks([(Empty(), descriptor, None, "unset")]).hold()
    assert not Checks([(Config(), descriptor, None, "unset")]).hold()
    assert not Checks([(Config(), Config.__init__, None, "unset")]).hold()


def test_guards_can_be_part_of_a_cycle(checks):
    class Holder:
        pass

    def cycle():
        holder = Holder()
        holder.guards = Guards(lambda x: holder.x)
        return weakref.ref(holder)

    gone = cycle()
    gc.collect()
    assert gone() is None


# --- globals and modules


def test_globals_are_named(monkeypatch):
    guards = Guards(lambda x: scaled(x) + LAYERS[0])
    monkeypatch.setitem(globals(), "alpha", 0.2)
    assert guards.changed() == "global 'alpha' was 0.1, is 0.2"
    monkeypatch.setitem(globals(), "alpha", 0.1)
    assert guards.changed() is None
    monkeypatch.setitem(globals(), "LAYERS", [8, 5])
    assert guards.changed() == "global 'LAYERS'[1] was 4, is 5"
    monkeypatch.setitem(globals(), "LAYERS", [8, 4])
    assert guards.changed() is None
    monkeypatch.setitem(globals(), "scaled", abs)
    assert "global 'scaled' was scaled of line" in guards.changed()


def test_a_global_of_the_name_of_an_attribute_is_not_read(monkeypatch):
    thing = types.SimpleNamespace(alpha=1)
    guards = Guards(lambda x: x * thing.alpha)
    monkeypatch.setitem(globals(), "alpha", 0.2)
    assert guards.changed() is None


def test_modules_of_the_user_are_read(monkeypatch):
    module = types.ModuleType("user_settings")
    exec("rate = 1\nother = 2\ndef rate_of():\n    return rate", module.__dict__)
    monkeypatch.setitem(sys.modules, "user_settings", module)

    def step(x):
        from user_settings import rate_of

        return x * rate_of()

    for function in (lambda x: module.rate, lambda x: module.rate_of(), step):
        guards = Guards(function)
        module.other += 1
        assert guards.changed() is None
        module.rate += 1
        assert "rate' of module user_settings was" in guards.changed().replace(
            "'module'.rate was", "'rate' of module user_settings was"
        )


def test_modules_that_are_imported_in_place_of_others_are_seen(monkeypatch):
    monkeypatch.setitem(sys.modules, "user_rates", types.ModuleType("user_rates"))

    def step(x):
        import user_rates

        return x * user_rates.RATE

    guards = Guards(step)
    monkeypatch.setitem(sys.modules, "user_rates", types.ModuleType("user_rates"))
    assert "module user_rates was" in guards.changed()


def test_libraries_are_known_by_where_they_lie():
    for library in (
        sys,
        builtins,
        itertools,
        os,
        functools,
        collections.abc,
        np.linalg,
        tg.nn,
        pytest,
    ):
        assert is_library_module(library)
    kinds = object, type({}.keys()), type(pytest), functools.partial, decimal.Decimal, np.ndarray
    for kind in (*kinds, tg.Tensor, collections.OrderedDict, pytest.Item):
        assert is_library_class(kind)
    assert not is_library_class(Config)


# --- what appears


def _a_global():
    scope = {"__name__": "user_code"}
    exec("def f(x): return x * rate", scope)

    def appear(value):
        scope["rate"] = value

    return scope["f"], appear


def _a_closure_variable():
    def scope():
        def f(x):
            return x * rate

        rate = yield f
        while True:
            rate = yield

    running = scope()
    return next(running), running.send


def _an_attribute_of_an_object():
    config = types.SimpleNamespace()
    return lambda x: x * config.rate, lambda value: setattr(config, "rate", value)


def _an_attribute_of_a_class():
    class Settings:
        pass

    return lambda x: x * Settings.rate, lambda value: setattr(Settings, "rate", value)


def _a_slot():
    class Settings:
        __slots__ = ("rate",)

    settings = Settings()
    return lambda x: x * settings.rate, lambda value: setattr(settings, "rate", value)


def _an_attribute_of_a_module():
    module = types.ModuleType("user_settings")
    return lambda x: x * module.rate, lambda value: setattr(module, "rate", value)


@pytest.mark.parametrize(
    "make",
    [_a_global, _a_closure_variable, _an_attribute_of_an_object, _an_attribute_of_a_class, _a_slot,
     _an_attribute_of_a_module],
)  # fmt: skip
def test_what_appears_is_seen_by_guards_made_again(make):
    function, appear = make()
    guards = Guards(function)
    assert guards.again() is guards
    appear(1)
    assert "is new: 1" in (guards.written() or guards.changed())
    later = guards.again()
    assert later is not guards
    assert later.changed() is None
    appear(2)
    assert "was 1, is 2" in later.changed()


# --- arrays, arguments


ROW = np.arange(1.0, 5.0)


@pytest.mark.parametrize(
    "a",
    [
        ROW.copy(),
        ROW.copy()[::-1],
        ROW.astype(">f8"),
        ROW.astype("U4"),
        ROW.astype([("part", float)]),
        np.ndarray(4, float, bytearray(b"?") + bytearray(ROW), offset=1),  # misaligned
        ROW.copy().view(np.matrix),
        np.ma.array(ROW),
        np.ma.array(ROW, mask=[False, False, False, True]),
    ],
    ids=lambda a: f"{type(a).__name__} {a.dtype}",
)
def test_contents_of_every_kind_of_array_can_be_watched(a, checks):
    guards = Guards(lambda x: x * a)
    guards.watch(lambda x: True)
    assert guards.changed() is None
    a[...] = a[..., ::-1].copy()
    assert guards.changed() == "the contents of closure variable 'a' have changed"


def test_what_is_masked_between_calls_is_seen(checks):
    a = np.ma.array(ROW, mask=np.zeros(4, bool))
    guards = Guards(lambda x: x * a)
    guards.watch(lambda x: True)
    a[0] = np.ma.masked
    assert guards.changed() == "the contents of closure variable 'a' have changed"


def test_watched_arrays_are_compared_by_content():
    w = np.array([1.0, np.nan])
    guards = Guards(lambda x: x * w)
    guards.watch(lambda x: True)
    assert guards.changed() is None
    w[0] = 2
    assert guards.changed() == "the contents of closure variable 'w' have changed"
    w[0] = 1
    assert guards.changed() is None


def test_arguments_are_walked():
    config = Config()
    guards = Guards(lambda config, x: x * config.depth, arguments=[("config", config)])
    config.depth = 3
    assert guards.changed() == "config.depth was 2, is 3"


def test_an_optimizer_given_as_an_argument_is_live_until_read():
    opt = optim.SGD([tg.parameter(1.0)], lr=0.1)
    stepping = Guards(lambda opt, x: opt.step(), arguments=[("opt", opt)])
    reading = Guards(lambda opt, x: opt.lr, arguments=[("opt", opt)])
    opt.lr = 0.2
    assert stepping.changed() is None
    assert "['lr'] was 0.1, is 0.2" in reading.changed()


def test_locks_and_generators_are_guarded_by_identity():
    lock, rng = threading.Lock(), np.random.default_rng(0)
    guards = Guards(lambda x: (lock, rng))
    rng.normal()
    lock.acquire()
    assert guards.changed() is None
