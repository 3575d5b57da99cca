"""primitive, defvjp, defjvp: teach tapegrad a NumPy or C function, with autograd's signatures."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..engine import select
from ..engine.dtypes import DTYPES, dtype_code, is_inexact
from ..engine.operands import unmasked
from ..engine.recording import here
from ..errors import ShapeError, UnsupportedError
from ..ops import calls
from ..ops.blocks import Block, stacked
from ..tensor import Tensor, asarray
from ..tree import flatten
from .custom import zeros
from .packing import Bytes, Packing
from .record import Recorded


class primitive:
    """A function of arrays that tapegrad does not look into; defvjp or defjvp give its derivative.

        @tg.primitive
        def logistic(x): return 1 / (1 + np.exp(-x))

        tg.defvjp(logistic, lambda ans, x: lambda g: g * ans * (1 - ans))

    Args:
        fun: gets ndarrays where it is called with Tensors, other arguments and keywords as they
            are; returns an array, or a tuple or list of arrays. A cffi function pointer of
            numbers (double (*)(double, ...)) is applied element by element, with broadcasting.

    Its results are Tensors. Of rules for one mode, the other mode is made by transposition.
    """

    def __init__(self, fun: Callable):
        if type(fun).__module__ == "_cffi_backend":
            fun = _elementwise(fun)
        elif not callable(fun):
            raise TypeError(f"primitive: need a function, got {type(fun).__name__}")
        functools.update_wrapper(self, fun)
        self.fun = fun
        self.name = getattr(fun, "__name__", type(fun).__name__)
        self.vjps: dict[int, Callable | None] = {}
        self.jvps: dict[int, Callable | None] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        for what, value in (*enumerate(args), *kwargs.items()):
            if not isinstance(value, Tensor) and _holds_tensors(value):
                raise TypeError(
                    f"primitive {self.name}: argument {what!r} holds Tensors in a "
                    f"{type(value).__name__}: pass each as an argument of its own"
                )
        for name, value in kwargs.items():
            if isinstance(value, Tensor):
                raise TypeError(f"primitive {self.name}: pass the Tensor {name!r} by position")
        at = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
        call = _Call(self, at, [None if i in at else a for i, a in enumerate(args)], kwargs)
        operands = tuple(args[i] for i in at)
        engine, recorder = select.engine(), here.recorder
        # past what a recorded step forbids: the entry reads them again
        arrays = tuple([engine.to_numpy(engine.adopt(x)) for x in operands])
        if recorder is None or not at:
            values = call.compute(arrays)
        else:
            call.records = engine.is_recording() >= 0
            values = recorder.aside(lambda: call.compute(arrays))
        floats = [is_inexact(v.dtype) for v in values]
        smooth = all(floats)
        if any(floats) and not smooth and engine.is_recording() > 0 and (self.vjps or self.jvps):
            raise UnsupportedError(
                f"primitive {self.name}: has derivative rules, which are of floats, and returns "
                f"{', '.join(str(v.dtype) for v in values)}: return floats and integers from "
                "primitives of their own"
            )
        if not at or (recorder is None and not smooth):  # no derivative, and no replay
            return call.structure(iter([asarray(y) for y in values]))
        call.packing = (Packing if smooth or len(values) == 1 else Bytes)(values)
        packed = call.packing.pack_arrays(values)
        call.first = packed.copy() if engine.name == "numpy" else packed  # which keeps it as it is
        row = calls.CALL_Y if smooth else calls.CALL_PLAIN
        return call.structure(iter(call.packing.unpack(calls.record(call, operands, row))))


class _Call:
    """One call of a primitive."""

    def __init__(self, owner: primitive, at: list, args: list, kwargs: dict):
        self.owner, self.name = owner, owner.name
        self.at, self.args, self.kwargs = at, args, kwargs
        self.packing: Any = None  # how the results are the entry's one
        self.first: Any = None  # the result's values, until the entry has them
        self.records = True  # whether tapes record where it is called

    def compute(self, arrays: tuple) -> list[np.ndarray]:
        """The results, in native byte order; sets how they are nested."""
        values: list = []
        result = self._call(arrays)
        self.structure = flatten(result, values)
        if not values:
            raise TypeError(
                f"primitive {self.name}: its function must return an array, or a tuple or list of "
                f"arrays, got {result!r}"
            )
        found = [unmasked(v, self.name) for v in values]
        return [x.astype(DTYPES[dtype_code(x.dtype)], copy=False) for x in found]

    def run(self, arrays: tuple) -> np.ndarray:
        if self.first is not None:
            first, self.first = self.first, None
            return first
        was_on = select.engine().set_recording(self.records)
        try:
            values = self.compute(arrays)
        finally:
            select.engine().set_recording(was_on)
        packing = self.packing
        if [(v.shape, v.dtype) for v in values] != [*zip(packing.shapes, packing.dtypes)]:
            raise self._other_results(values)
        return packing.pack_arrays(values)

    def _other_results(self, values: list[np.ndarray]) -> ShapeError:
        recorded = zip(self.packing.dtypes, self.packing.shapes)
        now, before = (
            ", ".join([f"{dtype} of {shape}" for dtype, shape in of])
            for of in ([(v.dtype, v.shape) for v in values], recorded)
        )
        return ShapeError(
            f"primitive {self.name} gave {now}, where it gave {before} when the compiled step was "
            "recorded: a replay needs results of the same number, shapes and dtypes"
        )

    def _call(self, arrays: tuple) -> Any:
        """Of arrays in C order, eagerly as in replays: NumPy's bits depend on strides."""
        ordered = [np.asarray(x, order="C") for x in arrays]
        return self.owner.fun(*self._filled(ordered), **self.kwargs)

    def _filled(self, operands: Sequence) -> list:
        args = list(self.args)
        for i, x in zip(self.at, operands):
            args[i] = x
        return args

    def _unpacked(self, packed: Any) -> Any:
        return self.structure(iter(self.packing.unpack(packed)))

    def vjp(self, index: int, ct: Any, y: Any, inputs: tuple) -> Any:
        return self._each(self._pull, index, ct, y, inputs)

    def jvp(self, index: int, tangent: Any, y: Any, inputs: tuple) -> Any:
        return self._each(self._push, index, tangent, y, inputs)

    def _each(self, rule: Callable, index: int, ct: Any, y: Any, inputs: tuple) -> Any:
        """The rule on one cotangent, or on each of a block."""
        if not is_inexact(inputs[index].dtype):
            return None
        if not calls.is_block(ct):
            return rule(index, ct, y, inputs)
        found = [rule(index, row, y, inputs) for row in calls.rows(ct)]
        return None if found[0] is None else Block(stacked(found))

    def _pull(self, index: int, ct: Tensor, y: Tensor, inputs: tuple) -> Any:
        i, args = self.at[index], self._filled(inputs)
        if i in self.owner.vjps:
            return self._by_vjp(i, ct, y, args)
        if i not in self.owner.jvps:
            raise self._missing(i, "defvjp")
        start = zeros(inputs[index])
        call = Recorded(self.name, lambda t: self._by_jvp(i, t, y, args), (start,), {}, (0,))
        return call.sweep([ct])[0]

    def _push(self, index: int, tangent: Tensor, y: Tensor, inputs: tuple) -> Any:
        i, args = self.at[index], self._filled(inputs)
        if i in self.owner.jvps:
            return self._by_jvp(i, tangent, y, args)
        if i not in self.owner.vjps:
            raise self._missing(i, "defjvp")
        call = Recorded(self.name, lambda ct: self._by_vjp(i, ct, y, args), (zeros(y),), {}, (0,))
        return call.sweep([tangent])[0]  # the transpose of the transpose

    def _by_vjp(self, i: int, ct: Tensor, y: Tensor, args: list) -> Any:
        maker = self.owner.vjps[i]
        if maker is None:
            return None
        found = maker(self._unpacked(y), *args, **self.kwargs)(self._unpacked(ct))
        return self._checked(found, args[i], f"the vjp of argument {i}")

    def _by_jvp(self, i: int, tangent: Tensor, y: Tensor, args: list) -> Any:
        rule = self.owner.jvps[i]
        if rule is None:
            return None
        found = rule(tangent, self._unpacked(y), *args, **self.kwargs)
        leaves: list = []
        flatten(found, leaves)
        return self._checked(
            self.packing.pack([asarray(t) for t in leaves]), y, f"the jvp of argument {i}"
        )

    def _checked(self, found: Any, like: Tensor, what: str) -> Tensor:
        t = asarray(found)
        if t.shape != like.shape:
            raise ShapeError(
                f"primitive {self.name}: {what} has shape {t.shape}; need {like.shape}"
            )
        return t if t.dtype == like.dtype else t.astype(like.dtype)

    def _missing(self, i: int, how: str) -> UnsupportedError:
        return UnsupportedError(
            f"primitive {self.name} has no derivative by argument {i}: give one with "
            f"tg.{how}({self.name}, ..., argnums=({i},)), or None there if it is zero"
        )


