"""What every transform starts from: a call of a function, recorded on a tape of its own.

The arguments to differentiate enter the function as fresh Tensors, watched by that tape alone:
what the function knows of them from elsewhere is a constant, and transforms nest to any depth
without mistaking one level's variables for another's. What comes out is known to outer tapes only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..engine import select
from ..engine.dtypes import is_inexact
from ..engine.select import apply
from ..errors import DTypeError, ShapeError
from ..lines import ON_EVERY_TAPE
from ..ops.table import OPS
from ..tensor import Tensor, asarray, tensor
from ..tree import flatten, flatten_like, leaf_paths

_RESHAPE = OPS["reshape"].id


class Recorded:
    """A recorded call: its tape, the watched leaves of its arguments, and its result's leaves."""

    __slots__ = ("name", "tape", "xs", "arguments", "in_structure", "result", "ys", "out_structure",
                 "aux")  # fmt: skip

    def __init__(
        self,
        name: str,
        function: Callable,
        args: Sequence,
        kwargs: dict,
        argnums: Sequence[int],
        has_aux: bool = False,
        persistent: bool = False,
        real: str = "",
        is_fresh: bool = False,
    ):
        """Run function(*args, **kwargs), recorded, with the leaves of args[argnums] watched.

        real: "inputs", "outputs" or both in one word: which must not be complex.
        is_fresh: the leaves are another Recorded's own, which nobody else knows.
        """
        if not callable(function):
            raise TypeError(f"{name}: need a function, got {type(function).__name__}")
        self.name = name
        self.arguments = tuple(args[i] for i in argnums)
        leaves: list = []
        self.in_structure = flatten(self.arguments, leaves)
        self.xs = [
            (leaf if is_fresh else _primal(leaf))
            if is_primal(leaf)
            else self._refuse_input(k, leaf, argnums)
            for k, leaf in enumerate(leaves)
        ]
        if "inputs" in real:
            self._check_real(argnums)
        if not self.xs:
            raise TypeError(f"{name}: there is nothing to differentiate in {_places(argnums)}")
        filled = list(args)
        for i, argument in zip(argnums, self.in_structure(iter(self.xs))):
            filled[i] = argument
        engine = select.engine()
        self.tape = engine.new_tape(persistent, False, ON_EVERY_TAPE)
        was_on = engine.set_recording(True)  # a transform differentiates inside no_grad too
        try:
            self.tape.open()
            for x in self.xs:
                self.tape.watch(engine.adopt(x))
            result = function(*filled, **kwargs)
        finally:
            self.tape.close()
            engine.set_recording(was_on)
        self.aux = None
        if has_aux:
            if not isinstance(result, tuple) or len(result) != 2:
                raise TypeError(
                    f"{name}: with has_aux=True the function must return (value, aux), got "
                    f"{_described(result)}"
                )
            result, aux = result
            self.aux = outgoing(aux)
        self.result = result
        self.ys: list = []
        self.out_structure = flatten(result, self.ys)
        for k, y in enumerate(self.ys):
            self._check_output(k, y, "outputs" in real)

    # --- derivatives, None where a result does not depend on an argument

    def sweep(self, cotangents: list, block: int = 0, of: list | None = None) -> list:
        """Cotangents of the arguments' leaves."""
        adopt = select.engine().adopt
        cotangents = [ct if ct is None else adopt(ct) for ct in cotangents]
        return self.tape.sweep(self.ys if of is None else of, cotangents, self.xs, block)

    def push(self, tangents: list, block: int = 0, of: list | None = None) -> list:
        """Tangents of the result's leaves."""
        tangents = list(map(select.engine().adopt, tangents))
        return self.tape.push(self.xs if of is None else of, tangents, self.ys, block)

    def gradients(self, cotangents: list) -> tuple:
        """Cotangents in the structure of the arguments, zeros where not connected."""
        found = self.sweep(cotangents)
        return self.in_structure(iter([_or_zeros(g, x) for g, x in zip(found, self.xs)]))

    def tangents(self, given: Any) -> Any:
        """Tangents in the structure of the result, from tangents structured as the arguments."""
        found = self.push(match(given, self.arguments, self.xs, "tangents"))
        return self.out_structure(iter([_or_zeros(t, y) for t, y in zip(found, self.ys)]))

    def value(self) -> Any:
        """The result, unknown to this call's tape."""
        return outgoing(self.result)

    # --- errors

    def _refuse_input(self, k: int, leaf: Any, argnums: Sequence[int]) -> Any:
        where = self._place(k, argnums)
        kind = getattr(leaf, "dtype", None) or type(leaf).__name__
        if isinstance(leaf, (int, np.ndarray, np.generic, Tensor)):
            raise DTypeError(
                f"{self.name}: {where} is {kind}: only floating and complex values have a "
                "derivative; pass 2.0 instead of 2, or x.astype('f8')"
            )
        raise TypeError(f"{self.name}: {where} is {kind}, not an array or a number")

    def _check_real(self, argnums: Sequence[int]) -> None:
        for k, x in enumerate(self.xs):
            if x.dtype.kind == "c":
                raise DTypeError(
                    f"{self.name}: {self._place(k, argnums)} is {x.dtype}: give holomorphic=True "
                    "for a holomorphic function, or pass its real and imaginary parts"
                )

    def _place(self, k: int, argnums: Sequence[int]) -> str:
        path = list(leaf_paths(self.arguments))[k]
        first, _, rest = path[1:].partition("]")
        return f"argument {argnums[int(first)]}{rest}"

    def _check_output(self, k: int, y: Any, real: bool) -> None:
        if isinstance(y, Tensor) and is_inexact(y.dtype) and not (real and y.dtype.kind == "c"):
            return
        where = f"the function's result{list(leaf_paths(self.result))[k]}"
        if not isinstance(y, Tensor):
            raise TypeError(
                f"{self.name}: {where} is {type(y).__name__}, not a Tensor: was it computed by "
                "plain NumPy, or converted with .numpy() or float()? What needs no derivative is "
                "returned beside it, with has_aux=True"
            )
        if y.dtype.kind == "c":
            raise DTypeError(
                f"{self.name}: {where} is {y.dtype}: give holomorphic=True for a holomorphic "
                "function, or return a real number"
            )
        raise DTypeError(
            f"{self.name}: {where} is {y.dtype}, which has no derivative; return it beside the "
            "value, with has_aux=True"
        )


