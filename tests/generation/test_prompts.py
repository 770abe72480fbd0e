"""Classes and prompts: complete, balanced, and a sentence for what is wrong with a list."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthscope.data.layouts.imagenet import synsets
from synthscope.errors import SynthscopeError, UsageError
from synthscope.generation.classes import Kind, imagenet_classes, read_classes
from synthscope.generation.prompts import drawn, read_prompts, template
from synthscope.runtime import import_timm


def test_imagenet_is_that_of_timm() -> None:
    told, kinds = import_timm().data.ImageNetInfo(), imagenet_classes()
    assert [kind.synset for kind in kinds] == told.label_names() == list(synsets())
    assert [kind.class_index for kind in kinds] == list(range(1000))
    ours = [kind.name for kind in kinds]
    first = [told.index_to_description(i).split(", ")[0] for i in range(1000)]
    changed = {name for name, theirs in zip(ours, first, strict=True) if name != theirs}
    assert changed == {"crane bird", "construction crane", "tank suit"}
    assert len(set(ours)) == 1000


def test_own_lists_keep_their_order_and_know_synsets(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("a red door\n\nn01443537\n")
    assert read_classes(str(tmp_path / "list.txt")) == [
        Kind("c000", "a red door"),
        Kind("001", "goldfish", 1, "n01443537"),
    ]
    (tmp_path / "table.csv").write_text("name,class_index\nkoi,1\nhouse,\n'=sum,\n")
    assert read_classes(str(tmp_path / "table.csv")) == [
        Kind("001", "koi", 1, "n01443537"),
        Kind("c001", "house"),
        Kind("c002", "=sum"),
    ]


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("a.txt", "", "Expected classes in .*a.txt, got none"),
        ("a.txt", "cat\ncat\n", "each class once in .*, got the name 'cat' twice"),
        ("a.csv", "name,synset\ncat,n99999999\n", "synset of ImageNet-1k in line 2 of .*'n99999999'"),
        ("a.csv", "name,class_index\ncat,1000\n", "class_index of ImageNet-1k in line 2.*Count from 0 to 999"),
        ("a.csv", "name,class_index,synset\ncat,3,n01440764\n", "class_index 0 of n01440764 in line 2.*got 3"),
        ("a.csv", "nam\ncat\n", "column name in .*a.csv, got nam"),
        ("a.csv", "name,class_index\n,\ncat,\n", "name in line 2"),
    ],
)
def test_a_wrong_list_is_told_by_its_line(tmp_path: Path, name: str, text: str, sentence: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(SynthscopeError, match=sentence):
        read_classes(str(tmp_path / name))


def test_an_absent_list_is_a_sentence() -> None:
    with pytest.raises(SynthscopeError, match="Expected imagenet or a list of classes"):
        read_classes("imagenett")


def test_prompts_of_a_file_may_be_for_one_class(tmp_path: Path) -> None:
    kinds = list(imagenet_classes()[:2])
    table = tmp_path / "p.csv"
    table.write_text("prompt,class,negative_prompt\na {name},,\nmy tench,tench,blur\nmy fish,n01443537,\n")
    read = read_prompts(table, kinds, "text")
    assert [(one.text, one.negative, one.kind) for one in read] == [
        ("a {name}", "text", None),
        ("my tench", "blur", kinds[0]),
        ("my fish", "text", kinds[1]),
    ]
    assert {one.prompt(kinds[0]) for one in drawn(read, kinds[0], 0, 4)} == {"a tench", "my tench"}


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("p.txt", "", "Expected prompts in .*p.txt, got none"),
        ("p.txt", "one\n\ntwo\n", "prompt in line 2 of .*got an empty one"),
        ("p.txt", "one\ntwo\none\n", "each prompt once in .*got line 1 again in 3"),
        ("p.txt", "a {nam}\n", r"placeholders \{name\}.*in line 1 of .*got \{nam\}. Did you mean name"),
        ("p.txt", "a {name\n", "braces in pairs in line 1"),
        ("p.txt", "a {name.__class__}\n", "placeholders"),
        ("p.csv", "prompt,class\nx,dog\n", "one of the classes in line 2 of .*'dog'"),
        ("p.csv", "promt\nx\n", "column prompt in .*p.csv, got promt"),
    ],
)
def test_a_wrong_prompt_is_told_by_its_line(tmp_path: Path, name: str, text: str, sentence: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(SynthscopeError, match=sentence):
        read_prompts(tmp_path / name, imagenet_classes()[:2])


def test_a_class_needs_what_its_template_says() -> None:
    with pytest.raises(SynthscopeError, match="Expected a synset of every class .* got none of door"):
        template("{synset}").prompt(Kind("c000", "door"))
    with pytest.raises(UsageError, match="--template, got an empty one"):
        template(" ")
    only = template("x", kind=Kind("c000", "door"))
    with pytest.raises(SynthscopeError, match="prompt for every class, got none for window"):
        drawn([only], Kind("c001", "window"), 0, 1)


@given(st.integers(1, 5), st.integers(0, 30), st.integers(0, 2**63 - 1))
def test_every_template_comes_as_often_as_any_other(templates: int, count: int, seed: int) -> None:
    kind = imagenet_classes()[7]
    found = drawn([template(f"{i} {{name}}") for i in range(templates)], kind, seed, count)
    counts = Counter(one.text for one in found)
    assert len(found) == count
    assert set(counts.values()) <= {count // templates, -(-count // templates)}


def test_the_one_template_more_differs_by_class() -> None:
    templates = [template(f"{i} {{name}}") for i in range(3)]
    assert len({drawn(templates, kind, 0, 1)[0].text for kind in imagenet_classes()[:20]}) == 3
