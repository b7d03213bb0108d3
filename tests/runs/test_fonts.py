"""Names in every script can be drawn: each of their signs is in one of the fonts, and nothing warns."""

import io
from pathlib import Path

import matplotlib
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, fontManager

from cnncli.core.graphemes import clusters
from cnncli.runs import fonts
from cnncli.runs.fonts import BUNDLED, FOLDER, drawable, lettering, shorten, width

NAMES = {
    "Chinese": "昆蟲 蚂蚁、第一次。",
    "Japanese": "ひらがな カタカナ 日本語 「猫」",
    "Korean": "한국어 고양이",
    "Cyrillic": "кошка Ёж їжак",
    "Greek": "γάτα Ωμέγα",
    "Arabic": "قطة سوداء ١٢٣",
    "Persian": "گربه\u200cها",
    "Hebrew": "חתול",
    "Hindi": "हिन्दी बिल्ली",
    "Thai": "แมวดำ",
    "Vietnamese": "con mèo đẹp",
    "emoji": "😀🐱🐝🦋🚗👍🏽❤\ufe0f☀🇨🇳👨\u200d👩\u200d👧",
    "signs": "a → b × 3 ≤ 4 °C € ½ # 0*",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_every_sign_is_in_a_font_that_the_picture_uses(name: str) -> None:
    with lettering():
        assert drawable(name) == name
        families = matplotlib.rcParams["font.family"]
        files = [fontManager.findfont(FontProperties(family=[family])) for family in families]
    assert [Path(file).name for file in files] == ["DejaVuSans.ttf", *BUNDLED], "no installed font is needed"
    known = frozenset().union(*(fonts._characters(Path(file)) for file in files))
    assert {ord(sign) for sign in name} <= known


@pytest.mark.parametrize("form", ["png", "svg", "pdf"])
def test_names_are_drawn_without_a_warning(form: str) -> None:
    with lettering():  # warnings are errors here: of glyphs that are missing, for example
        figure = Figure()
        for number, name in enumerate([*NAMES.values(), "$x_1$ \\frac", "\u1234 \U0001e900"]):
            figure.text(0, number / 20, drawable(name))
        figure.savefig(io.BytesIO(), format=form)


def test_signs_are_drawn_differently_and_not_as_boxes() -> None:
    def ink(text: str) -> bytes:
        figure = Figure(figsize=(0.5, 0.5))
        canvas = FigureCanvasAgg(figure)
        figure.text(0.1, 0.2, text, fontsize=20)
        canvas.draw()
        return bytes(canvas.buffer_rgba())

    with lettering():
        drawn = [ink(sign) for sign in "昆蟲猫あ한к" + "γقแह" + "🐱🐝🦋a "]
    assert len(set(drawn)) == len(drawn)


def test_arabic_is_joined_and_runs_from_right_to_left() -> None:
    if matplotlib.__version_info__ < (3, 11):
        pytest.skip("matplotlib shapes text from 3.11 on")
    with lettering():
        assert width("قطة", 20) < 0.95 * sum(width(letter, 20) for letter in "قطة")


@pytest.mark.parametrize("name", ["a\nb", "a\x1bb", "a\udcffb", "\U0001e900", "\u2028"], ids=ascii)
def test_what_no_font_has_is_escaped(name: str) -> None:
    with lettering():
        shown = drawable(name)
    assert shown.isascii()
    assert "\\" in shown
    assert "\n" not in shown


def test_an_installed_font_is_asked_for_what_the_others_lack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "STIXGeneral.ttf"
    broken = tmp_path / "broken.ttf"
    broken.write_bytes(b"no font")
    own = frozenset().union(*(fonts._characters(fonts._FILES[name]) for name in fonts._own_families()))
    rare = chr(min(fonts._characters(installed) - own))
    monkeypatch.setattr(fonts, "_installed", lambda: (broken, installed))
    fonts._family_with.cache_clear()
    with lettering():
        assert drawable(rare) == rare
        assert matplotlib.rcParams["font.family"][-1] == "cnncli STIXGeneral"
        Figure().text(0, 0, rare).figure.savefig(io.BytesIO())
    monkeypatch.setattr(fonts, "_installed", tuple)
    fonts._family_with.cache_clear()
    with lettering():
        assert drawable(rare).startswith("\\")
    fonts._family_with.cache_clear()


@pytest.mark.parametrize("name", [name * 3 for name in NAMES.values()], ids=NAMES)
@pytest.mark.parametrize("room", [20.0, 45.0])
def test_a_shortened_name_fits_and_ends_between_two_signs(name: str, room: float) -> None:
    with lettering():
        shown = shorten(name, room, 9)
        assert width(shown, 9) <= room
    assert shown.endswith("…")
    kept = clusters(shown[:-1])
    assert kept == clusters(name)[: len(kept)]
    assert len(kept) >= 1


def test_a_name_that_fits_stays() -> None:
    with lettering():
        assert shorten("昆蟲", 100, 9) == "昆蟲"


def test_fonts_come_with_their_licences_and_are_small() -> None:
    assert {path.name for path in FOLDER.glob("*.ttf")} == set(BUNDLED)
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 8_000_000
    told = (FOLDER / "README.md").read_text()
    for name in BUNDLED:
        line = next(line for line in told.splitlines() if f"`{name}`" in line)
        licence = FOLDER / line.rpartition(", `")[2].partition("`")[0]
        assert licence.is_file()
        assert "Apache" in licence.read_text() or name in licence.read_text()
