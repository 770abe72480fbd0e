"""Arguments that several verbs share, and what they do with them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synthscope.errors import UsageError
from synthscope.explainers import EXPLAINERS
from synthscope.runtime.told import printable

if TYPE_CHECKING:
    import polars as pl


def at_least(least: int) -> Callable[[typer.CallbackParam, int | None], int | None]:
    """Check of a whole number, before a command reads or writes anything: ``least`` to the largest of 64 bits."""

    def check(option: typer.CallbackParam, value: int | None) -> int | None:
        if value is not None and not least <= value < 2**63:
            raise UsageError(f"Expected {option.opts[-1]} of at least {least}, got {value}. Correct the number.")
        return value

    return check


Source = Annotated[str, typer.Argument(help="A manifest (.parquet) or LAYOUT:PATH, such as genimage:/data/GenImage.")]
Images = Annotated[
    list[str],
    typer.Argument(
        help="Files, folders and 'patterns/*.jpg', - for paths on stdin, manifests (.parquet), LAYOUT:PATH.",
        metavar="IMAGES...",
    ),
]
Where = Annotated[str | None, typer.Option("--where", help='Keep some rows: "split=val subset=ADM,glide label=1".')]
Workers = Annotated[
    int | None,
    typer.Option("-j", "--workers", callback=at_least(1), help="Parallel workers; never changes a result."),
]
Threads = Annotated[int, typer.Option("-j", "--workers", callback=at_least(1), help="Threads and processes.")]
Seed = Annotated[int, typer.Option("--seed", callback=at_least(0), help="Of everything random.")]
Overrides = Annotated[list[str] | None, typer.Option("--set", help="Change one value of the recipe: key.path=value.")]
View = Annotated[str | None, typer.Option(help="raw, aligned, laundered, or a recipe: lr:64.")]
Views = Annotated[
    list[str] | None, typer.Option("--view", help="raw, aligned, laundered, or a recipe: lr:64; may be repeated.")
]
Detectors = Annotated[
    list[str] | None,
    typer.Option("-d", "--detector", help="Detector folder, local-dir: or hf-hub:; repeatable."),
]
Explainers = Annotated[
    list[str] | None,
    typer.Option("-e", "--explainer", help=f"{' | '.join(EXPLAINERS.registered)} | none; gradcam if absent."),
]
Level = Annotated[float, typer.Option(help="P-values among reference photographs up to this are evidence.")]


def _allow_remote(asked: bool) -> bool:
    """Before a command reads anything."""
    if asked:
        from synthscope.data.remote.permission import allow

        allow()
    return asked


Remote = Annotated[
    bool,
    typer.Option(
        "--remote", callback=_allow_remote, help="Also read s3://, gs://, hf:// and https:// that a manifest names."
    ),
]
Engine = Annotated[str, typer.Option(help="local | ray: on the nodes of a Ray cluster.")]
Address = Annotated[str | None, typer.Option(help="Of the Ray cluster; RAY_ADDRESS, else this machine, if absent.")]
Out = Annotated[Path, typer.Option("-o", "--out", help="Run folder.")]


def load(
    source: str | Sequence[str],
    where: str | None,
    view: str | Sequence[str] | None,
    *,
    by: str = "subset",
    unlabelled: bool = False,
) -> pl.DataFrame:
    """The images of one or several sources, filtered and seen through ``view``, a protocol with test sets as ``by``
    says. What was typed as a source may be read, also behind URLs.

    Through several views: the rows of one after those of the other. Images without label are refused unless
    ``unlabelled``.
    """
    from synthscope.data.manifest import check_labels, filter_manifest, load_manifest
    from synthscope.data.remote.permission import allow_source

    for typed in [source] if isinstance(source, str) else source:
        allow_source(typed)
    table = load_manifest(source) if isinstance(source, str) else _gathered(source)
    table = filter_manifest(table, where) if where else table
    if not unlabelled:
        check_labels(table, source if isinstance(source, str) else " ".join(source))
    if not view:
        return table
    import polars as pl

    from synthscope.data.align.views import seen_through, view_id
    from synthscope.tables.treatments import treatment_text

    seen = []
    for name in dict.fromkeys(map(view_id, [view] if isinstance(view, str) else view)):
        images, treatments = seen_through(table, name, by=by)
        seen.append(images)
        if treatments.height:
            print(treatment_text(treatments), file=sys.stderr)
    return pl.concat(seen)


def explainers(named: Sequence[str] | None) -> tuple[str, ...]:
    """What ``Explainers`` says: gradcam if nothing is named, nothing if ``none`` is."""
    return () if named == ["none"] else tuple(named or ["gradcam"])


def plain(source: str) -> bool:
    """Whether a source is a file, a folder or a pattern, instead of a manifest or LAYOUT:PATH."""
    path = Path(source).expanduser()
    if path.exists():
        return path.is_dir() or path.suffix != ".parquet"
    return ":" not in source and path.suffix != ".parquet"


def from_stdin(sources: Sequence[str]) -> list[str]:
    """The sources, with the lines of stdin in the place of ``-``."""
    lines = [line.rstrip("\r\n") for line in sys.stdin] if "-" in sources else []
    return [line for source in dict.fromkeys(sources) for line in (filter(None, lines) if source == "-" else [source])]


def _gathered(sources: Sequence[str]) -> pl.DataFrame:
    """The images of all sources, each path once a subset and view."""
    import polars as pl

    from synthscope.data.index import index_files
    from synthscope.data.manifest import load_manifest

    given = from_stdin(sources)
    files = [source for source in given if plain(source)]
    if not given:
        raise UsageError("Expected paths on stdin, one a line, got none. Check what writes them.")
    tables = [load_manifest(source) for source in given if not plain(source)]
    tables += [index_files(files)] if files else []
    return pl.concat(tables).unique(["path", "subset", "view", "protocol"], keep="first", maintain_order=True)


def exit_with_unreadable(table: pl.DataFrame) -> None:
    """List the files that could not be used and exit with 3, if there are any."""
    from synthscope.data.manifest import errors_of

    bad = errors_of(table).unique(maintain_order=True)
    if bad.height:
        print(f"{bad.height} unreadable:", file=sys.stderr)
        for path, error in bad.iter_rows():
            print(f"  {printable(path)}: {printable(error)}", file=sys.stderr)
        raise typer.Exit(3)
