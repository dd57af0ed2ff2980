"""`dcm conf`: the file, its template, and an editor that makes errors."""

import stat
from pathlib import Path

import pytest
from cli.conftest import Keyboard

from dcm.cli import main
from dcm.conf import TEMPLATE, default_path

Shown = pytest.CaptureFixture[str]


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An editor: the shell script that the test writes into it."""
    path = tmp_path / "an editor"
    path.touch(mode=0o700)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", f"'{path}'")
    monkeypatch.setattr("sys.stdin", Keyboard(None))
    return path


def test_where_it_is(
    configuration: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Shown
) -> None:
    """The option takes precedence over the environment, and that over the user's folder."""
    assert main(["conf", "--path", "--config", "x.toml"]) == 0
    assert main(["conf", "--path"]) == 0
    monkeypatch.delenv("DCM_CONFIG_PATH")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert main(["conf", "--path"]) == 0
    monkeypatch.delenv("XDG_CONFIG_HOME")
    assert default_path() == f"{Path.home()}/.config/dcm/dcm_conf.toml"
    shown = capsys.readouterr().out.splitlines()
    assert shown == ["x.toml", str(configuration), str(tmp_path / "dcm/dcm_conf.toml")]


def test_what_is_in_it(configuration: Path, capsys: Shown) -> None:
    """The file with --show, and the template with --show-default."""
    configuration.write_text("# mine\n")
    assert main(["conf", "--show"]) == 0
    assert main(["conf", "--show-default"]) == 0
    assert capsys.readouterr().out == "# mine\n" + TEMPLATE


def test_nothing_is_made_behind_the_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Shown
) -> None:
    """A missing default file is not an error; a missing named file is."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    missing = tmp_path / "no.toml"
    assert main(["echo", "x", "--config", str(missing)]) == 2
    assert main(["conf", "--show", "--config", str(missing)]) == 2
    monkeypatch.delenv("DCM_CONFIG_PATH")
    assert main(["echo", "x"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == f"dcm echo: {missing} cannot be read: No such file or directory"
    assert lines[1] == f"dcm conf: {missing} does not exist yet: run `dcm conf` to create it"
    assert "no nodes are known; use host:ae_title:port for any other" in lines[2]
    assert not (tmp_path / "home").exists()


def test_a_new_file_begins_as_the_template(tmp_path: Path, editor: Path) -> None:
    """It may later hold passwords, so others cannot read it."""
    editor.write_text("#!/bin/sh\necho '# end' >> \"$1\"\n")
    path = tmp_path / "new" / "conf.toml"
    assert main(["conf", "--config", str(path)]) == 0
    assert path.read_text() == TEMPLATE + "# end\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_mistake_does_not_reach_the_file(
    configuration: Path, editor: Path, capsys: Shown
) -> None:
    """The file in use does not change, the draft is kept, and can be corrected step by step."""
    configuration.write_text("# mine\n")
    editor.write_text("#!/bin/sh\necho 'x = 1' >> \"$1\"\n")
    assert main(["conf"]) == 1
    said = capsys.readouterr().err
    draft = configuration.with_name("dcm_conf.draft.toml")
    assert f"{draft}: x is not known; known keys are" in said
    assert configuration.read_text() == "# mine\n"
    assert draft.read_text() == "# mine\nx = 1\n"
    editor.write_text("#!/bin/sh\necho '# right' > \"$1\"\n")
    assert main(["conf"]) == 0
    assert configuration.read_text() == "# right\n"
    assert not draft.exists()


def test_who_is_asked_may_edit_again(
    configuration: Path, editor: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal the editor opens again with the draft."""
    monkeypatch.setattr("sys.stdin", Keyboard("\n"))
    editor.write_text('#!/bin/sh\nif [ -s "$1" ]; then echo > "$1"; else echo x > "$1"; fi\n')
    assert main(["conf"]) == 0
    assert configuration.read_text() == "\n"


def test_a_draft_that_was_kept_is_edited_further(
    configuration: Path, editor: Path, capsys: Shown
) -> None:
    """The next command does not overwrite it, nor remove it when its editor fails."""
    draft = configuration.with_name("dcm_conf.draft.toml")
    editor.write_text('#!/bin/sh\necho \'# an hour of work\' > "$1"; echo wrong >> "$1"\n')
    assert main(["conf"]) == 1
    assert f"your draft is in {draft}" in capsys.readouterr().err
    editor.write_text("#!/bin/sh\nexit 3\n")
    assert main(["conf"]) == 1
    said = capsys.readouterr().err
    assert f"continuing with the kept draft {draft}" in said
    assert f"the draft {draft} is kept" in said
    assert draft.exists()
    editor.write_text('#!/bin/sh\nsed -i /wrong/d "$1"\n')
    assert main(["conf"]) == 0
    assert configuration.read_text() == "# an hour of work\n"
    assert not draft.exists()


def test_an_editor_that_fails_changes_nothing(
    configuration: Path, editor: Path, monkeypatch: pytest.MonkeyPatch, capsys: Shown
) -> None:
    """The editor exits with an error, or does not exist."""
    editor.write_text('#!/bin/sh\necho >> "$1"; exit 3\n')
    assert main(["conf"]) == 1
    monkeypatch.setenv("EDITOR", "no-such-editor")
    assert main(["conf"]) == 2
    said = capsys.readouterr().err
    assert "status 3" in said
    assert "the editor no-such-editor is not installed: set $EDITOR" in said
    assert configuration.read_text() == ""
    assert not list(configuration.parent.glob("*draft*"))


def test_a_link_stays_a_link(configuration: Path, editor: Path, tmp_path: Path) -> None:
    """Many users keep their settings elsewhere."""
    editor.write_text("#!/bin/sh\necho '# new' > \"$1\"\n")
    link = tmp_path / "link.toml"
    link.symlink_to(configuration)
    assert main(["conf", "--config", str(link)]) == 0
    assert link.is_symlink()
    assert configuration.read_text() == "# new\n"
