"""Answers of people as predictions, so that they stand in the same tables as detectors and are compared like them."""

from __future__ import annotations

import csv
import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path

import polars as pl

from synthscope.errors import SynthscopeError, UsageError
from synthscope.schema import PREDICTIONS, conform, read_table, write_table
from synthscope.scoring.columns import ANSWERS, PEOPLE

SURE = 0.999  # a confidence of 1 would be an infinite logit
UNSURE = 0.501  # at 0.5 the logit would be 0, and say real whatever the answer
_IMAGE = "path", "sha256", "label", "generator", "subset", "split", "group"


@dataclass(frozen=True)
class Answer:
    """One line of a file of answers."""

    row: int  # number of the line in the file, the heads are line 1
    path: str | None
    sha256: str | None
    logit: float
    annotator: str | None


def add_answers(run: str | Path, files: Sequence[str | Path]) -> pl.DataFrame:
    """Write answers on the images of a run as its ``answers.parquet``, which is read wherever its predictions are.

    Returns:
        Its rows, ``schema.PREDICTIONS``; those of an earlier call are replaced.

    Raises:
        SynthscopeError: No predictions, or a file that :func:`read_answers` refuses.
    """
    predictions = Path(run) / "predictions.parquet"
    if not predictions.is_file():
        raise SynthscopeError(f"Expected predictions, got no file {predictions}. Run `synthscope predict` first.")
    images = read_table(predictions, schema=PREDICTIONS)
    table = pl.concat([read_answers(file, images) for file in dict.fromkeys(files)])
    write_table(table, Path(run) / ANSWERS)
    return table


def read_answers(file: str | Path, images: pl.DataFrame) -> pl.DataFrame:
    """The answers of a CSV file, one row for each image of the run that they are about.

    Args:
        file: Columns ``path`` (as in the run, or relative to the file) or ``sha256``; ``answer``, AI or real; perhaps
            ``confidence``, the probability that the answer is right, 0.5 (guessed) to 1; perhaps ``annotator``.
        images: ``schema.PREDICTIONS`` of the run: which images there are, and their labels.

    Returns:
        ``schema.PREDICTIONS`` of undegraded images as stored. The detector is ``people@`` and the first 8 hex digits of
        the file's SHA-256, with annotators ``people.NAME@…``; the logit is log(c / (1 - c)) of the confidence c, at
        0.501 to 0.999, or 1 where there is none, positive for AI and negative for real. Without a confidence,
        calibration and probabilities mean nothing. Images that nobody judged have no row.

    Raises:
        SynthscopeError: A file, column or row that is not what it should be, such as two answers of one annotator on an
            image, with the number of the row.
    """
    file = Path(file)
    known = _known(images)
    stamp = hashlib.sha256(_content(file)).hexdigest()[:8]
    rows: dict[tuple[object, ...], dict[str, object]] = {}
    lines: dict[tuple[object, ...], int] = {}
    for answer in _answers(file):
        who = answer.annotator
        name = PEOPLE if who is None else f"{PEOPLE}." + re.sub(r"[^\w.-]+", "_", who)
        for image in _images(answer, known, file):
            key = name, image["path"] or image["sha256"], image["subset"]
            if key in lines:
                raise _wrong(file, answer.row, f"one answer of {name} on an image", f"another in row {lines[key]}")
            lines[key] = answer.row
            rows[key] = image | {"detector": f"{name}@{stamp}", "logit": answer.logit}
    if not rows:
        raise SynthscopeError(f"Expected answers in {file}, got none. Add rows.")
    table = pl.DataFrame(list(rows.values()), infer_schema_length=None).with_columns(
        architecture=pl.lit(PEOPLE), view=pl.lit("none"), condition=pl.lit("none"), threshold=pl.lit(0.0)
    )
    return conform(table, PREDICTIONS, f"the answers of {file}")


def _answers(file: Path) -> Iterator[Answer]:
    lines = csv.DictReader(_content(file).decode("utf-8-sig").splitlines())
    heads = lines.fieldnames or ()
    if "answer" not in heads or not {"path", "sha256"} & set(heads):
        got = ", ".join(heads) or "none"
        raise SynthscopeError(f"Expected columns answer, and path or sha256, in {file}, got {got}. Name them so.")
    for line in lines:
        row = lines.line_num
        path, sha256, annotator = ((line.get(name) or "").strip() for name in ("path", "sha256", "annotator"))
        if not path and not sha256:
            raise _wrong(file, row, "a path or sha256", "none")
        if "annotator" in heads and not annotator:
            raise _wrong(file, row, "an annotator", "none")
        logit = _logit(line, file, row)
        yield Answer(row, path or None, sha256.lower() or None, logit, annotator or None)


def _logit(line: Mapping[str, str | None], file: Path, row: int) -> float:
    answer, confidence = ((line.get(name) or "").strip() for name in ("answer", "confidence"))
    if answer.lower() not in ("ai", "real"):
        raise _wrong(file, row, "AI or real as answer", repr(answer))
    sign = 1.0 if answer.lower() == "ai" else -1.0
    if not confidence:
        return sign
    try:
        sure = float(confidence)
    except ValueError:
        sure = -1.0
    if not 0.5 <= sure <= 1:  # NaN, too
        expected = "a confidence of 0.5 to 1, the probability that the answer is right,"
        advice = "Where 0 stands for guessed, write (1 + confidence) / 2."
        raise _wrong(file, row, expected, repr(confidence), advice)
    sure = min(max(sure, UNSURE), SURE)
    return sign * log(sure / (1 - sure))


def _known(images: pl.DataFrame) -> dict[str, list[dict[str, object]]]:
    """Path, and SHA-256 with a mark before it, -> the images; several where a test set has copies of a file."""
    rows = images.select(_IMAGE).filter(pl.col("label").is_not_null()).sort("sha256", nulls_last=True)
    found: dict[str, list[dict[str, object]]] = {}
    for image in rows.unique(["path", "subset"], keep="first", maintain_order=True).iter_rows(named=True):
        for name in (image["path"], image["sha256"] and f"sha256:{image['sha256']}"):
            if name:
                found.setdefault(name, []).append(image)
    return found


def _images(answer: Answer, known: Mapping[str, list[dict[str, object]]], file: Path) -> list[dict[str, object]]:
    if answer.path is None:
        names = [f"sha256:{answer.sha256}"]
    else:
        beside = os.path.abspath(file.parent / answer.path)  # noqa: PTH100 (resolve() would rename linked folders)
        names = [answer.path, Path(beside).as_posix()]
    found = next((known[name] for name in names if name in known), None)
    if found is None:
        advice = "Name images as the run does."
        raise _wrong(file, answer.row, "an image of the run", repr(answer.path or answer.sha256), advice)
    if answer.sha256 and any(image["sha256"] not in (None, answer.sha256) for image in found):
        raise _wrong(file, answer.row, f"the run's SHA-256 of {answer.path}", answer.sha256, "Was another file judged?")
    return found


def _content(file: Path) -> bytes:
    if not file.is_file():
        raise UsageError(f"Expected a CSV file of answers, got no file {file}. Correct --answers.")
    return file.read_bytes()


def _wrong(file: Path, row: int, expected: str, got: str, advice: str = "Correct the row.") -> SynthscopeError:
    return SynthscopeError(f"Expected {expected} in row {row} of {file}, got {got}. {advice}")
