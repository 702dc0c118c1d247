"""What is measured on a GPU: steps and epochs of R replicas against PyTorch at its best, the card's ceilings, sweeps and figures.

The floor of a step at R = 1 (n = 128, D = 2352, H = 512, float32): 617 Mflop of dense products. At 60 Tflop/s, what float32 without
tensor cores comes to on an H100 or H200, that is 10 µs. The 25 MB that W and one state array move through the second-level cache take 5 µs
at 5 TB/s; cuda_pass.cu keeps them on the multiprocessors, and moves 14 MB: 9.6 of the batch, 4.2 of what blocks exchange. On
top come two barriers of 1 to 1.5 µs. A framework launches some ten kernels, captured into a graph 30 to 40 µs.
"""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from dfanp.experiments.rates import default_rate

from . import suite
from .candidates import same_losses
from .interleave import take_turns
from .report import machine, rows, seconds
from .roofline import floor

TORCH = {"PyTorch eager": "eager", "PyTorch max-autotune": "compiled", "PyTorch max-autotune, captured": "captured"}
TORCH_TF32 = "PyTorch captured, TF32"  # the peer of dfanp cuda-tf32
TIERS = ("cuda", "cuda-tf32", "numpy")
FIGURES = ("2.1", "3.1", "3.2", "3.3", "3.4", "3.5", "B.1", "B.2")


@dataclass(frozen=True)
class Plan(suite.Plan):
    """What to run, and how much of it: a ``suite.Plan``, and more.

    Attributes:
        whats: what is timed of the training. replicas: the R that are measured.
        log: a file for what the candidates print. grid_epochs: of the sweep. figures: names of figures.
        device, ours: where PyTorch and dfanp run; another place than the card only in tests.
    """

    threads: int | None = None
    steps: int = 468  # a whole number of graphs of 52
    tiers: tuple = TIERS
    opts: tuple = ("rmsprop", "adam", "sgd")
    whats: tuple = ("steps", "epoch")
    replicas: tuple = (1, 8, 64)
    log: str | None = None
    grid_epochs: int = 20
    figures: tuple = FIGURES
    device: str = "cuda"
    ours: str = "gpu"

    def replicated(self, rule, opt, R):
        """Return the settings of all candidates with R replicas."""
        return self.settings(rule, opt, steps=self.steps, replicas=R, seed=list(range(R)) if R > 1 else 0)


def training(plan, say):
    """Yield the measurements of steps, and of whole epochs, for each rule, optimizer and R."""
    for what in plan.whats:
        for rule, opt, R in ((rule, opt, R) for rule in plan.rules for opt in plan.opts for R in plan.replicas):
            settings = plan.replicated(rule, opt, R)
            ours = {
                f"dfanp {tier}": (f"dfanp {what}", settings | {"tier": tier, "device": plan.ours})
                for tier in plan.tiers
            }
            torch = {
                title: (f"gpu torch {what}", settings | {"mode": mode, "device": plan.device})
                for title, mode in TORCH.items()
                if plan.torch
            }
            if plan.torch and "cuda-tf32" in plan.tiers:
                rounded = settings | {
                    "mode": TORCH["PyTorch max-autotune, captured"],
                    "tf32": True,
                    "device": plan.device,
                }
                torch[TORCH_TF32] = f"gpu torch {what}", rounded
            talk = lambda text, title=f"{what}, {rule} {opt}, R = {R}": say(f"{title}: {text}")
            # What rounds its factors, and what is timed without a test, is not checked.
            unchecked = (TORCH_TF32, *(("dfanp cuda-tf32",) if what == "epoch" else ours))
            optional = [*list(torch)[1:], "dfanp cuda-tf32"]
            times, failed = take_turns(
                ours | torch,
                plan.rounds,
                check=same_losses,
                unchecked=unchecked,
                optional=optional,
                say=talk,
                log=plan.log,
            )
            peers = tuple(TORCH) if plan.torch else tuple(ours)[:1]
            yield suite.measurement(what, settings, times, failed, peers)


