"""Editing a requirement where it is written: nothing else in the file moves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlcycle import design
from mlcycle.declare.document import parse
from mlcycle.design.rewrite import File, append, put, put_list
from mlcycle.errors import Busy, DeclarationError, NotFoundError, UsageError
from mlcycle.store import Store
from mlcycle.workspace import Workspace

FILE = Path("design.yaml")
TEXT = """\
# what the product is for

requirements:   # all of them
  # the first
  - id: "auc"    # its name
    role: 'data scientist'
    metric: auc
    comparison: ">="   # or better

    value:   0.70      # agreed in March
    phases: [gate, monitor]   # not retrain yet
    statement: >  # in words
      The scores order
      the rows.

  # the second
  - metric: recall_gap
    params:
      by: region # never by name
      top: 20
    id: fair
    comparison: '<='
    value: 0.2
    role: compliance
    phases:
    - gate # law
    # between
    - monitor
# a last word
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "mlcycle.yaml").write_text("name: p\n")
    (tmp_path / "design.yaml").write_text(TEXT)
    found = Workspace(tmp_path)
    Store.create(found)
    return found


def text_of(workspace: Workspace) -> str:
    return (workspace.root / "design.yaml").read_bytes().decode()


def test_an_edited_limit_is_the_only_thing_that_changes_and_a_new_version(workspace: Workspace) -> None:
    design.sync(workspace)
    found = design.edit(workspace, "auc", value=0.6)
    assert (found.value, found.version) == (0.6, 2)
    assert text_of(workspace) == TEXT.replace("0.70 ", "0.6 ")
    assert [one.value for one in design.list_requirements(workspace, history=True)][:2] == [0.7, 0.6]


def test_every_field_is_replaced_in_the_quotes_it_had(workspace: Workspace) -> None:
    design.edit(
        workspace, "auc", role="business", comparison=">", statement="Say 'it' simply: yes.", phases=["gate"]
    )
    assert text_of(workspace) == TEXT.replace("'data scientist'", "'business'").replace(
        '">="', '">"'
    ).replace("[gate, monitor]", "[gate]").replace(
        ">  # in words\n      The scores order\n      the rows.\n", "'Say ''it'' simply: yes.' # in words\n"
    )


def test_a_field_that_was_not_there_comes_behind_those_that_stand_before_it(workspace: Workspace) -> None:
    design.edit(workspace, "auc", owner="dana")
    design.edit(workspace, "fair", budget=1000.0, params={"top": 10})
    wanted = TEXT.replace("not retrain yet\n", "not retrain yet\n    owner: dana\n")
    wanted = wanted.replace("value: 0.2\n", "value: 0.2\n    budget: 1000\n").replace("top: 20", "top: 10")
    assert text_of(workspace) == wanted


def test_a_phase_taken_from_a_list_of_lines_leaves_its_comment(workspace: Workspace) -> None:
    design.edit(workspace, "fair", phases=["monitor", "retrain"])
    assert text_of(workspace) == TEXT.replace("    - gate # law\n", "    # law\n").replace(
        "    - monitor\n# a last", "    - monitor\n    - retrain\n# a last"
    )
    assert design.list_requirements(workspace)[1].phases == ("monitor", "retrain")


def test_windows_lines_a_byte_order_mark_and_the_mode_of_the_file_stay(workspace: Workspace) -> None:
    path = workspace.root / "design.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode())
    path.chmod(0o640)
    design.edit(workspace, "fair", value=0.1, owner="eve")
    wanted = TEXT.replace("value: 0.2\n", "value: 0.1\n").replace("- monitor\n#", "- monitor\n#")
    after = path.read_bytes()
    assert after.startswith(b"\xef\xbb\xbf#") and b"\n" not in after.replace(b"\r\n", b"")
    kept = wanted.splitlines()
    assert [line for line in after.decode("utf-8-sig").splitlines() if "owner" not in line] == kept
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_change_that_does_not_fit_is_not_written_and_says_where(workspace: Workspace) -> None:
    with pytest.raises(DeclarationError, match=r"design.yaml:7:\d+: unknown metric `aucc`"):
        design.edit(workspace, "auc", metric="aucc")
    with pytest.raises(NotFoundError, match="did you mean `fair`"):
        design.edit(workspace, "fare", value=1)
    with pytest.raises(UsageError, match="nothing to change"):
        design.edit(workspace, "fair")
    assert text_of(workspace) == TEXT
    assert sorted(path.name for path in workspace.root.glob(".design*")) == []


def test_comments_inside_brackets_are_left_to_their_writer(workspace: Workspace) -> None:
    text = TEXT.replace("[gate, monitor]", "[gate, # the law\n      monitor]")
    (workspace.root / "design.yaml").write_text(text)
    with pytest.raises(DeclarationError, match=r"design.yaml:11:13: there are comments inside the brackets"):
        design.edit(workspace, "auc", phases=["gate"])
    assert text_of(workspace) == text
    assert design.edit(workspace, "auc", value=0.6).value == 0.6


def test_a_file_that_somebody_else_changed_meanwhile_stays_as_they_left_it(workspace: Workspace) -> None:
    file = File.of(workspace.root, "design.yaml")
    (workspace.root / "design.yaml").write_text("requirements: [] # theirs\n")
    with pytest.raises(Busy, match="changed by somebody else"):
        file.write(TEXT)
    assert text_of(workspace) == "requirements: [] # theirs\n"
    assert list(workspace.root.glob(".design*")) == []


