"""tapegrad.compile: a function that is recorded once per signature and replayed afterwards."""

from __future__ import annotations

import functools
import inspect
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any

from ..engine import select
from ..engine.recording import here
from ..errors import ReplayError, ReplayWarning
from ..lines import user_line
from ..tensor import Tensor, asarray
from ..tree import counted
from .arguments import Identity, Taken, flatten, parts_of, sees_order
from .audit import audit, snapshot
from .build import program_of
from .call import fast_call
from .compare import Branch
from .epoch import run_epoch, whole_number
from .ir import Entry, Program
from .methods import Bound, CompiledOfClass
from .native import NativeProgram
from .passes import optimise
from .plan import MemoryPlan, plan_memory
from .profile import Profile, measure
from .signatures import difference, endless
from .trust import check_given, record_call
from .variant import Variant

MAX_SIGNATURES = 64  # see _least_used
MAX_CALLS = 8  # that C is asked about before Python
MAX_FIRST_CALLS = 16  # of different signatures in a row that go without a warning


class Compiled:
    """What tapegrad.compile returns: call it as the function itself."""

    def __init__(self, function: Callable, audit: int = 0):
        if not callable(function):
            raise TypeError(f"compile: need a function, got {type(function).__name__}")
        if _stops_midway(function) or _stops_midway(type(function).__call__):
            raise TypeError(
                "compile: need a function that returns when it is done, got a generator or "
                "coroutine function; compile what it calls for each step"
            )
        functools.update_wrapper(self, function, updated=())
        self.__wrapped__ = function
        self._function = function
        self._name = getattr(function, "__name__", type(function).__name__)
        self.audit = audit
        # Threads that call it take turns: parameters are updated by one step after the other.
        self.turn = threading.RLock() if select._core is None else select._core.Turn()
        self._signatures: dict[tuple, list[Variant]] = {}
        self._why: list[str] = []  # each recording's reason
        self._has_warned = False
        self._last: Variant | None = None
        self._fast: list[Variant] = []  # those with a replay in C, the latest made first
        self._calls: list[Callable] = []  # their replays

    def __reduce__(self) -> str | tuple:
        """What is found under its name, as a decorated function is, is pickled by it and copied as
        itself. Else a copy is of the function, and of a method's object, and records anew."""
        name = getattr(self, "__qualname__", "")
        found = self._named(name)
        return name if found is self else (Compiled, (self._function, self.audit))

    def _named(self, name: str) -> Any:
        """What is found under a qualified name of the function's module; None: nothing."""
        found: Any = sys.modules.get(self.__module__)
        for part in name.split("."):
            found = getattr(found, part, None)
        return found

    def __repr__(self) -> str:
        return f"<tapegrad.compile of {self._name}>"

    def __getattr__(self, name: str) -> Any:
        """An attribute that the function has been given, as functools.wraps would copy it."""
        given = getattr(self.__dict__.get("_function"), "__dict__", {})
        if name not in given:
            raise AttributeError(f"a compiled function has no attribute {name!r}")
        return given[name]

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else Bound(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        for call in self._calls:
            result = call(args, kwargs)
            if result is not NotImplemented:
                return result
        return self._call(args, kwargs)

    def _call(self, args: tuple, kwargs: dict) -> Any:
        """A call that C does not know, or that is not as it was at the last one."""
        engine = select.engine()
        state = engine.is_recording()
        if here.recorder is not None or state > 0:
            return self._call_inside(args, kwargs)
        with self.turn:
            return self._call_alone(args, kwargs, engine, state)

    def _call_inside(self, args: tuple, kwargs: dict) -> Any:
        """A call that is part of what is being recorded: the function's own, given Tensors, too."""
        arrays: list[Any] = []
        rebuild = self._flattened(args, kwargs, arrays, [])
        if all(isinstance(x, Tensor) for x in arrays):
            return self._function(*args, **kwargs)
        args, kwargs = rebuild(Taken([asarray(x) for x in arrays]))
        containers = parts_of((args, kwargs))  # others than the caller's
        result = self._function(*args, **kwargs)
        check_given(self, containers)
        return result

    def _flattened(self, args: tuple, kwargs: dict, arrays: list, key: list) -> Callable:
        try:
            return flatten((args, kwargs), arrays, key)
        except RecursionError:
            raise endless(self._function, args, kwargs) from None

    def _call_alone(self, args: tuple, kwargs: dict, engine: Any, state: int) -> Any:
        """The same with no other thread in this function."""
        if len(kwargs) > 1 and not sees_order(self._function):
            kwargs = dict(sorted(kwargs.items()))
        arrays: list[Any] = []
        key: list[Any] = [engine.name, state]
        rebuild = self._flattened(args, kwargs, arrays, key)
        signature = tuple(key)
        variants = self._variants(signature)
        reason = ""
        for variant in reversed(variants):
            if variant.ready is None:
                continue
            if (unfit := variant.unfit()) is not None:
                reason = reason or unfit
                continue
            if variant.call is not None:  # what C checks may hold again
                result = variant.call.call(args, kwargs)
                if result is not NotImplemented:
                    self._last = variant
                    return result
            due = variant.replays and self.audit and variant.replays % self.audit == 0
            before = snapshot(variant.ready.program) if due else None
            outputs = variant.ready.run(arrays)
            if isinstance(outputs, Entry):
                reason = reason or Branch.at(outputs.line)
                continue
            self._last = variant
            if before is not None:
                return audit(self, variant, before, outputs, rebuild, arrays)
            self._make_fast(variant, args, kwargs, state)
            variant.replays += 1
            return variant.result(outputs)
        if not reason and not variants and len(self._signatures) > 1:
            reason = self._other_arguments(signature)
        return record_call(self, variants, rebuild, arrays, key, reason)

    def _make_fast(self, variant: Variant, args: tuple, kwargs: dict, state: int) -> None:
        """From now on C answers calls like this one."""
        if self.audit:
            return
        any_order = not sees_order(self._function)
        call = fast_call(variant, args, kwargs, any_order, state, self.turn)
        if call is not None:
            variant.call = call
            self._answer_in_c([variant, *[v for v in self._fast if v is not variant]][:MAX_CALLS])

    def _answer_in_c(self, variants: list[Variant]) -> None:
        self._fast = variants
        self._calls = [v.call.call for v in variants]

    def _forget(self, variant: Variant) -> None:
        """Never replay it again."""
        for variants in self._signatures.values():
            if variant in variants:
                variants.remove(variant)
        self._answer_in_c([v for v in self._fast if v is not variant])

    def ready_for(self, args: tuple, steps: int) -> tuple[Any, int]:
        """What a call with these arguments would replay, and how many such calls, up to `steps`, C
        can make without Python."""
        for variant in self._fast:
            if here.recorder is None and variant.call.fits(args, {}):
                return variant, min(steps, variant.ready.steps_without_python)
        engine = select.engine()
        state = engine.is_recording()
        key: list[Any] = [engine.name, state]
        flatten((args, {}), [], key)
        variants = self._signatures.get(tuple(key), ())
        variant = next((v for v in reversed(variants) if v.ready and v.unfit() is None), None)
        if here.recorder is not None or variant is None or not variant.ready.steps_without_python:
            return None, 0  # part of what is being recorded, to be recorded, or run by Python
        if self.audit:  # due after every so many replays
            steps = min(steps, -variant.replays % self.audit if variant.replays else self.audit)
        self._last = variant
        self._make_fast(variant, args, {}, state)
        variant.ready.read_numbers()
        return variant, min(steps, variant.ready.steps_without_python)

    def epoch(
        self,
        *arrays: Any,
        batch_size: int,
        shuffle: Any = False,
        drop_last: bool = False,
        callback: Callable | None = None,
        every: int = 1,
    ) -> Any:
        """Call the function on every batch of rows, without returning to Python in between.

        Args:
            arrays: ndarrays or Tensors (or nestings of them) of the same length, whose batches
                are the function's arguments.
            batch_size: rows a step; a short last batch is a step of its own.
            shuffle: True takes the order from tapegrad.manual_seed's stream; an int is a seed of
                its own; a Generator (tapegrad's or NumPy's) draws a permutation.
            drop_last: leave a short last batch out.
            callback: callback(steps done, the last step's result) after every `every` steps and
                at the end; a true answer ends the epoch.
        Returns:
            The function's results, of all steps until the end: Tensors and numbers stacked to
            ndarrays, one row a step; of anything else what the last step returned.
        Raises:
            ShapeError, ValueError, TypeError: for arrays or options that do not fit, and for
                results of a shape that changes from step to step.
            Whatever a step raises, with a note that says which step and rows it was.

        The first two batches run in Python if they must be recorded. Ctrl-C ends it within a
        second, at a step's boundary.
        """
        of, _, name = getattr(self, "__qualname__", "").rpartition(".")
        method = getattr(self._named(of), "__dict__", {}).get(name)
        if isinstance(method, classmethod) and not isinstance((*arrays, None)[0], Identity):
            raise TypeError(
                f"epoch: Python gives {self._name} its class where it is called, and not here: "
                "write @tg.compile above @classmethod"
            )
        return run_epoch(self, arrays, batch_size, shuffle, drop_last, callback, every)

    def _variants(self, signature: tuple) -> list[Variant]:
        """Those of a signature, which becomes the latest used."""
        variants = self._signatures.pop(signature, None)
        if variants is None:
            variants = []
            if len(self._signatures) >= MAX_SIGNATURES:
                del self._signatures[self._least_used()]
        self._signatures[signature] = variants
        return variants

    def _least_used(self) -> tuple:
        """The signature to give up: the one that Python met the longest ago, of those that C does
        not answer if there are some."""
        for signature, variants in self._signatures.items():
            if not any(v in self._fast for v in variants):
                return signature
        return next(iter(self._signatures))

    def _other_arguments(self, signature: tuple) -> str:
        """What makes this call the first of its signature; warns where every call is."""
        *_, last, _ = self._signatures
        reason = difference(last, signature, self._function)
        earlier = list(self._signatures.values())[-1 - MAX_FIRST_CALLS : -1]
        replays = any(v.ready for variants in earlier for v in variants)
        if len(earlier) == MAX_FIRST_CALLS and not replays:
            self._warn(
                f"the last {MAX_FIRST_CALLS} calls of {self._name} were recorded and none "
                f"replayed, because each has other arguments: {reason}. Values of arrays may "
                "change from call to call: pass numbers as np.float32(x), and rows in batches of "
                "one size"
            )
        return reason

    def _warn(self, what: str) -> None:
        """A ReplayWarning at the user's line, one a function."""
        if not self._has_warned:
            self._has_warned = True
            warnings.warn_explicit(f"compile: {what}", ReplayWarning, *user_line())

    def _note(self, why: str) -> None:
        self._why.append(why)
        del self._why[:-100]

    # --- looking inside

    @property
    def program(self) -> Program:
        """The program of the latest replay, after all passes; as recorded before the first one, and
        on the NumPy engine, which runs it so."""
        variant = self._latest()
        return variant.ready.program if variant.ready else program_of(variant.recording)

    def memory_plan(self) -> MemoryPlan:
        """Bytes, peak and lifetimes of that program's own memory in C, after all passes; before the
        first replay, and on the NumPy engine, what they would be there."""
        is_optimised = isinstance(self._latest().ready, NativeProgram)
        return plan_memory(self.program if is_optimised else optimise(self.program))

    def profile(self, *args: Any, runs: int = 100, **kwargs: Any) -> Profile:
        """Call the function `runs` times, as training does, and time each entry of its program.

        Returns:
            A list of (text, entry, seconds), seconds being medians; print it. Taking a time costs
            some 25 ns an entry.
        Raises:
            ReplayError: on the NumPy engine, or if these calls do not replay one program.
        """
        runs = whole_number("profile: runs", runs)
        for _ in range(3):  # two recordings, and a replay that C may take from then on
            self(*args, **kwargs)
        variant = next((v for v in self._fast if v.call.fits(args, kwargs)), self._last)
        if not isinstance(getattr(variant, "ready", None), NativeProgram):
            raise ReplayError(f"profile: {self._name} is not replayed by the native engine")
        return measure(variant.ready, lambda: self(*args, **kwargs), runs)

    def explain(self) -> str:
        """Why programs were recorded, and what the passes made of the latest one."""
        variants = [v for vs in self._signatures.values() for v in vs]
        ready = [v for v in variants if v.ready]
        programs = counted(len(variants), "program")
        lines = [f"{self._name}: {programs}, {len(ready)} replaying"]
        lines += [f"  recorded: {why}" for why in self._why]
        if ready:
            lines += self._latest().summary()
        return "\n".join(lines)

    def _latest(self) -> Variant:
        if self._last is not None:
            return self._last
        variants = [v for vs in self._signatures.values() for v in vs]
        if not variants:
            raise ReplayError(f"compile: {self._name} has not been called yet")
        return variants[-1]


def _stops_midway(function: Any) -> bool:
    return (
        inspect.isgeneratorfunction(function)
        or inspect.iscoroutinefunction(function)
        or inspect.isasyncgenfunction(function)
    )


def compile(function: Callable | None = None, *, audit: int = 0) -> Any:
    """Record a function once per signature, and replay it afterwards as one call.

    Args:
        function: a training step, or any function of arrays, Tensors and plain values; without
            it, a decorator with these options. ndarray arguments reach it as Tensors. Of a
            classmethod or staticmethod, what it holds is compiled.
        audit: every so many replays, run the Python as well and compare bits; 0: never.
    Returns:
        A Compiled: call it as the function. The first two calls of a signature (shapes, dtypes,
        everything that is no array) run in Python; later ones replay, as docs/replay.md says.
    Raises:
        ReplayError: from the call, if the function does what no replay can repeat.
        TypeError, ValueError: for what is no such function or number.
    """
    audit = whole_number("compile: audit, the replays between two audits,", audit, low=0)
    if function is None:
        return functools.partial(compile, audit=audit)
    if isinstance(function, (staticmethod, classmethod)):
        kind = staticmethod if isinstance(function, staticmethod) else CompiledOfClass
        return kind(Compiled(function.__func__, audit))
    return Compiled(function, audit)
