from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from synthscope.data.degrade.recipe import Recipe, parse_recipe
from synthscope.data.images import read_rgb
from synthscope.detectors.base import Calibration, Detector, DetectorConfig, TrainedOn
from synthscope.detectors.hub import detector_id
from synthscope.detectors.input import InputConfig
from synthscope.errors import SynthscopeError, UsageError
from synthscope.inference import plan, preparation
from synthscope.inference.engines import local as engines
from synthscope.inference.predict import parse_shard, predict
from synthscope.schema import PREDICTIONS

CONDITIONS = ["none", "jpeg:q=30", "noise:sigma=8", "lr:24"]


class Tiny(Detector):
    """Two convolutions and a mean."""

    def __init__(self, seed: int = 0, input: InputConfig | None = None, **fields: object) -> None:
        super().__init__(
            DetectorConfig(
                name=f"tiny{seed}",
                architecture="tiny",
                input=input or InputConfig(resize=None, crop=32),
                **fields,  # type: ignore[arg-type]
            )
        )
        generator = torch.Generator().manual_seed(seed)
        self.first, self.second = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 1, 5)
        for parameter in self.parameters():
            nn.init.normal_(parameter, generator=generator, std=0.3)

    def forward(self, images: Tensor) -> Tensor:
        return self.second(self.first(self.normalize(images)).relu()).mean(dim=(1, 2, 3))


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """Twelve images of six sizes, PNG and JPEG."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    rows = []
    for number in range(12):
        size = (40 + 8 * (number % 3), 36 + 10 * (number % 2))
        path = folder / f"{number:02}.{'png' if number % 2 else 'jpg'}"
        Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(path)
        fields = {"generator": "adm" if number % 2 else "real", "subset": "adm", "split": "val"}
        rows.append({"path": str(path), "label": number % 2, **fields})
    return pl.DataFrame(rows)


def with_sha256(images: pl.DataFrame) -> pl.DataFrame:
    digests = [hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in images["path"]]
    return images.with_columns(sha256=pl.Series(digests))


def plain_logits(images: pl.DataFrame, detector: Detector, conditions: list[str], seed: int = 0) -> np.ndarray:
    """(images, conditions), one image at a time."""
    rows = []
    for path in images["path"]:
        key = hashlib.sha256(Path(path).read_bytes()).hexdigest()
        pixels = [parse_recipe(text).apply(read_rgb(path), key=key, seed=seed) for text in conditions]
        with torch.no_grad():
            rows.append([detector.eval()(detector.preprocess(rgb)[None]).item() for rgb in pixels])
    return np.array(rows)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often files are read and decoded, recipes applied, images transformed and scored."""
    counts: Counter[str] = Counter()

    def count(owner: object, name: str, label: str) -> None:
        original = getattr(owner, name)

        def counted(*args: object, **kwargs: object) -> object:
            counts[label] += len(args[1]) if label == "score" else 1
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, name, counted)

    count(preparation, "read_file", "read")
    count(preparation, "read_rgb", "decode")
    count(Recipe, "apply", "apply")
    count(Detector, "preprocess", "transform")
    count(engines, "forward", "score")
    return counts


