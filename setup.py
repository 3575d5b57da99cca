"""Build the C core, or decide that this machine has nothing to build it with.

Everything static is in pyproject.toml; what the core is made of is in
tapegrad/engine/_build.py. Environment variables read here:

TAPEGRAD_NO_EXT=1    install the pure NumPy package even where a compiler is found
TAPEGRAD_SANITIZE    see _build.py; such a build is never copied into the source tree
CC                   the compiler, as usual
"""

import os
import shlex
import shutil
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

IN_PLACE = "tapegrad/_core*.so"


def has_compiler():
    """Say whether this machine has a C compiler; point CC at it if Python's own is not there.

    A CC that is set counts: if it does not exist, the build fails and says so.
    """
    if os.environ.get("CC"):
        return True
    configured = shlex.split(sysconfig.get_config_var("CC") or "")
    if configured and shutil.which(configured[0]):
        return True
    for name in ["cc", "gcc", "clang"]:
        if shutil.which(name):
            os.environ["CC"] = name
            return True
    return False


def check_headers():
    """Stop with a remedy where a compiler is there and Python's headers are not."""
    header = Path(sysconfig.get_path("include"), "Python.h")
    if not header.exists():
        sys.exit(
            f"tapegrad: a C compiler was found, but not {header}; install Python's headers "
            "(python3-dev, python3-devel), or set TAPEGRAD_NO_EXT=1 for the pure NumPy package"
        )


class BuildExt(build_ext):
    """Build the extension, and leave a copy of it in the source tree.

    `python -m tapegrad`, run where `pip install .` ran, imports the source tree: without the
    copy it would silently be the NumPy engine.
    """

    def run(self):
        super().run()
        if not self.inplace and not os.environ.get("TAPEGRAD_SANITIZE"):
            self.copy_extensions_to_source()

    def build_extension(self, ext):
        """Compile on all processors: one file at a time takes twice as long on two."""
        compile_serially = self.compiler.compile

        def compile_in_parallel(sources, **options):
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                objects = pool.map(lambda source: compile_serially([source], **options), sources)
                return [name for names in objects for name in names]

        self.compiler.compile = compile_in_parallel
        super().build_extension(ext)


class BuildPy(build_py):
    """Forget the modules of the build before: a deleted one must not live on in the wheel."""

    def run(self):
        for copied in Path(self.build_lib).rglob("*.py"):
            copied.unlink()
        super().run()


class BuildPure(BuildPy):
    """A pure build removes the extension an earlier build left in the source tree."""

    def run(self):
        for stale in Path().glob(IN_PLACE):
            stale.unlink()
        super().run()


if os.environ.get("TAPEGRAD_NO_EXT") == "1" or not has_compiler():
    setup(cmdclass={"build_py": BuildPure})
else:
    check_headers()
    options = {}
    if os.environ.get("TAPEGRAD_SANITIZE"):
        options["build"] = {"build_base": "build/sanitize"}
    if not sysconfig.get_config_var("Py_GIL_DISABLED"):
        options["bdist_wheel"] = {"py_limited_api": "cp310"}
    setup(
        cffi_modules=["tapegrad/engine/_build.py:ffibuilder"],
        cmdclass={"build_py": BuildPy, "build_ext": BuildExt},
        options=options,
    )
