"""How the C core is compiled: run by setuptools through cffi, never imported.

The API is csrc/tapegrad.h, read here as cffi's cdef and by the compiler. Every csrc/*.c is
compiled; *.inc.c and *.inc.h are included by those. TAPEGRAD_SANITIZE=address,undefined (or
thread) makes a sanitizer build for the tests.
"""

import os
import sys
import sysconfig
from glob import glob
from pathlib import Path

import cffi

API = "csrc/tapegrad.h"  # relative: setuptools wants paths from the project's root
INCLUDED = ["csrc/*.h", "csrc/*.inc.c", "csrc/*.def"]

FLAGS = [
    "-std=gnu11",
    # Rounding is ours to decide: the same bits on every ISA.
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fno-trapping-math",
    # CPU detection must not be merged with code compiled for an ISA this CPU may lack.
    "-fno-lto",
    "-fvisibility=hidden",
    "-pthread",
    "-Wall",
    "-Wextra",
    "-Wno-psabi",
    # Else a misspelt function would only show when the module is loaded.
    "-Werror=implicit-function-declaration",
]

# The C core releases the interpreter lock itself, around long kernels only: dropping it
# around each call would cost more than a small op.
PREAMBLE = """
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#undef Py_BEGIN_ALLOW_THREADS
#undef Py_END_ALLOW_THREADS
#define Py_BEGIN_ALLOW_THREADS {
#define Py_END_ALLOW_THREADS }
#include "tapegrad.h"
"""

sanitize = os.environ.get("TAPEGRAD_SANITIZE")
if sanitize:
    compile_args = FLAGS + [
        "-O1",
        "-g",
        "-fno-omit-frame-pointer",
        f"-fsanitize={sanitize}",
        "-fno-sanitize-recover=all",
        # AddressSanitizer finds what these three would, and the ISA files compile in a tenth of
        # the time without them and with its checks as calls.
        "-fno-sanitize=null,object-size,pointer-overflow",
        "--param=asan-instrumentation-with-call-threshold=0",
    ]
    link_args = ["-pthread", f"-fsanitize={sanitize}"]
else:
    # Python's own flags ask for debug information: a third of the compile time, then stripped.
    compile_args = ["-O3", "-g0", *FLAGS]
    link_args = ["-pthread"]
    if sys.platform.startswith("linux"):
        link_args.append("-Wl,-s")  # strip: the wheel stays below 2 MB

limited_api = not sysconfig.get_config_var("Py_GIL_DISABLED")

# The command line is part of the generated C file, so that a change of compiler or flags
# rebuilds, as a change of source does.
command = " ".join([os.environ.get("CC", "cc"), *compile_args, *link_args])

ffibuilder = cffi.FFI()
ffibuilder.cdef(Path(API).read_text(encoding="utf-8"))
ffibuilder.set_source(
    "tapegrad._core",
    f"/* {command} */\n{PREAMBLE}",
    sources=sorted(set(glob("csrc/*.c")) - set(glob("csrc/*.inc.c"))),
    depends=sorted(path for pattern in INCLUDED for path in glob(pattern)),
    include_dirs=["csrc"],
    define_macros=[("Py_LIMITED_API", "0x030A0000")] if limited_api else [],
    extra_compile_args=compile_args,
    extra_link_args=link_args,
    py_limited_api=limited_api,
)
