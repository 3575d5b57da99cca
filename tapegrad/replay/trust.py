"""A call that is recorded, and when its recording is trusted: once another one was the same."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from typing import Any

from .. import tree
from ..errors import ReplayError
from ..tensor import Tensor
from .arguments import Taken, as_tensors, objects, parts_of, written_into
from .call import result_pattern
from .compare import Branch, difference, makes_arrays
from .guards import Change, Guards
from .look import held_by
from .observed import observed
from .record import record
from .variant import Variant, as_result, leaf
from .writes import Writes

MAX_VARIANTS = 8  # of one signature: by what its guards found, by its branches

WRITES = (
    "it changes what it reads or keeps, or another thread did so meanwhile: {}. A replay would not "
    "do so again: state belongs in a tapegrad.parameter, written by assign(); count, collect, "
    "draw, and call train() and eval() outside"
)

MOVED = (
    "it uses {} and then sets what it used to another number, where a replay reads all of them "
    "before it runs: compute with the number itself, or set it outside"
)

GIVEN = (
    "it writes into {} that it is given, which is the caller's: return the new values, or work on "
    "a copy"
)

ENDLESS = (
    "what it returns contains itself, or is nested too deeply, so that its Tensors cannot be "
    "found: return those parts of it that are needed"
)


def record_call(
    compiled: Any, variants: list, rebuild: Any, arrays: list, key: list, reason: str
) -> Any:
    """Run the Python of a call, log it, and settle what becomes of the log; returns its result.

    Args:
        variants: of the call's signature, to which this one is added, or whose place it takes.
        rebuild, arrays, key: the call's arguments, as arguments.flatten took them apart.
        reason: why no variant could be replayed, if that is known.
    Raises:
        ReplayError: if no replay could repeat it.
    """
    unfit = {v: v.unfit() for v in variants if v.ready is None}
    waiting = [v for v, why in unfit.items() if why is None]
    if not waiting:
        compiled._note(reason or next(reversed(unfit.values()), None) or "first call")
        guards = Guards(compiled._function, arguments=objects(key))
    else:
        guards = waiting[0].guards.again()
    if len(variants) >= MAX_VARIANTS and not any(v.ready for v in variants):
        compiled._warn(  # before the step runs: a warning may be an error
            f"the last {len(variants)} calls of {compiled._name} were recorded and none "
            f"replayed: {compiled._why[-1]}. Pass what changes as an argument (an array)"
        )
    variant = Variant(guards)
    # at a signature's first call the step may write: a cache
    writes = Writes(guards) if any(v.ready is None for v in variants) else None
    tensors = as_tensors(arrays)
    given, containers = [held_by(t) for t in tensors], []
    leaves: list[Any] = []

    def call() -> tuple[Any, list]:
        args, kwargs = rebuild(Taken(tensors))
        containers.extend(parts_of((args, kwargs)))
        with observed(x for _, x in guards.arrays):
            result = compiled._function(*args, **kwargs)
        try:
            variant.rebuild = tree.flatten(result, leaves)
            variant.outline = tree.outline(result)
        except RecursionError:
            raise _refusal(compiled, ENDLESS) from None
        variant.leaves = [leaf(x) for x in leaves]
        variant.pattern = result_pattern(result)
        return result, [x for x in leaves if isinstance(x, Tensor)]

    with _no_collection():  # of the many small objects made here none is garbage
        _, variant.recording = record(tensors, call)
        variant.state = variant.recording.state
        if given != [held_by(t) for t in tensors]:
            raise _refusal(compiled, GIVEN.format("an array"))
        check_given(compiled, containers)
        _confirm(compiled, variants, waiting, variant, writes.found() if writes else None)
    return variant.rebuild(iter([as_result(x) for x in leaves]))


def _confirm(
    compiled: Any, variants: list, waiting: list, new: Variant, written: Change | None
) -> None:
    """Trust the program if an earlier recording was the same; else keep it as a new one."""
    why: str | None = None
    branch = ""
    for old in waiting:
        why = difference(old.recording, new.recording)
        if why is None:
            if written:
                raise _refusal(compiled, WRITES.format(written))
            if new.recording.moved:
                raise _refusal(compiled, MOVED.format(new.recording.moved))
            if (unkept := new.keep_leaves(old)) is not None:
                raise _refusal(compiled, unkept)
            new.guards.read_everywhere(old.state.numbers_made_anew(new.state))
            new.watch(
                makes_arrays(old.recording, new.recording),
                old.recording.looked | new.recording.looked,
            )
            new.confirm()
            compiled._last = new
            variants[variants.index(old)] = new
            return
        if isinstance(why, Branch):
            branch, why = why, None
        elif begins := old.state.difference(new.state):
            branch, why = begins, None
    if why is not None:
        raise _refusal(compiled, why)
    if written and written.path in [v.changed for v in variants if v.ready is None]:
        raise _refusal(compiled, WRITES.format(written))  # as it did at the call before
    if branch:
        compiled._note(branch)
    if new.guards.changed() is None:  # what they hold counts for the next call, too
        new.watch(False, new.recording.looked)
    if len(variants) >= MAX_VARIANTS:
        del variants[0]
    variants.append(new)


def check_given(compiled: Any, containers: list) -> None:
    """Raise if a call has written into one of its arguments' containers (arguments.parts_of)."""
    if (changed := written_into(containers)) is not None:
        raise _refusal(compiled, GIVEN.format(f"a {type(changed).__name__}"))


def _refusal(compiled: Any, why: str) -> ReplayError:
    return ReplayError(f"compile: {compiled._name} cannot be replayed: {why}")


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Keep Python's cyclic collector still for a while."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
