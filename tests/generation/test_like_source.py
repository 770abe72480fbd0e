"""Files that say of themselves what their sources do; and worlds in which nothing but that is there to be told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl
import pytest
from PIL import Image, ImageCms

from synthscope.data.audit import audit
from synthscope.data.images import read_file, read_rgb
from synthscope.data.manifest import load_manifest
from synthscope.errors import SynthscopeError
from synthscope.generation.contract import Made, Order
from synthscope.generation.reconstruct.alike import LikeSource, saving
from synthscope.generation.reconstruct.like_source import save_like
from synthscope.generation.reconstruct.orders import source_orders
from synthscope.generation.reconstruct.webp import frame_of, quantiser
from synthscope.generation.run import generate
from tests.data.histories import picture, stored

PIXELS = picture(0, 150)[:101]  # no multiple of 8 on either side
TABLES = [[1 + (7 * i) % 60 for i in range(64)], [2 + (5 * i) % 90 for i in range(64)]]


def exif(orientation: int = 1) -> bytes:
    tags = Image.Exif()
    tags[0x0112], tags[0x010F] = orientation, "Camera"
    return tags.tobytes()


@pytest.mark.parametrize(
    "how",
    [
        {"quality": 75},
        {"quality": 96, "subsampling": 0},
        {"quality": 90, "subsampling": 1, "optimize": True},
        {"quality": 85, "progressive": True, "comment": b"of a camera"},
        {"qtables": TABLES, "subsampling": 2, "exif": exif()},
        {"qtables": TABLES[:1], "icc_profile": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()},
        {"quality": 90, "keep_rgb": True},
        {"quality": 90, "dpi": (300, 300), "xmp": b"<x:xmpmeta/>"},
    ],
    ids=lambda how: ",".join(how),
)
def test_pixels_that_a_jpeg_was_made_of_become_its_very_bytes(how: dict[str, Any]) -> None:
    assert save_like(PIXELS, source := stored(PIXELS, "JPEG", **how)) == source


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("container", ["JPEG", "PNG"])
def test_pixels_are_turned_to_where_the_orientation_turns_them_back(container: str, orientation: int) -> None:
    source = stored(PIXELS, container, exif=exif(orientation))
    shown = read_rgb(source)
    assert shown.shape == (PIXELS.shape if orientation < 5 else (PIXELS.shape[1], PIXELS.shape[0], 3))
    alike = save_like(shown, source)
    with Image.open(BytesIO(alike)) as image:
        assert image.size == (150, 101)
        assert image.getexif()[0x0112] == orientation
    if container == "PNG":
        assert np.array_equal(read_rgb(alike), shown)
    assert np.abs(read_rgb(alike).astype(int) - shown).mean() < 1
    other = 255 - shown  # what is made, not what was there
    assert np.abs(read_rgb(save_like(other, source)).astype(int) - other).mean() < 2


def test_grey_stays_grey_and_opaque_stays_opaque() -> None:
    grey, opaque = Image.fromarray(PIXELS).convert("L"), Image.fromarray(PIXELS).convert("RGBA")
    for image, container in ((grey, "JPEG"), (grey, "PNG"), (opaque, "PNG")):
        file = BytesIO()
        image.save(file, container)
        with Image.open(BytesIO(save_like(PIXELS, file.getvalue()))) as alike:
            assert (alike.mode, alike.format, alike.size) == (image.mode, container, image.size)


@pytest.mark.parametrize("level", [1, 6, 9])
def test_png_takes_the_effort_that_comes_nearest_to_the_sources_size(level: int) -> None:
    source = stored(PIXELS, "PNG", compress_level=level)
    assert len(save_like(PIXELS, source)) == len(source)


@pytest.mark.parametrize("quality", [0, 20, 60, 95, 100])
def test_webp_is_quantised_as_its_source(quality: int) -> None:
    source = stored(PIXELS, "WEBP", quality=quality)
    alike, coarser = save_like(PIXELS, source), stored(PIXELS, "WEBP", quality=max(0, quality - 10))
    told = [quantiser(frame_of(file)[1]) for file in (source, alike, coarser)]  # type: ignore[index]
    assert abs(told[1] - told[0]) <= 2
    assert quality == 0 or told[2] > told[0] + 2
    assert len(alike) == pytest.approx(len(source), rel=0.06)


def test_webp_without_loss_stays_so_and_an_animation_is_refused() -> None:
    lossless = stored(PIXELS, "WEBP", lossless=True, exif=exif())
    assert frame_of(lossless)[0] == "VP8L"  # type: ignore[index]
    assert np.array_equal(read_rgb(save_like(255 - PIXELS, lossless)), 255 - PIXELS)
    moving = BytesIO()
    Image.fromarray(PIXELS).save(moving, "WEBP", save_all=True, append_images=[Image.fromarray(255 - PIXELS)])
    with pytest.raises(SynthscopeError, match="got an animation"):
        save_like(read_rgb(moving.getvalue()), moving.getvalue())


def test_signatures_of_other_pixels_are_left_out() -> None:
    plain = stored(PIXELS, "JPEG", quality=90)
    payload = b"JP\x00\x01" + b"manifest" * 9
    signed = plain[:2] + b"\xff\xeb" + (len(payload) + 2).to_bytes(2, "big") + payload + plain[2:]
    with Image.open(BytesIO(signed)) as image:
        assert image.applist[0][0] == "APP11"
    assert save_like(PIXELS, signed) == plain


def _transparent() -> bytes:
    image = Image.fromarray(PIXELS).convert("RGBA")
    image.putpixel((3, 3), (0, 0, 0, 0))
    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def _of_mode(mode: str, container: str) -> bytes:
    file = BytesIO()
    image = Image.fromarray(PIXELS)
    converted = image.convert("L").convert("I;16") if mode == "I;16" else image.convert(mode)
    converted.save(file, container)
    return file.getvalue()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (_of_mode("CMYK", "JPEG"), "a JPEG of the colours CMYK"),
        (_of_mode("P", "GIF"), "a file of the format GIF"),
        (_of_mode("P", "PNG"), "PNG pixels of the mode P"),
        (_of_mode("I;16", "PNG"), "16 bits"),
        (_transparent(), "transparent pixels"),
        (cv2.imencode(".png", PIXELS.astype(np.uint16) * 257)[1].tobytes(), "16 bits"),
        (
            cv2.imencode(".jpg", PIXELS, [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_440])[
                1
            ].tobytes(),
            "unusual chroma subsampling",
        ),
    ],
)
def test_what_cannot_be_written_again_is_a_sentence_that_names_it(source: bytes, said: str) -> None:
    with pytest.raises(SynthscopeError, match=f"Expected a JPEG, PNG or WebP.*{said}.* in there.xyz"):
        save_like(PIXELS, source, name="there.xyz")


def test_pixels_of_another_size_are_refused() -> None:
    with pytest.raises(SynthscopeError, match="Expected pixels of 150 x 101 as in .*, got 150 x 100"):
        save_like(PIXELS[:100], stored(PIXELS, "JPEG"))


class Decoder:
    """A generator of null worlds: what it makes of a source's pixels is given."""

    batch, needs = 4, ("source",)

    def __init__(self, made: Callable[[np.ndarray, Order], np.ndarray], name: str = "null") -> None:
        self.made, self.name = made, name

    def facts(self) -> dict[str, Any]:
        return {}

    def generate(self, orders: Sequence[Order]) -> list[Made]:
        return [Made(self.made(read_rgb(order.source or ""), order)) for order in orders]

    def close(self) -> None:
        pass


