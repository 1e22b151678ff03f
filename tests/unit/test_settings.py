"""Settings: file, variables and flags in rising order, and mistakes with their line."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlcycle import settings
from mlcycle.errors import DeclarationError, UsageError


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in settings.KEYS:
        monkeypatch.delenv(settings.variable(name), raising=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def test_without_a_file_everything_is_default(file: Path) -> None:
    found = settings.load(file)
    assert found == settings.Settings()
    assert {source for _, _, source in found.explain()} == {"default"}
    assert [name for name, _, _ in found.explain()] == list(settings.KEYS)


def test_variables_win_over_the_file_and_flags_over_both(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text('[ui]\ntheme = "mono"\nteach = true\nascii = true\n')
    monkeypatch.setenv("MLCYCLE_UI_TEACH", "0")
    monkeypatch.setenv("MLCYCLE_UI_THEME", "nord")
    found = settings.load(file, flags={"ui.theme": "paper", "ui.ascii": None})
    assert found.ui == settings.Ui(theme="paper", teach=False, ascii=True)
    assert {name: source for name, _, source in found.explain()} == {
        "ui.theme": "flag",
        "ui.teach": "MLCYCLE_UI_TEACH",
        "ui.ascii": str(file),
        "ui.time_zone": "default",
    }


def test_the_file_lies_in_the_users_configuration_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert settings.config_file().name == "config.toml"
    assert settings.config_file().parent.name == "mlcycle"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('[ui]\nascii = true\nthem = "x"\n', 3, "unknown key `ui.them`; did you mean `ui.theme`?"),
        ('ui.them = "x"\n', 1, "did you mean `ui.theme`?"),
        ('\nui = {them = "x"}\n', 2, "did you mean `ui.theme`?"),
        ('theme = "x"\n', 1, "did you mean `ui.theme`?"),
        ("[user]\nname = 1\n", 1, "unknown key `user`; valid keys: ui.theme"),
        ('[ui]\nteach = "yes"\n', 2, "`ui.teach` must be true or false, found yes"),
        ("[ui]\ntheme = 3\n", 2, "`ui.theme` must be a theme's name, found 3"),
        ('[store]\ndurability = "power"\n', 1, "unknown key `store`"),
        ('time_zone = "UTC"\n', 1, "unknown key `time_zone`; did you mean `ui.time_zone`?"),
        ('[ui]\ntime_zone = "Europe/Pragu"\n', 2, "found Europe/Pragu; did you mean `Europe/Prague`?"),
        ('[ui]\ntime_zone = "prague"\n', 2, "did you mean `Europe/Prague`?"),
        ('[ui]\ntime_zone = "new york"\n', 2, "did you mean `America/New_York`?"),
        ('[ui]\ntime_zone = "../etc/passwd"\n', 2, "must be an IANA time zone, found ../etc/passwd"),
        ('[ui]\n\ntime_zone = ""\n', 3, "must be an IANA time zone, found nothing"),
        ('keys = "q"\n', 1, "`keys` must be a table"),
        ("[keys]\nquit = 3\n", 2, "`keys.quit` must be a key, or several"),
        ('[keys]\n\n"data.ingest" = ""\n', 3, "`keys.data.ingest` must be a key"),
        ('[keys]\ngo.home = ["h", 3]\n', 2, "`keys.go.home` must be a key"),
        ("[keys]\nquit = []\n", 2, "found nothing"),
        ('[keys]\nquit = "x,"\n', 2, "`keys.quit` must be a key"),
        ("ui = 3\n", 1, "unknown key `ui`"),
        ("a = \n", 1, "Invalid value"),
    ],
)
def test_a_mistake_in_the_file_is_answered_with_its_line(
    file: Path, text: str, line: int, words: str
) -> None:
    file.write_text(text)
    with pytest.raises(DeclarationError) as caught:
        settings.load(file)
    assert words in str(caught.value)
    assert str(caught.value).startswith(f"{file}:{line}")


def test_a_file_that_is_not_utf8_is_refused(file: Path) -> None:
    file.write_bytes(b'[ui]\ntheme = "\xe9"')
    with pytest.raises(DeclarationError, match="is not UTF-8"):
        settings.load(file)


def test_a_wrong_variable_is_named(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLCYCLE_UI_ASCII", "maybe")
    with pytest.raises(UsageError, match="MLCYCLE_UI_ASCII must be true or false, found maybe"):
        settings.load(file)


def test_other_variables_of_the_tool_are_no_settings(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLCYCLE_WORKSPACE", "/somewhere")
    assert settings.load(file) == settings.Settings()


def test_a_flag_nobody_knows_is_refused(file: Path) -> None:
    with pytest.raises(UsageError, match=r"no setting `ui\.teech`; did you mean `ui\.teach`"):
        settings.load(file, flags={"ui.teech": True})


def test_other_keys_are_passed_on_as_they_are_written_with_their_lines(file: Path) -> None:
    file.write_text(
        '[ui]\nteach = true\n\n[keys]\nquit = "ctrl+q, Q"\n# a note\n"data.ingest" = ["I"]\n'
        'go.home = "h"\nnothing = "?"\n'
    )
    found = settings.load(file)
    assert found.ui.teach is True
    assert [(key.id, key.keys, key.line) for key in found.keys] == [
        ("quit", ("ctrl+q", "Q"), 5),
        ("data.ingest", ("I",), 7),
        ("go.home", ("h",), 8),
        ("nothing", ("?",), 9),
    ]
    assert ("keys.quit", "ctrl+q, Q", str(file)) in found.explain()
    assert str(found.keys[1].wrong("is no")).startswith(f"{file}:7: is no")


def test_an_error_that_only_the_reader_of_a_setting_can_find_names_its_place(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text('[ui]\ntheme = "mauve"\n')
    wrong = settings.load(file).wrong("ui.theme", "is no theme")
    assert str(wrong) == f"{file}:2: `ui.theme` is no theme"
    monkeypatch.setenv("MLCYCLE_UI_THEME", "pink")
    assert str(settings.load(file).wrong("ui.theme", "is no theme")) == "MLCYCLE_UI_THEME is no theme"


def test_zones_are_known_by_name(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLCYCLE_UI_TIME_ZONE", "Asia/Kolkata")
    assert settings.load(file).ui.time_zone == "Asia/Kolkata"
    monkeypatch.setenv("MLCYCLE_UI_TIME_ZONE", "Mars/Base")
    with pytest.raises(UsageError, match="MLCYCLE_UI_TIME_ZONE must be an IANA time zone, found Mars/Base"):
        settings.load(file)
