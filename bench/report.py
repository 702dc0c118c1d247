"""What a benchmark writes: the machine, a JSON file, a Markdown table."""

import importlib.metadata
import json
import os
import platform
from pathlib import Path

PACKAGES = ("numpy", "jax", "torch", "numba", "threadpoolctl")


def machine():
    """Return what the times depend on: processor, cores, system, versions."""
    from dfanp import __version__
    from dfanp.backend import usable_cores

    versions = {"dfanp": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = None
    found = {"cpu": processor(), "cores": usable_cores(), "system": f"{platform.system()} {platform.machine()}"}
    return found | {"load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None, "versions": versions}


def begin(plan, quick):
    """Return a result without measurements yet."""
    from .roofline import floor

    chosen = {"data": plan.data, "threads": plan.threads, "tiers": list(plan.tiers), "rounds": plan.rounds}
    return {
        "machine": machine(),
        **chosen,
        "torch": plan.torch,
        "jax": plan.jax,
        "quick": quick,
        "floor": floor(),
        "measurements": [],
    }


def processor():
    """Return the model name of the CPU."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    found = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    extensions = [name for name in ("avx2", "avx512f") if name in found.get("flags", "").split()]
    return " ".join([found.get("model name", platform.machine()), *extensions])


def conditions(result):
    """Return in a line what the times depend on."""
    machine, rounds = result["machine"], result["rounds"]
    versions = machine["versions"]
    torch = f", PyTorch {versions['torch']}" if result["torch"] else ""
    torch += f", JAX {versions['jax']}" if result.get("jax") else ""
    return (
        f"{machine['cpu']}, {result['threads']} threads; dfanp {versions['dfanp']}, NumPy {versions['numpy']}{torch}; "
        f"data {result['data']}; medians of {rounds} interleaved rounds{'; QUICK: sizes cut' if result['quick'] else ''}."
    )


def markdown(result):
    """Return the tables of a result, as Markdown."""
    by_name = {}
    for each in result["measurements"]:
        by_name.setdefault(each["name"], []).append(each)
    return "\n\n".join([conditions(result), *(TABLES[name](each) for name, each in by_name.items())])


def rows(head, body):
    """Return a Markdown table."""
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in (head, ["---"] * len(head), *body))


def seconds(value):
    """Return a time with three digits and its unit."""
    size = abs(value)
    unit, factor = ("s", 1) if size >= 1 else ("ms", 1e3) if size >= 1e-3 else ("µs", 1e6)
    return f"{value * factor:.3g} {unit}"


def compared(title, measurements, label, per=1, share=False):
    """Return a table of times, and of each candidate against the peer: times as fast, or `share` of the peer's time."""
    titles = list(dict.fromkeys(name for each in measurements for name in each["times"]))
    body = []
    for each in measurements:
        cells = [label(each)]
        for name in titles:
            if name not in each["times"]:
                cells.append("-")
                continue
            time = seconds(each["times"][name]["median"] / per)
            faster = each["faster"].get(name)
            cells.append(time if faster is None else f"{time} ({f'{1 / faster:.2f}' if share else f'{faster:.2f}×'})")
        body.append([*cells, each["peer"] or "-"])
    failed = "".join(f"\n\n{why}" for each in measurements for why in each["failed"].values())
    what = "in brackets: share of the peer's time" if share else "in brackets: times as fast as the peer"
    beyond = outliers(
        (f"{name}, {label(each)}", times, per) for each in measurements for name, times in each["times"].items()
    )
    return f"**{title}** ({what})\n\n{rows(['', *titles, 'peer'], body)}{beyond}{failed}"


def outliers(named):
    """Return a paragraph that names the outliers of some (title, summary, runs of a time), or nothing where there is none."""
    found = [
        f"{title}: round {number}, {seconds(times['all'][number - 1] / per)} (median {seconds(times['median'] / per)})"
        for title, times, per in named
        for number in times["outliers"]
    ]
    return (
        f"\n\nOutliers, which the medians leave aside and the pictures do not show: {'; '.join(found)}."
        if found
        else ""
    )


def epoch_table(measurements):
    rule_and_opt = lambda each: f"{each['settings']['rule'].upper()} {each['settings']['opt']}"
    sizes = measurements[0]["settings"]
    title = f"An epoch: draw, train on {sizes['train_size']}, test on {sizes['test_size']}"
    return compared(title, measurements, rule_and_opt)


def network_of(each):
    """Return what the network of a measurement is."""
    s = each["settings"]
    hidden = "-".join(map(str, s["hidden"] if isinstance(s["hidden"], list) else [s["hidden"]]))
    what = "parity" if s["what"] == "epoch" else f"classes of {s['data']}, {s['activation']}"
    threads = f"{s['threads']} thread{'s' if s['threads'] > 1 else ''}"
    return f"{what}, {hidden}{', biases' if s.get('bias') else ''}, {s['rule'].upper()} {s['opt']}, {threads}"


def network_table(measurements):
    head = ["", "floor", "of which is reached"]
    body = [
        (network_of(each), seconds(each["floor"]["seconds"]), f"{each['floor']['reached']:.0%}")
        for each in measurements
    ]
    table = compared("An epoch of other networks", measurements, network_of)
    floors = (
        "**Their floor**: the multiply-adds that are needed, at the speed of BLAS on large matrices, on these threads"
    )
    return f"{table}\n\n{floors}\n\n{rows(head, body)}"


def step_table(measurements):
    label = lambda each: f"DFA {each['settings']['opt']}"
    title = "A training step against the dense pair of products alone"
    return compared(title, measurements, label, per=measurements[0]["settings"]["steps"], share=True)


def full_batch_table(measurements):
    epochs = measurements[0]["settings"]["epochs"]
    return compared(f"Full batch 256 × 25, {epochs} epochs, each tested", measurements, lambda each: "BP sgd")


def replica_table(measurements):
    label = lambda each: f"DFA rmsprop, {each['settings']['tier']}"
    return compared("Three replicas in one loop", measurements, label, share=True)


def start_table(measurements):
    (each,) = measurements
    body = [(title, seconds(times["median"])) for title, times in each["times"].items()]
    return "**Start**\n\n" + rows(
        ["", "median"], [*body, ("import, beyond NumPy", seconds(each["import_beyond_numpy"]))]
    )


def memory_table(measurements):
    body = [(each["settings"]["tier"], f"{each['peak']:.0f} MB") for each in measurements]
    return f"**Peak memory of a run on {measurements[0]['settings']['data']}**\n\n" + rows(["tier", "peak"], body)


def growth_table(measurements):
    parts = []
    for each in measurements:
        body = [[tier, *(seconds(point["median"]) for point in points)] for tier, points in each["steps"].items()]
        beyond = outliers(
            (f"{tier}, {each['axis']} {value}", point, 1)
            for tier, points in each["steps"].items()
            for value, point in zip(each["values"], points, strict=True)
        )
        parts.append(f"**A training step by {each['axis']}**\n\n" + rows(["", *each["values"]], body) + beyond)
    return "\n\n".join(parts)


TABLES = {
    "epoch": epoch_table,
    "network": network_table,
    "step": step_table,
    "full batch": full_batch_table,
    "replicas": replica_table,
    "start": start_table,
    "memory": memory_table,
    "growth": growth_table,
}


def keep(result, folder):
    """Write ``cpu.json`` (``growth.json`` for growth curves alone) and the pictures into `folder`; return their paths."""
    from . import pictures

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    names = {each["name"] for each in result["measurements"]}
    path = folder / ("growth.json" if names == {"growth"} else "cpu.json")
    path.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return [path, *pictures.draw(result, folder, conditions(result), network_of)]
