"""A table of numbers with intervals, and its renderings: terminal, Markdown, LaTeX, CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from synthscope.runtime.told import to_cell

_LATEX = {character: f"\\{character}" for character in "&%$#_{}"} | {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "−": "$-$", "†": r"$\dagger$",
    "–": "--", "±": r"$\pm$", "σ": r"$\sigma$", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
}  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """One number (a fraction where ``percent``), its interval, the images behind it, and a mark such as "†"."""

    value: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    n_real: int | None = None
    n_ai: int | None = None
    percent: bool = True
    mark: str = ""
    signed: bool = False  # a difference


@dataclass(frozen=True)
class Table:
    """Rows of cells under column heads. ``higher_is_better`` picks the bold number of each column; None = no bold."""

    name: str  # of a file
    title: str
    corner: str  # head of the column of row names
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    notes: tuple[str, ...] = ()
    higher_is_better: bool | None = None
    intervals: bool = False  # print them in the cells; CSV always has them
    signed: bool = False  # all cells are differences

    def to_text(self) -> str:
        """Aligned plain text for a terminal."""
        body = [[_clean(name), *map(self.text, cells)] for name, cells in self.rows]
        lines = [_clean(self.title), "", *aligned([[_clean(head) for head in (self.corner, *self.columns)], *body])]
        return "\n".join([*lines, *(f"  {_clean(note)}" for note in self.notes)])

    def to_markdown(self) -> str:
        """A pipe table with the best of each column in bold."""
        best = self._best()
        lines = [
            _row([markdown(head) for head in (self.corner, *self.columns)]),
            _row(["---", *["---:"] * len(self.columns)]),
        ]
        for name, cells in self.rows:
            texts = [self.text(cell) for cell in cells]
            lines.append(
                _row([markdown(name), *(f"**{text}**" if text in best[i] else text for i, text in enumerate(texts))])
            )
        return "\n\n".join([f"**{markdown(self.title)}**", "\n".join(lines), *map(markdown, self.notes)]) + "\n"

    def to_latex(self) -> str:
        """A floating ``booktabs`` table with the best of each column in bold."""
        best = self._best()
        lines = [r"\begin{table}", r"\centering", rf"\caption{{{latex(self.title)}}}"]
        lines += [rf"\begin{{tabular}}{{l{'r' * len(self.columns)}}}", r"\toprule"]
        lines += [" & ".join(map(latex, (self.corner, *self.columns))) + r" \\", r"\midrule"]
        for name, cells in self.rows:
            texts = [(text := self.text(cell), latex(text), text in best[i]) for i, cell in enumerate(cells)]
            bold = [rf"\textbf{{{escaped}}}" if winner else escaped for _, escaped, winner in texts]
            lines.append(" & ".join([latex(name), *bold]) + r" \\")
        lines += [r"\bottomrule", r"\end{tabular}"]
        lines += [rf"\par\smallskip{{\footnotesize {latex(note)}\par}}" for note in self.notes]
        return "\n".join([*lines, r"\end{table}"]) + "\n"

    def to_csv(self) -> str:
        """Full precision, fractions rather than percent: for each column the value, its interval and n per class."""
        parts = "", "ci_low", "ci_high", "n_real", "n_ai"
        heads = [f"{column} {part}".strip() for column in self.columns for part in parts]
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(map(to_cell, [self.corner, *heads]))
        for name, cells in self.rows:
            numbers = [(cell.value, cell.ci_low, cell.ci_high, cell.n_real, cell.n_ai) for cell in cells]
            writer.writerow(
                [to_cell(name), *("" if number is None else repr(number) for group in numbers for number in group)]
            )
        return file.getvalue()

    def text(self, cell: Cell) -> str:
        """A cell as printed; "–" where there is no number."""
        if cell.value is None:
            return "–"
        text = self._number(cell, cell.value)
        if self.intervals and cell.ci_low is not None and cell.ci_high is not None:
            text += f" [{self._number(cell, cell.ci_low)}, {self._number(cell, cell.ci_high)}]"
        return text + cell.mark

    def _number(self, cell: Cell, value: float) -> str:
        digits = 1 if cell.percent else 3
        rounded = round(100 * value if cell.percent else value, digits) + 0.0  # never "-0.0"
        return format(rounded, f"{'+' if self.signed or cell.signed else ''}.{digits}f")

    def _best(self) -> list[set[str]]:
        """For each column the printed text of its best numbers; equal as printed is equally good."""
        best: list[set[str]] = []
        for i in range(len(self.columns)):
            known = [(cells[i].value, cells[i]) for _, cells in self.rows if cells[i].value is not None]
            if self.higher_is_better is None or len(known) < 2:
                best.append(set())
                continue
            printed = {cell: self._number(cell, value) for value, cell in known if value is not None}
            top = (max if self.higher_is_better else min)(known, key=lambda pair: pair[0] or 0.0)[1]
            best.append({self.text(cell) for cell, number in printed.items() if number == printed[top]})
        return best


def plain_text(frame: pl.DataFrame) -> str:
    """Any data frame as aligned text; nulls are dashes.

    >>> print(plain_text(pl.DataFrame({"name": ["a", "bc"], "n": [10, None]})))
    name   n
    ----  --
    a     10
    bc     –
    """
    body = [["–" if value is None else _clean(str(value)) for value in row] for row in frame.iter_rows()]
    numeric = [dtype.is_numeric() for dtype in frame.dtypes]
    return "\n".join(aligned([[_clean(column) for column in frame.columns], *body], right=numeric))


def aligned(rows: Sequence[Sequence[str]], *, right: Sequence[bool] | None = None) -> list[str]:
    """Lines of text in columns, a rule below the first; ``right`` aligned by default all but the first column."""
    sides = [i > 0 for i in range(len(rows[0]))] if right is None else right
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in (rows[0], ["-" * width for width in widths], *rows[1:]):
        places = zip(row, widths, sides, strict=True)
        lines.append("  ".join(text.rjust(n) if side else text.ljust(n) for text, n, side in places).rstrip())
    return lines


def latex(text: str) -> str:
    r"""Text with LaTeX's special characters escaped.

    >>> print(latex("100 % a_b"))
    100 \% a\_b
    """
    return "".join(_LATEX.get(character, character) for character in _clean(text))


def markdown(text: str) -> str:
    r"""Text with the characters escaped that Markdown or HTML would read.

    >>> print(markdown("a|b_<i>"))
    a\|b\_\<i\>
    """
    return re.sub(r"([\\`*_{}\[\]<>#|~&])", r"\\\1", _clean(text))


def _clean(text: str) -> str:
    """One line without control characters, which file names may contain and terminals obey."""
    return "".join(character if character.isprintable() else " " for character in text)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