def positions(name: str, argnums: Any, n_args: int) -> tuple[int, ...]:
    """argnums, an integer or a sequence of them, as positions 0 .. n_args - 1."""
    if isinstance(argnums, bool) or not isinstance(argnums, (int, tuple, list)):
        raise TypeError(f"{name}: argnums must be an integer or a tuple of them, got {argnums!r}")
    many = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    for i in many:
        if not isinstance(i, int) or not -n_args <= i < n_args:
            raise ValueError(
                f"{name}: argnums={argnums}, but the function was called with {n_args} "
                "positional arguments"
            )
    found = tuple(i % n_args for i in many)
    if len(set(found)) < len(found):
        raise ValueError(f"{name}: argnums={argnums} names an argument twice")
    return found


def match(given: Any, structure: Any, like: list, what: str) -> list:
    """Leaves of `given`, each as a Tensor of the shape and dtype of its counterpart in `like`."""
    leaves = flatten_like(given, structure, what)
    found = []
    for k, (value, x) in enumerate(zip(leaves, like)):
        t = asarray(value)
        if t.shape != x.shape or not np.can_cast(t.dtype, x.dtype, "same_kind"):
            where = what + list(leaf_paths(structure))[k]
            raise ShapeError(
                f"{where} has shape {t.shape} and dtype {t.dtype}; need {x.shape} and {x.dtype}"
            )
        found.append(t if t.dtype == x.dtype else t.astype(x.dtype))
    return found


def fresh(x: Tensor) -> Tensor:
    """The same values as another Tensor, which open tapes see come from x."""
    return apply(_RESHAPE, (x,), x.shape)


def outgoing(tree: Any) -> Any:
    """The nesting with its Tensors unknown to tapes that are closed."""
    leaves: list = []
    structure = flatten(tree, leaves)
    return structure(iter([fresh(v) if isinstance(v, Tensor) else v for v in leaves]))


def is_primal(leaf: Any) -> bool:
    """Whether a leaf can be differentiated by: an array, or a Python float or complex."""
    if isinstance(leaf, (Tensor, np.ndarray, np.generic)):
        return is_inexact(leaf.dtype)
    return isinstance(leaf, (float, complex))


def _primal(leaf: Any) -> Tensor:
    return fresh(leaf) if isinstance(leaf, Tensor) else tensor(leaf)


def _or_zeros(found: Any, like: Tensor) -> Tensor:
    return tensor(np.zeros(like.shape, like.dtype)) if found is None else found


def _places(argnums: Sequence[int]) -> str:
    return "argument " + ", ".join(map(str, argnums)) if argnums else "no arguments"


def _described(result: Any) -> str:
    if isinstance(result, tuple):
        return f"a tuple of {len(result)}"
    return type(result).__name__
