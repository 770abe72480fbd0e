"""``synthscope data``: tables of images, and the making and publishing of data sets; a file for each group of verbs."""

from __future__ import annotations

import typer

from synthscope.cli.data.card import card_command
from synthscope.cli.data.dedupe import dedupe_command
from synthscope.cli.data.export import data_export, data_push
from synthscope.cli.data.generate import generate_command
from synthscope.cli.data.split import pair_command, split_command
from synthscope.cli.data.tables import data_align, data_audit, data_index, data_sandbox, data_verify

data = typer.Typer(help="Data sets: index, check, align, generate, divide, describe, write.", no_args_is_help=True)
data.command("index")(data_index)
data.command("verify")(data_verify)
data.command("audit")(data_audit)
data.command("align")(data_align)
data.command("dedupe")(dedupe_command)
data.command("split")(split_command)
data.command("pair")(pair_command)
data.command("generate")(generate_command)
data.command("sandbox")(data_sandbox)
data.command("card")(card_command)
data.command("export")(data_export)
data.command("push")(data_push)
