"""What a code object reads from outside: names of globals, attributes and imported modules.

The bytecode is scanned once, front to back, without following jumps. Where it cannot be told
whose attribute is read, the attribute counts as read of everything (`loose`).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from functools import lru_cache
from opcode import opmap
from types import CodeType
from typing import Any, NamedTuple


class Reads(NamedTuple):
    """Names that a code object and those nested in it load or store."""

    globals: frozenset[str]
    attributes: frozenset[str]
    loose: frozenset[str]  # attributes of values whose origin is not known
    chains: frozenset[tuple[str, ...]]  # (root kind, root name, attribute ...): root.a.b
    imports: frozenset[str]
    sees_all: bool  # asks for a whole __dict__
    by_string: bool  # reads attributes named by strings
    fragments: frozenset[str]  # with which names may begin or end that it formats


# kind: root of a chain. "self" is the first argument; whether that is an object, who calls knows.
GLOBAL, FREE, SELF = "global", "free", "self"

_VERSION = sys.version_info
# How far an instruction's argument is shifted to be an index of co_names, by Python version.
_GLOBAL_SHIFT = 1 if _VERSION >= (3, 11) else 0
_ATTR_SHIFT = 1 if _VERSION >= (3, 12) else 0
_IMPORT_SHIFT = 2 if _VERSION >= (3, 15) else 0


def _codes(*names: str) -> frozenset[int]:
    return frozenset(opmap[name] for name in names if name in opmap)


_EXTENDED_ARG = opmap["EXTENDED_ARG"]
_LOAD_GLOBAL = _codes("LOAD_GLOBAL")
_LOAD_NAME = _codes("LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")
_STORE_GLOBAL = _codes("STORE_GLOBAL", "DELETE_GLOBAL")
_LOAD_FREE = _codes("LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF")
_LOAD_FAST = _codes("LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_FAST_BORROW")
_STORE_FAST = _codes("STORE_FAST", "DELETE_FAST")
_STORE_TWO = _codes("STORE_FAST_STORE_FAST", "STORE_FAST_LOAD_FAST")
_LOAD_ATTR = _codes("LOAD_ATTR")
_LOAD_METHOD = _codes("LOAD_METHOD")  # its own instruction up to 3.11
_LOAD_SUPER = _codes("LOAD_SUPER_ATTR")
_STORE_ATTR = _codes("STORE_ATTR", "DELETE_ATTR")
_STORE_SUBSCR = _codes("STORE_SUBSCR", "DELETE_SUBSCR")
_IMPORT = _codes("IMPORT_NAME")
_IMPORT_FROM = _codes("IMPORT_FROM")
_MATCH_CLASS = _codes("MATCH_CLASS")
_FORMAT = _codes("FORMAT_VALUE", "FORMAT_SIMPLE", "FORMAT_WITH_SPEC")
_CACHE = _codes("CACHE")
# What else does: + and %, from 3.11 on arguments of one instruction, with += and %=; and methods.
_FORMAT |= _codes("BINARY_ADD", "BINARY_MODULO", "INPLACE_ADD", "INPLACE_MODULO")
_JOIN = {(opmap["BINARY_OP"], n) for n in (0, 6, 13, 19)} if "BINARY_OP" in opmap else set()
_MAKERS = frozenset({"format", "join", "format_map"})
_WORDS = re.compile(r"%\w|\W+")  # what is between words

# Functions that read attributes named by strings; every string constant beside them counts, and so
# does every string that the walk finds.
_BY_STRING = frozenset(
    {"getattr", "setattr", "hasattr", "delattr", "attrgetter", "methodcaller", "globals"}
) | {"__getattribute__", "__getattr__", "__setattr__", "__delattr__"}
_BY_DICT = frozenset({"vars", "__dict__", "asdict", "astuple"})


def _instructions(code: CodeType) -> Iterator[tuple[int, int]]:
    raw, extended = code.co_code, 0
    for i in range(0, len(raw), 2):
        op, arg = raw[i], raw[i + 1] | extended
        extended = arg << 8 if op == _EXTENDED_ARG else 0
        if op != _EXTENDED_ARG and op not in _CACHE:
            yield op, arg


def _cells(code: CodeType) -> tuple[str, ...]:
    """The names that LOAD_DEREF's argument indexes."""
    if _VERSION < (3, 11):
        return code.co_cellvars + code.co_freevars
    cells = tuple(name for name in code.co_cellvars if name not in code.co_varnames)
    return code.co_varnames + cells + code.co_freevars


@lru_cache(maxsize=4096)
def reads_of(code: CodeType) -> Reads:
    """What a code object and those nested in it read; see Reads. About 20 us for a function of 20
    lines, then cached."""
    own = _own_reads(code)
    nested = [reads_of(c) for c in code.co_consts if isinstance(c, CodeType)]
    if not nested:
        return own
    # A nested function's first argument is nobody's self: its chains from there are loose.
    selves = {a for r in nested for kind, _, *rest in r.chains if kind == SELF for a in rest}
    return Reads(
        own.globals.union(*(r.globals for r in nested)),
        own.attributes.union(*(r.attributes for r in nested)),
        own.loose.union(selves, *(r.loose for r in nested)),
        own.chains.union(*({c for c in r.chains if c[0] != SELF} for r in nested)),
        own.imports.union(*(r.imports for r in nested)),
        own.sees_all or any(r.sees_all for r in nested),
        own.by_string or any(r.by_string for r in nested),
        own.fragments.union(*(r.fragments for r in nested)),
    )


