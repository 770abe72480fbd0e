"""The scripts that make the golden files run in the tools' own environments, not here."""

collect_ignore_glob = ["make_*.py"]
