"""Measure everything and write docs/benchmarks.md: `python benchmarks/compare.py`.

Each section runs in a process of its own, in a fair environment (machine.py). Name sections to
run only those; --print shows them instead of writing the page.
"""

from __future__ import annotations

import argparse
import importlib
import os
import subprocess
import sys
import time
from pathlib import Path

import machine

PAGE = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"

# name: (heading, module, function, environment, pinned to one CPU)
AVX2 = {"TAPEGRAD_ISA": "avx2", "OPENBLAS_CORETYPE": "Haswell"}
SECTIONS = {
    "machine": ("Measured on", "machine", "describe", {}, True),
    "overhead": ("One small op", "bench_overhead", "report", {}, True),
    "training": ("Training steps", "bench_training", "report", {}, True),
    "replay": ("Recorded steps", "bench_replay", "report", {}, True),
    "replay-threads": (
        "Recorded steps, two threads",
        "bench_replay_threads",
        "report",
        {"TAPEGRAD_NUM_THREADS": "2"},
        False,
    ),
    "profile": ("Recorded steps, entry by entry", "bench_profile", "report", {}, True),
    "gemm": ("Matrix products", "bench_gemm", "report", {}, True),
    "gemm-avx2": ("Matrix products, AVX2", "bench_gemm", "report", AVX2, True),
    "threads": (
        "Two threads",
        "bench_gemm",
        "report_threads",
        {"TAPEGRAD_NUM_THREADS": "2"},
        False,
    ),
    "transforms": ("Jacobians, Hessians, u''", "bench_transforms", "report", {}, True),
    "tape": ("A long tape, import, size", "bench_tape", "report", {}, True),
    "subnormal": ("Gradual underflow", "bench_subnormal", "report", {}, True),
    "ops": ("Every op with a C row", "bench_ops", "report", {}, True),
}

INTRODUCTION = """# Benchmarks

`python benchmarks/compare.py` measures all of this anew and writes this page; the extra `bench`
installs the peers, and those that are missing are left out. One thread unless said. Contenders
take turns; in each round the best of three tries counts; figures are medians of the rounds, ratios
medians of the rounds' ratios. `pytest benchmarks` runs the same cases under pytest-benchmark.
"""


def run_section(name: str) -> None:
    """In a process of its own: print the section's markdown."""
    _, module, function, _, pinned = SECTIONS[name]
    if pinned:
        machine.pin()
    lines = getattr(importlib.import_module(module), function)()
    print("\n".join(["<<<", *lines]))


def measure(name: str) -> list[str]:
    """The markdown of one section, from a process in its environment."""
    heading, _, _, environment, _ = SECTIONS[name]
    start = time.perf_counter()
    print(f"{name} ...", file=sys.stderr, flush=True)
    done = subprocess.run(
        [sys.executable, __file__, "--section", name],
        env=machine.fair_environment(**environment),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    notes, _, body = done.stdout.partition("<<<\n")
    print(f"{notes}  {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    return [f"## {heading}", "", *body.splitlines(), ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "sections", nargs="*", default=list(SECTIONS), metavar="section", help=", ".join(SECTIONS)
    )
    parser.add_argument("--print", action="store_true", dest="show")
    parser.add_argument("--section", choices=SECTIONS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.section:
        run_section(arguments.section)
        return
    unknown = set(arguments.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"no section {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    lines = [INTRODUCTION]
    for name in SECTIONS:
        if name == "machine" or name in arguments.sections:
            lines += measure(name)
    text = "\n".join(lines)
    if arguments.show or len(arguments.sections) < len(SECTIONS):
        print(text)
    else:
        PAGE.write_text(text, encoding="utf-8")
        print(f"written: {os.path.relpath(PAGE)}", file=sys.stderr)


if __name__ == "__main__":
    main()
