from __future__ import annotations

import stat
import subprocess
import sys

import pytest

from synthscope import runtime


def test_whole_file_replaces_at_the_end_only(tmp_path):
    target = tmp_path / "deep" / "a.txt"
    with runtime.whole_file(target) as temporary:
        temporary.write_text("new")
        assert not target.exists()
    assert target.read_text() == "new"
    assert stat.S_IMODE(target.stat().st_mode) & 0o400
    with pytest.raises(RuntimeError), runtime.whole_file(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "new"
    assert list(target.parent.iterdir()) == [target]


def test_seeds_are_stable_and_distinct():
    # Frozen: a change would change every seeded result ever made.
    assert runtime.seed_for(0, "a.png", "noise:sigma=8") == 2866231882098765548
    assert runtime.seed_for(0, "ab", "c") != runtime.seed_for(0, "a", "bc")
    assert len({runtime.seed_for(0, i) for i in range(1000)}) == 1000


def test_torchvision_imports_and_transforms_run():
    torchvision = runtime.import_torchvision()
    assert runtime.import_torchvision() is torchvision
    import torch
    from torchvision.transforms import v2

    assert v2.CenterCrop(2)(torch.zeros(3, 4, 4)).shape == (3, 2, 2)


def test_importing_the_package_imports_no_torch():
    code = (
        "import sys, synthscope, synthscope.cli; print([m for m in ('torch', 'polars', 'numpy') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_public_names_resolve():
    import synthscope

    for name in synthscope.__all__:
        assert getattr(synthscope, name) is not None
    with pytest.raises(AttributeError, match="nope"):
        synthscope.nope  # noqa: B018


def test_progress_reports_on_stderr_only(capsys, monkeypatch):
    clock = iter([0.0, 0.0, 61.0, 61.0, 61.0, 62.0, 62.0])
    monkeypatch.setattr(runtime.time, "monotonic", lambda: next(clock))
    with runtime.Progress("scoring", total=10) as progress:
        progress.advance(5)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "scoring: 5/10 images" in captured.err and "s left" in captured.err


def test_track_yields_everything():
    assert list(runtime.track([1, 2, 3], "x")) == [1, 2, 3]