def defvjp(fun: primitive, *makers: Callable | None, argnums: Sequence[int] | None = None) -> None:
    """Give a primitive its reverse rules, one maker per argument.

    Args:
        fun: a primitive.
        makers: maker(ans, *args, **kwargs) returns a function of the result's cotangent, which
            gives the argument's, of its shape; None for an argument without derivative. Written
            with tapegrad functions, higher derivatives follow.
        argnums: which arguments they are for; the first ones by default.
    """
    _define(fun, "defvjp", makers, argnums, "vjps")


def defjvp(fun: primitive, *rules: Callable | None, argnums: Sequence[int] | None = None) -> None:
    """Give a primitive its forward rules, one per argument.

    Args: as defvjp; rule(tangent, ans, *args, **kwargs) gives the result's tangent, linearly.
    """
    _define(fun, "defjvp", rules, argnums, "jvps")


def _define(fun: Any, name: str, rules: Sequence, argnums: Any, where: str) -> None:
    if not isinstance(fun, primitive):
        raise TypeError(f"{name}: need a primitive, got {type(fun).__name__}")
    at = range(len(rules)) if argnums is None else tuple(argnums)
    if len(at) != len(rules):
        raise ValueError(f"{name}: {len(rules)} rules for {len(at)} argnums")
    for rule in rules:
        if rule is not None and not callable(rule):
            raise TypeError(f"{name}: a rule must be a function or None, got {rule!r}")
    getattr(fun, where).update(zip(at, rules))


def _holds_tensors(value: Any) -> bool:
    leaves: list = []
    flatten(value, leaves)
    return any(isinstance(v, Tensor) for v in leaves)


def _elementwise(pointer: Any) -> Callable:
    """A C function of numbers as a function of arrays."""
    import cffi

    kind = cffi.FFI().typeof(pointer)
    kind = kind.item if kind.kind == "pointer" else kind
    if kind.kind != "function" or any(a.kind != "primitive" for a in (*kind.args, kind.result)):
        raise TypeError(f"primitive: {kind.cname} is not a C function of numbers")
    loop = np.frompyfunc(pointer, len(kind.args), 1)

    def function(*arrays: Any) -> Any:
        return np.asarray(loop(*arrays), np.result_type(*arrays, np.float32))

    function.__name__ = kind.cname
    return function
