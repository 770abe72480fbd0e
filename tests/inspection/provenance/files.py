"""Files that say things of their origin, made here: nothing of the kind is kept as a binary."""

from __future__ import annotations

import datetime
import json
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

TRAINED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


def pixels(height: int = 64, width: int = 96, seed: int = 0) -> np.ndarray:
    """uint8 ``(height, width, 3)``: smooth colours with some noise."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(40, 215, (height // 8 + 2, width // 8 + 2, 3))
    y, x = np.linspace(0, height // 8, height), np.linspace(0, width // 8, width)
    fine = coarse[y.astype(int)][:, x.astype(int)] + rng.normal(0, 6, (height, width, 3))
    return np.clip(fine, 0, 255).astype(np.uint8)


def jpeg(rgb: np.ndarray | None = None, **options: Any) -> bytes:
    file = BytesIO()
    Image.fromarray(pixels() if rgb is None else rgb).save(file, "JPEG", **options)
    return file.getvalue()


def png(texts: dict[str, str] | None = None, packed: bool = False, rgb: np.ndarray | None = None) -> bytes:
    info = PngImagePlugin.PngInfo()
    for key, value in (texts or {}).items():
        try:
            value.encode("latin-1")
            info.add_text(key, value, zip=packed)
        except UnicodeEncodeError:
            info.add_itxt(key, value, zip=packed)
    file = BytesIO()
    Image.fromarray(pixels() if rgb is None else rgb).save(file, "PNG", pnginfo=info)
    return file.getvalue()


def with_chunk(file: bytes, kind: bytes, content: bytes) -> bytes:
    """A PNG file with one more chunk behind its header."""
    import zlib

    chunk = len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")
    return file[:33] + chunk + file[33:]


def packet(attributes: str = "", elements: str = "") -> bytes:
    """An XMP packet with one description."""
    return f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
xmlns:dcterms="http://purl.org/dc/terms/" xmlns:dc="http://purl.org/dc/elements/1.1/"
xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"
xmlns:TC260="http://www.tc260.org.cn/ns/AIGC/1.0/" {attributes}>{elements}</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>""".encode()


def camera_exif(**changes: Any) -> Image.Exif:
    """EXIF as a camera writes it; ``changes`` by tag name replace values, None leaves one out."""
    from PIL import ExifTags

    main = {"Make": "Canon", "Model": "Canon EOS R5", "Software": "Firmware 1.8.1", "DateTime": "2025:06:01 10:00:05"}
    shot = {
        "DateTimeOriginal": "2025:06:01 10:00:05", "DateTimeDigitized": "2025:06:01 10:00:05", "FocalLength": 50.0,
        "LensModel": "RF24-105mm F4 L IS USM", "LensSpecification": (24.0, 105.0, 4.0, 4.0),
        "BodySerialNumber": "012345678", "ISOSpeedRatings": 200,
    }  # fmt: skip
    place = {"GPSLatitudeRef": "N", "GPSLatitude": (52.0, 31.0, 12.0)}
    numbers = {name: tag for tag, name in ExifTags.TAGS.items()} | {name: tag for tag, name in ExifTags.GPSTAGS.items()}
    exif = Image.Exif()
    for name, value in {**main, **{k: v for k, v in changes.items() if k in main}}.items():
        if value is not None:
            exif[numbers[name]] = value
    directory = exif.get_ifd(ExifTags.IFD.Exif)
    for name, value in {**shot, **{k: v for k, v in changes.items() if k not in main}}.items():
        if value is not None:
            directory[numbers[name]] = value
    for name, value in place.items():
        exif.get_ifd(ExifTags.IFD.GPSInfo)[numbers[name]] = value
    return exif


def user_comment(text: str, order: str = "utf-16-be") -> Image.Exif:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + text.encode(order)
    return exif


