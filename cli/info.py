"""`dfanp info`: versions, and which devices and kernels are usable."""

import importlib.metadata
import json
import os
import platform

import click

from .options import as_json
from .terminal import bad, echo, good

PACKAGES = ("numpy", "numba", "scipy", "scikit-learn", "matplotlib", "click", "pooch", "threadpoolctl")


@click.command()
@as_json
def info(as_json):
    """Show versions, and which devices and kernels are usable; if not, why.

    \b
    Example: dfanp info

    Output: one fact per line; with --json one object.

    Exit status: 0, also if some are not usable.

    See also: dfanp data list.
    """
    from threadpoolctl import threadpool_info

    from dfanp import Backend, __version__
    from dfanp.backend import usable_cores, usable_cupy
    from dfanp.kernels import TIERS
    from dfanp.kernels import why_not as tier_why_not
    from dfanp.problems import folders

    Backend("cpu")  # loads NumPy and the kernels, so that their BLAS and OpenMP are seen
    cupy, why_not = usable_cupy()
    pools = threadpool_info()
    blas = [f"{each['internal_api']} {each.get('version')}" for each in pools if each["user_api"] == "blas"]
    openmp = [each["filepath"] for each in pools if each["user_api"] == "openmp"]
    facts = {
        "dfanp": __version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {usable_cores()} of {os.cpu_count()} cores usable",
        "blas": ", ".join(blas) or "unknown",
        "openmp": ", ".join(openmp) or "none loaded",
        "packages": {name: version(name) for name in PACKAGES},
        "devices": {"cpu": "usable", "gpu": f"not usable: {why_not}" if why_not else f"usable: {card(cupy)}"},
        "kernels": {tier: f"not usable: {reason}" if (reason := tier_why_not(tier)) else "usable" for tier in TIERS},
        "data": {"cache": str(folders.cache()), folders.VARIABLE: os.environ.get(folders.VARIABLE)},
    }
    if as_json:
        click.echo(json.dumps(facts))
        return
    for name, value in facts.items():
        if isinstance(value, dict):
            echo(good(name))
            for key, each in value.items():
                each = each or "not set"
                echo(f"  {key:14} {bad(each) if each.startswith('not usable') else each}")
        else:
            click.echo(f"{name:16} {value}")


def version(package):
    """Return the installed version of a package, or "not installed"."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def card(cupy):
    """Return the name of the GPU and the version of CuPy."""
    from dfanp.backend import gpu_name

    return f"{gpu_name(cupy)}, CuPy {cupy.__version__}"
