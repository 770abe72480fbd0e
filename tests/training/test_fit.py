"""Training runs: they learn, repeat themselves, go on after a kill, and keep the best weights."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from synthscope.detectors.hub import create_detector, load_detector
from synthscope.errors import SynthscopeError, UsageError
from synthscope.training import fit
from synthscope.training.config import TrainConfig
from synthscope.training.distributed import autocast_dtype
from synthscope.training.fit import train
from synthscope.training.state import Average, State

Make = Callable[..., TrainConfig]
Weights = Callable[[Path], dict[str, torch.Tensor]]
VIT = {"architecture": "timm:test_vit", "input": {"crop": 32, "resize": None}}  # no batch statistics
SGD = {"name": "sgd", "lr": 0.05}


def log_of(folder: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "images_per_second"} for line in lines]


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(value, second[key]) for key, value in first.items())


def test_a_run_learns_and_its_folder_says_how(manifest: pl.DataFrame, make_config: Make, tmp_path: Path) -> None:
    config = make_config(epochs=12, seed=7, licence="CC0")
    folder = train(config, manifest.with_columns(view=pl.lit("jpeg:q=95")), tmp_path / "tiny")
    detector = load_detector(folder)
    seen = detector.config.trained_on
    assert (seen.subsets, seen.view, seen.seed, seen.recipe) == (("board", "checker"), "jpeg:q=95", 7, "tiny")
    assert seen.n_real == 18 and seen.n_ai == 18 and len(seen.manifest_sha256 or "") == 64
    assert detector.config.calibration.temperature != 1 and detector.config.licence == "CC0"
    log = log_of(folder)
    assert [line["epoch"] for line in log] == list(range(1, 13))
    assert log[-1]["loss"] < log[0]["loss"] / 2
    assert max(line["held_out_balanced_accuracy"] for line in log) == 1
    card = (folder / "README.md").read_text()
    assert "18 real and 18 AI-generated images of board, checker" in card and "| balanced accuracy | 1.0000 |" in card
    assert not (folder / "checkpoint.pt").exists()


def test_the_seed_decides_the_weights(
    manifest: pl.DataFrame, make_config: Make, weights: Weights, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    first = weights(train(make_config(), manifest, tmp_path / "a"))
    torch.manual_seed(1)
    shuffled = manifest.sample(fraction=1, shuffle=True, seed=1)
    assert same(first, weights(train(make_config(data={"holdout": 0.25, "workers": 1}), shuffled, tmp_path / "b")))
    assert not same(first, weights(train(make_config(seed=1), manifest, tmp_path / "c")))


@pytest.mark.parametrize("saves", [1, 4, 7])
@pytest.mark.parametrize("options", [{}, {"ema": 0.9, "schedule": {"name": "plateau_drop", "patience": 1}}])
def test_an_interrupted_run_ends_like_an_uninterrupted_one(
    manifest: pl.DataFrame,
    make_config: Make,
    weights: Weights,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    saves: int,
    options: dict[str, object],
) -> None:
    config = make_config(checkpoint_minutes=1e-9, epochs=2, **options)  # after every step
    whole = train(config, manifest, tmp_path / "whole")
    save, count = State.save, 0

    def save_then_die(self: State, file: Path, fingerprint: str) -> None:
        nonlocal count
        save(self, file, fingerprint)
        count += 1
        if count == saves:
            raise KeyboardInterrupt

    monkeypatch.setattr(State, "save", save_then_die)
    with pytest.raises(KeyboardInterrupt):
        train(config, manifest, tmp_path / "cut")
    monkeypatch.setattr(State, "save", save)
    cut = train(config, manifest, tmp_path / "cut")
    assert same(weights(whole), weights(cut))
    assert log_of(whole) == log_of(cut)
    assert load_detector(whole).config == load_detector(cut).config


def test_a_run_survives_kill_9(manifest: pl.DataFrame, make_config: Make, weights: Weights, tmp_path: Path) -> None:
    config = make_config(checkpoint_minutes=1e-9, epochs=4, ema=0.9, optimizer={"name": "adamw", "lr": 0.01})
    manifest.write_parquet(tmp_path / "manifest.parquet")
    (tmp_path / "config.json").write_text(config.model_dump_json())
    script = (
        "import sys, polars as pl; from pathlib import Path; from synthscope.training import fit\n"
        "folder = Path(sys.argv[1])\n"
        "config = fit.TrainConfig.model_validate_json((folder / 'config.json').read_text())\n"
        "fit.train(config, pl.read_parquet(folder / 'manifest.parquet'), folder / 'killed')\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stderr=subprocess.DEVNULL)
    checkpoint, deadline = tmp_path / "killed" / "checkpoint.pt", time.monotonic() + 120
    saves, last = int(np.random.default_rng().integers(1, 16)), 0  # of 20 steps; another one in every run of the tests
    while saves and process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if (now := checkpoint.stat().st_mtime_ns) != last:
                saves, last = saves - 1, now
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert checkpoint.is_file() and not (tmp_path / "killed" / "model.safetensors").exists()
    killed = train(config, manifest, tmp_path / "killed")
    whole = train(config, manifest, tmp_path / "whole")
    assert same(weights(killed), weights(whole)) and log_of(killed) == log_of(whole)


def test_a_full_disk_leaves_the_earlier_checkpoint(
    manifest: pl.DataFrame, make_config: Make, weights: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_config(checkpoint_minutes=1e-9, epochs=2)
    save, count = torch.save, 0

    def fill(content: object, file: Path) -> None:
        nonlocal count
        count += 1
        save(content, file)
        if count == 4:
            file.write_bytes(file.read_bytes()[:1000])
            raise RuntimeError("[enforce fail at inline_container.cc:603] . unexpected pos 64 vs 0")

    monkeypatch.setattr(torch, "save", fill)
    with pytest.raises(SynthscopeError, match=r"Expected to write .*checkpoint\.pt, got"):
        train(config, manifest, tmp_path / "full")
    monkeypatch.setattr(torch, "save", save)
    kept = torch.load(tmp_path / "full" / "checkpoint.pt", weights_only=True)
    assert kept["position"][:2] == [0, 3]
    assert same(weights(train(config, manifest, tmp_path / "full")), weights(train(config, manifest, tmp_path / "b")))


def test_a_folder_that_vanishes_is_not_made_anew(
    manifest: pl.DataFrame, make_config: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = fit.Run._step

    def vanish(self: fit.Run, batches: list[object]) -> None:
        step(self, batches)
        if self.state.step == 2:
            (tmp_path / "run").rename(tmp_path / "elsewhere")

    monkeypatch.setattr(fit.Run, "_step", vanish)
    with pytest.raises(SynthscopeError, match=r"Expected the folder .*run of this run, got none any more"):
        train(make_config(checkpoint_minutes=1e-9), manifest, tmp_path / "run")
    assert not (tmp_path / "run").exists() and (tmp_path / "elsewhere" / "checkpoint.pt").is_file()


def test_a_finished_run_is_not_repeated_and_another_is_refused(
    manifest: pl.DataFrame, make_config: Make, tmp_path: Path
) -> None:
    folder = train(make_config(epochs=1), manifest, tmp_path / "a")
    before = (folder / "model.safetensors").stat().st_mtime_ns
    train(make_config(epochs=1, data={"holdout": 0.25, "cache_megabytes": 3}), manifest, folder)
    assert (folder / "model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(SynthscopeError, match=r"differs in optimizer\.lr \(0\.01 there, 0\.02 here\)"):
        train(make_config(epochs=1, optimizer={"lr": 0.02}), manifest, folder)
    with pytest.raises(SynthscopeError, match="differs in its images"):
        train(make_config(epochs=1), manifest.head(40), folder)
    train(make_config(epochs=1), manifest, folder, resume=False)
    assert (folder / "model.safetensors").stat().st_mtime_ns > before
    (folder / "training.json").unlink()
    with pytest.raises(SynthscopeError, match="holds a detector"):
        train(make_config(epochs=1), manifest, folder)


def test_a_damaged_checkpoint_is_named(manifest: pl.DataFrame, make_config: Make, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "checkpoint.pt").write_bytes(b"PK half a file")
    with pytest.raises(SynthscopeError, match=r"whole checkpoint in .*checkpoint\.pt.* Delete it"):
        train(make_config(), manifest, tmp_path / "a")


def test_micro_batches_change_nothing(
    manifest: pl.DataFrame, make_config: Make, weights: Weights, tmp_path: Path
) -> None:
    runs = [
        weights(train(make_config(detector=VIT, optimizer=SGD, epochs=2, accumulate=n), manifest, tmp_path / str(n)))
        for n in (1, 3)
    ]
    for key, value in runs[0].items():
        torch.testing.assert_close(runs[1][key], value, rtol=1e-4, atol=1e-5)


def test_a_diverging_run_stops_with_the_step_and_the_rate(
    manifest: pl.DataFrame, make_config: Make, tmp_path: Path
) -> None:
    config = make_config(detector=VIT, optimizer={"name": "sgd", "lr": 1e30}, schedule={"name": "constant"})
    with pytest.raises(
        SynthscopeError, match=r"finite loss, got (nan|inf) in epoch 1, step \d, at learning rate 1e\+30"
    ):
        train(config, manifest, tmp_path / "a")


@pytest.mark.parametrize("select_on", ["balanced_accuracy", "loss"])
def test_the_best_epoch_is_kept(
    manifest: pl.DataFrame,
    make_config: Make,
    weights: Weights,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    select_on: str,
) -> None:
    real = fit.held_out_figures

    def run(name: str, accuracies: list[float], losses: list[float], **changes: int) -> Path:
        planned = iter(zip(accuracies, losses, strict=True))

        def figures(labels: np.ndarray, logits: np.ndarray) -> dict[str, float]:
            accuracy, loss = next(planned, (1, 0))  # the last call writes the card
            return real(labels, logits) | {"balanced_accuracy": accuracy, "loss": loss}

        monkeypatch.setattr(fit, "held_out_figures", figures)
        config = make_config(schedule={"name": "constant"}, select_on=select_on, **changes)
        return train(config, manifest, tmp_path / name)

    # the second epoch is best: of equal accuracies the one with the lower loss
    kept = run("kept", [0.6, 0.9, 0.9, 0.8], [0.5, 0.3, 0.4, 0.35], epochs=9, stop_after=2)
    assert len(log_of(kept)) == 4  # two epochs after the best
    second = run("second", [0.1, 0.2], [0.9, 0.8], epochs=2)
    third = run("third", [0.1, 0.2, 0.3], [0.9, 0.8, 0.7], epochs=3)
    assert same(weights(kept), weights(second)) and not same(weights(kept), weights(third))


def test_steps_end_a_run_in_the_middle_of_an_epoch(manifest: pl.DataFrame, make_config: Make, tmp_path: Path) -> None:
    folder = train(make_config(epochs=None, steps=7, optimizer={"lr": 1e-3}), manifest, tmp_path / "a")
    log = log_of(folder)  # 36 images are 5 steps
    assert [line["epoch"] for line in log] == [1, 2]
    assert log[-1]["lr"] == 0


def test_the_average_follows_its_definition() -> None:
    detector = create_detector("cnn_small", options={"width": 4})
    average = Average(detector, 0.75)
    start = {key: value.clone() for key, value in detector.state_dict().items()}
    with torch.no_grad():
        for value in detector.state_dict().values():
            value.copy_(value + 4)
    average.update(detector)
    for key, value in average.detector.state_dict().items():
        step = 1 if value.is_floating_point() else 4  # counters are copied
        torch.testing.assert_close(value, start[key] + step)
    assert not any(parameter.requires_grad for parameter in average.detector.parameters())


def test_what_cannot_be_trained_is_explained(manifest: pl.DataFrame, make_config: Make, tmp_path: Path) -> None:
    with pytest.raises(SynthscopeError, match="0 AI"):
        train(make_config(), manifest.filter(pl.col("label") == 0), tmp_path / "a")
    with pytest.raises(UsageError, match="or a fixed size"):
        train(make_config(detector={"architecture": "cnn_small", "input": {"crop": None}}), manifest, tmp_path / "b")
    with pytest.raises(UsageError, match="Did you mean resnet50"):
        train(make_config(detector={"architecture": "resnet5"}), manifest, tmp_path / "c")


def test_precision_auto_never_takes_what_the_device_has_not(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    for has in (True, False):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda has=has: has, raising=False)
        assert autocast_dtype("auto", cpu) is (torch.bfloat16 if has else None)
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported")
    assert autocast_dtype("auto", cpu) is None
    assert autocast_dtype("fp32", cpu) is None
    assert autocast_dtype("fp16", torch.device("cuda")) is torch.float16
    with pytest.raises(UsageError, match="Expected a CUDA device"):
        autocast_dtype("fp16", cpu)


def test_bf16_learns_too(manifest: pl.DataFrame, make_config: Make, tmp_path: Path) -> None:
    folder = train(make_config(epochs=8, precision="bf16"), manifest, tmp_path / "a")
    assert log_of(folder)[-1]["held_out_balanced_accuracy"] >= 0.9
