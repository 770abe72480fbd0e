from __future__ import annotations

import base64
import io
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import gaussian_filter

from synthscope.data.degrade import DEGRADATIONS
from synthscope.data.degrade.chains import NAMED
from synthscope.data.degrade.recipe import encoder_versions, expand, parse_recipe, read_viewed
from synthscope.errors import SynthscopeError, UnreadableImageError, UsageError

REAL_IMAGES = Path(__file__).parents[2].parent / "shared" / "images"
KERNELS = ["nearest", "box", "bilinear", "bicubic", "lanczos"]
LADDERS = [op for op in DEGRADATIONS if DEGRADATIONS[op].ladder and (op != "heic" or find_spec("pillow_heif"))]
ONE_OF_EACH = [f"{op}:{DEGRADATIONS[op].ladder[2]}" for op in LADDERS]


def noise_image(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def smooth_image(height: int, width: int, seed: int = 0) -> np.ndarray:
    return gaussian_filter(noise_image(height, width, seed).astype(float), (2, 2, 0)).clip(0, 255).astype(np.uint8)


def degrade(rgb: np.ndarray, recipe: str, key: str = "image", seed: int = 0) -> np.ndarray:
    return parse_recipe(recipe).apply(rgb, key=key, seed=seed)


def through_pillow(rgb: np.ndarray, name: str, **options: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, name, **options)
    return np.asarray(Image.open(file).convert("RGB"))


# The grammar


def canonical_steps() -> st.SearchStrategy[str]:
    sigma = st.floats(0.01, 100).map(lambda value: str(value).removesuffix(".0"))
    size = st.integers(1, 8192)
    kernel = st.sampled_from(["nearest", "box", "bilinear", "lanczos"])
    scale = st.floats(0.001, 8).map(lambda value: str(value).removesuffix(".0"))
    return st.one_of(
        st.builds("lr:{}".format, size),
        st.builds("lr:{},kernel={},reupsample=true".format, size, kernel),
        st.builds("resize:scale={}".format, scale),
        st.builds("resize:size={},interp={}".format, size, kernel),
        st.builds("resize:long={},interp={}".format, size, kernel),
        st.builds("crop:size={},grid={}".format, size, st.integers(2, 64)),
        st.builds("crop:size={},offset={}".format, size, st.integers(1, 64)),
        st.builds("blur:sigma={}".format, sigma),
        st.builds("noise:sigma={}".format, sigma),
        st.builds("jpeg:q={},subsampling=444".format, st.integers(1, 100)),
        st.builds("webp:q={}".format, st.integers(1, 100)),
        st.builds("avif:q={},subsampling=422".format, st.integers(1, 100)),
        st.builds("rejpeg:q={},times={},shift=3".format, st.integers(1, 100), st.integers(1, 100)),
        st.builds("jpeg_below:kib={},q=90".format, st.integers(1, 9999)),
        st.builds("resize:mp={}".format, scale),
        st.builds("display:width={},height={},interp=lanczos".format, size, size),
        st.builds("moire:depth=0.5,angle={}".format, st.integers(-90, 2)),
        st.builds("balance:blue={}".format, st.sampled_from(["0.5", "3"])),
        st.sampled_from(["profile:display_p3", "profile:adobe_rgb", "perspective:tilt=0.03"]),
    )


@given(st.lists(canonical_steps(), min_size=1, max_size=4))
def test_a_canonical_recipe_is_its_own_id(steps: list[str]) -> None:
    text = "|".join(steps)
    recipe = parse_recipe(text)
    assert str(recipe) == text
    assert parse_recipe(str(recipe)) == recipe
    assert expand([text]) == [text]


@given(st.lists(canonical_steps(), min_size=1, max_size=3), st.randoms(use_true_random=False))
def test_order_of_parameters_spaces_and_none_do_not_change_the_id(steps: list[str], random: object) -> None:
    written = []
    for step in steps:
        op, _, parameters = step.partition(":")
        pairs = [f"size={p}" if op == "lr" and "=" not in p else p for p in parameters.split(",")]
        random.shuffle(pairs)  # type: ignore[attr-defined]
        written.append(f" {op} : " + " , ".join(pair.replace("=", " = ") for pair in pairs))
    assert str(parse_recipe(" | none | ".join(written))) == "|".join(steps)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("none", "none"),
        ("none|none", "none"),
        ("jpeg:q=065,subsampling=420", "jpeg:q=65"),
        ("lr:size=112,kernel=bicubic,reupsample=no", "lr:112"),
        ("blur:sigma=3.0", "blur:sigma=3"),
        ("jpeg@3", "jpeg:q=50"),
        ("lr@3|jpeg:q=65", "lr:112|jpeg:q=65"),
        ("crop:size=256,grid=1", "crop:size=256"),
    ],
)
def test_canonical_forms(text: str, canonical: str) -> None:
    assert str(parse_recipe(text)) == canonical


