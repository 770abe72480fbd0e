"""C2PA: valid and trusted, valid and unknown, tampered, removed, elsewhere; made with a root of the test's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from synthscope.inspection.evidence import Finding
from synthscope.inspection.provenance import TRUST_LIST, find_provenance
from tests.inspection.provenance import files

c2pa = pytest.importorskip("c2pa", reason="c2pa-python is not installed; install synthscope[provenance]")
pytest.importorskip("cryptography", reason="cryptography is not installed; the test's own root needs it")


@pytest.fixture(scope="module")
def root() -> tuple[Any, Any]:
    return files.authority()


@pytest.fixture(scope="module")
def signed(root: tuple[Any, Any]) -> bytes:
    return files.signed(files.jpeg(), root)


@pytest.fixture
def trust(root: tuple[Any, Any], tmp_path: Path) -> Path:
    path = tmp_path / "trusted.pem"
    path.write_bytes(files.pem(root[1]))
    return path


def of_c2pa(data: bytes, **options: Any) -> list[Finding]:
    return [finding for finding in find_provenance(data, **options) if finding.source == "C2PA"]


def test_a_valid_manifest_of_an_unknown_signer_is_not_verified(signed: bytes) -> None:
    state, origin = of_c2pa(signed)
    assert (state.detail["state"], state.detail["signer"]) == ("Valid", "Example Signer")
    assert "unknown to this machine" in state.claim and "Test Generator 1.0" in state.detail["generator"]
    assert "made by a generative model (trainedAlgorithmicMedia)" in origin.claim and "with Painter" in origin.claim
    assert origin.detail["action"] == "c2pa.created"
    assert not state.verified and not origin.verified


def test_it_is_verified_where_the_signer_is_on_the_trust_list(
    signed: bytes, trust: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [finding.verified for finding in of_c2pa(signed, trust=trust)] == [True, True]
    monkeypatch.setenv(TRUST_LIST, str(trust))
    assert [finding.verified for finding in of_c2pa(signed)] == [True, True]


def test_the_root_of_somebody_else_verifies_nothing(signed: bytes, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    other.write_bytes(files.pem(files.authority()[1]))
    assert [finding.verified for finding in of_c2pa(signed, trust=other)] == [False, False]


def test_a_trust_list_that_is_none_is_named(signed: bytes, tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")
    (finding,) = of_c2pa(signed, trust=empty)
    assert "Expected PEM certificates" in finding.claim and not finding.verified


@pytest.mark.parametrize("behind", [-20, -200])
def test_a_changed_picture_is_invalid_although_the_signer_is_trusted(signed: bytes, trust: Path, behind: int) -> None:
    changed = bytearray(signed)
    changed[behind] ^= 0x55
    state, *rest = of_c2pa(bytes(changed), trust=trust)
    assert state.detail["state"] == "Invalid" and "assertion.dataHash.mismatch" in state.detail["problems"]
    assert not any(finding.verified for finding in (state, *rest))


TAKEN = {
    "action": "c2pa.created",
    "digitalSourceType": files.TRAINED.replace("trainedAlgorithmicMedia", "digitalCapture"),
}
COMPOSITE = files.TRAINED.replace("trained", "compositeWithTrained")


@pytest.mark.parametrize(
    ("actions", "words"),
    [
        ([TAKEN], "taken with a digital camera"),
        ([TAKEN, {"action": "c2pa.edited", "digitalSourceType": COMPOSITE}], "with parts made by a generative model"),
        (
            [TAKEN, {"action": "c2pa.edited", "parameters": {"com.adobe.digitalSourceType": files.TRAINED}}],
            "made by a generative model (trainedAlgorithmicMedia), in the action c2pa.edited",
        ),
    ],
)
def test_origins_are_told_in_words(root: tuple[Any, Any], actions: list[dict[str, Any]], words: str) -> None:
    found = of_c2pa(files.signed(files.jpeg(), root, *actions))
    assert any(words in finding.claim for finding in found[1:]), found


def test_what_an_ingredient_says_is_told_as_its_own(root: tuple[Any, Any], signed: bytes, trust: Path) -> None:
    opened = {"action": "c2pa.opened", "parameters": {"ingredientIds": ["first"]}}
    found = of_c2pa(files.signed(files.jpeg(), root, opened, ingredient=signed), trust=trust)
    assert found[0].verified and "first.jpg (parentOf)" in found[0].detail["ingredients"]
    (origin,) = [finding for finding in found if "generative model" in finding.claim]
    assert origin.claim.startswith("The manifest of an ingredient") and not origin.verified


def test_a_removed_manifest_leaves_its_trace_in_xmp(root: tuple[Any, Any]) -> None:
    pointing = 'dcterms:provenance="self#jumbf=/c2pa/urn:c2pa:1" xmpMM:InstanceID="xmp.iid:42"'
    whole = files.signed(files.jpeg(xmp=files.packet(pointing)), root)
    assert of_c2pa(whole)[0].detail["state"] == "Valid"
    (finding,) = of_c2pa(files.without_segments(whole, 0xEB))
    assert "not in the file. It was removed" in finding.claim and finding.detail["InstanceID"] == "xmp.iid:42"


def test_a_manifest_elsewhere_is_told_and_not_fetched(root: tuple[Any, Any]) -> None:
    (finding,) = of_c2pa(files.signed(files.jpeg(), root, remote="https://example.invalid/a.c2pa"))
    assert "is not fetched" in finding.claim and finding.detail["provenance"] == "https://example.invalid/a.c2pa"


def test_other_files_say_nothing_of_it() -> None:
    assert of_c2pa(files.jpeg()) == [] and of_c2pa(b"c2pa but no picture") == []
