"""What is read and pressed stands out from its ground: WCAG 2.2 AA, 1.4.3 and 1.4.11."""

import re
import tomllib

import pytest

from medlib.resources import folder

APPS = folder("apps")
THEME = tomllib.loads((APPS / ".streamlit" / "config.toml").read_text())["theme"]
STYLE = (APPS / "viewer" / "src" / "style.js").read_text()
STRIP = (APPS / "viewer" / "src" / "strip.js").read_text()
TEXT, EDGE = 4.5, 3.0
HOVERED = "#1C94D9"  # what Streamlit makes of the theme's blue under the pointer


def luminance(colour):
    """Relative luminance of #RRGGBB."""
    shares = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shares]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def variable(name):
    (found,) = re.findall(rf"--{name}: (#[0-9a-f]{{6}})", STYLE)
    return found


def on_primary():
    (found,) = set(re.findall(r"color: (#\w{6}) !important", (APPS / "main.py").read_text()))
    return found


def test_the_ratio_is_that_of_the_standard():
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.005)  # WebAIM's example


@pytest.mark.parametrize("ground", ["backgroundColor", "secondaryBackgroundColor"])
def test_pages_can_be_read_and_their_fields_seen(ground):
    assert contrast(THEME["textColor"], THEME[ground]) >= TEXT
    assert contrast(THEME["primaryColor"], THEME[ground]) >= TEXT, "links and what is chosen"
    assert contrast(THEME["borderColor"], THEME[ground]) >= EDGE
    assert THEME["showWidgetBorder"]


@pytest.mark.parametrize("ground", [THEME["primaryColor"], HOVERED])
def test_the_main_button_can_be_read(ground):
    assert contrast(on_primary(), ground) >= TEXT


@pytest.mark.parametrize("ground", ["ground", "raised"])
def test_the_viewer_can_be_read_and_its_buttons_seen(ground):
    for name in ("text", "muted", "accent"):
        assert contrast(variable(name), variable(ground)) >= TEXT
    assert contrast(variable("line"), variable(ground)) >= EDGE


def test_every_rule_of_the_viewer_that_says_ground_and_ink_can_be_read():
    rules = re.findall(r"\{([^{}]*)\}", STYLE)
    pairs = []
    for rule in rules:
        ground = re.search(r"background: (#[0-9a-f]{3,6})\b", rule)
        ink = re.search(r"(?:^|[ ;])color: (#[0-9a-f]{3,6})\b", rule)
        if ground and ink:
            pairs.append([whole(ground[1]), whole(ink[1])])
    assert len(pairs) >= 3
    for ground, ink in pairs:
        assert contrast(ground, ink) >= TEXT, (ground, ink)


def whole(colour):
    """#abc as #aabbcc."""
    return colour if len(colour) == 7 else "#" + "".join(2 * letter for letter in colour[1:])


def test_the_strip_tells_done_from_not_done_and_where_one_is():
    ground, frame, done, here, offered = re.findall(r'"(#[0-9a-f]{6})"', STRIP)[:5]
    for colour in (frame, done, here, offered):
        assert contrast(colour, ground) >= EDGE
    assert contrast(here, done) >= EDGE


def test_nothing_in_the_viewer_is_smaller_than_14_pixels():
    sizes = [int(n) for n in re.findall(r"(?:font-size: |font: \d+ )(\d+)px", STYLE)]
    assert len(sizes) > 5
    assert min(sizes) >= 14