def test_named_sets_and_ladders_expand_in_order_each_recipe_once() -> None:
    genimage = ["lr:112", "lr:64", "jpeg:q=65", "jpeg:q=30", "blur:sigma=3", "blur:sigma=5"]
    assert list(NAMED["genimage"]) == genimage
    assert expand(["none", "genimage", "jpeg:q=30"]) == ["none", *genimage]
    assert expand(["jpeg@1..5"]) == ["jpeg:q=90", "jpeg:q=75", "jpeg:q=50", "jpeg:q=30", "jpeg:q=15"]
    assert expand(["lr:64|blur@2..3"]) == ["lr:64|blur:sigma=1", "lr:64|blur:sigma=2"]
    assert len(expand(["genimage|jpeg@1..2"])) == 12


@pytest.mark.parametrize("op", [op for op in LADDERS if op != "crop"])
def test_every_ladder_has_five_steps_that_go_further_from_the_image(op: str) -> None:
    rgb = smooth_image(256, 256)
    distances = []
    for recipe in expand([f"{op}@1..5"]):
        degraded = Image.fromarray(degrade(rgb, recipe)).resize((256, 256), Image.Resampling.BICUBIC)
        distances.append(np.abs(np.asarray(degraded).astype(float) - rgb).mean())
    assert len(distances) == 5
    assert distances == sorted(distances)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("jpg:q=5", r"degradation in step 'jpg:q=5', got 'jpg'\. Did you mean jpeg or rejpeg\?"),
        ("", r"got ''\. Choose one of: avif, balance, blur"),
        ("lr:112|", r"got ''"),
        ("none:3", r"got 'none'"),
        ("jpeg", r"Expected 'q' in step 'jpeg', got no value"),
        ("lr:", r"Expected 'size' in step 'lr:'"),
        ("jpeg:quality=5", r"parameter of 'jpeg' in step 'jpeg:quality=5', got 'quality'"),
        ("lr:112,kernal=box", r"got 'kernal'\. Did you mean kernel\?"),
        ("jpeg:q=0", r"valid 'q' in step 'jpeg:q=0', got '0'"),
        ("jpeg:q=101", r"got '101'"),
        ("jpeg:q=3.5", r"got '3.5'"),
        ("jpeg:q=ten", r"got 'ten'"),
        ("blur:sigma=0", r"got '0'"),
        ("blur:sigma=nan", r"got 'nan'"),
        ("noise:sigma=inf", r"got 'inf'"),
        ("lr:112,kernel=area", r"got 'area'.*bicubic"),
        ("blur:3", r"name=value pairs in step 'blur:3', got '3'"),
        ("noise:sigma=1,sigma=2", r"got 'sigma=2'"),
        ("jpeg:q=", r"got 'q='"),
        ("resize:scale=1,size=3", r"one of scale, size, long, wide and mp in step .*, got several or none"),
        ("resize:size=3,long=5", r"one of scale, size, long, wide and mp in step"),
        ("resize", r"one of scale, size, long, wide and mp in step"),
        ("resize:long=0", r"valid 'long' in step 'resize:long=0', got '0'"),
        ("crop", r"one of frac and size in step 'crop'"),
        ("crop:frac=0.5,offset=-1", r"valid 'offset' in step"),
        ("jpeg@6", r"Expected jpeg@1 to jpeg@5 .* got 'jpeg@6'"),
        ("jpeg@3..1", r"got 'jpeg@3..1'"),
        ("jpag@1", r"Did you mean jpeg or rejpeg\?"),
        ("display@1", r"Expected a degradation with a ladder, got 'display@1'"),
        ("genimage", r"Expected one recipe, got 'genimage', which means 6"),
        ("jpeg@1..5", r"which means 5"),
        ("./mine.py:Attribute", r"got './mine.py'"),
    ],
)
def test_a_bad_recipe_names_its_step(text: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        parse_recipe(text)


# The operations


@pytest.mark.parametrize("recipe", ["none", *ONE_OF_EACH, "|".join(ONE_OF_EACH)])
@pytest.mark.parametrize("size", [(1, 1), (3, 200), (97, 64)])
def test_every_operation_gives_rgb_bytes_repeats_and_leaves_its_input_alone(recipe: str, size: tuple[int, int]) -> None:
    rgb = noise_image(*size)
    rgb.flags.writeable = False  # a write would raise
    first, second = degrade(rgb, recipe), degrade(rgb, recipe)
    assert first.dtype == np.uint8
    assert first.ndim == 3
    assert first.shape == (*parse_recipe(recipe).shape_after(*size), 3)
    assert np.array_equal(first, second)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 80),
    st.integers(1, 80),
    st.integers(1, 100),
    st.sampled_from(["420", "422", "444"]),
    st.integers(0, 99),
)
def test_jpeg_gives_the_pixels_of_pillow(height: int, width: int, q: int, subsampling: str, seed: int) -> None:
    for rgb in (noise_image(height, width, seed), smooth_image(height, width, seed)):
        expected = through_pillow(rgb, "JPEG", quality=q, subsampling={"420": 2, "422": 1, "444": 0}[subsampling])
        assert np.array_equal(degrade(rgb, f"jpeg:q={q},subsampling={subsampling}"), expected)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 255), min_size=128, max_size=128), st.sampled_from(["420", "422", "444"]))
