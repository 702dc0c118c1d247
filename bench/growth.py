"""How the cost of a training step grows with each of its sizes, the others at k = 3, 512 hidden, batch 128, one replica."""

from dfanp.backend import usable_cores

from .interleave import summary, take_turns

AXES = {
    "k": range(1, 11),
    "hidden": (64, 128, 256, 512, 1024, 2048, 4096),
    "batch": (32, 64, 128, 256, 512, 1024),
    "replicas": range(1, 9),
}
TITLES = {"k": "digits k", "hidden": "hidden width", "batch": "batch", "replicas": "replicas", "threads": "threads"}
MOST_STEPS = 50


def changes(axis, value):
    """Return what of the settings differs at one point of an axis."""
    return {"seed": list(range(value))} if axis == "replicas" else {axis: value}


def curves(plan, say, axes=None):
    """Yield for each axis a dict: values, and by tier the summary of the seconds of a training step at each value."""
    for axis, values in (axes or AXES | {"threads": range(1, usable_cores() + 1)}).items():
        settings = plan.settings("dfa", "rmsprop", steps=min(plan.steps, MOST_STEPS))
        points = {str(value): changes(axis, value) for value in values}
        everybody = {tier: ("dfanp growth", settings | {"tier": tier, "points": points}) for tier in plan.tiers}
        talk = lambda text, axis=axis: say(f"growth with {axis}: {text}")
        # Each point twice in a turn, the second time for the clock: others have had the caches since its last turn.
        twice = tuple(point for point in points for _ in range(2))
        seconds, _ = take_turns(everybody, plan.rounds, runs=twice, say=talk)
        per_step = {
            tier: [summary([time / settings["steps"] for time in runs[point][1::2]]) for point in points]
            for tier, runs in seconds.items()
        }
        yield {"name": "growth", "axis": axis, "values": list(values), "unit": "s", "steps": per_step}
