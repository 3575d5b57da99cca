"""The tape: what records, and what derivatives are asked of.

Ops run inside `with tape() as t:` on Tensors that the tape watches (parameters by themselves) are
appended to a Wengert list; `t.gradient` sweeps it backwards, `t.jvp` forwards.
Source: Wengert (1964), A simple automatic derivative evaluation program; Griewank & Walther,
Evaluating Derivatives, ch. 3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .engine import select
from .engine.dtypes import is_inexact
from .engine.node import VARIABLE
from .engine.select import apply
from .errors import DTypeError, ShapeError
from .lines import ON_EVERY_TAPE, keep
from .ops.table import OPS
from .tensor import Tensor, along, cotangent_for, identity, tensor
from .tree import counted, flatten, flatten_like, outline
from .wengert import Entry, entry_of, table


class tape:
    """Record operations for differentiation.

    Args:
        persistent: allow more than one gradient/backward/jvp; values are kept until the tape
            goes.
        watch_accessed_variables: watch parameters and requires_grad Tensors by themselves.
        lines: keep the Python line of each entry, for errors and print(t) (about half as
            much again for a small op); TAPEGRAD_LINES=1 does so for every tape.

    Tapes nest: an inner tape's gradient, taken inside an outer tape, is recorded there, which is
    how higher orders work. The stack of open tapes is per thread; a closed tape may be swept from
    another thread.

    Raises:
        TapeError: when entered twice, swept twice, or swept before anything was recorded.
    """

    __slots__ = ("_tape", "_engine")

    def __init__(
        self,
        persistent: bool = False,
        watch_accessed_variables: bool = True,
        lines: bool = False,
    ):
        self._engine = select.engine()
        if lines:
            keep()
        self._tape = self._engine.new_tape(
            bool(persistent), bool(watch_accessed_variables), lines or ON_EVERY_TAPE
        )

    def __enter__(self) -> tape:
        self._tape.open()
        return self

    def __exit__(self, *exc: object) -> None:
        self._tape.close()

    def __reduce__(self) -> Any:
        raise TypeError("a tape cannot be copied or pickled; record the function on another one")

    # --- what is recorded

    def watch(self, x: Any) -> Any:
        """Track a Tensor, or every Tensor in a nesting; an ndarray comes back as a watched Tensor.

        Raises:
            DTypeError: for an integer or bool Tensor, which has no derivative.
        """
        leaves: list = []
        rebuild = flatten(x, leaves)
        watched = [leaf if isinstance(leaf, Tensor) else tensor(leaf) for leaf in leaves]
        for leaf in watched:
            if not is_inexact(leaf.dtype):
                raise DTypeError(
                    f"watch: a Tensor of {leaf.dtype} has no derivative; convert it with "
                    "astype('f4') or astype('f8')"
                )
        for leaf in watched:
            self._tape.watch(self._engine.adopt(leaf))
        return rebuild(iter(watched))

    def watched_variables(self) -> tuple[Tensor, ...]:
        """The watched Tensors, and the variables that the recorded entries read."""
        found = {identity(t): t for t in self._tape.watched()}
        for _, inputs, *_ in self._tape.entries():
            for t in inputs:
                if t._flags & VARIABLE:
                    found.setdefault(identity(t), t)
        return tuple(found.values())

    def stop_recording(self) -> _Pause:
        """Pause this tape for a block: `with t.stop_recording():`."""
        return _Pause(self._tape)

    def reset(self) -> None:
        """Forget everything recorded and watched; a closed tape may be entered again."""
        self._tape.reset()

    def __len__(self) -> int:
        return len(self._tape)

    def __iter__(self) -> Iterator[Entry]:
        return map(entry_of, self._tape.entries())

    def __repr__(self) -> str:
        state = (
            "recording" if self._tape.is_open else "swept" if self._tape.is_consumed else "closed"
        )
        return f"<tape: {counted(len(self), 'entry')}, {state}>"

    def __str__(self) -> str:
        """The Wengert list as a table: one line per entry, v0, v1 ... are their outputs.

        A sweep uses the entries up: then it is what repr says.
        """
        return repr(self) if self._tape.is_consumed else table(self)

    # --- derivatives

    def gradient(
        self,
        target: Any,
        sources: Any,
        output_gradients: Any = None,
        unconnected_gradients: str = "none",
    ) -> Any:
        """Derivative of target (summed, if it is not a scalar) with respect to sources.

        Args:
            target: a Tensor, or a nesting of Tensors whose sum is meant.
            sources: a Tensor or any nesting of list, tuple and dict of Tensors.
            output_gradients: cotangents, structured and shaped like target; None means ones.
            unconnected_gradients: "none" gives None, "zero" zeros, for sources that target
                does not depend on.
        Returns:
            One gradient per source, in the structure of sources, each with its source's shape
            and dtype.
        Raises:
            TapeError: if this tape has been swept and is not persistent, or recorded nothing.
            DTypeError, ShapeError: for a target without derivative, a cotangent of another shape.
            StaleValueError: if a parameter was written after it was read here.
        Cost: about twice the forward pass. Values are freed as the sweep passes them.
        """
        xs, rebuild = self._sources(sources, unconnected_gradients)
        targets: list = []
        flatten(target, targets)
        if not targets:
            raise TypeError(
                f"gradient: target is {outline(target)}, without a Tensor; did the function "
                "return its result?"
            )
        ys = self._tensors(targets, "target")
        cts = self._cotangents(target, targets, output_gradients)
        grads = self._tape.sweep(ys, cts, xs)
        if unconnected_gradients == "zero":
            grads = [
                tensor(np.zeros(x.shape, x.dtype)) if g is None else g for g, x in zip(grads, xs)
            ]
        return rebuild(iter(grads))

    def _sources(self, sources: Any, unconnected_gradients: str) -> tuple[list, Callable]:
        """The sources as this engine's Tensors, and how to rebuild their structure."""
        if unconnected_gradients not in ("none", "zero"):
            raise ValueError(
                f"unconnected_gradients={unconnected_gradients!r}: choose 'none' or 'zero'"
            )
        xs: list = []
        rebuild = flatten(sources, xs)
        for x in xs:
            if not isinstance(x, Tensor):
                raise TypeError(
                    f"gradient: a source is {type(x).__name__}, not a Tensor; watch the array "
                    "and differentiate with respect to what t.watch(array) returns"
                )
        return [self._engine.adopt(x) for x in xs], rebuild

    def backward(self, loss: Tensor, gradient: Any = None) -> None:
        """Add the derivative of loss to `.grad` of every watched leaf it depends on.

        Raises: as gradient; ShapeError for a loss that is not a scalar without `gradient`.
        """
        (y,) = self._tensors([loss], "loss")
        ct = cotangent_for(loss, gradient)
        self._engine.backward(y, None if ct is None else self._engine.adopt(ct), self._tape)

    def jvp(self, target: Any, sources: Any, tangents: Any) -> Any:
        """Push tangents of sources forward along the tape to target (forward mode).

        Args:
            target: a Tensor or nesting of Tensors recorded on this tape.
            sources, tangents: of one structure; each tangent shaped like its source.
        Returns:
            The tangent of target, structured like it; zeros where it does not depend on sources.
        Raises: as gradient.
        Cost: about one forward pass.
        """
        targets: list = []
        xs: list = []
        rebuild = flatten(target, targets)
        flatten(sources, xs)
        ts = flatten_like(tangents, sources, "jvp: tangents")
        ts = [along(t, x, "jvp: tangent") for t, x in zip(ts, xs)]
        pushed = self._tape.push(
            self._tensors(xs, "source"),
            [self._engine.adopt(t) for t in ts],
            self._tensors(targets, "target"),
        )
        zeros = (tensor(np.zeros(y.shape, y.dtype)) for y in targets)
        return rebuild(iter([z if p is None else p for p, z in zip(pushed, zeros)]))

    def jacobian(self, target: Any, sources: Any, unconnected_gradients: str = "none") -> Any:
        """Derivatives of every element of target with respect to sources.

        Args:
            target: a Tensor of any shape.
            sources: a Tensor or any nesting of them.
            unconnected_gradients: as gradient.
        Returns:
            One array per source, of target's shape followed by the source's.
        Raises: as gradient. It counts as this tape's one sweep.
        Cost: one sweep per element of target, or of the sources if those are fewer, in blocks
        that share their kernels.
        """
        xs, rebuild = self._sources(sources, unconnected_gradients)
        (y,) = self._tensors([target], "target")

        def derivatives() -> list:
            from .transforms.jacobians import jacobian_of

            connected = self._tape.sweep([y], [None], xs, 0, True)
            (found,) = jacobian_of(self._tape, [y], xs)
            if unconnected_gradients == "zero":
                return found
            return [None if c is None else g for c, g in zip(connected, found)]

        return rebuild(iter(self._once(derivatives)))

    def batch_jacobian(self, target: Any, source: Any, unconnected_gradients: str = "none") -> Any:
        """Derivatives of each row of target with respect to the same row of source.

        Args:
            target, source: Tensors of one first axis; target[i] must depend on source[i] only.
            unconnected_gradients: as gradient.
        Returns:
            (rows, *target.shape[1:], *source.shape[1:]).
        Raises: as gradient; ShapeError if the first axes differ. It counts as one sweep.
        Cost: one sweep per element of a row of target, or of source if those are fewer, in blocks.
        """
        (y,), ([x], _) = (
            self._tensors([target], "target"),
            self._sources([source], unconnected_gradients),
        )
        if not y.ndim or not x.ndim or y.shape[0] != x.shape[0]:
            raise ShapeError(
                f"batch_jacobian: target {y.shape} and source {x.shape} need one first axis"
            )

        def derivatives() -> Any:
            from .transforms.jacobians import batch_jacobian_of, zeros_of

            found = batch_jacobian_of(self._tape, y, x)
            if found is None and unconnected_gradients == "zero":
                return zeros_of((*y.shape, *x.shape[1:]), x)
            return found

        return self._once(derivatives)

    def per_example(self, target: Any, sources: Any) -> Any:
        """The gradient of each example's loss: the Jacobian of a vector of losses.

        Args:
            target: (n,), one loss per example (a loss with reduction="none").
            sources: a Tensor or any nesting of them, parameters usually.
        Returns:
            For each source, (n, *source.shape).
        Raises: as gradient; ShapeError for a target that is not a vector. It counts as one sweep.
        Cost: one sweep, and the gradients themselves, where examples meet shared weights in
        matmul, linear and elementwise ops only; else a Jacobian.
        """
        xs, rebuild = self._sources(sources, "zero")
        y = self._losses(target, "per_example")

        def derivatives() -> list:
            from .transforms.per_example import per_example_gradients

            return per_example_gradients(self._tape, y, xs)

        return rebuild(iter(self._once(derivatives)))

    def per_example_norms(self, target: Any, sources: Any) -> Tensor:
        """The Euclidean norm of each example's gradient by all sources together, (n,).

        Args, errors: as per_example.
        Cost: one sweep for dense layers, whose gradients are not made; else as per_example.
        """
        xs, _ = self._sources(sources, "zero")
        y = self._losses(target, "per_example_norms")

        def derivatives() -> Any:
            from .transforms.per_example import per_example_square_norms

            return per_example_square_norms(self._tape, y, xs)

        return apply(OPS["sqrt"].id, (self._once(derivatives),))

    def _once(self, derivatives: Callable[[], Any]) -> Any:
        """The derivatives by several sweeps, which count as one."""
        try:
            return derivatives()
        finally:
            if not self._tape.persistent and not self._tape.is_consumed:
                self._tape.sweep([], [], [])

    def _losses(self, target: Any, name: str) -> Tensor:
        (y,) = self._tensors([target], "target")
        if y.ndim != 1:
            raise ShapeError(
                f"{name}: target has shape {y.shape}; need a vector of one loss per example "
                "(a loss with reduction='none', or a sum over the other axes)"
            )
        return y

    def _tensors(self, leaves: list, role: str) -> list:
        for y in leaves:
            if not isinstance(y, Tensor):
                raise TypeError(
                    f"{role}: expected a Tensor, got {type(y).__name__}; was it computed by "
                    "plain NumPy, or converted with .numpy() or float()?"
                )
            if not is_inexact(y.dtype):
                raise DTypeError(f"{role}: a Tensor of {y.dtype} has no derivative")
        return [self._engine.adopt(y) for y in leaves]

    def _cotangents(self, target: Any, targets: list, given: Any) -> list:
        if given is None:
            return [None] * len(targets)
        cts = flatten_like(given, target, "output_gradients")
        return [
            None if ct is None else self._engine.adopt(along(ct, y, "output_gradients: cotangent"))
            for ct, y in zip(cts, targets)
        ]


GradientTape = tape


class _Pause:
    """The block of tape.stop_recording()."""

    __slots__ = ("_tape",)

    def __init__(self, engine_tape: Any):
        self._tape = engine_tape

    def __enter__(self) -> None:
        self._tape.pause()

    def __exit__(self, *exc: object) -> None:
        self._tape.resume()
