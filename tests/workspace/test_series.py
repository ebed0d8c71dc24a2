"""Which series a scan is and when it was made: told to everybody without a name, a date, or a guess."""

import doctest
import json
import random
import re
import sqlite3

import pytest
from oracles import oracle
from small_scans import add_scan, grid_of
from studies import write_study

import medlib.workspace.series
import medlib.workspace.timing
from medlib.workspace import Series, When, Workspace
from medlib.workspace.series import known_words, plane_of

oracle("pydicom")


def entries_of(workspace):
    """By the number of the series."""
    return {entry.series.number: entry for entry in workspace.scans.list()}


@pytest.fixture
def scanner(tmp_path):
    """Three studies of one patient, brought in by name in no order of time."""
    there = tmp_path / "ct"
    for number, made in ((1, "20230830"), (2, "20230228"), (3, "20240228")):
        write_study(
            there, number, made, SeriesNumber=number, ContrastBolusAgent="Ultravist",
            SeriesDescription=f"Roe^Jane portal venous {number}mm",
        )  # fmt: skip
    return there


def everything_in(workspace):
    """All that the database holds but the tables that say who, as text."""
    with workspace._database.raw() as connection:
        tables = [t for t in sorted(known(connection)) if t not in APART]
        return "\n".join(
            str([*connection.exec_driver_sql(f'SELECT * FROM "{name}"')]) for name in tables
        )


APART = {"identities", "study_dates", "descriptions", "alembic_version"}


def known(connection):
    return medlib.workspace.schema.Row.metadata.tables.keys()


def test_series_are_told_apart_by_what_names_nobody(workspace, scanner):
    workspace.scans.add(scanner, by="ada")
    there = entries_of(workspace)
    assert there[2].series == Series("… portal venous 2mm", 2, True)
    assert [there[n].when.day for n in (2, 1, 3)] == [0, 183, 365]
    assert [e.series.number for e in workspace.scans.list(order="made")] == [2, 1, 3]
    assert workspace.identities.dates() == workspace.identities.descriptions() == {}
    for secret in ("Roe", "Jane", "Ultravist"):
        assert secret not in everything_in(workspace)
    # Digests and fractions of seconds have any digits within.
    assert not re.search(r"(?<![0-9a-f])2023", everything_in(workspace))


def test_names_dates_and_descriptions_are_kept_apart_hidden_and_forgotten(
    workspace, scanner, tmp_path
):
    workspace.scans.add(scanner, by="ada", named=True)
    there = entries_of(workspace)
    said = workspace.identities.descriptions()
    assert said[there[2].scan.id] == "Roe Jane portal venous 2mm"
    assert workspace.identities.dates()[there[1].study] == "20230830"
    for secret in ("Roe", "20230830", "20230228"):
        assert secret not in everything_in(workspace)
    workspace.identities.hide(True, by="ada")
    assert workspace.identities.dates() == workspace.identities.descriptions() == {}
    workspace.identities.hide(False, by="ada")
    assert workspace.identities.dates()
    workspace.identities.forget(by="ada")
    assert workspace.identities.dates() == workspace.identities.descriptions() == {}
    assert [entries_of(workspace)[n].when.day for n in (2, 1, 3)] == [0, 183, 365]
    # Nobody knows any longer how the next study lies to those: it is not put in a wrong place.
    write_study(tmp_path / "later", 4, "20250101", SeriesNumber=4)
    workspace.scans.add(tmp_path / "later", by="ada")
    later = entries_of(workspace)[4].when
    assert (later.day, later.studies) == (None, 3)
    assert later.is_before(there[2].when) is None
    assert workspace.scans.list(order="made")[-1].series.number == 4


def test_days_do_not_tell_dates(tmp_path):
    """The same two studies have other days in another workspace, and the same between them."""
    for number, made in ((1, "20230228"), (2, "20230830")):
        write_study(tmp_path / "ct", number, made, SeriesNumber=number)
    seen = []
    for name in "ab":
        with Workspace(tmp_path / name) as workspace:
            workspace.scans.add(tmp_path / "ct", by="ada")
            with workspace._database.raw() as rows:
                days = [*rows.exec_driver_sql("SELECT day FROM studies ORDER BY day")]
            seen.append([day for (day,) in days])
    (a, b), (c, d) = seen
    assert b - a == d - c == 183
    assert a != c, "one in forty thousand"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("ABD/PELVIS PV 5.0 mm", "ABD PELVIS PV 5.0 mm"),
        ("T1_VIBE_DIXON tra W", "T1 VIBE DIXON tra W"),
        ("Müller nativ", "… nativ"),
        ("Müllerportal", ""),
        ("Roe 01.03.1950 ax", "… ax"),
        ("1950-03-01 5mm", "… 5mm"),
        ("PID 4711234 mm b1000", "… b1000"),
        ("4711234mm 12.03.50 mm", ""),
        ("<img src=x onerror=1> cor", "… cor"),
        ("", ""),
    ],
)
def test_only_words_that_are_known_are_kept(text, kept):
    assert known_words(text) == kept


def test_no_name_and_no_number_of_a_record_is_kept_whatever_stands_beside_it():
    draw = random.Random(0)
    words = ["ax", "T2", "5 mm", "portal", "-", "_", "^"]
    for _ in range(2000):
        secret = draw.choice(["Roe", "Doe-Smith", "O'Neil", "Żółć", "19500301", "03.1950", "A4711"])
        pieces = [*draw.choices(words, k=draw.randrange(4)), secret, *draw.choices(words, k=2)]
        kept = known_words(draw.choice([" ", "_", "  ", "/", "^"]).join(pieces))
        for part in ("roe", "doe", "smith", "neil", "żółć", "1950", "4711", "03"):
            assert part not in kept.casefold(), (pieces, kept)


