from __future__ import annotations

import stat
import subprocess
import sys
from types import SimpleNamespace

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


@pytest.mark.parametrize("shell", [None, SimpleNamespace(), SimpleNamespace(kernel=None)])
def test_only_a_shell_with_a_kernel_is_a_notebook(shell, monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert not runtime.in_notebook()
    monkeypatch.delitem(sys.modules, "IPython")
    assert not runtime.in_notebook()


def test_in_a_notebook_one_line_of_progress_changes(capsys, monkeypatch):
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    now = [0.0]
    monkeypatch.setattr(runtime.time, "monotonic", lambda: now[0])
    with runtime.Progress("scoring", total=10) as progress:
        for now[0] in (0.4, 0.6, 1.0, 2.0):  # the first and the third come too early
            progress.advance()
    err = capsys.readouterr().err
    assert err.endswith("\n") and err.count("\n") == 1
    lines = err.rstrip("\n").split("\r")
    assert [line.split(" images")[0] for line in lines] == [
        "scoring: 2/10", "scoring: 4/10", "scoring: 4/10",
    ]  # fmt: skip
    assert len({len(line) for line in lines}) == 1, "a shorter line would leave the end of the one before it"


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
