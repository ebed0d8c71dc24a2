"""``medlib train --report``: a page beside the model, and no training for a page that cannot be."""

from typer.testing import CliRunner

from medlib.cli import app


def train(task, tmp_path, page):
    arguments = ["train", task / "images", "--labels", task / "labels", "--kind", "mr"]
    more = ["--out", tmp_path / "m.medlib", "--minutes", "0.6", "--report", page]
    return CliRunner().invoke(app, [str(argument) for argument in (*arguments, *more)])


def test_a_training_leaves_a_report(task, outliner, tmp_path):  # libraries are warm
    done = train(task, tmp_path, tmp_path / "pages" / "m.html")
    assert done.exit_code == 0, done.output
    page = (tmp_path / "pages" / "m.html").read_text()
    assert "The training of m.medlib" in page
    assert "mm a voxel" in page  # the plan's reasons


def test_a_page_that_is_already_there_is_kept_and_nothing_is_trained(task, tmp_path):
    (tmp_path / "m.html").write_text("mine")
    done = train(task, tmp_path, tmp_path / "m.html")
    assert done.exit_code == 1
    assert "already there" in done.stderr
    assert (tmp_path / "m.html").read_text() == "mine"
    assert not (tmp_path / "m.medlib").exists()
