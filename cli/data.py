"""`dfanp data`: which data sets are here, and how to get the others."""

import json

import click

from dfanp.problems import datasets

from .options import Name, as_json, data_dir


@click.group()
def data():
    """List and fetch data sets."""


@data.command("list")
@data_dir
@as_json
def list_(data_dir, as_json):
    """Say which data sets there are, and where.

    \b
    Example: dfanp data list
    """
    rows = []
    for name in datasets.NAMES:
        place = "scikit-learn" if name == "digits" else datasets.find(name, data_dir)
        if place is None:
            rows.append((name, None, datasets.TITLES[name]))
        else:
            rows.append((name, str(place), datasets.TITLES[name]))
    if as_json:
        click.echo(json.dumps([{"name": name, "place": place, "title": title} for name, place, title in rows]))
        return
    for name, place, title in rows:
        megabytes = "" if place else f"not here: dfanp data fetch {name} ({datasets.SOURCES[name].megabytes} MB)"
        click.echo(f"{name:14} {title}\n{'':14} {place or megabytes}")


@data.command()
@click.argument("name", type=Name(list(datasets.SOURCES)))
@data_dir
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def fetch(name, data_dir, quiet):
    """Download a data set, check it, and keep it in the cache (or in --data-dir).

    \b
    Example: dfanp data fetch mnist
    """
    from dfanp.problems.download import fetch as download

    say = (lambda message: None) if quiet else (lambda message: click.echo(message, err=True))
    click.echo(download(name, data_dir, say))