def test_the_file_behind_a_link_is_changed_and_the_link_stays(workspace: Workspace) -> None:
    (workspace.root / "kept").mkdir()
    (workspace.root / "design.yaml").rename(workspace.root / "kept" / "design.yaml")
    (workspace.root / "design.yaml").symlink_to(Path("kept") / "design.yaml")
    design.edit(workspace, "auc", value=0.6)
    assert (workspace.root / "design.yaml").is_symlink()
    assert (workspace.root / "kept" / "design.yaml").read_text() == TEXT.replace("0.70 ", "0.6 ")


def test_the_same_value_again_writes_nothing(workspace: Workspace) -> None:
    design.sync(workspace)
    before = (workspace.root / "design.yaml").stat().st_ino
    assert design.edit(workspace, "auc", value=0.7, phases=["gate", "monitor"]).version == 1
    assert design.edit(workspace, "auc", statement="The scores order the rows.", owner="").version == 1
    assert (workspace.root / "design.yaml").stat().st_ino == before


def test_a_file_in_braces_is_edited_in_braces(workspace: Workspace) -> None:
    one = (
        '{"id": "a", "role": "business", "metric": "auc", "comparison": ">", "value": 0, "phases": ["gate"]}'
    )
    (workspace.root / "design.yaml").write_text(f'{{"requirements": [{one}]}}')
    design.edit(workspace, "a", value=0.5, owner="dana", phases=["gate", "retrain"])
    said = one.replace("0,", "0.5,").replace('["gate"]', "[gate, retrain], owner: dana")
    assert text_of(workspace) == f'{{"requirements": [{said}]}}'


comments = st.sampled_from(["", " # why", "   #", " # a: [b, {c"])
between = st.sampled_from(["", "\n", "    # on its own\n", "# at the edge\n", "\n\n      # deep\n\n"])
texts = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters="#"),
    min_size=1,
    max_size=12,
)


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, list[dict[str, Any]]]:
    """Draw the text of a list of small mappings, written every way one may, and what it says."""
    lines, said = ["requirements:" + draw(comments) + "\n"], []
    for number in range(draw(st.integers(1, 3))):
        one: dict[str, Any] = {"id": f"r{number}", "value": draw(st.integers(-9, 9)), "words": draw(texts)}
        one["phases"] = draw(st.lists(st.sampled_from(["gate", "data", "monitor"]), min_size=1, unique=True))
        quoted = draw(st.sampled_from(["'", '"']))
        words = one["words"].replace("'", "''") if quoted == "'" else _double(one["words"])
        fields = {"id": one["id"], "value": str(one["value"]), "words": f"{quoted}{words}{quoted}"}
        fields["phases"] = f"[{', '.join(one['phases'])}]"
        block = draw(st.booleans())
        for place, key in enumerate(draw(st.permutations(list(fields)))):
            lines.append(draw(between))
            lines.append("  - " if place == 0 else "    ")
            if key == "phases" and block:
                lines.append("phases:" + draw(comments) + "\n")
                lines += [f"      - {phase}{draw(comments)}\n" for phase in one["phases"]]
            else:
                lines.append(f"{key}: {fields[key]}{draw(comments)}\n")
        said.append(one)
    return "".join(lines) + draw(between), said


def _double(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def remarks(text: str) -> list[str]:
    """Return the comments in their order; the drawn values hold no `#`."""
    return [line[line.index("#") :].strip() for line in text.splitlines() if "#" in line]


@settings(max_examples=150, deadline=None)
@given(documents(), st.data())
def test_whatever_changes_every_comment_stays_in_its_order_and_nothing_else_is_said(
    drawn: tuple[str, list[dict[str, Any]]], data: st.DataObject
) -> None:
    text, _ = drawn
    said = parse(text, FILE).value["requirements"]
    place = data.draw(st.integers(0, len(said) - 1))
    value = data.draw(st.one_of(st.integers(-99, 99), st.floats(-1, 1)))
    words = data.draw(texts)
    phases = data.draw(st.lists(st.sampled_from(["gate", "data", "retrain"]), min_size=1, unique=True))
    changed = put(text, FILE, ("requirements", place, "value"), value)
    changed = put(changed, FILE, ("requirements", place, "words"), words)
    changed = put(changed, FILE, ("requirements", place, "owner"), "dana", after=["value"])
    changed = put_list(changed, FILE, ("requirements", place, "phases"), phases)
    found = parse(changed, FILE).value["requirements"]
    assert sorted(found[place].pop("phases")) == sorted(phases)
    wanted = {**said[place], "value": value, "words": words, "owner": "dana"}
    del wanted["phases"]
    assert found == [*said[:place], wanted, *said[place + 1 :]]
    assert remarks(changed) == remarks(text)
    assert [line for line in changed.splitlines() if not line.strip()] == [
        line for line in text.splitlines() if not line.strip()
    ]
    order = [key for key in parse(changed, FILE).value["requirements"][place] if key != "owner"]
    assert order == list(said[place])


@settings(max_examples=60, deadline=None)
@given(documents())
def test_what_is_appended_stands_last_and_the_rest_as_it_was(
    drawn: tuple[str, list[dict[str, Any]]],
) -> None:
    text, _ = drawn
    said = parse(text, FILE).value["requirements"]
    changed = append(text, "requirements", {"id": "new", "value": "1"})
    assert parse(changed, FILE).value["requirements"] == [*said, {"id": "new", "value": 1}]
    assert remarks(changed) == remarks(text)
    assert append(text, "others", {"id": "new"}).startswith(text)
