"""The command line: `python -m tapegrad`, also installed as `tapegrad`."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from tapegrad._version import __version__
from tapegrad.cli import bench, demo, info

__all__ = ["main"]

COMMANDS = {"bench": bench, "demo": demo, "info": info}


class Parser(argparse.ArgumentParser):
    """Answers a wrong command line with the whole help, not only the usage line."""

    def error(self, message: str) -> NoReturn:
        self.print_help(sys.stderr)
        self.exit(2, f"\n{self.prog}: error: {message}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return the process's exit status.

    Args:
        argv: arguments without the program's name; those of the process by default.
    """
    parser = Parser(prog="tapegrad", description="Tape-based automatic differentiation for CPUs.")
    parser.add_argument("--version", action="version", version=f"tapegrad {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, module in COMMANDS.items():
        summary = module.SUMMARY
        command = subparsers.add_parser(name, help=summary, description=summary.capitalize() + ".")
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    arguments = parser.parse_args(argv)
    try:
        status: int = arguments.run(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print(f"\n{parser.prog}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # who read our output has left: `tapegrad info | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
        return 141
    return status
