"""Draw ``docs/where_it_looks.png``: one picture under two detectors, chosen by a rule that is printed below it.

``python docs/where_it_looks.py RUN DETECTOR EXPLAINER RUN DETECTOR EXPLAINER [-o FILE]``; both runs may be the same.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from synthscope.report.heatmaps.figure import heatmaps_figure, save_picture
from synthscope.report.heatmaps.side_by_side import Side, side_by_side


def main() -> None:
    """Read the two rows from the command line, draw, print the rule and the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs=6, metavar="RUN DETECTOR EXPLAINER", help="twice: the upper row, the lower row")
    parser.add_argument("-o", "--out", type=Path, default=Path(__file__).with_suffix(".png"))
    given = parser.parse_args()
    first, second = (
        Side(Path(run), detector, explainer) for run, detector, explainer in (given.rows[:3], given.rows[3:])
    )
    panels, rule = side_by_side(first, second)
    print(rule)
    print(save_picture(heatmaps_figure(panels, rule=rule), given.out))


if __name__ == "__main__":
    main()
