"""All benchmarks of speed, one after the other, each in a process of its own: one table of ratios.

    python -m benchmarks [NAME …] [--record]

Exits with 1 where a ratio fell by more than a fifth below the newest entry of ``results/speed.md``, to which
``--record`` adds this run. Leave the machine alone meanwhile.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from benchmarks.ratios import Ratio, entry, ratios, worse

HERE = Path(__file__).parent
HISTORY = HERE.parent / "results" / "speed.md"
MARGIN = 0.2  # two runs on one idle machine are up to a tenth apart
NEWEST_FIRST = "<!-- the newest first -->\n"
COMMANDS: dict[str, list[str]] = {  # a script and its arguments
    "floor": ["--images", "32", "--precision", "fp32", "--detector", "resnet50", "--detector", "cnn_small"],
    "explain": ["--images", "16", "--repeats", "3"],
    "train": ["32"],
    "index": ["20000"],
    "frequency": ["300"],
    "score": ["--images", "5000"],
    "xaigd_metrics": ["--images", "16"],
    "inspection": [],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="*", help=f"of {', '.join(COMMANDS)}; all if none is given")
    parser.add_argument("--record", action="store_true", help=f"add the run to {HISTORY.name}")
    asked = parser.parse_args()
    if unknown := sorted(set(asked.name) - set(COMMANDS)):
        parser.error(f"Expected names of {', '.join(COMMANDS)}, got {unknown[0]}. Choose one of them.")
    found = [one for name in asked.name or COMMANDS for one in run(name)]
    fallen = worse(found, HISTORY.read_text(encoding="utf-8") if HISTORY.is_file() else "", MARGIN)
    before = {id(one): f"  (was {value:.3g})" for one, value in fallen}
    for one in found:
        print(f"{one.value:8.3g} x {one.against}: {one.what}{before.get(id(one), '')}")
    if asked.record:
        text = HISTORY.read_text(encoding="utf-8")
        head, mark, rest = text.partition(NEWEST_FIRST)
        HISTORY.write_text(f"{head}{mark}\n{entry(found, commit())}{rest}", encoding="utf-8")
    sys.exit(1 if fallen else 0)


def run(name: str) -> list[Ratio]:
    """The ratios that one script prints; its other lines go to stderr."""
    command = [sys.executable, str(HERE / f"{name}.py"), *COMMANDS[name]]
    print("$", " ".join(command[1:]), file=sys.stderr)
    output = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    print(output.stdout, file=sys.stderr, flush=True)
    if output.returncode:
        print(f"Expected {name} to finish, got exit status {output.returncode}. It has no row.", file=sys.stderr)
    return ratios(output.stdout)


def commit() -> str:
    """The commit that was measured, marked where files differ from it."""
    command = ["git", "describe", "--always", "--dirty"]
    found = subprocess.run(command, cwd=HERE, capture_output=True, text=True)
    return found.stdout.strip() or "no commit"


if __name__ == "__main__":
    main()