def test_the_table_is_that_of_a_plain_loop_in_order_of_manifest_detectors_conditions(
    images: pl.DataFrame, tmp_path: Path
) -> None:
    detectors = [
        Tiny(1, trained_on=TrainedOn(subsets=("adm", "glide"), view="jpeg:q=96"), threshold=0.5),
        Tiny(0, InputConfig(resize=24, crop=20), calibration=Calibration(temperature=2, bias=-1)),
    ]
    table = predict(images, list(detectors), out=tmp_path, conditions=CONDITIONS, seed=3)
    assert table.schema == PREDICTIONS
    assert table.equals(pl.read_parquet(tmp_path / "predictions.parquet"))
    assert table["path"].to_list() == [path for path in images["path"] for _ in range(8)]
    assert table["detector"].to_list() == [detector_id(d) for d in detectors for _ in range(4)] * 12
    assert table["condition"].to_list() == CONDITIONS * 24
    expected = np.stack([plain_logits(images, d, CONDITIONS, seed=3) for d in detectors], axis=1)
    logits = table["logit"].to_numpy().reshape(12, 2, 4)
    assert np.abs(logits - expected).max() < 1e-5
    assert expected.std() > 0.1  # the logits do differ
    p_ai = table["p_ai"].to_numpy().reshape(12, 2, 4)
    assert np.allclose(p_ai[:, 0], 1 / (1 + np.exp(-expected[:, 0])), atol=1e-6)
    assert np.allclose(p_ai[:, 1], 1 / (1 + np.exp(1 - expected[:, 1] / 2)), atol=1e-6)
    first, second = table[0], table[4]
    assert (first["train_set"][0], first["train_view"][0], first["threshold"][0]) == ("adm+glide", "jpeg:q=96", 0.5)
    assert (second["train_set"][0], second["threshold"][0]) == (None, 0.0)
    assert (first["label"][0], first["generator"][0], first["view"][0], first["error"][0]) == (0, "real", "none", None)
    assert json.loads((tmp_path / "run.json").read_text())["scorings"] == 96
    predict(images, [detectors[1]], out=tmp_path)
    assert json.loads((tmp_path / "run.json").read_text())["inputs"].keys() == {d.config.digest() for d in detectors}


def test_order_batch_size_and_workers_do_not_change_a_logit(images: pl.DataFrame, tmp_path: Path) -> None:
    expected = predict(images, [Tiny()], out=tmp_path / "a", conditions=CONDITIONS)
    shuffled = images.sample(fraction=1, shuffle=True, seed=1)
    for number, (rows, batch, workers) in enumerate([(images, 1, 1), (shuffled, 5, 3), (shuffled, 64, 2)]):
        table = predict(
            rows, [Tiny()], out=tmp_path / str(number), conditions=CONDITIONS, batch_size=batch, workers=workers
        )
        both = expected.join(table, on=["path", "condition"], suffix="_other", validate="1:1")
        assert both.height == 48
        assert (both["logit"] - both["logit_other"]).abs().max() < 1e-5


def test_each_image_is_read_decoded_degraded_and_transformed_once(
    images: pl.DataFrame, tmp_path: Path, calls: Counter[str]
) -> None:
    same = [Tiny(0), Tiny(1)]
    predict(images, [*same, Tiny(2, InputConfig(resize=20, crop=16))], out=tmp_path, conditions=CONDITIONS)
    views, degradations, transforms = 12, 12 * 4, 12 * 4 * 2
    assert calls == {
        "read": 12,
        "decode": 12,
        "apply": views + degradations,
        "transform": transforms,
        "score": 12 * 4 * 3,
    }


def test_a_second_run_reads_nothing_or_decodes_nothing(
    images: pl.DataFrame, tmp_path: Path, calls: Counter[str]
) -> None:
    first = predict(images, [Tiny()], out=tmp_path, conditions=CONDITIONS)
    calls.clear()
    assert predict(images, [Tiny()], out=tmp_path, conditions=CONDITIONS).equals(first)
    assert calls == {"read": 12}  # to hash
    calls.clear()
    assert predict(with_sha256(images), [Tiny()], out=tmp_path, conditions=CONDITIONS).equals(first)
    assert calls == {}


def test_a_new_condition_detector_view_precision_or_seed_computes_only_what_is_new(
    images: pl.DataFrame, tmp_path: Path, calls: Counter[str]
) -> None:
    predict(images, [Tiny()], out=tmp_path, conditions=["none"])
    calls.clear()
    predict(images, [Tiny()], out=tmp_path, conditions=["lr:24", "none"])
    assert (calls["score"], calls["transform"]) == (12, 12)
    calls.clear()
    table = predict(images, [Tiny(1), Tiny()], out=tmp_path, conditions=["none", "lr:24"])
    assert calls["score"] == 24
    assert np.allclose(
        table["logit"].to_numpy().reshape(12, 2, 2)[:, 1], plain_logits(images, Tiny(), ["none", "lr:24"])
    )
    for change in ({"precision": "bf16"}, {"seed": 1}):
        calls.clear()
        predict(images, [Tiny()], out=tmp_path, **change)  # type: ignore[arg-type]
        assert calls["score"] == 12
    calls.clear()
    viewed = predict(images.with_columns(view=pl.lit("jpeg:subsampling=420,q=30")), [Tiny()], out=tmp_path)
    assert calls["score"] == 12
    assert set(viewed["view"]) == {"jpeg:q=30"}
    assert np.allclose(viewed["logit"], plain_logits(images, Tiny(), ["jpeg:q=30"])[:, 0], atol=1e-5)


