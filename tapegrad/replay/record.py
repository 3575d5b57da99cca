"""Record a step: run a Python function once while the engine logs every op of this thread.

What the engine cannot see is reported by those who do it: optimizers, random draws, values that
Python looks at. Out comes a Recording, which compare.py compares and build.py makes a Program of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from ..engine import select
from ..engine.dtypes import CODES
from ..engine.recording import TRACED, Live, Logged, here
from ..errors import ReplayError
from ..lines import line_here, line_name
from ..ops.calls import call_of, calls_held
from ..ops.table import OPS
from ..random import default_generator, following
from ..tensor import Tensor
from .ir import ARGUMENT, ARRAY, CONSTANT, GUARD, LIVE, OPTIMIZER, RANDOM, TENSOR, Value
from .state import State

_COPY = OPS["copy"]

IN_PRIMITIVE = (
    "calls a primitive whose function {}, which belongs to no place in a replay: {} in the step "
    "itself, around the primitive"
)
# Of tapegrad's own stream; of another one only if the step draws from it, too.
DRAWS_ASIDE = IN_PRIMITIVE.format("draws tapegrad's random numbers", "draw them")


class Event(NamedTuple):
    """What the engine's log does not show; kind and data as in the Entry it becomes.

    position: of the logged entry that it comes before.
    tensors: those it is about; once the log has ended, the numbers of their values.
    """

    position: int
    kind: str
    tensors: list
    data: Any
    line: int


class Recorder:
    """What a thread's recording knows beside the engine's log."""

    def __init__(self, engine: Any, arguments: Iterable = ()):
        self.engine = engine
        self._arguments = arguments  # Tensors of the step's
        self.events: list[Event] = []
        self.numbers: list[tuple[Any, Live]] = []
        self.watched: list[Live] = []
        self.groups: list[dict] = []  # of the optimizers that took a step, as they were then
        self.used: list[tuple[Any, Any]] = []  # Live or Slots, its numbers when they were used
        self.wrote = 0  # the line where the step first wrote a parameter
        self.refused: ReplayError | None = None
        self.looked: set[int] = set()  # ids of the captured arrays that Python looked into
        self._drawn_aside: set = set()  # the generators from which primitives' functions drew

    def _note(self, kind: str, tensors: list, data: Any, line: int) -> None:
        self.events.append(Event(self.engine.log.length(), kind, tensors, data, line))

    def truth(self, tensor: Any, truth: bool) -> None:
        """Python branches on a traced Tensor: a replay must find the same truth."""
        if self.wrote:
            self.refuse(
                "branches on a computed value after parameters were written "
                f"({line_name(self.wrote)}): a replay could not go back; decide before the "
                "update, or use where()"
            )
        self._note(GUARD, [tensor], truth, line_here())

    def refuse(self, what: str) -> None:
        """Raise: the step does what no replay can repeat. A step may not get over it."""
        error = ReplayError(f"{line_name(line_here())}: the compiled step {what}")
        self.refused = self.refused or error
        raise error

    def escape(self, what: str, tensor: Any) -> None:
        """Python reads the values of a traced Tensor."""
        instead = ""
        if what == "NumPy":  # as an index of an ndarray, a part of one, or an operand
            instead = (
                " (tg.asarray(a)[index] for a[index] of an ndarray, tg.numpy.array of a list, "
                "tg.numpy.zeros(n) for an array to fill)"
            )
        elif what == "data":
            instead = " (p.assign(p - rate * p.grad) writes a parameter)"
        elif what.startswith("numpy."):
            instead = f" (tg.primitive({what}) is called anew by each replay)"
        elif not tensor.shape and any(tensor is x for x in self._arguments):
            instead = " (what a step may look at are plain numbers: give it int(n) or float(x))"
        self.refuse(
            f"reads a computed value by {what}, which a replay could not see: return the Tensor "
            f"and read it outside, or compute with it as a Tensor{instead}"
        )

    def writes(self, line: int = 0) -> None:
        """A parameter is about to be written, at the user's line."""
        self.wrote = self.wrote or line or line_here()

    def aside(self, run: Callable[[], Any]) -> Any:
        """run(), a primitive's function: no part of the step, since replays run it anew. So it may
        read what it likes; of what it writes no entry would know."""
        inner, log = _Aside(self.engine), self.engine.log
        here.recorder = inner
        log.begin()
        try:
            with following() as drawn:
                result = run()
        finally:
            here.recorder = self
            logged = log.end([])
            self.refused = self.refused or inner.refused
        if logged.sets_grad or logged.without_grad:
            self.refuse(IN_PRIMITIVE.format("reads or sets a .grad", "do so"))
        self._drawn_aside.update(drawn)
        of_step = {e.data[1] for e in self.events if e.kind == RANDOM}
        if not drawn.keys().isdisjoint({default_generator(), *of_step}):
            self.refuse(DRAWS_ASIDE)
        return result

    def optimizer(self, kind: str, slots: Any) -> None:
        """An optimizer is about to update the parameters of slots that have a gradient."""
        line = line_here()
        self.writes(line)
        adopt, states = self.engine.adopt, slots.states.values()
        grads = [adopt(p).grad for p in slots.params]
        tensors: list[Any] = []
        updated = []
        for k, row in enumerate(zip(slots.params, grads, *states)):
            if row[1] is not None:
                updated.append(k)
                tensors += row
        self._note(OPTIMIZER, tensors, (kind, slots, tuple(updated)), line)
        self.groups.append(dict(slots.owner.param_groups[slots.group]))
        self.used.append((slots, slots.hyper))

    def live(self, live: Live, dtype: Any) -> Any:
        """A 0-d Tensor that replays set anew."""
        value = live.value()
        t = self.engine.from_numpy(np.asarray(value, dtype), Tensor)
        self.numbers.append((t, live))
        self.used.append((live, value))
        return t

    def watch(self, live: Live) -> None:
        """A replay is right only while live.is_fit()."""
        self.watched.append(live)
        self.used.append((live, live.value()))

    def moved(self) -> str | None:
        """A hyper-parameter that has another value now than when the step used it: a replay would
        read it before it runs."""
        for x, value in self.used:
            if isinstance(x, Live):
                if not x.is_fit() or repr(x.value()) != repr(value):  # nan is as good as another
                    return f"{type(x.owner).__name__}'s {x.name}"
            elif x.owner.hyper(x.group) != value:
                return f"numbers of {type(x.owner).__name__}"
        return None

    def random(
        self, kind: str, generator: Any, a: Any, b: float, state: tuple[int, int], out: Any
    ) -> None:
        """A Tensor of random numbers was drawn from a generator that had that state."""
        if generator in self._drawn_aside:
            self.refuse(DRAWS_ASIDE)
        data = (kind, generator, a, b, state, CODES[out.dtype], out.shape)
        self._note(RANDOM, [out], data, line_here())


