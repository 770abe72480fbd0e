"""The command line from outside: exit codes, one clear sentence on stderr, results on stdout."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout

import numpy as np
import pytest
from PIL import Image

from synthscope.cli import main


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    """What the command would do as a process of its own, without the seconds in which one starts."""
    words, out, err = ["synthscope", *map(str, arguments)], io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as ended:
            main()
    code = ended.value.code
    return subprocess.CompletedProcess(words, code if isinstance(code, int) else 0, out.getvalue(), err.getvalue())


def process(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "synthscope", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def fails(code: int, sentence: str, *arguments: object) -> None:
    result = run(*arguments)
    assert result.returncode == code, result.stderr
    assert sentence in result.stderr, result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert result.stdout == ""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two subsets, three images a class, in the GenImage layout."""
    root = tmp_path_factory.mktemp("images")
    noise = np.random.default_rng(0)
    for subset in ("one", "two"):
        for split in ("train", "val"):
            for kind, name in (("ai", "00{}_x_0000{}.png"), ("nature", "n01440764_{}{}.JPEG")):
                place = root / subset / split / kind
                place.mkdir(parents=True)
                for i in range(3):
                    pixels = noise.integers(0, 256, (40, 48, 3), dtype=np.uint8)
                    Image.fromarray(pixels).save(place / name.format(i, i))
    return root


@pytest.fixture(scope="module")
def manifest(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("manifest") / "m.parquet"
    result = run("data", "index", f"genimage:{folder}", "-o", out)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split()[-4:] == ["total", "12", "12", "0"]
    return out


def test_wrong_path_and_empty_folder(tmp_path):
    fails(1, "Expected", "data", "index", f"genimage:{tmp_path}/absent", "-o", tmp_path / "m.parquet")
    fails(1, "Expected", "data", "index", f"genimage:{tmp_path}", "-o", tmp_path / "m.parquet")
    assert list(tmp_path.iterdir()) == []


def test_unknown_layout_and_labels(tmp_path, folder):
    fails(2, "Did you mean genimage", "data", "index", f"genimag:{folder}", "-o", tmp_path / "m.parquet")
    fails(2, "Expected", "data", "index", f"imagefolder:{folder}", "-o", tmp_path / "m.parquet")


def test_unreadable_files_exit_with_3_and_are_listed(tmp_path, folder):
    place = tmp_path / "set" / "val"
    for kind in ("ai", "nature"):
        (place / kind).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(place / kind / "1.png")
    (place / "ai" / "empty.png").touch()
    result = run("data", "index", f"genimage:{tmp_path / 'set'}", "-o", tmp_path / "m.parquet")
    assert result.returncode == 3
    assert "empty.png" in result.stderr and "1 unreadable" in result.stderr


def test_unknown_detector_typo_and_one_class(tmp_path, manifest):
    fails(2, "Expected a detector folder", "predict", manifest, "-d", tmp_path / "absent", "-o", tmp_path / "run")
    fails(2, "Did you mean", "train", manifest, "-c", "cpu_smal", "-o", tmp_path / "d")
    fails(2, "Did you mean", "train", manifest, "-c", "cpu_small", "--set", "sed=1", "-o", tmp_path / "d")
    fails(1, "Expected", "train", manifest, "-c", "cpu_small", "--where", "label=1", "-o", tmp_path / "d")
    fails(1, "Expected", "data", "audit", manifest, "--where", "label=1")
    fails(2, "Expected", "data", "audit", manifest, "--where", "labl=1")
    fails(2, "Expected", "data", "audit", manifest, "--view", "jpg:q=3")
    assert not (tmp_path / "d" / "config.json").exists()


def test_bad_sandbox_switches(tmp_path):
    fails(2, "Expected", "data", "sandbox", "-o", tmp_path / "w", "--fingerprint", "maybe")
    fails(2, "Expected", "data", "sandbox", "-o", tmp_path / "w", "--artifacts", "2")


def test_report_without_scores(tmp_path):
    fails(1, "Expected", "report", tmp_path)
    fails(1, "Expected", "score", tmp_path)


def test_detectors_list_and_show():
    result = run("detectors", "list")
    assert result.returncode == 0
    assert {"resnet50", "deit_s", "swin_t", "cnn_small", "cnnspot"} <= set(result.stdout.split())
    assert "224" in run("detectors", "show", "cnnspot").stdout
    fails(2, "Did you mean cnnspot", "detectors", "show", "cnnspo")


def test_help_and_version():
    assert "Usage" in process("--help").stdout
    assert process("--version").stdout.strip()
    assert process("nope").returncode == 2


def test_a_process_ends_as_the_call_does(tmp_path):
    arguments = "data", "index", "genimag:x", "-o", tmp_path / "m.parquet"
    here, there = run(*arguments), process(*arguments)
    assert (here.returncode, here.stdout, here.stderr) == (there.returncode, there.stdout, there.stderr)


def test_a_shell_is_told_what_can_follow() -> None:
    asked = {"_SYNTHSCOPE_COMPLETE": "complete_bash", "COMP_WORDS": "synthscope data ver", "COMP_CWORD": "2"}
    code = "import sys; sys.argv = ['synthscope']; from synthscope.cli import main; main()"
    answer = subprocess.run([sys.executable, "-c", code], env=os.environ | asked, capture_output=True, text=True)
    assert answer.stdout.split() == ["verify"], answer.stderr