def test_bf16_is_close_and_stored_as_float32(images: pl.DataFrame, tmp_path: Path) -> None:
    exact = predict(images, [Tiny()], out=tmp_path)
    reduced = predict(images, [Tiny()], out=tmp_path, precision="bf16")
    difference = (exact["logit"] - reduced["logit"]).abs()
    assert 0 < difference.max() < 0.05 * exact["logit"].abs().max()
    assert set(reduced["precision"]) == {"bf16"}


def test_unreadable_files_are_rows_with_an_error_and_tried_again(images: pl.DataFrame, tmp_path: Path) -> None:
    broken, absent = tmp_path / "broken.png", tmp_path / "absent.png"
    broken.write_bytes(Path(images["path"][1]).read_bytes()[:200])
    rows = pl.concat([images[:2], pl.DataFrame({"path": [str(broken), str(absent)]})], how="diagonal")
    table = predict(rows, [Tiny()], out=tmp_path, conditions=CONDITIONS)
    assert table["error"].is_null().to_list() == [True] * 8 + [False] * 8
    assert table["logit"].is_null().to_list() == [False] * 8 + [True] * 8
    assert table["p_ai"].null_count() == 8
    assert "absent.png" in table["error"][12]
    assert predict(rows, [Tiny()], out=tmp_path, conditions=CONDITIONS).equals(table)
    absent.write_bytes(Path(images["path"][3]).read_bytes())
    mended = predict(rows, [Tiny()], out=tmp_path, conditions=CONDITIONS)
    assert mended["error"].is_null().to_list() == [True] * 8 + [False] * 4 + [True] * 4
    assert np.allclose(mended["logit"][12:], plain_logits(images[3:4], Tiny(), CONDITIONS)[0], atol=1e-5)


def test_identical_bytes_are_scored_once_and_get_identical_results(
    images: pl.DataFrame, tmp_path: Path, calls: Counter[str]
) -> None:
    copy = tmp_path / "copy.jpg"
    copy.write_bytes(Path(images["path"][0]).read_bytes())
    rows = pl.concat([images, pl.DataFrame({"path": [str(copy)]}), images[:1]], how="diagonal")
    table = predict(rows, [Tiny()], out=tmp_path, conditions=CONDITIONS, batch_size=3)
    assert calls["score"] == 48
    assert table["logit"][48:52].equals(table["logit"][:4])
    assert table["logit"][52:].equals(table["logit"][:4])


def test_a_changed_file_and_an_unusable_row_are_not_scored(
    images: pl.DataFrame, tmp_path: Path, calls: Counter[str]
) -> None:
    rows = with_sha256(images[:3]).with_columns(error=pl.Series([None, None, "not an image suffix"]))
    rows[1, "sha256"] = "0" * 64
    table = predict(rows, [Tiny()], out=tmp_path)
    assert table["logit"].is_null().to_list() == [False, True, True]
    assert f"Expected a file of sha256 {'0' * 64}" in table["error"][1]
    assert table["error"][2] == "not an image suffix"
    assert (calls["read"], calls["score"]) == (2, 1)


class Poles(Tiny):
    """Infinite for images that are mostly bright; cannot take images below five pixels."""

    def forward(self, images: Tensor) -> Tensor:
        bright = images.float().mean(dim=(1, 2, 3)) > 250
        return torch.where(bright, torch.inf, super().forward(images))