class _Aside(Recorder):
    """The recorder while a primitive's function runs."""

    def escape(self, what: str, tensor: Any) -> None:
        if what == "data":  # a view to write through
            self.writes()

    def truth(self, tensor: Any, truth: bool) -> None:
        pass

    def writes(self, line: int = 0) -> None:
        self.refuse(IN_PRIMITIVE.format("writes a parameter", "write it"))


class Recording:
    """What one run of a step did: enough to tell whether another did the same (compare.py), and
    to make a Program of it (build.py).

    Attributes:
        words, lines: the engine's entries.
        events: what it does not know, in order; of random draws the generator is one of streams.
        leaves: the values that no entry made, by number.
        outside: of those of them that are Tensors from outside, which record it is.
        same: constants that are another one's equal: their numbers, and that one's.
        outputs: the numbers of what the step returned.
        looked: ids of the captured arrays that Python looked into (observed.py).
        n_arguments: how many Tensors it was given.
        calls: in the order of their entries.
        streams: (generator, its state at the first draw, random blocks that the step took).
        grads: (variable, the number of its .grad after the step).
        cleared: variables without .grad after the step.
        moved: see Recorder.moved.
        state: where it began.
    """

    def __init__(self, recorder: Recorder, logged: Logged, calls: dict):
        self.engine = recorder.engine
        self.words, self.lines = logged.words, logged.lines
        self.calls = [calls.get(number) or call_of(number) for number in logged.calls]
        arguments, self.outputs, lives, *of_events = logged.asked
        self.n_arguments = len(arguments)
        self.streams: list[tuple] = []
        self.events = [self._settled(e, x) for e, x in zip(recorder.events, of_events)]
        self.streams = [(g, s, _blocks(s, g.get_state())) for g, s, _ in self.streams]
        self.leaves: dict[int, Value] = {}
        self.outside: dict[int, int] = {}
        self.same: dict[int, int] = {}
        numbers = dict(zip(lives, recorder.numbers))
        self._find_leaves(logged, arguments, numbers)
        self.grads = [(p, n) for p, n in logged.sets_grad if n is not None]
        self.moved = recorder.moved()
        self.looked = recorder.looked
        self.cleared = [p for p, n in logged.sets_grad if n is None and p.grad is None]
        read = [numbers[n][1] for n in sorted(numbers) if n in self.leaves]
        draws = [e.data[2] for e in self.events if e.kind == RANDOM]
        self.state = State(
            logged.reads_grad,
            logged.without_grad,
            [e.data[1] for e in self.events if e.kind == OPTIMIZER],
            recorder.groups,
            read + recorder.watched + [a for a in draws if isinstance(a, Live)],
        )

    def _settled(self, e: Event, numbers: list[int]) -> Event:
        """The event over numbers, and a draw by how far into the step's part of a stream it is."""
        if e.kind != RANDOM:
            return e._replace(tensors=numbers)
        kind, generator, a, b, state, *result = e.data
        g = next((i for i, x in enumerate(self.streams) if x[0] is generator), len(self.streams))
        if g == len(self.streams):
            self.streams.append((generator, state, 0))
        data = (kind, g, a, b, _blocks(self.streams[g][1], state), *result)
        return e._replace(tensors=numbers, data=data)

    def _find_leaves(self, logged: Logged, arguments: list[int], lives: dict[int, tuple]) -> None:
        held, drawn, stay = set(self.outputs), set(), set()
        for e in self.events:
            held.update(e.tensors)
            if e.kind == OPTIMIZER:  # made inside the step by the first one, but they stay
                stay.update(e.tensors)
            elif e.kind == RANDOM:
                drawn.add(e.tensors[0])
        found: dict[int, tuple] = {n: (ARRAY, array) for n, array in logged.arrays if n not in stay}
        for number, (t, live) in lives.items():
            found[number] = LIVE, (live, t)
        for place, number in enumerate(arguments):
            found[number] = ARGUMENT, place
        scalars: dict[tuple, int] = {}  # constants by dtype and value
        leaves, outside = self.leaves, self.outside
        for number, t, dtype, shape, record in logged.leaves:
            if number in drawn:
                continue
            if number in found:
                kind, source = found[number]
                leaves[number] = Value(dtype, shape, kind, source)
            elif record or number in held:
                leaves[number] = Value(dtype, shape, TENSOR, t)
                outside[number] = record
            else:
                first = number if shape else scalars.setdefault((dtype, scalar(t)), number)
                if first != number:
                    self.same[number] = first
                    continue
                # a copy: templates share theirs, and those who hold one are counted
                leaves[number] = Value(dtype, shape, CONSTANT, select.apply(_COPY.id, (t,), ()))


def _blocks(start: tuple[int, int], state: tuple[int, int]) -> int:
    """How many random blocks lie between two states of a generator."""
    return (state[1] - start[1]) % 2**64


def scalar(t: Any) -> tuple:
    """A 0-d Tensor's value; zeros by their sign."""
    value = t.item()
    return value, str(value) if not value else ""


def record(arguments: list, call: Callable) -> tuple[Any, Recording]:
    """Run `call()`, which calls the step with `arguments` (Tensors) in place, and log it.

    call() returns the result and the Tensors in it; the recording's outputs are those Tensors.
    """
    engine = select.engine()
    recorder = Recorder(engine, arguments)
    for t in arguments:
        t._flags |= TRACED
    engine.log.begin(is_step=True)
    here.recorder = recorder
    try:
        result, tensors = call()
    except BaseException:
        here.recorder = None
        engine.log.end([])
        raise
    here.recorder = None
    calls = calls_held()  # the log lets go of them
    asked = [arguments, tensors, [t for t, _ in recorder.numbers]]
    asked += [e.tensors for e in recorder.events]
    logged = engine.log.end(asked)
    if recorder.refused is not None:  # and the step caught it: what it did then is not eager's
        raise recorder.refused
    return result, Recording(recorder, logged, calls)