def test_jpeg_with_tables_of_its_own_gives_the_pixels_of_pillow(steps: list[int], subsampling: str) -> None:
    text = base64.urlsafe_b64encode(bytes(steps)).decode().rstrip("=")
    recipe = f"jpeg_tables:{text}" + ("" if subsampling == "420" else f",subsampling={subsampling}")
    assert str(parse_recipe(recipe)) == recipe
    tables = {"qtables": [steps[:64], steps[64:]], "subsampling": {"420": 2, "422": 1, "444": 0}[subsampling]}
    assert np.array_equal(degrade(smooth_image(50, 70), recipe), through_pillow(smooth_image(50, 70), "JPEG", **tables))


def test_tables_that_are_none_are_refused() -> None:
    for text in ("short", "A" * 171, "!" * 171):  # too few steps, steps of 0, no base64
        with pytest.raises(UsageError, match="128 steps of 1 to 255"):
            parse_recipe(f"jpeg_tables:{text}")


@pytest.mark.skipif(not REAL_IMAGES.is_dir(), reason="needs the folder shared/images beside the repository")
def test_jpeg_gives_the_pixels_of_pillow_on_real_images() -> None:
    files = sorted(path for path in REAL_IMAGES.rglob("*") if path.suffix.lower() in {".png", ".jpg", ".jpeg"})[::100]
    assert files
    for path in files:
        rgb = np.array(Image.open(path).convert("RGB"))
        for q in (30, 65, 95):
            assert np.array_equal(degrade(rgb, f"jpeg:q={q}"), through_pillow(rgb, "JPEG", quality=q, subsampling=2))


