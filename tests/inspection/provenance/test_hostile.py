"""Hostile files: nothing raises, nothing is unpacked beyond its cap, nothing touches the network, nothing escapes."""

from __future__ import annotations

import json
import socket
import sys
import zlib
from contextlib import suppress
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synthscope.inspection.provenance import find_provenance
from synthscope.inspection.provenance.containers import MOST_TEXT, MOST_TEXTS, MOST_TOGETHER, read_parts
from synthscope.inspection.provenance.source import MOST_FACTS, facts, values_of
from synthscope.inspection.provenance.xmp import read_packet
from tests.inspection.provenance import files


@cache
def valid() -> tuple[bytes, ...]:
    """One file of every kind that says something."""
    from tests.inspection.provenance.test_words import MARKED, webp, with_thumbnail

    made = [
        files.jpeg(exif=files.camera_exif(), xmp=MARKED, comment=b"words"),
        files.jpeg(exif=b"Exif\0\0" + with_thumbnail(0)),
        files.png(dict(pair for texts, _ in files.FRONT_ENDS.values() for pair in texts.items())),
        files.png(files.FRONT_ENDS["ComfyUI"][0], packed=True),
        webp(xmp=MARKED, exif=files.camera_exif()),
    ]
    with suppress(ImportError):
        made.append(files.signed(files.jpeg(), files.authority()))
    return tuple(made)


def told(data: bytes, **options: Any) -> str:
    """Everything said of a file, as one text."""
    found = find_provenance(data, **options)
    text = json.dumps([finding.model_dump() for finding in found], ensure_ascii=False)
    assert len(text) < 200_000 and text.isprintable(), repr(text)[:500]
    return text


STARTS = (b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP", b"II*\0")
KEYS = ("parameters", "prompt", "workflow", "Comment", "Dream", "sd-metadata", "x")
NAMES = ("inputs", "class_type", "model", "links", "nodes", "seed", "sampler_name", "3", "steps", "cfg")


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_mutations_of_valid_files_never_raise(data: st.DataObject) -> None:
    file = bytearray(data.draw(st.sampled_from(valid())))
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(file) - 1))
        what = data.draw(st.sampled_from(["flip", "cut", "insert", "repeat", "largest"]))
        if what == "flip":
            file[at] ^= data.draw(st.integers(1, 255))
        elif what == "cut":
            del file[at : at + data.draw(st.integers(1, 4000))]
        elif what == "insert":
            file[at:at] = data.draw(st.binary(max_size=40))
        elif what == "repeat":
            file[at:at] = file[at : at + 2000] * 3
        else:
            file[at : at + 4] = b"\xff" * 4
        file = file or bytearray(b"\0")
    told(bytes(file))


@given(
    st.binary(max_size=300), st.sampled_from([b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP", b"II*\0"])
)
def test_any_bytes_are_answered(junk: bytes, start: bytes) -> None:
    told(start + junk)


@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from(KEYS), st.text()))
def test_any_texts_are_answered(texts: dict[str, str]) -> None:
    data = files.png()
    for key, value in texts.items():
        data = files.with_chunk(data, b"iTXt", key.encode() + b"\0\0\0\0\0" + value.encode("utf-8", "surrogatepass"))
    told(data)
    told(data, private=True)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from(NAMES), inner),
)


@settings(max_examples=60)
@given(JSON, JSON)
def test_any_graph_is_answered(prompt: Any, workflow: Any) -> None:
    told(files.png({"prompt": json.dumps(prompt) + ' "class_type"', "workflow": json.dumps(workflow)}))
    told(files.png({"prompt": json.dumps({"3": prompt, "class_type": 1}), "workflow": json.dumps({"links": workflow})}))


def test_a_bomb_of_a_text_is_unpacked_up_to_its_cap() -> None:
    bomb = zlib.compress(bytes(50 * MOST_TEXT), 9)
    for kind, head in ((b"zTXt", b"parameters\0\0"), (b"iTXt", b"parameters\0\1\0\0\0")):
        parts = read_parts(files.with_chunk(files.png(), kind, head + bomb))
        assert len(parts.texts[0][1]) == MOST_TEXT and "the rest is not read" in parts.notes[0]
    many = files.png()
    for _ in range(40):
        many = files.with_chunk(many, b"zTXt", b"parameters\0\0" + bomb)
    assert sum(len(text) for _, text in read_parts(many).texts) <= MOST_TOGETHER + MOST_TEXT
    told(many)


