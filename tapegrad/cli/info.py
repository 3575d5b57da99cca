"""`tapegrad info`: what this installation is and can do."""

import argparse
import platform
import textwrap
from importlib.metadata import version

import tapegrad as tg

SUMMARY = "print engine, ISA, threads, versions and which ops have C kernels"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--isas",
        action="store_true",
        help="print only the ISAs this machine can run, one a line (none without the C core)",
    )


def run(arguments: argparse.Namespace) -> int:
    facts = tg.info()
    if arguments.isas:
        print("\n".join(facts["isas"]))
        return 0
    print(f"tapegrad {facts['version']}")
    show("engine", facts["engine"])
    if facts["native"]:
        show("ISA", f"{facts['isa']} (this machine runs {', '.join(facts['isas'])})")
    else:
        show("native", f"not available: {facts['reason']}")
    show("threads", facts["threads"])
    show(
        "versions",
        f"Python {platform.python_version()}, NumPy {version('numpy')}, cffi {version('cffi')}",
    )
    show("in C", f"{len(facts['c_ops'])} ops: {' '.join(facts['c_ops'])}")
    show("in NumPy", f"{len(facts['numpy_ops'])} ops: {' '.join(facts['numpy_ops'])}")
    return 0


def show(name: str, value: object) -> None:
    """Print one fact, wrapped under its own column."""
    print(textwrap.fill(str(value), 96, initial_indent=f"{name:10}", subsequent_indent=" " * 10))
