"""Epochs: a compiled step over all batches of some arrays, shuffle and row gather included, as a
few C calls. Bit for bit what the same calls one by one would do."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import tree
from ..engine.recording import here, is_number
from ..errors import ShapeError
from ..random import Generator, default_generator
from ..tensor import Tensor
from .arguments import Identity, Taken, flatten
from .signatures import endless
from .variant import MADE, kept

MAX_ROWS = 64  # that an error names


def run_epoch(
    compiled: Any,
    arrays: tuple,
    batch_size: int,
    shuffle: Any,
    drop_last: bool,
    callback: Callable | None,
    every: int,
) -> Any:
    """See Compiled.epoch; of a method, the first of the arrays is the Identity of its object."""
    if here.recorder is not None:
        here.recorder.refuse(
            "runs an epoch of a compiled function: call that function on the batches instead"
        )
    of = [x.thing for x in arrays[:1] if isinstance(x, Identity)]
    held: list[Any] = []  # arrays of the object: arguments as well, but they have no rows
    try:
        flatten(of, held, [])
        data, rebuild, n = _data(arrays[len(of) :])
    except RecursionError:
        raise endless(compiled._function, arrays, {}) from None
    batch_size = whole_number("epoch: batch_size", batch_size)
    every = whole_number("epoch: every", every)
    if not isinstance(drop_last, (bool, np.bool_)):
        raise TypeError(f"epoch: drop_last is {drop_last!r}; give True or False")
    if callback is not None and not callable(callback):
        raise TypeError(f"epoch: callback is {callback!r}; give a function of (steps, result)")
    full, rest = divmod(n, batch_size)
    n_steps = full + (rest > 0 and not drop_last)
    if not n_steps:
        advice = "give drop_last=False" if n else "give arrays with rows"
        raise ValueError(f"epoch: no batch of {batch_size} in {tree.counted(n, 'row')}; {advice}")
    run = _Epoch(compiled, of, not held, data, rebuild, _order(shuffle, n), batch_size, n_steps)
    while run.step < n_steps:
        stop = n_steps if callback is None else min(n_steps, run.step + every - run.step % every)
        while run.step < stop:
            run.advance(stop, full)
        if callback is not None and callback(run.step, run.latest()):
            break
    return run.results()


def whole_number(what: str, value: Any, low: int = 1) -> int:
    """An argument that is a whole number, NumPy's too, of at least low; errors begin with what."""
    try:
        n = operator.index(value)
    except TypeError:
        n = None
    if n is None or isinstance(value, bool):
        raise TypeError(f"{what} is {value!r}; it must be a whole number")
    if n < low:
        raise ValueError(f"{what} is {n}; it must be at least {low}")
    return n


def _data(arrays: tuple) -> tuple[list[np.ndarray], Callable, int]:
    """The arrays of a nesting, how to put batches into their places, and their length."""
    found: list[Any] = list(arrays)
    rebuild: Callable = tuple
    if len(set(map(id, arrays))) < len(arrays) or {type(x) for x in arrays} != {np.ndarray}:
        found = []
        nest = flatten(arrays, found, [])

        def rebuild(batch: list) -> tuple:
            return nest(Taken(batch))

    for k, x in enumerate(arrays):
        inside: list[Any] = []
        if not isinstance(x, (list, tuple, dict)) or not x:
            continue
        flatten(x, inside, [])
        if not inside:
            raise TypeError(
                f"epoch: argument {k} is a {type(x).__name__} without arrays; give an array, whose "
                "rows go to the batches: np.array(x)"
            )
    data = list(map(_readable, found))
    lengths = {x.shape[:1] for x in data}
    if len(lengths) != 1 or () in lengths:
        shapes = ", ".join(dict.fromkeys(str(x.shape) for x in data)) or (
            "no arrays: give ndarrays, or Tensors that are no parameters"
        )
        raise ShapeError(f"epoch: the arrays must have the same number of rows, got {shapes}")
    return data, rebuild, data[0].shape[0]


def _readable(x: Any) -> np.ndarray:
    """The array, or a copy if C cannot read its elements where they are."""
    x = np.asarray(x.numpy() if isinstance(x, Tensor) else x)
    flags, size = x.flags, x.itemsize
    in_place = flags.aligned and (flags.c_contiguous or not any(s % size for s in x.strides))
    return x if in_place and x.dtype.isnative else x.astype(x.dtype.newbyteorder("="))


def _order(shuffle: Any, n: int) -> np.ndarray | None:
    """Row numbers in the order of the epoch; None: as they are."""
    if shuffle is None or isinstance(shuffle, (bool, np.bool_)):
        return default_generator().permutation(n) if shuffle else None
    if isinstance(shuffle, (int, np.integer)):
        return Generator(int(shuffle)).permutation(n)
    if hasattr(shuffle, "permutation"):  # a Generator of ours or of NumPy's
        order = np.ascontiguousarray(shuffle.permutation(n), np.int64)
        if not np.array_equal(np.sort(order), np.arange(n)):
            raise ValueError(f"epoch: shuffle={shuffle!r} gave no permutation of {n} rows")
        return order
    raise TypeError(f"epoch: shuffle={shuffle!r}; give False, True, a seed or a Generator")


