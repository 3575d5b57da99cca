"""`tapegrad bench`: what training steps of small networks take on this machine."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import tapegrad as tg
from tapegrad.cli.arguments import count
from tapegrad.cli.networks import (
    CASES,
    Build,
    available,
    jax_jit,
    measure,
    tapegrad_native,
    tapegrad_numpy,
    torch_eager,
)
from tapegrad.errors import TapegradError

SUMMARY = "time training steps of small networks, on each engine and in torch and JAX if installed"

NAME_WIDTH = max(len(case.name) for case in CASES)
WIDTH = 18


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rounds", type=count, default=9, help="turns of each library (default: 9)"
    )
    parser.add_argument(
        "--no-peers",
        action="store_true",
        help="time tapegrad alone, in two seconds (torch and JAX take ten more to start)",
    )


def contenders(peers: bool) -> dict[str, Build]:
    """What is timed, the one that the others are compared with first."""
    ours: dict[str, Build] = {"NumPy engine": tapegrad_numpy}
    if tg.info()["native"]:
        ours = {"native": tapegrad_native, **ours}
    return {**ours, "torch": torch_eager, "JAX jit": jax_jit} if peers else ours


def run(arguments: argparse.Namespace) -> int:
    try:
        with one_thread():
            report(contenders(not arguments.no_peers), arguments.rounds)
    except TapegradError as error:
        print(f"tapegrad bench: {error}", file=sys.stderr)
        return 1
    return 0


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep tapegrad, and NumPy's products if threadpoolctl is installed, on one thread."""
    before = tg.get_num_threads()
    tg.set_num_threads(1)
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        limits = nullcontext()
    else:
        limits = threadpool_limits(1)
    try:
        with limits:
            yield
    finally:
        tg.set_num_threads(before)


def report(builds: dict[str, Build], rounds: int) -> None:
    """Print a row of medians a network, as soon as it is measured."""
    first = next(iter(builds))
    print(f"tapegrad {tg.__version__}, {tg.info()['isa']}: microseconds a training step, medians;")
    print(f"in brackets, how many times {first}'s. One thread each (NumPy's products too, if")
    print("threadpoolctl is installed); equal losses over ten steps are checked first.\n")
    print(f"{'':{NAME_WIDTH}}" + "".join(f"{name:>{WIDTH}}" for name in builds))
    for case in CASES:
        print(f"{case.name:{NAME_WIDTH}}", end="", flush=True)
        times = measure(available(builds, case), rounds=rounds, slice_seconds=0.005)
        for name in builds:
            cell = "not installed"
            if name in times:
                ratio = times[name].ratio(times[first])
                cell = f"{times[name].median * 1e6:.1f} ({ratio:.1f}x)"
            print(f"{cell:>{WIDTH}}", end="")
        print(flush=True)
