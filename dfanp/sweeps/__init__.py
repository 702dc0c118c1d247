"""Many runs: grids of settings, their jobs on the cores of a machine or a cluster, and tuning."""

from typing import TYPE_CHECKING

from ..system.lazy import names_of

if TYPE_CHECKING:  # imported at its first use
    from .sweep import Sweep

__getattr__, __dir__ = names_of(__name__, {"sweep": "Sweep"})

__all__ = ["Sweep"]