def test_webp_is_the_lossy_round_trip_of_pillow() -> None:
    rgb = smooth_image(60, 81)
    assert np.array_equal(degrade(rgb, "webp:q=80"), through_pillow(rgb, "WEBP", quality=80))
    assert not np.array_equal(degrade(rgb, "webp:q=80"), rgb)


@pytest.mark.parametrize("sigma", [0.5, 1, 3, 5, 10])
def test_blur_is_a_gaussian_to_one_grey_level(sigma: float) -> None:
    for rgb in (noise_image(61, 83), smooth_image(40, 40), noise_image(5, 9)):
        exact = gaussian_filter(rgb.astype(float), (sigma, sigma, 0), mode="reflect", truncate=8)
        assert np.abs(degrade(rgb, f"blur:sigma={sigma}") - exact).max() <= 1


@pytest.mark.parametrize("kernel", KERNELS)
def test_resizing_is_that_of_pillow(kernel: str) -> None:
    rgb = noise_image(50, 75)
    how = Image.Resampling[kernel.upper()]
    small = Image.fromarray(rgb).resize((20, 20), how)
    assert np.array_equal(degrade(rgb, f"lr:20,kernel={kernel}"), np.asarray(small))
    assert np.array_equal(
        degrade(rgb, f"lr:20,kernel={kernel},reupsample=true"), np.asarray(small.resize((75, 50), how))
    )
    assert np.array_equal(
        degrade(rgb, f"resize:scale=0.5,interp={kernel}"), np.asarray(Image.fromarray(rgb).resize((38, 25), how))
    )


def test_a_box_of_half_the_size_is_the_mean_of_four_pixels() -> None:
    rgb = noise_image(8, 12)
    means = rgb.reshape(4, 2, 6, 2, 3).mean(axis=(1, 3))
    difference = degrade(rgb, "resize:scale=0.5,interp=box") - means
    assert np.abs(difference).max() <= 1  # Pillow rounds after each of its two passes


@pytest.mark.parametrize(
    ("size", "recipe", "expected"),
    [
        ((40, 60), "resize:size=20", (20, 30)),
        ((60, 40), "resize:size=80", (120, 80)),
        ((60, 40), "resize:long=30", (30, 20)),
        ((40, 60), "resize:long=60", (40, 60)),
        ((40, 60), "resize:long=61", (40, 60)),  # never larger
        ((1, 1000), "resize:long=10", (1, 10)),
        ((60, 40), "resize:wide=30", (45, 30)),
        ((60, 40), "resize:wide=40", (60, 40)),
        ((200, 300), "resize:mp=0.015", (100, 150)),
        ((200, 300), "resize:mp=0.06", (200, 300)),
        ((200, 300), "resize:mp=1", (200, 300)),
        ((1, 40000), "resize:mp=0.01", (1, 20000)),
        ((30, 40), "display:width=80,height=90", (60, 80)),
        ((30, 40), "display:width=80,height=9", (9, 12)),
        ((3, 1000), "resize:scale=0.1", (1, 100)),
        ((1, 1), "resize:scale=0.001", (1, 1)),
        ((100, 50), "crop:frac=0.5", (50, 25)),
        ((100, 50), "crop:size=64", (64, 50)),
        ((10, 20), "crop:size=64,grid=8", (10, 20)),
    ],
)
def test_sizes(size: tuple[int, int], recipe: str, expected: tuple[int, int]) -> None:
    assert degrade(noise_image(*size), recipe).shape == (*expected, 3)
    assert parse_recipe(recipe).shape_after(*size) == expected


def test_crop_is_central_and_snaps_to_the_grid() -> None:
    rgb = noise_image(101, 86)
    assert np.array_equal(degrade(rgb, "crop:size=50"), rgb[25:75, 18:68])
    assert np.array_equal(degrade(rgb, "crop:size=50,grid=16"), rgb[16:66, 16:66])
    assert np.array_equal(degrade(rgb, "crop:size=50,grid=16,offset=3"), rgb[19:69, 19:69])
    assert np.array_equal(degrade(rgb, "crop:size=84,offset=9"), rgb[17:101, 2:86])  # no room for more


