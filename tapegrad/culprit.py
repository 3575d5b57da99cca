"""Which op of a function has a wrong derivative: each is checked by itself, on the values it had.

The function runs once while the engine logs all it does; the log is run again, op by op.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from .engine import select
from .engine.dtypes import is_inexact
from .engine.recording import GRAD_NOTE, here
from .engine.select import apply
from .lines import line_name
from .ops.calls import call_of, calls_held, is_call
from .tape import tape
from .tensor import Tensor, tensor


def find_culprit(f: Callable, xs: list, agrees: Callable[[Callable, list], bool]) -> str:
    """What to add to a gradcheck error of f at the arrays xs; "" inside tapegrad.compile.

    agrees(g, arrays): whether the first derivatives of g, a function of Tensors to a list of
    Tensors, are right there.
    """
    if here.recorder is not None:
        return ""
    entries, lines, values, calls = _logged(f, xs)
    named = []
    for (op, numbers, out, params, notes, *_), line in zip(entries, lines):
        call = next(calls) if op is not None and is_call(op) else None
        if notes & GRAD_NOTE or any(number not in values for number in numbers):
            continue
        inputs = [values[number] for number in numbers]
        if call is not None:
            named.append(f"{call.name} ({line_name(line)})")
            values[out] = tensor(call.run(tuple(x.numpy() for x in inputs)))
            continue
        values[out] = apply(op.id, tuple(inputs), params)
        active = [i for i, x in enumerate(inputs) if is_inexact(x.dtype) and op.vjp(i)]
        if active and not agrees(
            _op_alone(op, inputs, params, active), [inputs[i].numpy() for i in active]
        ):
            shapes = ", ".join(str(x.shape) for x in inputs)
            return f"; the rules of {op.name} disagree on {shapes}, at {line_name(line)}"
    if named:
        return (
            f"; every op by itself agrees: look at the rules of {', '.join(dict.fromkeys(named))}"
        )
    return (
        "; every op by itself agrees: is something detached (stop_gradient, .numpy(), a value "
        "rounded or compared), or is there a kink within a step?"
    )


def _logged(f: Callable, xs: list) -> tuple[Iterator, Sequence[int], dict, Iterator]:
    """(entries, their lines, {number: Tensor} of what they read from outside, calls in order)."""
    engine = select.engine()
    with tape() as t:
        tensors = [t.watch(tensor(x)) for x in xs]
        engine.log.begin()
        try:
            f(*tensors)
        finally:
            held = calls_held()
            logged = engine.log.end([])
    calls = iter([held.get(number) or call_of(number) for number in logged.calls])
    leaves = {number: t for number, t, *_ in logged.leaves}
    return engine.log.entries(logged.words), logged.lines, leaves, calls


def _op_alone(op: Any, inputs: list, params: tuple, active: list[int]) -> Callable:
    def function(*tensors: Tensor) -> list[Tensor]:
        operands = list(inputs)
        for i, x in zip(active, tensors):
            operands[i] = x
        return [apply(op.id, tuple(operands), params)]

    return function
