"""Plots, and the HTML report of saved runs."""

from ..system.lazy import names_of

__getattr__, __dir__ = names_of(__name__, {})