A1111 = (
    "a red fox in snow, detailed\nNegative prompt: blurry\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1234567, "
    "Size: 512x512, Model hash: 6ce0161689, Model: v1-5-pruned-emaonly, Version: v1.9.4"
)
COMFY = {
    "3": {"class_type": "KSampler", "inputs": {
        "seed": 1234567, "steps": 20, "cfg": 8, "sampler_name": "euler", "scheduler": "normal", "denoise": 1,
        "model": ["4", 0], "positive": ["6", 0], "negative": ["7", 0], "latent_image": ["5", 0]}},
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sdxl_base.safetensors"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 512, "batch_size": 1}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a red fox in snow", "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "blurry", "clip": ["4", 1]}},
}  # fmt: skip
COMFY_LINKS = {"nodes": [], "links": [[1, 4, 0, 3, 0, "MODEL"], [2, 6, 0, 3, 1, "CONDITIONING"]]}
# Program -> its texts, a part of its name, and what is told of model, sampler and seed
FRONT_ENDS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "AUTOMATIC1111": (
        {"parameters": A1111}, {"model": "v1-5-pruned-emaonly", "sampler": "Euler a", "seed": "1234567"},
    ),
    "ComfyUI": (
        {"prompt": json.dumps(COMFY), "workflow": json.dumps(COMFY_LINKS)},
        {"model": "sdxl_base.safetensors", "sampler": "euler", "seed": "1234567"},
    ),
    "InvokeAI": (
        {"invokeai_metadata": json.dumps({
            "app_version": "5.6.0", "positive_prompt": "a red fox in snow", "negative_prompt": "", "seed": 1234567,
            "scheduler": "dpmpp_2m", "steps": 30, "cfg_scale": 7.5,
            "model": {"model_name": "juggernaut", "base": "sdxl"}})},
        {"model": "juggernaut", "sampler": "dpmpp_2m", "seed": "1234567", "version": "5.6.0"},
    ),
    "NovelAI": (
        {"Title": "NovelAI generated image", "Software": "NovelAI", "Source": "NovelAI Diffusion V4 37442FCA",
         "Description": "a red fox in snow with a very long tail and ears",
         "Comment": json.dumps({"prompt": "a red fox in snow", "steps": 28, "seed": 1234567, "sampler": "k_euler",
                                "scale": 5, "uc": "blurry"})},
        {"model": "NovelAI Diffusion V4", "sampler": "k_euler", "seed": "1234567"},
    ),
    "Fooocus": (
        {"fooocus_scheme": "fooocus", "parameters": json.dumps({
            "base_model": "juggernautXL", "base_model_hash": "aeb7e9e689", "sampler": "dpmpp_2m_sde_gpu",
            "scheduler": "karras", "seed": "1234567", "steps": 30, "guidance_scale": 4, "sharpness": 2,
            "prompt": "a red fox in snow",
            "negative_prompt": "", "version": "Fooocus v2.5.5"})},
        {"model": "juggernautXL", "sampler": "dpmpp_2m_sde_gpu", "seed": "1234567"},
    ),
    "SwarmUI": (
        {"parameters": json.dumps({"sui_image_params": {
            "prompt": "a red fox in snow", "model": "flux1-dev", "seed": 1234567, "steps": 20, "sampler": "euler",
            "swarm_version": "0.9.5.0"}})},
        {"model": "flux1-dev", "sampler": "euler", "seed": "1234567", "version": "0.9.5.0"},
    ),
    "Draw Things": (
        {"parameters": json.dumps({"c": "a red fox in snow", "uc": "blurry", "model": "sd_xl_base_q6p.ckpt",
                                   "sampler": "DPM++ 2M", "seed": 1234567, "steps": 20, "scale": 7,
                                   "seed_mode": "Scale Alike",
                                   "profile": {"duration": 12.5}})},
        {"model": "sd_xl_base_q6p.ckpt", "sampler": "DPM++ 2M", "seed": "1234567"},
    ),
}  # fmt: skip


def authority() -> tuple[Any, Any]:
    """Key and certificate of a root that no trust list holds."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    named = _name("Test Root", "Test Authority")
    return key, (
        _certificate(named, named, key.public_key(), days=3650)
        .add_extension(x509.BasicConstraints(True, None), True)
        .add_extension(x509.KeyUsage(False, False, False, False, False, True, True, False, False), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .sign(key, hashes.SHA256())
    )


def signer(root: tuple[Any, Any]) -> tuple[bytes, bytes]:
    """Chain and private key of a signer under that root, PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID

    root_key, root_certificate = root
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _certificate(_name("Example Signer", "Example Maker"), root_certificate.subject, key.public_key(), days=365)
        .add_extension(x509.BasicConstraints(False, None), True)
        .add_extension(x509.KeyUsage(True, False, False, False, False, False, False, False, False), True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .sign(root_key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem(certificate) + pem(root_certificate), secret


def pem(certificate: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM)


def signed(
    file: bytes, root: tuple[Any, Any], *actions: dict[str, Any], remote: str | None = None,
    ingredient: bytes | None = None,
) -> bytes:  # fmt: skip
    """A JPEG file with a C2PA manifest; with ``remote``, one that only points there."""
    import c2pa

    chain, key = signer(root)
    painted = {"action": "c2pa.created", "digitalSourceType": TRAINED, "softwareAgent": {"name": "Painter"}}
    builder = c2pa.Builder({
        "claim_generator_info": [{"name": "Test Generator", "version": "1.0"}], "title": "fox.jpg",
        "format": "image/jpeg",
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": list(actions or [painted])}}],
    })  # fmt: skip
    if remote:
        builder.set_no_embed()
        builder.set_remote_url(remote)
    if ingredient:
        about = {"title": "first.jpg", "relationship": "parentOf", "label": "first"}
        builder.add_ingredient(json.dumps(about), "image/jpeg", BytesIO(ingredient))
    out = BytesIO()
    with c2pa.Signer.from_info(c2pa.C2paSignerInfo("es256", chain, key, None)) as by:
        builder.sign(by, "image/jpeg", BytesIO(file), out)
    return out.getvalue()


def without_segments(file: bytes, marker: int) -> bytes:
    """A JPEG file without the segments of one marker before its first scan."""
    place, kept = 2, file[:2]
    while file[place + 1] != 0xDA:
        size = int.from_bytes(file[place + 2 : place + 4], "big")
        if file[place + 1] != marker:
            kept += file[place : place + 2 + size]
        place += 2 + size
    return kept + file[place:]


def _name(common: str, organisation: str) -> Any:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, common), x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation)]
    )


def _certificate(subject: Any, issuer: Any, key: Any, days: int) -> Any:
    from cryptography import x509

    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=days))
    )  # fmt: skip