class _Epoch:
    """How far an epoch has come, and what its steps have returned."""

    def __init__(self, compiled, of, in_c, data, rebuild, order, batch_size, n_steps):
        self.compiled = compiled
        self.of = of  # the object, if it is a method
        self.in_c = in_c  # whether there are no other arrays than data
        self.data = data
        self.rebuild = rebuild
        self.order = order
        self.batch_size = batch_size
        self.n_steps = n_steps
        self.step = 0
        self._stacks: list[np.ndarray] | None = None  # per Tensor of the result, (n_steps, ...)
        self._plain: list[list] = []  # per step, the result's leaves, MADE in place of Tensors
        self._nest: Callable = list  # the result's nesting around its leaves

    def _rows(self) -> slice | np.ndarray:
        """The next step's."""
        rows = slice(self.step * self.batch_size, (self.step + 1) * self.batch_size)
        return rows if self.order is None else self.order[rows]

    def _batch(self) -> tuple:
        rows = self._rows()
        return (*self.of, *self.rebuild([x[rows] for x in self.data]))

    def advance(self, stop: int, full: int) -> None:
        """One step or more, up to `stop`; the first `full` ones are of whole batches."""
        try:
            if not self.many(min(stop, full)):
                self.one()
        except Exception as error:
            # what add_note() does, which Python 3.10 does not have
            vars(error).setdefault("__notes__", []).append(self._where())
            raise

    def _where(self) -> str:
        """The next step, for an error in it."""
        rows = self._rows()
        if isinstance(rows, slice):
            text = f"{rows.start} to {min(rows.stop, len(self.data[0])) - 1}"
        else:
            text = ", ".join(map(str, rows[:MAX_ROWS])) + ", ..." * (len(rows) > MAX_ROWS)
        return f"in step {self.step} of the epoch, of rows {text}"

    def one(self) -> None:
        """The next step by a call."""
        leaves: list[Any] = []
        self._nest = tree.flatten(self.compiled(*self._batch()), leaves)
        made = [x.numpy() for x in leaves if isinstance(x, Tensor)]
        for stack, x in zip(self._stacks_of([(x.shape, x.dtype) for x in made]), made):
            stack[self.step] = x
        self._plain.append([MADE if isinstance(x, Tensor) else x for x in leaves])
        self.step += 1

    def many(self, stop: int) -> bool:
        """Steps up to `stop` in C; False: the next one needs a call."""
        if self.step >= stop or not self.in_c:
            return False
        with self.compiled.turn:
            variant, steps = self.compiled.ready_for(self._batch(), stop - self.step)
            if not steps:
                return False
            stacks = self._stacks_of(variant.ready.results)
            self._nest = variant.rebuild
            try:
                variant.ready.run_epoch(
                    self.data, self.order, self.batch_size, self.step, steps, stacks
                )
            finally:
                done = variant.ready.core.steps_done
                variant.replays += done
                self.step += done
            self._plain += [variant.leaves] * done
        return done > 0

    def _stacks_of(self, results: list) -> list[np.ndarray]:
        """Where results of these (shape, dtype) go: the same for all steps."""
        if self._stacks is None:
            self._stacks = [np.empty((self.n_steps, *shape), dtype) for shape, dtype in results]
        before = [(x.shape[1:], x.dtype) for x in self._stacks]
        if before != results:
            was, now = (
                ", ".join(f"{dtype}{shape}" for shape, dtype in x) for x in (before, results)
            )
            raise ShapeError(
                f"epoch: results of {was} became {now} at step {self.step}, and cannot be stacked; "
                "reduce them over the batch, or give drop_last=True"
            )
        return self._stacks

    def latest(self) -> Any:
        """What the last step returned, arrays in place of Tensors: the callback's own."""
        made = [stack[self.step - 1].copy() for stack in self._stacks or ()]
        return self._result(made, self._plain[-1])

    def results(self) -> Any:
        """What all steps so far returned: Tensors and numbers stacked, of others the last."""
        leaves = [self._column(k, x) for k, x in enumerate(self._plain[-1])]
        return self._result([stack[: self.step] for stack in self._stacks or ()], leaves)

    def _column(self, k: int, last: Any) -> Any:
        """Leaf k of all steps' results, if it is a number in all."""
        if not is_number(last):
            return last
        column = [leaves[k] if k < len(leaves) else None for leaves in self._plain]
        return np.array(column) if all(map(is_number, column)) else last

    def _result(self, arrays: list, leaves: list) -> Any:
        found = iter(arrays)
        return self._nest(iter([next(found) if x is MADE else kept(x) for x in leaves]))