def test_of_very_many_texts_some_are_read() -> None:
    chunk = files.with_chunk(files.png(), b"tEXt", b"a\0b")[33:48]
    data = files.png()[:33] + chunk * (MOST_TEXTS + 500) + files.png()[33:]
    parts = read_parts(data)
    assert len(parts.texts) == MOST_TEXTS and len(parts.notes) == 1
    told(data)


@pytest.mark.parametrize(
    "xml",
    [
        b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><x>&b;</x>',
        b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>',
        b"<x>" * 50_000,
        b"<x>" * 50_000 + b"</x>" * 50_000,
        b"\xff\xfe<\0x\0",
        b"no xml",
        b"",
    ],
    ids=["entities", "external entity", "unclosed", "deep", "half of UTF-16", "words", "empty"],
)
def test_broken_and_hostile_xml_is_told_or_ignored(xml: bytes) -> None:
    text = told(files.with_chunk(files.png(), b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xml))
    assert "root:" not in text and "aaaaaaaaaaaaaaaaaaaa" not in text


def test_deep_json_and_long_numbers_are_told() -> None:
    for text in ("[" * 400_000, '{"class_type":' * 100_000, '{"seed": ' + "9" * 100_000 + ', "class_type": 1}'):
        told(files.png({"prompt": text, "workflow": text, "parameters": text}))


def test_texts_made_to_keep_patterns_busy_are_cut() -> None:
    """Quadratic in ``sd-parsers``: what is handed on is short. A test that hangs shows the fault."""
    for text in ("Hashes: {" * 110_000, "Steps: 1, Sampler: a, Seed: 1, " * 30_000, "Steps: " + "\n" * 900_000 + "x"):
        told(files.png({"parameters": "Steps: " + text}))
    graph = {
        str(i): {"class_type": "K", "inputs": {"sampler_name": 1, "steps": 1, "cfg": 1, "model": ["0", 0]}}
        for i in range(9000)
    }
    told(
        files.png(
            {
                "prompt": json.dumps(graph),
                "workflow": json.dumps({"links": [[0, i, 0, i + 1, 0, "M"] for i in range(9000)]}),
            }
        )
    )


def test_control_characters_and_markup_do_not_reach_a_terminal() -> None:
    hostile = "Steps: 1, Sampler: \x1b[2J\u202eevil, Seed: 1, Model: <script>"
    text = told(files.png({"parameters": hostile, "Author\x1b": "\x07"}), private=True)
    assert "\\\\x1b" in text and "\x1b" not in text and "\u202e" not in text


def test_many_facts_are_cut() -> None:
    assert len(facts({str(i): i for i in range(1000)})) == MOST_FACTS
    assert len(list(values_of([[1] * 1000] * 1000))) < 30_000
    told(files.png({f"key{i}": "x" * 5000 for i in range(300)}), private=True)


def test_no_socket_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor from native code: names in the files resolve to nothing, and the settings name no host."""
    pytest.importorskip("c2pa", reason="c2pa-python is not installed; install synthscope[provenance]")

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a socket was opened")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with socket.socket() as heard:  # native code passes by Python: a server that hears every call shows it
        heard.bind(("127.0.0.1", 0))
        heard.listen()
        heard.settimeout(0.2)
        remote = files.signed(
            files.jpeg(), files.authority(), remote=f"http://127.0.0.1:{heard.getsockname()[1]}/m.c2pa"
        )
        assert "not fetched" in told(remote)
        for data in valid():
            told(data)
        with pytest.raises(TimeoutError):
            heard.accept()


@pytest.mark.parametrize(
    ("module", "file", "words"), [("c2pa", 5, "c2pa"), ("defusedxml", 0, "defusedxml"), ("sd_parsers", 3, "")]
)
def test_a_missing_library_is_named(module: str, file: int, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = valid()[file]
    read_packet.cache_clear()
    for name in [name for name in sys.modules if name.split(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    text = told(data)
    assert "nstall synthscope[provenance]" in text and words in text
