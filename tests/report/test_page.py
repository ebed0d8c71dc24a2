"""The report: whole, honest, closed to the network, and not to be broken by a name."""

import re
import shutil
import subprocess
from html.parser import HTMLParser
from types import SimpleNamespace

import pytest

from medlib.report import markup, style, write_report
from medlib.report.examination import Examination
from medlib.report.markup import Html, element
from medlib.train import metrics

EVIL = "<script>alert('$x$')</script>&\"q"


class Read(HTMLParser):
    """The tags of a page with their attributes, and its words."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(self.words)


@pytest.fixture(scope="module")
def written(outliner, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    plan = SimpleNamespace(reasons=("1 mm a voxel: <b>as they are</b>",))
    return write_report(SimpleNamespace(learner=outliner, plan=plan), path, title="Kidneys")


def test_the_page_says_what_was_measured(written, outliner):
    text = Read(written.read_text()).text
    for part in ("left kidney", "right kidney", "case_4", "case_5", "Kidneys", "1 mm a voxel"):
        assert part in text
    for name, prediction, truth in outliner.predictions():
        for metric in metrics(prediction, truth):
            assert f"{metric.value:.3g}" in text, (name, metric)
    assert "3 scans of 3 patients" in text
    assert "2 scans of 2 patients" in text


def test_the_page_says_what_it_is_worth(written):
    text = Read(written.read_text()).text
    assert "slightly optimistic" in text
    assert "2 patients cannot say much" in text
    assert "not a medical device" in text


def test_the_page_needs_no_other_file_and_no_network(written):
    source = written.read_text()
    read = Read(source)
    assert "default-src 'none'" in source
    assert "://" not in source
    for tag, attributes in read.tags:
        assert tag not in {"link", "iframe", "object", "base", "form"}
        assert attributes.get("src", "data:").startswith("data:")
        assert "href" not in attributes
    assert [path.name for path in written.parent.iterdir()] == ["report.html"]


def test_pictures_say_in_words_what_they_show(written):
    pictures = [attributes for tag, attributes in Read(written.read_text()).tags if tag == "img"]
    assert len(pictures) == 3
    assert all(len(attributes["alt"]) > 20 for attributes in pictures)


def test_names_are_words_and_never_markup(make_outliner, tmp_path):
    """A case's name comes from a file or a DICOM header, and so from anybody."""
    learn = make_outliner(name=EVIL)
    learn.fit_one_cycle(epochs=1)
    source = write_report(learn, tmp_path / "report.html", title=EVIL).read_text()
    read = Read(source)
    assert [tag for tag, _ in read.tags].count("script") == 1
    assert f"{EVIL}_4" in read.text
    assert any(f"{EVIL}_4" in attributes.get("alt", "") for _, attributes in read.tags)
    assert element("p", EVIL, title='"') == (
        '<p title="&quot;">&lt;script&gt;alert(&#x27;$x$&#x27;)&lt;/script&gt;&amp;&quot;q</p>'
    )


def test_patients_are_counted_and_not_named(make_outliner, tmp_path):
    learn = make_outliner(whose="Jane^Doe")
    learn.fit_one_cycle(epochs=1)
    source = write_report(learn, tmp_path / "report.html").read_text()
    assert "Jane^Doe" not in source
    assert "One patient cannot say much" in source
    assert "2 scans of 1 patient " in Read(source).text


def test_answers_have_their_own_figures(classifier, tmp_path):
    text = Read(write_report(classifier, tmp_path / "report.html").read_text()).text
    for part in ("AUROC", "What was taken for what", "taken at their word", "reference: benign"):
        assert part in text


def test_errors_of_both_signs_do_not_cancel(estimator, tmp_path):
    found = Examination.of(estimator)
    signed = [m.value for row in found.metrics.values() for m in row if m.name == "error"]
    (absolute,) = (one.interval for one in found.totals if one.name == "absolute error")
    assert absolute.value == pytest.approx(sum(map(abs, signed)) / 2)
    assert (
        "absolute error, a" in Read(write_report(estimator, tmp_path / "r.html").read_text()).text
    )


def test_of_nothing_there_is_no_report(make_outliner, tmp_path):
    with pytest.raises(ValueError, match="nothing has been trained"):
        write_report(make_outliner(), tmp_path / "report.html")
    assert not list(tmp_path.iterdir())


def luminance(colour):
    """Relative, of #rrggbb, as WCAG 2.2 defines it."""
    shares = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shares]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_all_words_can_be_read():
    look = style.STYLE
    words = set(re.findall(r"[{; ]color: (#[0-9a-f]{6})", look))
    behind = set(re.findall(r"background: (#[0-9a-f]{6})", look))
    assert {"#e8eaed", "#a9b1ba"} <= words
    assert "#15181c" in behind
    for word in words:
        for ground in behind:
            assert (luminance(word) + 0.05) / (luminance(ground) + 0.05) >= 4.5


@pytest.mark.system
def test_a_browser_sorts_the_table(written, tmp_path):
    """The policy lets the page's own script run, and the worst case comes first when asked."""
    browser = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    if browser is None:
        pytest.skip("no browser is installed")
    press = 'document.querySelectorAll(".sortable button")[2].click();'
    body = Html(written.read_text().partition("<body>")[2].partition("<script>")[0])
    copy = tmp_path / "pressed.html"
    copy.write_text(markup.page("t", body, style="", script=style.SCRIPT + press))
    done = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", copy.as_uri()],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert 'aria-sort="ascending"' in done.stdout
    table = done.stdout.partition('class="sortable"')[2]
    dice = [
        float(v) for v in re.findall(r'scope="row">[^<]*</th><td>[^<]*</td><td>([\d.]+)', table)
    ]
    assert len(dice) == 4
    assert dice == sorted(dice)
