"""Tests of what is refused, of their tables alone."""

import pytest


def refuses(rows):
    """The test of rows of (call, the error it raises, a pattern of its message)."""

    @pytest.mark.parametrize(("call", "error", "message"), rows, ids=[row[2] for row in rows])
    def test(call, error, message):
        with pytest.raises(error, match=message):
            call()

    return test
