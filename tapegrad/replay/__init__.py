"""Replay: a function's work recorded once and run again as one C call."""