def _own_reads(code: CodeType) -> Reads:
    """What its own instructions read."""
    names, cells = code.co_names, _cells(code)
    read_globals, attributes, loose, imports = set(), set(), set(), set()
    chains = set()
    chain: tuple[str, ...] | None = None  # what lies on top of the stack, if known
    rebinds = any(
        (op in _STORE_FAST and arg == 0) or (op in _STORE_TWO and 0 in divmod(arg, 16))
        for op, arg in _instructions(code)
    )
    for op, arg in _instructions(code):
        before, chain = chain, None
        if op in _LOAD_GLOBAL:
            name = names[arg >> _GLOBAL_SHIFT]
            read_globals.add(name)
            chain = (GLOBAL, name)
        elif op in _LOAD_NAME or op in _STORE_GLOBAL:
            read_globals.add(names[arg])
        elif op in _LOAD_FREE:
            chain = (FREE, cells[arg])
        elif op in _LOAD_FAST:
            chain = (SELF, "") if arg == 0 and not rebinds else None
        elif op in _LOAD_ATTR or op in _LOAD_METHOD:
            name = names[arg >> _ATTR_SHIFT if op in _LOAD_ATTR else arg]
            attributes.add(name)
            if before is None:
                loose.add(name)
            else:
                chain = (*before, name)
                chains.add(chain)
        elif op in _LOAD_SUPER:
            attributes.add(names[arg >> 2])
        elif op in _STORE_ATTR or op in _IMPORT_FROM:
            attributes.add(names[arg])
            loose.add(names[arg])  # a live number that is set is no longer read from outside
        elif op in _STORE_SUBSCR:  # group["lr"] = rate
            loose |= {c for c in code.co_consts if isinstance(c, str)}
        elif op in _IMPORT:
            imports.add(names[arg >> _IMPORT_SHIFT])
        elif op in _MATCH_CLASS:  # case Point(x=0): the names are a constant
            named = {
                n for c in code.co_consts if isinstance(c, tuple) for n in c if isinstance(n, str)
            }
            attributes |= named
            loose |= named
    by_string, fragments = bool(_BY_STRING & (read_globals | attributes)), set()
    if by_string:
        constants = [c for c in code.co_consts if isinstance(c, str)]
        strings = {n for c in constants for n in c.split(".") if n.isidentifier()}
        attributes |= strings
        loose |= strings
        if "globals" in read_globals:
            read_globals |= strings
        if _makes_strings(code, attributes):
            words = {w for c in constants if " " not in c for w in _WORDS.split(c)}
            fragments = {w for w in words if w.strip("_")}
    return Reads(
        frozenset(read_globals),
        frozenset(attributes),
        frozenset(loose),
        frozenset(chains),
        frozenset(imports),
        bool(_BY_DICT & (read_globals | attributes)),
        by_string,
        frozenset(fragments),
    )


def _makes_strings(code: CodeType, attributes: set[str]) -> bool:
    """Whether it may put strings together."""
    if not _MAKERS.isdisjoint(attributes):
        return True
    return any(op in _FORMAT or (op, arg) in _JOIN for op, arg in _instructions(code))


def imported(names: frozenset[str], scope: dict) -> set[str]:
    """Names of modules that a function imports: of a relative import only the end is known."""
    package, found = scope.get("__package__") or "", set(names)
    while package:
        found |= {f"{package}.{name}".rstrip(".") for name in names}
        package = package.rpartition(".")[0]
    return found


class Known:
    """What walks have learned: attribute names that are read, and of which hyper-parameters."""

    def __init__(self) -> None:
        self.names: set[str] = set()  # Reads.attributes; the rest of Reads by its own names
        self.loose: set[str] = set()
        self.read: set[tuple[int, str]] = set()  # (id of a module or optimizer, attribute)
        self.methods: dict[Any, Any] = {}  # function: the one object it is a method of
        self.shared: set[Any] = set()  # methods of several objects
        self.sees_all = False
        self.by_string = False
        self.fragments: set[str] = set()

    def learn(self, reads: Reads) -> None:
        self.names |= reads.attributes
        self.loose |= reads.loose
        self.sees_all |= reads.sees_all
        self.by_string |= reads.by_string
        self.fragments |= reads.fragments

    def names_of(self, container: Iterable[str]) -> set[str]:
        """The names that may be read of an object with this __dict__ or these slots."""
        if not self.fragments:
            return self.names
        ends = tuple(self.fragments)
        return self.names | {n for n in container if n.startswith(ends) or n.endswith(ends)}

    def hear(self, value: Any) -> None:
        """A string that the function may read, perhaps to name an attribute by it."""
        if self.by_string and isinstance(value, str) and value.isidentifier():
            self.names.add(value)
            self.loose.add(value)

    def bind(self, method: Any, value: Any) -> None:
        """A function that is a method of this object, and of no other so far perhaps."""
        if self.methods.setdefault(method, value) is not value:
            self.shared.add(method)

    def size(self) -> tuple:
        """What grows when something is learned."""
        learned = (
            self.names, self.loose, self.fragments, self.read, self.methods, self.shared,
        )  # fmt: skip
        return (*map(len, learned), self.sees_all, self.by_string)