@pytest.mark.parametrize(
    ("agent", "known"),
    [("Ultravist 300", True), ("none: computed", False), ("NO", False), ("", None), (None, None)],
)
def test_contrast_is_what_is_stated(tmp_path, agent, known):
    said = {} if agent is None else {"ContrastBolusAgent": agent}
    write_study(tmp_path / "ct", 1, **said)
    with Workspace(tmp_path / "w") as workspace:
        workspace.scans.add(tmp_path / "ct", by="ada")
        assert workspace.scans.list()[0].series.contrast is known


def test_what_a_header_says_wrongly_is_not_known_and_the_scan_comes_in(local, tmp_path):
    """A date that is none, as some who take names away leave it."""
    write_study(tmp_path / "ct", 1, "00000000", "", EchoTime=None)
    (scan,) = local.scans.add(tmp_path / "ct", by="ada", named=True).scans
    (entry,) = local.scans.list()
    assert entry.when == When(None, None, 0)
    assert local.identities.dates() == {}
    assert entry.scan.id == scan.id
    add_scan(local, tmp_path, "case_2")
    assert {e.series.words for e in local.scans.list()} == {""}


def test_which_was_first_is_told_by_day_then_time_or_not_at_all():
    morning, noon, some_time = When(3, 100), When(3, 200), When(3)
    assert morning.is_before(noon) is True
    assert noon.is_before(morning) is False
    assert some_time.is_before(noon) is None
    assert noon.is_before(some_time) is None
    assert When(2).is_before(some_time) is True
    assert When().is_before(noon) is None
    assert noon.is_before(When()) is None
    assert morning.is_before(morning) is None
    assert When().days_until(noon) is None
    assert sorted([When(), some_time, noon, When(2)], key=lambda w: w.key) == [
        When(2), noon, some_time, When(),
    ]  # fmt: skip


def aged(folder):
    """The tables as the medlib before had them, with what it knew."""
    with sqlite3.connect(folder / "medlib.db") as tables:
        for table in ("study_dates", "descriptions"):
            tables.execute(f"DROP TABLE {table}")
        for table, column in (
            ("patients", "origin"),
            ("studies", "day"),
            ("studies", "second"),
            ("scans", "series"),
        ):
            tables.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
        tables.execute("UPDATE alembic_version SET version_num = '0002'")
    tables.close()


@pytest.mark.parametrize("named", [True, False])
def test_scans_of_an_older_workspace_are_looked_at_when_it_opens(tmp_path, scanner, named):
    with Workspace(tmp_path / "w") as workspace:
        workspace.scans.add(scanner, by="ada", named=named)
        add_scan(workspace, tmp_path, "case_2")
        before = [
            entries_of(workspace),
            workspace.identities.dates(),
            workspace.identities.descriptions(),
        ]
        lost = before[0][3].scan
        (gone,) = (tmp_path / "w" / "files").rglob(held(workspace, lost.id))
    aged(tmp_path / "w")
    gone.rename(tmp_path / "gone.dcm")
    with Workspace(tmp_path / "w") as workspace:
        now = entries_of(workspace)
        for number in (1, 2):
            assert now[number].series == before[0][number].series
        assert now[2].when.days_until(now[1].when) == 183
        assert workspace.scans.get(lost.id).series is None, "its file is away"
        assert all(f.where.startswith("file") for f in workspace.verify()), "nothing else"
    (tmp_path / "gone.dcm").rename(gone)
    with Workspace(tmp_path / "w") as workspace:
        assert {n: e.when for n, e in entries_of(workspace).items()} == {
            n: e.when for n, e in before[0].items()
        }
        assert [workspace.identities.dates(), workspace.identities.descriptions()] == before[1:]
        assert bool(before[1]) is named
        assert workspace.verify() == ()
        last = workspace.events.head()
    with Workspace(tmp_path / "w") as workspace:
        assert workspace.events.head() == last, "looked at once"


def held(workspace, scan):
    with workspace._database.raw() as rows:
        said = "SELECT content FROM scan_files WHERE place = 0 AND scan_id = ?"
        return rows.exec_driver_sql(said, (scan,)).scalar()


def test_series_come_back_from_a_backup(workspace, scanner, tmp_path):
    workspace.scans.add(scanner, by="ada", named=True)
    workspace.backup(tmp_path / "it.zip", by="ada")
    with Workspace.restore(tmp_path / "it.zip", tmp_path / "back") as back:
        assert [(e.series, e.when) for e in back.scans.list()] == [
            (e.series, e.when) for e in workspace.scans.list()
        ]
        assert back.identities.dates() == workspace.identities.dates()


def test_planes_and_examples():
    assert [plane_of(grid_of().reoriented(axes)) for axes in ("SPL", "PSL", "LSP")] == [
        "axial", "coronal", "sagittal",
    ]  # fmt: skip
    for module in (medlib.workspace.series, medlib.workspace.timing):
        assert not doctest.testmod(module).failed
    assert json.loads(json.dumps(Series("ax", 3, False).to_dict())) == {
        "words": "ax", "number": 3, "contrast": False,
    }  # fmt: skip
