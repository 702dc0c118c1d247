"""The experiments of Demirbilek 2021 and of its future work, as data: settings in, records out."""

from ..errors import by_name


def experiments():
    """Return name -> Experiment, in the order of the thesis."""
    from . import (
        adaptive,
        alignment,
        architectures,
        compared_rules,
        convolution,
        disks,
        online,
        parity,
        representations,
        when_aligned,
    )

    modules = (
        parity,
        disks,
        alignment,
        representations,
        architectures,
        compared_rules,
        convolution,
        when_aligned,
        adaptive,
        online,
    )
    every = {each.name: each for module in modules for each in module.EXPERIMENTS}
    return {
        name: every[name] for name in sorted(every, key=lambda name: (not name[0].isdigit(), name[0] != "B", name))
    }


def get(name):
    """Return the Experiment called `name`; a ValueError lists the known names."""
    return by_name("figure", name, experiments())
