"""Where the time of a replayed step goes: entries of its program against floors of their own."""

from __future__ import annotations

import numpy as np
from bench_replay import NETWORKS, WIDE
from peak import fma_loop

import tapegrad as tg
from tapegrad.cli.networks import STILL, training_step
from tapegrad.cli.timing import interleave
from tapegrad.ops.table import BY_ID
from tapegrad.replay.ir import GROUP, PRODUCT, Entry, Program, instructions_of

LEAST = 0.01  # of a step, for an entry to have a row


def copy_seconds(n_bytes: int) -> float:
    """What it takes to read and write that many bytes, half of each."""
    source = np.ones(n_bytes // 2, np.uint8)
    target = np.ones_like(source)
    copy = {"copy": lambda: np.copyto(target, source)}
    return interleave(copy, rounds=5, slice_seconds=0.002)["copy"].best


def floor_of(e: Entry, program: Program, flops_a_second: float) -> float:
    """Seconds: a product's multiply-adds at the peak, or a copy that moves as many bytes."""
    values = program.values
    if e.op is not None and e.op.name in ("linear", "matmul"):
        depth = values[e.inputs[0]].shape[-1]
        return 2 * float(np.prod(values[e.outputs[0]].shape)) * depth / flops_a_second
    return copy_seconds(sum(values[v].nbytes for v in (*e.inputs, *(e.writes or e.outputs))))


def describe(e: Entry, program: Program) -> str:
    """What it computes, of which shape, and what it does on the way."""
    shape = f" {program.values[e.outputs[0]].shape}" if e.outputs else ""
    parts = [e.name + shape]
    if e.kind in (GROUP, PRODUCT):
        instructions, ending = instructions_of(e)
        parts += [BY_ID[row].name + ("_vjp" if k >= 0 else "") for row, k, *_ in instructions]
        parts += [ending.op.name] if ending else []
    return ", ".join(parts)


def report() -> list[str]:
    isa = tg.info()["isa"]
    if isa == "generic":
        return ["The generic instruction set has no peak to compare with."]
    loop, n_flops = fma_loop(isa, "f32", 1e7)
    flops_a_second = n_flops / interleave({"peak": loop}, rounds=9)["peak"].best
    rows = []
    for name, case in list(NETWORKS.items())[1:]:  # the first one's time is the calls'
        step = tg.compile(training_step(case, STILL))
        times = step.profile(*case.data(), runs=9 if case is WIDE else 300)
        total = sum(t.seconds for t in times)
        shown = [(t.entry, t.seconds) for t in times if t.seconds >= LEAST * total]
        for e, seconds in shown:
            floor = floor_of(e, step.program, flops_a_second)
            rows.append(
                f"| {name} | {describe(e, step.program)} | {seconds * 1e6:.2f} | "
                f"{seconds / total:.0%} | {floor * 1e6:.2f} | {seconds / floor:.2f} |"
            )
        rest = total - sum(seconds for _, seconds in shown)
        rows.append(
            f"| {name} | {len(times) - len(shown)} others | {rest * 1e6:.2f} | "
            f"{rest / total:.0%} | | |"
        )
    return [
        f"`compiled.profile`, one thread: entries that take {LEAST:.0%} of a step or more. Floors: "
        f"a product's multiply-adds alone at the peak ({flops_a_second / 1e9:.0f} GFLOP/s), "
        "whatever follows it on the way; of others a copy that moves as many bytes (which does "
        "not count what is computed: Adam's square roots and divisions, the loss's exponentials).",
        "",
        "| network | entry | us | of the step | floor, us | time / floor |",
        "|---|---|---:|---:|---:|---:|",
        *rows,
    ]