def test_what_a_detector_cannot_score_is_an_error_of_that_image_alone(tmp_path: Path) -> None:
    whole = Poles(input=InputConfig(resize=None, crop=None))
    for name, size, value in (("a", 20, 90), ("white", 20, 255), ("small", 4, 90), ("b", 20, 40)):
        Image.new("RGB", (size, size), (value, value, value)).save(tmp_path / f"{name}.png")
    rows = pl.DataFrame({"path": [str(tmp_path / f"{name}.png") for name in ("a", "white", "small", "b")]})
    table = predict(rows, [whole], out=tmp_path / "run")
    assert table["error"][1] == "non-finite logit"
    assert "Kernel size" in table["error"][2]
    assert np.allclose(table["logit"].gather([0, 3]), plain_logits(rows[[0, 3]], whole, ["none"])[:, 0], atol=1e-5)
    assert (tmp_path / "run" / "predictions.parquet").is_file()


def test_an_image_that_a_condition_cannot_hold_keeps_its_other_conditions(tmp_path: Path) -> None:
    Image.new("RGB", (17_000, 2)).save(tmp_path / "strip.png")
    rows = pl.DataFrame({"path": [str(tmp_path / "strip.png")]})
    table = predict(
        rows,
        [Tiny(input=InputConfig(crop=16, small="pad", resize=None))],
        out=tmp_path,
        conditions=["none", "webp:q=80"],
    )
    assert table["error"].is_null().to_list() == [True, False]
    assert "16383" in table["error"][1]


class OwnTransform(Tiny):
    def preprocess(self, rgb: np.ndarray) -> Tensor:
        return super().preprocess(255 - rgb)


def test_a_detector_with_a_transform_of_its_own_does_not_share_that_of_others(
    images: pl.DataFrame, tmp_path: Path
) -> None:
    other = OwnTransform(1)
    table = predict(images, [Tiny(0), other], out=tmp_path)
    assert np.allclose(table["logit"][1::2], plain_logits(images, other, ["none"])[:, 0], atol=1e-5)
    assert not np.allclose(table["logit"][1::2], plain_logits(images, Tiny(1), ["none"])[:, 0], atol=1e-2)


def test_inputs_of_several_sizes_are_batched_by_size_and_do_not_pile_up(
    images: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes, forward = [], engines.forward

    def scoring(detector: Detector, inputs: list[Tensor], settings: plan.Plan) -> Tensor:
        sizes.append(len(inputs))
        return forward(detector, inputs, settings)

    monkeypatch.setattr(engines, "forward", scoring)
    whole = Tiny(input=InputConfig(resize=None, crop=None))
    expected = plain_logits(images, whole, ["none", "lr:24"])
    for limit, largest in ((2**20, 12), (20_000, 4)):
        monkeypatch.setattr(engines, "MAX_WAITING_BYTES", limit)
        sizes.clear()
        table = predict(images, [whole], out=tmp_path / str(limit), conditions=["none", "lr:24"], batch_size=64)
        assert np.abs(table["logit"].to_numpy().reshape(12, 2) - expected).max() < 1e-5
        assert sum(sizes) == 24
        assert max(sizes) <= largest
        assert limit < 2**20 or max(sizes) == 12


def test_shards_cover_the_rows_and_merge_to_the_whole_table(
    images: pl.DataFrame, tmp_path: Path, calls: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(images["path"][0]).parent)  # names alone decide the shard, not where the test runs
    images = images.with_columns(path=pl.Series([Path(path).name for path in images["path"]]))
    whole = predict(images, [Tiny()], out=tmp_path / "whole", conditions=CONDITIONS)
    calls.clear()
    pieces = []
    for i in range(3):
        assert not (tmp_path / "run" / "predictions.parquet").exists()
        pieces.append(predict(images, [Tiny()], out=tmp_path / "run", conditions=CONDITIONS, shard=(i, 3)))
    assert calls["score"] == calls["read"] * 4 == 48
    assert all(0 < piece.height < 48 for piece in pieces[:2])
    merged = pl.read_parquet(tmp_path / "run" / "predictions.parquet")
    assert merged.equals(pieces[2])
    assert merged.drop("logit", "p_ai").equals(whole.drop("logit", "p_ai"))
    assert (merged["logit"] - whole["logit"]).abs().max() < 1e-5
    assert predict(images, [Tiny()], out=tmp_path / "run", conditions=CONDITIONS).equals(merged)
    assert calls["score"] == 48


def test_a_damaged_part_is_named_and_computed_again(
    images: pl.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str], calls: Counter[str]
) -> None:
    table = predict(images, [Tiny()], out=tmp_path)
    (part,) = (tmp_path / "parts").glob("part-*.parquet")
    part.write_bytes(part.read_bytes()[:100])
    pl.DataFrame({"foreign": [1]}).write_parquet(part.with_name("part-0.parquet"))
    (tmp_path / "parts" / ".part-1.parquet.tmp.parquet").write_bytes(b"a write that was killed")
    calls.clear()
    assert predict(images, [Tiny()], out=tmp_path).equals(table)
    assert calls["score"] == 12
    warnings = [line for line in capsys.readouterr().err.splitlines() if "Expected a part" in line]
    assert len(warnings) == 2
    assert part.name in warnings[1]


