"""Whole runs on pictures of one grey and a detector that measures it: which attacks succeed is known beforehand."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from synthscope.cli.analyze import analyze
from synthscope.detectors.hub import create_detector, save_detector
from synthscope.errors import UsageError
from synthscope.generation.checkpoints import Checkpoint
from synthscope.inference.predict import predict
from synthscope.report.figures.attacks import attacks_figure
from synthscope.schema import MANIFEST, conform, read_table
from synthscope.studies.attacks import images as attacked_images
from synthscope.studies.attacks import kinds
from synthscope.studies.attacks.plan import Attacks
from synthscope.studies.attacks.study import ATTACKED, write_attacks
from synthscope.studies.attacks.table import attack_tables
from tests.explainers.tiny import Linear

ABOVE = range(1, 17)  # grey levels above the threshold of the AI images
FAST = {"budgets": (2, 5), "steps": 3, "queries": 3, "plain": ("crop:frac=0.9", "resize:scale=0.5")}


def grey_meter(name: str = "linear", sign: float = 1.0) -> Linear:
    """Its logit is the mean grey level, times ``sign``, but for a constant."""
    meter = Linear(weights=sign * torch.full((3, 24, 24), 1 / (3 * 24 * 24)))
    meter.config = meter.config.model_copy(update={"name": name})
    meter.std.fill_(1.0)
    meter.mean.zero_()
    return meter


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """20 photographs of grey 59 to 77 and 100, one false alarm, so that the threshold is 77; AI images of 78 to 93."""
    folder = tmp_path_factory.mktemp("greys")
    rows = []
    for label, greys in ((0, [*range(59, 78), 100]), (1, [77 + above for above in ABOVE])):
        for grey in greys:
            path = folder / f"{label}_{grey}.png"
            Image.fromarray(np.full((24, 24, 3), grey, np.uint8)).save(path, pnginfo=None)
            rows.append({"path": path.as_posix(), "label": label, "generator": "g" if label else "real"})
            rows[-1] |= {"subset": "g", "group": f"{label}_{grey}"}
    return conform(pl.DataFrame(rows), MANIFEST, "the manifest")


def grey_of(row: dict[str, Any]) -> int:
    return int(Path(row["path"]).stem[2:])


@pytest.fixture(scope="module")
def run(manifest: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    attacks = Attacks(**FAST, surrogates=(grey_meter("other", -1.0), grey_meter("alike")))
    write_attacks(folder, manifest, [grey_meter()], attacks)
    return folder


def test_what_is_missed_is_what_was_within_the_budget_of_the_threshold(run: Path) -> None:
    table, scores = read_table(run / "attacks_images.parquet"), read_table(run / "attacks.parquet")
    assert table.schema == ATTACKED and table["error"].count() == 0
    reported = [grey_of(row) - 77 for row in table.filter(part="report", attack="none", condition="none").to_dicts()]
    aside = len(ABOVE) - len(reported)
    assert 1 <= aside < len(ABOVE)
    for budget in (2, 5):
        within = np.mean([above <= budget for above in reported])
        for attack, by, expected in (
            ("pgd", "", within), ("transfer", "alike@", within), ("transfer", "other@", 0), ("noise", "", 0),
        ):  # fmt: skip
            own = scores.filter(pl.col("by").str.starts_with(by), attack=attack, budget=budget, condition="none")
            assert own["success"].to_list() == [pytest.approx(expected)], (attack, by)
            assert own["n"][0] == len(reported) and own["generated"][0] == len(ABOVE)
    assert scores.filter(attack="wrong_sign")["success"].to_list() == [0, 0]
    assert scores.filter(attack="none", condition="none")["false_alarms"].to_list() == [0.05]
    assert scores.filter(attack="plain", by="crop:frac=0.9")["psnr"].null_count() == 2  # shows another part
    assert scores.filter(attack="plain", condition="none")["success"].to_list() == [0, 0]


def test_logits_are_those_of_predict(run: Path, manifest: pl.DataFrame, tmp_path: Path) -> None:
    table = read_table(run / "attacks_images.parquet").filter(pl.col("part") != "search")
    own = predict(manifest, [grey_meter()], out=tmp_path, conditions=["jpeg:q=90", "resize:scale=0.5|jpeg:q=90"])
    for attack, by, condition in (("none", "", "jpeg:q=90"), ("plain", "resize:scale=0.5", "jpeg:q=90")):
        wanted = "|".join(filter(None, (by, condition)))
        both = table.filter(attack=attack, by=by, condition=condition).join(
            own.filter(condition=wanted), on="path", suffix="_predicted"
        )
        assert both.height > 20 and (both["logit"] - both["logit_predicted"]).abs().max() < 1e-4  # type: ignore[operator]


def test_images_that_chose_the_chain_are_not_reported_on(run: Path) -> None:
    table, choice = (read_table(run / f"attacks_{name}.parquet") for name in ("images", "search"))
    aside, reported = (set(table.filter(part=part)["sha256"]) for part in ("search", "report"))
    assert aside and reported and not aside & reported
    assert choice.height == 3 and choice["chosen"].sum() == 1 and set(choice["n"]) == {len(aside)}
    assert set(table.filter(attack="jitter")["by"]) == set(choice.filter("chosen")["chain"])
    assert "search" not in set(read_table(run / "attacks.parquet")["attack"])


def test_pictures_are_kept_where_asked_alone_and_within_the_budget(
    run: Path, manifest: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not [file for file in run.rglob("*") if file.suffix in (".png", ".jpg") or file.name == "attacked"]
    before = read_table(run / "attacks_images.parquet")
    attacks = Attacks(**FAST, surrogates=(grey_meter("other", -1.0), grey_meter("alike")))
    write_attacks(run, manifest, [grey_meter()], attacks, save=True)
    assert before.equals(read_table(run / "attacks_images.parquet"))
    kept = sorted((run / "attacked").rglob("*.png"))
    reported = before.filter(part="report", attack="pgd", budget=5, condition="none")
    greys = {row["sha256"][:16]: grey_of(row) for row in reported.to_dicts()}
    assert {file.stem for file in kept} == set(greys)
    for file in (file for file in kept if file.parent.name == "pgd-5"):
        change = np.asarray(Image.open(file)).astype(int) - greys[file.stem]
        assert (change == -5).all()
    monkeypatch.setattr(attacked_images.Setting, "run", lambda *a: pytest.fail("computed twice"))
    write_attacks(run, manifest, [grey_meter()], attacks, save=True)


def test_a_run_goes_on_where_it_was_stopped(
    run: Path, manifest: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attacks = Attacks(**FAST, surrogates=(grey_meter("other", -1.0), grey_meter("alike")))
    whole, asked = attacked_images.Setting.run, list[str]()

    def stopped(self: Any, job: Any, missing: Any) -> Any:
        asked.append(f"{job.part} {job.image['sha256']}")
        if len(asked) == 12:
            raise KeyboardInterrupt
        return whole(self, job, missing)

    monkeypatch.setattr(attacked_images.Setting, "run", stopped)
    with pytest.raises(KeyboardInterrupt):
        write_attacks(tmp_path, manifest, [grey_meter()], attacks)
    assert not (tmp_path / "attacks.parquet").exists()
    write_attacks(tmp_path, manifest, [grey_meter()], attacks)
    assert asked[11] == asked[12] and len(set(asked)) == len(asked) - 1  # that in work again, no other
    for name in ("attacks_images", "attacks_search", "attacks"):
        assert read_table(tmp_path / f"{name}.parquet").equals(read_table(run / f"{name}.parquet"))


class Darkener(torch.nn.Module):
    """An autoencoder whose decoder takes 6 grey levels off."""

    def __init__(self) -> None:
        super().__init__()
        self.off = torch.nn.Parameter(torch.tensor(6 / 127.5))

    def encode(self, images: torch.Tensor) -> SimpleNamespace:
        return SimpleNamespace(latents=torch.nn.functional.avg_pool2d(images, 8))

    def decode(self, latents: torch.Tensor) -> SimpleNamespace:
        return SimpleNamespace(sample=latents.repeat_interleave(8, 2).repeat_interleave(8, 3) - self.off)


def test_an_autoencoder_is_gone_through_and_photographs_too(
    manifest: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        kinds, "find_autoencoder", lambda target, permission: Checkpoint(Path(target), "", "sha256:0ab")
    )
    monkeypatch.setattr(kinds, "load_autoencoder", lambda folder: Darkener())
    attacks = Attacks(budgets=(), queries=0, plain=(), regenerate=(str(tmp_path / "ae"),))
    scores = write_attacks(tmp_path / "run", manifest, [grey_meter()], attacks)
    assert scores.height == 4  # that and no attack, before and after recompression
    row = scores.filter(attack="regenerate", condition="none").row(0, named=True)
    images = read_table(tmp_path / "run" / "attacks_images.parquet").filter(attack="regenerate", condition="none")
    above = [grey_of(image) - 77 for image in images.filter(part="report").to_dicts()]
    assert row["success"] == pytest.approx(np.mean([one <= 6 for one in above])) and row["by"] == "ae@0ab"
    assert row["n_real"] == 20 and row["false_alarms"] == 0.05  # 94 is above still
    assert row["psnr"] == pytest.approx(20 * np.log10(255 / 6))


class Chooser(Linear):
    """Chooses its input by itself, so that no gradient can be had."""

    def preprocess(self, rgb: np.ndarray) -> torch.Tensor:
        return super().preprocess(rgb)


def test_attacks_that_a_detector_does_not_allow_are_counted_and_the_others_stand(
    manifest: pl.DataFrame, tmp_path: Path
) -> None:
    detector = Chooser(weights=torch.full((3, 24, 24), 1 / (3 * 24 * 24)))
    attacks = Attacks(budgets=(2,), steps=1, queries=0, plain=("jpeg:q=75",), images=3)
    scores = write_attacks(tmp_path, manifest, [detector], attacks)
    found = {row["attack"]: row for row in scores.filter(condition="none").to_dicts()}
    for attack, n, errors in (("pgd", 0, 3), ("wrong_sign", 0, 3), ("noise", 3, 0), ("plain", 3, 0)):
        assert (found[attack]["n"], found[attack]["n_error"]) == (n, errors)
        assert (found[attack]["success"] is None) == (n == 0)
    error = read_table(tmp_path / "attacks_images.parquet")["error"].drop_nulls().unique().to_list()
    assert len(error) == 1 and "chooses its input by itself" in error[0]
    assert "12 attacks on images failed" in attack_tables(scores)[0].to_text()
    assert attacks_figure(scores).get_axes()


def test_one_surrogate_twice_is_refused(manifest: pl.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Expected different surrogates"):
        write_attacks(
            tmp_path, manifest, [grey_meter()], Attacks(queries=0, surrogates=(grey_meter("a"), grey_meter("a")))
        )


def test_the_command_writes_tables_a_figure_and_a_page(tmp_path: Path) -> None:
    save_detector(create_detector("cnn_small", input={"crop": 24}), tmp_path / "detector")
    rng, rows = np.random.default_rng(0), []
    for number in range(16):
        path = tmp_path / f"{number}.png"
        Image.fromarray(rng.integers(0, 16 * (number + 1), (24, 24, 3), dtype=np.uint8)).save(path)
        rows.append({"path": path.as_posix(), "label": number % 2, "generator": "g" if number % 2 else "real"})
    conform(pl.DataFrame(rows), MANIFEST, "the manifest").write_parquet(tmp_path / "m.parquet")
    told = ["attacks", str(tmp_path / "m.parquet"), "-d", str(tmp_path / "detector"), "-o", str(tmp_path / "run")]
    told += [
        "--budget",
        "2",
        "--steps",
        "2",
        "--queries",
        "2",
        "--n",
        "4",
        "--false-alarms",
        "0.5",
        "--plain",
        "jpeg:q=75",
    ]
    result = CliRunner().invoke(analyze, told, catch_exceptions=False)
    assert result.exit_code == 0 and "share of caught AI images that are missed" in result.stdout
    files = {file.name for file in (tmp_path / "run").iterdir()}
    wanted = {
        "attacks.parquet",
        "attacks.csv",
        "attacks_search.csv",
        "attacks.svg",
        "report.html",
        "predictions.parquet",
    }
    assert wanted <= files and "attacked" not in files
    assert "What do detectors miss after attacks?" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    with pytest.raises(UsageError, match="whole numbers after --budget, got 'two'"):
        CliRunner().invoke(analyze, [*told[:6], "--budget", "two"], catch_exceptions=False)
