"""Programs: a recorded step as a list of entries over numbered values.

A program is in static single assignment form but for the effects of its writing entries (assign,
optimizer), which keep their place among the entries that read what they write. Passes are
functions from Program to Program; they replace entries and never change one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine.dtypes import DTYPES
from ..engine.recording import ASSIGN
from ..lines import line_name
from ..ops.table import BY_ID

if TYPE_CHECKING:
    from .state import State

# Kinds of values: where a run finds them.
ARGUMENT, TENSOR, ARRAY, CONSTANT, LIVE, GRAD, MADE = (
    "argument",  # source: its number among the arguments
    "tensor",  # source: a Tensor from outside, read where it lies
    "array",  # source: an ndarray from outside, read anew at each run
    "constant",  # source: a Tensor born inside the step that nothing computes
    "live",  # source: (Live, a 0-d Tensor that gets its number before each run)
    "grad",  # source: a variable; its .grad from before the run
    "made",  # an entry computes it
)

# Kinds of entries.
OP, VJP, PYTHON, OPTIMIZER, RANDOM, GUARD, GROUP, PRODUCT = (
    "op",  # a row of the op table
    "vjp",  # a row's fused vjp kernel for input `k`, over (cotangent, what `reads` names)
    "python",  # a row that C has no kernel for: NumPy runs it
    "optimizer",  # extra: (rule, slots, its gradients' values, which parameters have one); inputs:
    # of each of those itself, gradient, state
    "random",  # extra: (kind, generator, a, b, block offset)
    "guard",  # extra: the truth that the recording found
    "group",  # extra: elementwise instructions run block by block (fuse.py); params: endings.py
    "product",  # params: (inputs of op); extra: (what follows, ending): epilogues.py
)


class Value:
    """One value: what it is, and where it comes from."""

    __slots__ = ("dtype", "shape", "kind", "source")

    def __init__(self, dtype: int, shape: tuple, kind: str = MADE, source: Any = None):
        self.dtype = dtype  # the C core's code
        self.shape = shape
        self.kind = kind
        self.source = source

    @property
    def nbytes(self) -> int:
        return DTYPES[self.dtype].itemsize * prod(self.shape)


class Entry:
    """One step of a program. `view` is 1 + the input whose memory the output shares, or 0."""

    __slots__ = [
        "kind",
        "op",
        "inputs",
        "outputs",
        "params",
        "line",
        "view",
        "k",
        "reads",
        "extra",
        "writes",
    ]

    def __init__(
        self,
        kind: str,
        op: Any,
        inputs: tuple,
        outputs: tuple,
        params: tuple = (),
        line: int = 0,
        view: int = 0,
        k: int = -1,
        reads: int = 0,
        extra: Any = None,
    ):
        self.kind = kind
        self.op = op
        self.inputs = inputs
        self.outputs = outputs
        self.params = params
        self.line = line
        self.view = view
        self.k = k
        self.reads = reads
        self.extra = extra
        self.writes: tuple = ()  # values whose memory this entry changes
        if op is ASSIGN:
            self.writes = inputs[:1]
        elif kind == OPTIMIZER:
            self.writes = tuple([v for v in inputs if v not in extra[2]])

    def over(self, inputs: tuple) -> Entry:
        """The same entry over other values."""
        return Entry(
            self.kind, self.op, inputs, self.outputs,
            self.params, self.line, self.view, self.k, self.reads, self.extra,
        )  # fmt: skip

    @property
    def name(self) -> str:
        if self.kind == VJP:
            return f"{self.op.name}_vjp[{self.k}]" if self.k else f"{self.op.name}_vjp"
        if self.kind in (OPTIMIZER, RANDOM):
            return self.extra[0]
        if self.kind == PYTHON and self.extra is not None:
            return self.extra.name
        return self.op.name if self.op is not None else self.kind


@dataclass
class Program:
    """A step: its values, its entries in order, and what a run hands out."""

    values: list[Value]
    entries: list[Entry]
    outputs: list[int]
    n_arguments: int
    state: State  # where it begins
    grads: list[tuple[Any, int]] = field(default_factory=list)  # (variable, its .grad after a run)
    cleared: list[Any] = field(default_factory=list)  # variables without .grad after a run
    generators: list[Any] = field(default_factory=list)
    blocks: list[int] = field(default_factory=list)  # random blocks a run takes of each

    def through(self, entries: list[Entry]) -> Program:
        """The same by other entries, which leave results and views alone."""
        other = object.__new__(Program)
        other.__dict__.update(self.__dict__, entries=entries)
        return other

    def but(self, **changes: Any) -> Program:
        """The same with other values, entries ..., of which roots and results are found anew."""
        other = self.through(self.entries)
        for found in ("root", "results"):
            other.__dict__.pop(found, None)
        other.__dict__.update(changes)
        return other

    @cached_property
    def results(self) -> dict[int, int]:
        """Values that must be there when a run ends, and which of them each is."""
        found = dict.fromkeys([*self.outputs, *[v for _, v in self.grads]])
        return {v: n for n, v in enumerate(found)}

    @property
    def uses(self) -> list[int]:
        """How often entries read each value."""
        uses = [0] * len(self.values)
        for e in self.entries:
            for v in e.inputs:
                uses[v] += 1
        return uses

    @cached_property
    def root(self) -> list[int]:
        """For each value, the value whose memory it lies in."""
        root = list(range(len(self.values)))
        for e in self.entries:
            if e.view and e.outputs:
                root[e.outputs[0]] = root[e.inputs[e.view - 1]]
        return root

    def __str__(self) -> str:
        return listing(self)


def listing(program: Program) -> str:
    """The program as text: one line an entry, with the Python line that recorded it."""
    names = value_names(program)
    lines = []
    for e in program.entries:
        left = ", ".join(f"{names[v]}: {type_name(program.values[v])}" for v in e.outputs)
        inputs, params, inside = e.inputs, e.params, []
        if e.kind == GROUP:
            params, inside = (), instruction_texts(e, names)
        elif e.kind == PRODUCT:
            inputs, params, inside = inputs[: params[0]], (), instruction_texts(e, names)
        right = f"{e.name}({', '.join([names[v] for v in inputs] + [f'{p!r}' for p in params])})"
        if inside:
            right += " {" + "; ".join(inside) + "}"
        text = f"{left} = {right}" if left else right
        at = line_name(e.line)
        lines.append(f"{text:<72}  # {at}" if at else text)
    lines.append(f"return {', '.join(names[v] for v in program.outputs)}")
    return "\n".join(lines)


def instructions_of(e: Entry) -> tuple[tuple, Any]:
    """What a group or product runs, elementwise and in order, and what it ends in or None."""
    if e.kind == GROUP:
        return e.extra, e.params or None
    then, ending = e.extra
    return (then,) if then else (), ending


def instruction_texts(e: Entry, names: list[str]) -> list[str]:
    """What a group or product runs, in order; temporaries are t0, t1 ..."""
    instructions, ending = instructions_of(e)
    ends = [names[v] for v in (*e.inputs, *(e.outputs[:-1] if ending else e.outputs))]

    def name(code: int) -> str:
        return ends[code] if code < len(ends) else f"t{code - len(ends)}"

    texts = []
    for row, k, operands, to, params, _ in instructions:
        call = BY_ID[row].name + ("" if k < 0 else "_vjp")
        given = [*[name(c) for c in operands if c is not None], *map(repr, params)]
        texts.append(f"{name(to)} = {call}({', '.join(given)})")
    if ending:
        texts.append(ending.text(names, e))
    return texts


def value_names(program: Program) -> list[str]:
    names = []
    letters = {
        ARGUMENT: "x",
        TENSOR: "p",
        ARRAY: "a",
        CONSTANT: "c",
        LIVE: "h",
        GRAD: "g",
        MADE: "v",
    }
    for i, v in enumerate(program.values):
        if v.kind == CONSTANT and v.source.size == 1:
            names.append(f"{v.source.numpy().item():.6g}")
        elif v.kind == ARGUMENT:
            names.append(f"x{v.source}")
        else:
            names.append(f"{letters[v.kind]}{i}")
    return names


def type_name(value: Value) -> str:
    dtype = np.dtype(DTYPES[value.dtype])
    return f"{dtype.kind}{8 * dtype.itemsize}({', '.join(map(str, value.shape))})"
