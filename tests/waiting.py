"""Waiting for what another process does: for the thing itself, never for so many seconds."""

import time

PATIENCE = 120.0  # seconds: a machine may be busy


def until(condition, patience=PATIENCE):
    """Return the first true value of ``condition()``; an AssertionError if there is none in so many seconds."""
    end = time.monotonic() + patience
    while not (found := condition()):
        assert time.monotonic() < end, f"nothing in {patience} seconds"
        time.sleep(0.02)
    return found
