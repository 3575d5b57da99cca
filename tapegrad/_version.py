"""The version, once: pyproject.toml and `tapegrad.__version__` read it here."""

__version__ = "0.1.0"