def beside_jax(plan):
    """Return the measurement of an epoch of one network beside JAX on the same device: its jitted scan of all steps."""
    settings = plan.replicated("dfa", "rmsprop", 1) | {"threads": plan.threads}
    platform = {"cuda": "cuda", "cpu": "cpu"}[plan.device]
    both = {f"dfanp {plan.tiers[0]}": ("dfanp epoch", settings | {"tier": plan.tiers[0], "device": plan.ours})}
    both["JAX"] = "jax epoch", settings | {"platform": platform}
    times, failed = take_turns(both, plan.rounds, check=same_losses, optional=("JAX",), log=plan.log)
    return suite.measurement("epoch", settings, times, failed, ("JAX",))


def ceilings(plan, say):
    """Yield the card's measured ceilings: float32 operations a second of a large product (and with TF32), bytes a second of a copy."""
    say("ceilings")
    import cupy

    from dfanp import Backend

    def fastest(run, repeat=5):
        run()
        times = []
        for _ in range(repeat):
            cupy.cuda.Device().synchronize()
            began = perf_counter()
            run()
            cupy.cuda.Device().synchronize()
            times.append(perf_counter() - began)
        return min(times)

    N = 8192
    A, C = (cupy.random.standard_normal((N, N), dtype=cupy.float32) for _ in range(2))
    found = {"float32 product, flop/s": 2 * N**3 / fastest(lambda: A @ C)}
    with Backend("gpu", kernels="cuda-tf32").pinned():
        found["TF32 product, flop/s"] = 2 * N**3 / fastest(lambda: A @ C)
    source = cupy.random.standard_normal(1 << 28, dtype=cupy.float32)
    target = cupy.empty_like(source)
    found["copy, bytes/s"] = 2 * source.nbytes / fastest(lambda: cupy.copyto(target, source))
    yield {"name": "ceilings", "found": found}


def grid(plan, say):
    """Yield the seconds of the learning-rate grid of figure 3.4, five rates and three seeds each, as one sweep."""
    from dfanp.settings import ParitySettings
    from dfanp.sweeps import grids
    from dfanp.sweeps.sweep import Sweep

    say("the grid of figure 3.4")
    sizes = {"train_size": plan.train_size, "test_size": plan.test_size, "hidden": (plan.hidden,)}
    base = ParitySettings(lr=1.0, data=plan.data, epochs=plan.grid_epochs, device=plan.ours, held_out=True, **sizes)
    settings = []
    for method in ("bp", "dfa"):
        for opt in ("sgd", "adagrad", "adadelta", "rmsprop", "adam"):
            rate = default_rate(plan.data, method, opt).lr
            rates = [rate * 2**step for step in range(-2, 3)]
            settings += grids.product(base, method=[method], opt=[opt], lr=rates, seed=range(3))
    began = perf_counter()
    with tempfile.TemporaryDirectory() as folder, Sweep(settings, folder, data_dir=plan.data_dir) as sweep:
        failed = [outcome.error for outcome in sweep.outcomes() if outcome.state == "failed"]
        jobs = len(sweep.jobs)
    yield {"name": "grid", "runs": len(settings), "jobs": jobs, "seconds": perf_counter() - began, "failed": failed}


def figures(plan, say):
    """Yield the seconds in which figures of the thesis are trained and recorded, as published and corrected, three seeds."""
    from dfanp.experiments import experiment, experiments
    from dfanp.experiments.reproduce import Reproduction

    say(f"figures {', '.join(plan.figures)}")
    tasks = [(each, mode) for each in experiments().values() if each.name in plan.figures for mode in each.modes]
    scale = (experiment.full if plan.data == "mnist" else experiment.quick)("auto", plan.ours).few
    began = perf_counter()
    with tempfile.TemporaryDirectory() as folder, Reproduction(tasks, scale, folder, data_dir=plan.data_dir) as work:
        failed = [outcome.error for outcome in work.sweep.outcomes() if outcome.state == "failed"]
        missing = [each.name for each, _, path in work.records() if path is None]
    names = sorted({each.name for each, _ in tasks})
    found = {"figures": names, "seconds": perf_counter() - began, "failed": failed, "missing": missing}
    yield {"name": "figures"} | found


