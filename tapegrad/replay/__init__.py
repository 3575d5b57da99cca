"""Replay: record a step once, run it as one call. docs/replay.md has the rules, docs/adr/0005 why.

A call goes through these files:

* call: most calls end here, in C (csrc/pycall.c), without any of the rest;
* compiled: else Compiled looks for a program that fits: methods binds it, as classes do;
* arguments: the call's arrays, and its signature; signatures: what makes it another, in words;
* variant: a program of that signature with the world it is for: guards, and its state;
* native runs it in C; interpret runs it entry by entry, for the NumPy engine;
* audit runs the Python beside it; epoch calls it on batches; profile times it.

Where no program fits, the call is recorded:

* trust runs the Python, and trusts what it did once it did the same twice: by record, the log;
  writes, what it changed; observed, which ndarrays it looked into; compare, two recordings;
* build makes a Program, as ir defines it, of the recording;
* passes makes it smaller and names the order: epilogues, fuse (and again in it), endings;
* plan gives its values places in memory, and native lowers it for C.

guards knows what the function reads of the world, from a walk over it:

* reads finds names in bytecode; look looks at objects; libraries says whose code it is;
* walk follows them with containers, nets and caches, and leaves what it found in found;
* checks compares that at each call, in C where it can (csrc/pyguards.c).
"""

from .compiled import Compiled, compile

__all__ = ["Compiled", "compile"]