def grain(seed: int) -> np.ndarray:
    """One of two exposures of the same scene: the same light, other noise."""
    scene = cv2.GaussianBlur(picture(seed % 1000), (0, 0), 1).astype(np.float64)
    rng = np.random.default_rng(seed)
    return np.clip(np.rint(scene + rng.normal(0, 2.5, scene.shape)), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """Sixty JPEG files of one compression each, of several encoders and with the metadata of cameras."""
    folder, rng = tmp_path_factory.mktemp("photographs") / "val/nature", np.random.default_rng(0)
    folder.mkdir(parents=True)
    (folder.parent / "ai").mkdir()
    (folder.parent / "ai/0.png").write_bytes(stored(PIXELS))
    for i in range(60):
        how = {
            "quality": int(rng.choice([75, 90, 95, 96])), "subsampling": int(rng.integers(3)),
            "progressive": bool(rng.integers(2)), "exif": exif(int(rng.choice([1, 6]))) + bytes(int(rng.integers(900))),
        }  # fmt: skip
        (folder / f"{i:03}.jpg").write_bytes(stored(grain(i), "JPEG", **how))
    return load_manifest(f"genimage:{folder.parent.parent}").filter(label=0)


def told(photographs: pl.DataFrame, out: Path, decoder: Decoder, *, like: bool = True, resave: bool = False) -> Any:
    """Attribute -> row of the audit of photographs and their fakes."""
    generator = LikeSource(decoder) if like else decoder
    report = generate(source_orders(photographs), [generator], out, save=saving(resave_source=resave))
    assert (report.made, report.failed, report.missing) == (60, 0, 0)
    table = audit(load_manifest(out / "manifest.parquet")).filter(subset="overall")
    return {row["attributes"]: row for row in table.iter_rows(named=True)}


def test_a_decoder_that_forgets_leaves_files_and_histories_at_chance(photographs: pl.DataFrame, tmp_path: Path) -> None:
    found = told(photographs, tmp_path, Decoder(turned))
    for attribute in ("all", "format", "size", "jpeg_quality", "bytes_per_pixel", "history"):
        assert found[attribute]["balanced_accuracy"] < 0.6, found[attribute]


def turned(rgb: np.ndarray, order: Order) -> np.ndarray:
    """The second exposure, upright as the source is shown."""
    made = grain(int(order.uid) + 1000)
    with Image.open(order.source or "") as image:
        return np.ascontiguousarray(np.rot90(made, -1)) if image.getexif()[0x0112] == 6 else made


def test_fakes_as_png_beside_jpeg_are_told_always(photographs: pl.DataFrame, tmp_path: Path) -> None:
    assert told(photographs, tmp_path, Decoder(turned), like=False)["all"]["balanced_accuracy"] == 1


def test_an_identity_is_told_by_its_second_compression_alone(photographs: pl.DataFrame, tmp_path: Path) -> None:
    found = told(photographs, tmp_path, Decoder(lambda rgb, order: rgb))
    assert found["all"]["balanced_accuracy"] < 0.6
    assert found["history"]["ci_low"] > 0.5


def test_sources_saved_again_are_right_for_an_identity_and_wrong_for_a_decoder_that_forgets(
    photographs: pl.DataFrame, tmp_path: Path
) -> None:
    generate(
        source_orders(photographs[:5]), [LikeSource(Decoder(lambda rgb, order: rgb))], tmp_path / "same",
        save=saving(resave_source=True),
    )  # fmt: skip
    rows = pl.read_parquet(tmp_path / "same/prompts.parquet")
    files = [
        (read_file(tmp_path / "same" / real), read_file(tmp_path / "same" / fake), read_file(source))
        for real, fake, source in rows.select("real", "path", "source").iter_rows()
    ]
    assert all(real == fake for real, fake, _ in files)
    assert any(real != source for real, _, source in files)
    found = told(photographs, tmp_path / "forgets", Decoder(turned), resave=True)
    assert found["history"]["ci_low"] > 0.5
