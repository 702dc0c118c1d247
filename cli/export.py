"""`dfanp export`: the weights of a run for other programs."""

import click

from .options import data_dir, usage_errors


@click.command()
@click.argument("run", type=click.Path(), metavar="RUN")
@click.option("--out", required=True, metavar="FILE", help="A .safetensors or .npz file.")
@click.option("--seed", type=click.IntRange(min=0), help="Of a run with repeats.  [default: its first]")
@data_dir
def export(run, out, seed, data_dir):
    """Write the weights of RUN, a folder that --out kept, as PyTorch names them.

    \b
    Example: dfanp export runs/dfa --out dfa.npz

    The arrays are those of torch.nn.Sequential(Linear, activation, Linear, …): "0.weight", "2.weight", …
    """
    from dfanp import interchange
    from dfanp.kept import Kept

    with usage_errors():
        interchange.checked_path(out)
        kept = Kept(run, data_dir)
        network = kept.final(kept.settings.seed if seed is None else seed)
        interchange.save(network, out)
    layers = " → ".join(map(str, network.sizes))
    click.echo(f"wrote {out}: {kept.title}, {layers}, {network.activation.name}")
