"""CLIP's tower against CLIP written out in plain torch, and the translation of its names key by key."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from synthscope.detectors.clip import B16, clip_tower, from_openai_clip
from synthscope.detectors.hub import create_detector
from synthscope.detectors.shapes import shapes_only
from synthscope.errors import SynthscopeError
from tests.detectors.openai_clip import SIDE, STATE, TEXT, TINY, openai_embedding


@pytest.mark.parametrize("prefix", ["visual.", "model.visual.", "model.model.visual.", ""])
def test_the_embedding_is_that_of_clip_written_out(prefix: str) -> None:
    renamed = {prefix + key.removeprefix("visual."): value for key, value in STATE.items()}
    tower = clip_tower(SIDE, **TINY).eval()
    tower.load_state_dict(from_openai_clip(renamed | (TEXT if prefix else {})))
    inputs = torch.randn(4, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        embedding = tower(inputs).double()
    torch.testing.assert_close(embedding, openai_embedding(STATE, inputs, depth=2, heads=4), rtol=1e-5, atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(sorted(STATE)))
def test_every_key_is_needed_and_none_is_made_up(key: str) -> None:
    wanted = clip_tower(SIDE, **TINY).state_dict()
    whole = from_openai_clip(STATE)
    assert {name: value.shape for name, value in whole.items()} == {name: value.shape for name, value in wanted.items()}
    fewer = {name: value for name, value in STATE.items() if name != key}
    if key == "visual.class_embedding":
        with pytest.raises(SynthscopeError, match="Expected one CLIP image tower"):
            from_openai_clip(fewer)
    else:
        assert len(whole.keys() - from_openai_clip(fewer).keys()) == 1
    assert "foreign" in from_openai_clip(STATE | {"visual.foreign": torch.ones(1)})


def test_states_without_openais_tower_are_refused() -> None:
    for state in (
        {},
        TEXT,
        {"vision_model.embeddings.class_embedding": torch.ones(2)},
        STATE | {"class_embedding": torch.ones(1)},
    ):
        with pytest.raises(SynthscopeError, match="Expected one CLIP image tower in OpenAI's names"):
            from_openai_clip(state)


def test_the_smaller_tower_has_the_parameters_of_clip_vit_b16() -> None:
    embedding, block = 3 * 16 * 16 * 768 + 768 + 197 * 768, 4 * 768**2 + 4 * 768 + 8 * 768**2 + 5 * 768 + 4 * 768
    with shapes_only():
        tower = clip_tower(224, **B16)
    assert sum(value.numel() for value in tower.state_dict().values()) == embedding + 12 * block + 4 * 768 + 768 * 512
    for name in ("rine", "effort", "c2p_clip"):
        with shapes_only():
            detector = create_detector(name, options={"tower": "vit_b16"})
        assert detector.backbone_name() == "vit_base_patch16_clip_224.openai"
        assert detector.backbone.patch_embed.grid_size == (14, 14)