def test_few_images_are_in_memory_at_a_time(
    images: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, finished, ahead = Counter[str](), Counter[str](), []
    read, forward = preparation.read_file, engines.forward

    def reading(path: str, sha256: str | None) -> tuple[bytes, str]:
        begun["images"] += 1
        ahead.append(begun["images"] - finished["images"])
        return read(path, sha256)

    def scoring(detector: Detector, inputs: list[Tensor], settings: plan.Plan) -> Tensor:
        finished["images"] += len(inputs)
        return forward(detector, inputs, settings)

    monkeypatch.setattr(preparation, "read_file", reading)
    monkeypatch.setattr(engines, "forward", scoring)
    copies = []
    for number in range(100):
        copies.append(tmp_path / f"{number}.png")
        Image.new("RGB", (40, 40), (number, 0, 0)).save(copies[-1])
    predict(pl.DataFrame({"path": list(map(str, copies))}), [Tiny()], out=tmp_path / "run", batch_size=2, workers=2)
    assert begun["images"] == finished["images"] == 100
    assert max(ahead) < 20


def test_bad_requests_say_what_to_change(images: pl.DataFrame, tmp_path: Path) -> None:
    def fails(sentence: str, **changes: object) -> None:
        request = {"manifest": images, "detectors": [Tiny()], "out": tmp_path / "run", **changes}
        with pytest.raises(UsageError, match=sentence):
            predict(request.pop("manifest"), request.pop("detectors"), **request)  # type: ignore[arg-type]

    fails("empty manifest", manifest=images[:0])
    fails("path in every row", manifest=images.drop("path"))
    fails("at least one detector", detectors=[])
    fails("at least one condition", conditions=[])
    fails("Did you mean jpeg", conditions=["jpg:q=3"])
    fails("Did you mean blur", manifest=images.with_columns(view=pl.lit("blr:sigma=1")))
    fails(r"different detectors, got tiny0@\w{8} twice", detectors=[Tiny(), Tiny()])
    fails("precision, got 'fp8'", precision="fp8")
    fails("batch_size of at least 1, got 0", batch_size=0)
    fails("workers of at least 1, got -1", workers=-1)
    fails("0 <= i < n, got 2/2", shard=(2, 2))
    assert not (tmp_path / "run" / "predictions.parquet").exists()


def test_a_folder_that_cannot_be_written_is_refused(images: pl.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SynthscopeError, match="Expected to write"):
        predict(images, [Tiny()], out=tmp_path / "file" / "run")


class TwoLogits(Tiny):
    def forward(self, images: Tensor) -> Tensor:
        return torch.zeros(len(images), 2)


def test_a_detector_must_return_one_logit_an_image(images: pl.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(
        SynthscopeError, match=r"Expected logits of shape \(\d+,\) from detector 'tiny0', got \(\d+, 2\)"
    ):
        predict(images, [TwoLogits()], out=tmp_path)


def test_the_thread_settings_of_torch_survive(images: pl.DataFrame, tmp_path: Path) -> None:
    before = torch.get_num_threads(), torch.backends.cudnn.allow_tf32
    predict(images, [Tiny()], out=tmp_path)
    assert (torch.get_num_threads(), torch.backends.cudnn.allow_tf32) == before


def test_shards_are_parsed() -> None:
    assert parse_shard(None) is None
    assert parse_shard("3/4") == (3, 4)
    for text in ("4/4", "1", "a/b", "-1/2", "0/0"):
        with pytest.raises(UsageError, match="Expected a shard i/n"):
            parse_shard(text)
