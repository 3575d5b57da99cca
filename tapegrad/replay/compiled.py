"""tapegrad.compile: a function that is recorded once per signature and replayed afterwards."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .. import tree
from ..engine import select
from ..engine.recording import here
from ..errors import ReplayError
from ..tensor import Tensor
from . import interpret
from .arguments import Taken, as_arrays, as_tensors, flatten
from .guards import Guards
from .ir import Program
from .native import NativeProgram
from .record import difference, record

MADE = object()  # in a result: a Tensor
MAX_SIGNATURES = 64  # least recently used ones go
MAX_VARIANTS = 8  # of one signature, by what the guards found


class Variant:
    """One signature under one state of what the function reads: recorded, then trusted."""

    def __init__(self, guards: Guards):
        self.guards = guards
        self.program: Program | None = None  # as recorded
        self.ready: Any = None  # what runs it, once a second recording has confirmed it
        self.rebuild: Any = None  # the result's nesting
        self.leaves: list[Any] = []
        self.calls = 0


class Compiled:
    """What tapegrad.compile returns: call it as the function itself.

    Args of compile:
        function: a training step, or any function of arrays, Tensors and plain values.
        audit: every so many replays, run the Python as well and compare bits; 0: never.
    """

    def __init__(self, function: Callable, audit: int = 0):
        if not callable(function):
            raise TypeError(f"compile: need a function, got {type(function).__name__}")
        functools.update_wrapper(self, function)
        self.function = function
        self.audit = audit
        self._signatures: dict[tuple, list[Variant]] = {}
        self._why: list[str] = []  # each recording's reason
        self._last: Variant | None = None

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        engine = select.engine()
        if here.recorder is not None or engine.is_recording():
            return self.function(*args, **kwargs)  # part of what is being recorded
        arrays: list[Any] = []
        key: list[Any] = [engine.name]
        rebuild = flatten((args, kwargs), arrays, key)
        signature = tuple(key)
        variant = self._find(signature)
        if variant.ready is not None and self._is_fit(variant):
            result = self._replay(variant, arrays)
            if result is not variant:
                return result
            self._note("a branch in the step went the other way")
            variant = self._new_variant(signature)
        return self._record(signature, variant, rebuild, arrays)

    # --- choosing

    def _find(self, signature: tuple) -> Variant:
        variants = self._signatures.pop(signature, None)
        if variants is None:
            self._note("the first call with these arguments" if self._signatures else "first call")
            variants = []
            if len(self._signatures) >= MAX_SIGNATURES:
                del self._signatures[next(iter(self._signatures))]
        self._signatures[signature] = variants
        reason = ""
        for variant in reversed(variants):
            changed = variant.guards.changed()
            if changed is None:
                return variant
            reason = reason or changed
        if reason:
            self._note(reason)
        return self._new_variant(signature, reason)

    def _new_variant(self, signature: tuple, reason: str = "") -> Variant:
        variants = self._signatures[signature]
        if len(variants) >= MAX_VARIANTS:
            if not any(v.ready for v in variants):
                raise ReplayError(
                    f"compile: {self.__name__} was recorded {len(variants)} times and never "
                    f"replayed: {reason}; pass what changes as an argument (an array)"
                )
            del variants[0]
        variant = Variant(Guards(self.function))
        variants.append(variant)
        return variant

    def _is_fit(self, variant: Variant) -> bool:
        """Whether variables have a .grad, or none, where the program counts on it."""
        return variant.ready.is_fit()

    def _note(self, why: str) -> None:
        self._why.append(why)
        del self._why[:-100]

    # --- recording

    def _record(self, signature: tuple, variant: Variant, rebuild: Any, arrays: list) -> Any:
        tensors = as_tensors(arrays)

        def call() -> tuple[Any, list]:
            args, kwargs = rebuild(Taken(tensors))
            result = self.function(*args, **kwargs)
            leaves: list[Any] = []
            variant.rebuild = tree.flatten(result, leaves)
            variant.leaves = [MADE if isinstance(x, Tensor) else x for x in leaves]
            return result, [x for x in leaves if isinstance(x, Tensor)]

        result, program, _ = record(self.function, tensors, call)
        variant.calls += 1
        first, variant.program = variant.program, program
        if first is not None:
            why = difference(first, program)
            if why is None:
                variant.ready = prepare(program)
            elif self._grads_differ(first, program):
                self._note("variables had no .grad at the call before")
            else:
                variant.program = first
                raise ReplayError(
                    f"compile: {self.__name__} did something else at its second call: {why}"
                )
        return result

    @staticmethod
    def _grads_differ(a: Program, b: Program) -> bool:
        return sum(v.kind == "grad" for v in a.values) != sum(v.kind == "grad" for v in b.values)

    # --- replaying

    def _replay(self, variant: Variant, arrays: list) -> Any:
        outputs = variant.ready.run(arrays)
        if outputs is None:
            return variant
        self._last = variant
        made = iter(outputs)
        leaves = [next(made) if x is MADE else x for x in variant.leaves]
        return variant.rebuild(iter(leaves))

    # --- looking inside

    @property
    def program(self) -> Program:
        """The program that replays the latest call, after all passes; print it."""
        variant = self._last or next(
            (v for vs in reversed(self._signatures.values()) for v in reversed(vs) if v.program),
            None,
        )
        if variant is None or variant.program is None:
            raise ReplayError(f"compile: {self.__name__} has not been called yet")
        return variant.ready.program if variant.ready else variant.program

    def explain(self) -> str:
        """Why programs were recorded, and what the passes made of the last one."""
        lines = [f"{self.__name__}: {sum(map(len, self._signatures.values()))} programs"]
        lines += [f"  recorded: {why}" for why in self._why]
        return "\n".join(lines)


class Interpreted:
    """A program run entry by entry by the engine in force."""

    def __init__(self, program: Program):
        self.program = program
        self._engine = select.engine()
        self._read = [v.source for v in program.values if v.kind == "grad"]

    def is_fit(self) -> bool:
        return all(p.grad is not None for p in self._read) and all(
            p.grad is None for p in self.program.without_grad
        )

    def run(self, arrays: list) -> list | None:
        program = self.program
        counters = [g.get_state() for g in program.generators]
        try:
            outputs = interpret.run(program, as_arrays(arrays), counters)
        except interpret.GuardFailed:
            return None
        for g, blocks in zip(program.generators, program.blocks):
            g._take(4 * blocks)
        return outputs


def prepare(program: Program) -> Any:
    """What runs a program on the engine in force."""
    if select.backend() == "native":
        return NativeProgram(program)
    return Interpreted(program)


def compile(function: Callable | None = None, *, audit: int = 0) -> Any:
    """Record a function once per signature, and replay it afterwards as one call.

    Args:
        function: see Compiled; without it, a decorator with these options.
        audit: every so many replays, run the Python as well and compare bits.
    Returns:
        A Compiled: call it as the function.
    """
    if function is None:
        return functools.partial(compile, audit=audit)
    return Compiled(function, audit)