def test_an_image_no_longer_than_long_is_not_touched() -> None:
    rgb = noise_image(31, 47)
    assert np.array_equal(degrade(rgb, "resize:long=47,interp=lanczos"), rgb)
    small = np.asarray(Image.fromarray(rgb).resize((20, 13), Image.Resampling.LANCZOS))
    assert np.array_equal(degrade(rgb, "resize:long=20,interp=lanczos"), small)


def test_noise_has_the_asked_deviation_and_its_own_seed() -> None:
    rgb = np.full((200, 200, 3), 128, np.uint8)
    residual = degrade(rgb, "noise:sigma=8").astype(float) - 128
    assert residual.std() == pytest.approx((8**2 + 1 / 12) ** 0.5, rel=0.01)  # rounding adds a twelfth
    assert abs(residual.mean()) < 0.1
    assert np.array_equal(degrade(rgb, "noise:sigma=8", "a", 1), degrade(rgb, "noise:sigma=8", "a", 1))
    assert not np.array_equal(degrade(rgb, "noise:sigma=8", "a", 1), degrade(rgb, "noise:sigma=8", "b", 1))
    assert not np.array_equal(degrade(rgb, "noise:sigma=8", "a", 1), degrade(rgb, "noise:sigma=8", "a", 2))


def test_steps_are_applied_from_left_to_right() -> None:
    rgb = smooth_image(64, 48)
    assert np.array_equal(degrade(rgb, "lr:32|jpeg:q=30"), degrade(degrade(rgb, "lr:32"), "jpeg:q=30"))
    assert degrade(rgb, "jpeg:q=30|lr:32").shape == (32, 32, 3)
    assert not np.array_equal(degrade(rgb, "jpeg:q=30|lr:32"), degrade(rgb, "lr:32|jpeg:q=30"))


def test_what_an_operation_cannot_hold_is_an_unreadable_image_not_a_crash() -> None:
    strip = np.zeros((1, 70_000, 3), np.uint8)
    for recipe in ("jpeg:q=65", "webp:q=80", "resize:size=256"):
        with pytest.raises(UnreadableImageError, match=r"70000x1|17920000x256"):
            degrade(strip, recipe)


def test_other_arrays_are_refused() -> None:
    for array in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)):
        with pytest.raises(SynthscopeError, match="Expected uint8"):
            degrade(array, "none")


def test_versions_of_the_encoders_are_known() -> None:
    versions = encoder_versions()
    always = {"opencv", "opencv_jpeg", "pillow", "pillow_jpeg", "pillow_webp", "pillow_avif", "numpy"}
    assert set(versions) - {"pillow_heif"} == always
    assert all(version and version not in {"None", "unknown"} for version in versions.values())


def test_read_viewed_is_seeded_by_the_bytes_of_the_file(tmp_path: Path) -> None:
    pixels = np.full((40, 48, 3), 100, np.uint8)
    for name in ("a.png", "copy.png"):
        Image.fromarray(pixels).save(tmp_path / name)
    np.testing.assert_array_equal(read_viewed(tmp_path / "a.png", parse_recipe("none")), pixels)
    view = parse_recipe("crop:size=32|noise:sigma=8")
    noisy = read_viewed(tmp_path / "a.png", view)
    assert noisy.shape == (32, 32, 3)
    np.testing.assert_array_equal(noisy, read_viewed(tmp_path / "copy.png", view))
    assert (noisy != read_viewed(tmp_path / "a.png", view, seed=1)).any()
    (tmp_path / "cut.png").write_bytes((tmp_path / "a.png").read_bytes()[:60])
    with pytest.raises(UnreadableImageError, match=r"cut\.png"):
        read_viewed(tmp_path / "cut.png", view)