MEASUREMENTS = (ceilings, training, grid, figures)


def begin(plan, quick):
    """Return a result without measurements yet."""
    from dfanp import Backend
    from dfanp.backend import gpu_name

    backend = Backend(plan.ours)
    card = gpu_name(backend.xp) if backend.device == "gpu" else "no GPU"
    versions = {backend.name: backend.xp.__version__}
    chosen = {"gpu": card, "array library": versions, "data": plan.data, "rounds": plan.rounds, "quick": quick}
    return {"machine": machine(), **chosen, "floor": floor(hidden=plan.hidden), "measurements": []}


def markdown(result):
    """Return the tables of a result, as Markdown."""
    by_name = {}
    for each in result["measurements"]:
        by_name.setdefault(each["name"], []).append(each)
    library = " ".join(*result["array library"].items())
    parts = [
        f"{result['gpu']}; {library}, PyTorch {result['machine']['versions']['torch']}; data {result['data']}; medians of "
        f"{result['rounds']} interleaved rounds{'; QUICK: sizes cut' if result['quick'] else ''}."
    ]
    ceiling = None
    for each in by_name.get("ceilings", ()):
        ceiling = each["found"]["float32 product, flop/s"]
        body = [(name, f"{value / 1e12:.3g} T") for name, value in each["found"].items()]
        parts.append("**Ceilings**\n\n" + rows(["", "measured"], body))
    for what, title in (
        ("steps", "A training step of all replicas"),
        ("epoch", "An epoch of all replicas: draw, train, test"),
    ):
        if what in by_name:
            parts.append(
                f"**{title}** (in brackets: times as fast as the fastest PyTorch of full precision)\n\n"
                + table(by_name[what], result, ceiling)
            )
    for each in by_name.get("grid", ()):
        parts.append(
            f"The grid of figure 3.4, {each['runs']} runs in {each['jobs']} jobs: {seconds(each['seconds'])}."
        )
    for each in by_name.get("figures", ()):
        parts.append(f"Figures {', '.join(each['figures'])}, both modes, three seeds: {seconds(each['seconds'])}.")
    return "\n\n".join(parts)


def table(measurements, result, ceiling):
    """Return the table of steps or epochs, with the share of the ceiling that the cuda tier's dense operations come to."""
    titles = list(dict.fromkeys(title for each in measurements for title in each["times"]))
    body = []
    for each in measurements:
        chosen, cells = each["settings"], []
        steps = chosen["steps"] if each["name"] == "steps" else 1
        for title in titles:
            if title not in each["times"]:
                cells.append("-")
                continue
            time = each["times"][title]["median"] / steps
            faster = each["faster"].get(title)
            cells.append(f"{seconds(time)} ({faster:.2f}×)" if faster else seconds(time))
        share = "-"
        if ceiling and each["name"] == "steps" and "dfanp cuda" in each["times"]:
            flop = 2 * result["floor"]["dense_multiply_adds"] * chosen["replicas"] * steps
            share = f"{flop / each['times']['dfanp cuda']['median'] / ceiling:.0%}"
        body.append([f"{chosen['rule'].upper()} {chosen['opt']}, R = {chosen['replicas']}", *cells, share])
    failed = "".join(f"\n\n{why}" for each in measurements for why in each["failed"].values())
    return rows(["", *titles, "cuda: share of the product ceiling"], body) + failed


def keep(result, folder):
    """Write the result into `folder` under the card's name; return the path."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    name = "-".join("".join(c if c.isalnum() else " " for c in result["gpu"].lower()).split())
    path = folder / f"gpu-{name}.json"
    path.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return path
