"""What is known of one kind of published checkpoint."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from synthscope.detectors.checkpoints import State
from synthscope.detectors.published.convert import negated, one_logit, same_names, two_outputs
from synthscope.detectors.weights import WEIGHTS
from synthscope.errors import UsageError

GITHUB = "https://github.com/"
CLIP_L14 = "CLIP ViT-L/14: model.safetensors of https://huggingface.co/timm/vit_large_patch14_clip_224.openai"
NOT_LICENSED = "no licence published: for your own use, not to be passed on"
CROP_224 = {"resize": None, "crop": 224, "small": "pad"}


@dataclass(frozen=True, kw_only=True)
class Published:
    """One kind of published checkpoint."""

    architecture: str
    source: str  # where the files, or the code that writes them, are
    licence: str  # of the weights
    options: Mapping[str, Any] = field(default_factory=dict)
    input: Mapping[str, Any] = field(default_factory=dict)  # what differs from the architecture's own
    head: str = "fc"  # the classifier, in the names of the network here
    ai: Literal["positive", "negative", 0, 1, "unknown"] = "positive"  # the AI side: sign of one logit, or which of two
    rename: Callable[[State], State] = same_names
    backbone: str | None = None  # the second file that is needed where the first holds the trained part alone
    hub_file: str = WEIGHTS  # what hf-hub:OWNER/NAME fetches of such a repository
    parts: dict[str, str] = field(default_factory=dict)  # files of a folder, and what their keys begin with here
    beside: dict[str, str] = field(default_factory=dict)  # the same of files that are read where those lack such keys
    rule: str = ""  # of the test, where a logit is made of several, for the card
    trained: str = r"fc\.(weight|bias)"  # keys of that part, a regular expression

    def ai_output(self, index: int | None) -> int | None:
        """Which of two outputs is AI: ``index``, or the published one if None. None for networks with one logit.

        Raises:
            UsageError: Needed and not given, or given and not needed.
        """
        if self.ai in ("positive", "negative"):
            if index is not None:
                raise UsageError(f"Expected no AI index, got {index}: {self.architecture} has one output. Remove it.")
            return None
        if index is None and self.ai == "unknown":
            raise UsageError(
                f"Expected the index of the AI output of {self.architecture}, got none: it depends on who trained it. "
                f"Give --ai-index; folders ai and nature in sorted order make it 0."
            )
        if index not in (None, 0, 1):
            raise UsageError(f"Expected 0 or 1 as AI index, got {index}. Choose one of the two outputs.")
        return int(self.ai) if index is None else index

    def layout(self, net: State) -> State:
        """Keys and shapes that a renamed published state must have, from the state of the network here."""
        return net if self.ai in ("positive", "negative") else two_outputs(net, self.head)

    def to_logit(self, state: State, ai_output: int | None) -> State:
        """A renamed published state with the head of the network here: one logit, positive = AI."""
        if ai_output is not None:
            return one_logit(state, self.head, ai_output)
        return negated(state, self.head) if self.ai == "negative" else state

    def is_head(self, state: State) -> bool:
        """A renamed published state holds the trained part alone, and its backbone is published elsewhere."""
        return self.backbone is not None and self.trained_part(state).keys() == state.keys()

    def trained_part(self, state: State) -> State:
        """What of a state is trained, not of the backbone."""
        return {key: value for key, value in state.items() if re.fullmatch(self.trained, key)}

    def ai_side(self) -> str:
        """What of the published output means AI, in words."""
        if self.ai == "unknown":
            return "one of two outputs"
        return f"a {self.ai} logit" if isinstance(self.ai, str) else f"output {self.ai} of two"

    def meaning(self, ai_output: int | None) -> str:
        """How the published output became the logit, in words."""
        if ai_output is not None:
            return f"logit = output {ai_output} - output {1 - ai_output} (published: two outputs)"
        return f"logit = {'-' if self.ai == 'negative' else ''}output (published: one)"
