"""No patient on both sides, whatever is asked for; and a refusal by name where it cannot be done."""

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import write_task

from medlib.data.cases import Case, pair
from medlib.data.decided import as_marked, held_out, listed
from medlib.data.splitters import (
    bearing,
    by_patient,
    by_site,
    grouped,
    k_fold,
    stratified,
)

FINDINGS = ("benign", "malignant")


@st.composite
def cohorts(draw):
    """Cases of a few patients, who may have been at several sites and have several findings."""
    rows = st.tuples(
        st.sampled_from("abcdefghij"), st.sampled_from("XYZ"), st.sampled_from(FINDINGS)
    )
    return [
        Case(f"case {n}", patient, None, site=site, answers={"finding": finding})
        for n, (patient, site, finding) in enumerate(draw(st.lists(rows, min_size=1, max_size=25)))
    ]


def finding(case):
    return case.answers["finding"]


def attempted(splitter, cases):
    try:
        return splitter(cases), ""
    except ValueError as error:
        return None, str(error)


def honest(cases, train, valid, *, every=True):
    assert train
    assert valid
    assert not {c.patient for c in train} & {c.patient for c in valid}
    assert not every or sorted(c.name for c in (*train, *valid)) == sorted(c.name for c in cases)
    places = {c.name: n for n, c in enumerate(cases)}
    for side in (train, valid):
        assert [places[c.name] for c in side] == sorted(places[c.name] for c in side)


@given(
    cohorts(),
    st.sampled_from(["patient", "site", "group", "sort"]),
    st.integers(0, 3),
    st.floats(0.05, 0.9),
)
def test_patients_stay_whole_or_the_split_is_refused(cases, how, seed, fraction):
    splitter = {
        "patient": by_patient(fraction, seed=seed),
        "site": by_site(fraction, seed=seed),
        "group": grouped(finding, fraction, seed=seed),
        "sort": stratified(finding, fraction, seed=seed),
    }[how]
    split, refusal = attempted(splitter, cases)
    if split is None:
        assert any(word in refusal for word in ("only one", "share patients"))
        return
    train, valid = split
    honest(cases, train, valid)
    if how in {"site", "group"}:
        groups = [
            {(c.site if how == "site" else finding(c)) for c in side} for side in (train, valid)
        ]
        assert not groups[0] & groups[1]
    again = splitter(cases[::-1])
    assert {c.name for c in again[1]} == {c.name for c in valid}


@given(cohorts(), st.integers(2, 6), st.integers(0, 3), st.booleans())
def test_folds_keep_each_case_back_once_and_patients_whole(cases, k, seed, sorts):
    patients = {c.patient for c in cases}
    splitter = k_fold(k, seed=seed, key=finding if sorts else None)
    if len(patients) < k:
        with pytest.raises(ValueError, match=f"cannot be dealt into {k} folds"):
            splitter(cases)
        return
    folds = splitter(cases)
    assert len(folds) == k
    for train, valid in folds:
        honest(cases, train, valid)
    kept = Counter(c.name for _, valid in folds for c in valid)
    assert kept == Counter(c.name for c in cases)
    sizes = [len({c.patient for c in valid}) for _, valid in folds]
    assert max(sizes) - min(sizes) <= 1
    if sorts:
        of = {
            p: " and ".join(sorted({finding(c) for c in cases if c.patient == p})) for p in patients
        }
        for sort in set(of.values()):
            each = [len({c.patient for c in valid if of[c.patient] == sort}) for _, valid in folds]
            assert max(each) - min(each) <= 1


def people(count, **more):
    return [
        Case(f"p{n}", f"p{n}", None, **{k: v(n) for k, v in more.items()}) for n in range(count)
    ]


def test_both_sides_have_as_much_of_each_sort():
    cases = people(50, answers=lambda n: {"finding": FINDINGS[n % 5 == 0]})
    for seed in range(5):
        train, valid = stratified(finding, 0.2, seed=seed)(cases)
        assert Counter(map(finding, valid)) == {"benign": 8, "malignant": 2}
        assert Counter(map(finding, train)) == {"benign": 32, "malignant": 8}
    assert len({tuple(c.name for c in stratified(finding, seed=s)(cases)[1]) for s in range(5)}) > 1


def test_a_sort_of_one_patient_is_refused_by_name():
    cases = people(6, answers=lambda n: {"finding": FINDINGS[n == 4]})
    with pytest.raises(ValueError, match=r"only one patient is malignant \(p4\)"):
        stratified(finding)(cases)


def test_a_number_is_no_sort():
    with pytest.raises(ValueError, match=r"gives 1\.5 for p0"):
        stratified(lambda case: case.answers["age"])(people(4, answers=lambda n: {"age": 1.5 + n}))


def test_whole_sites_are_kept_back():
    cases = people(12, site=lambda n: "ABC"[n % 3])
    train, valid = by_site(0.3)(cases)
    assert len({c.site for c in valid}) == 1
    assert len(valid) == 4
    assert {c.site for c in train} | {c.site for c in valid} == set("ABC")


def test_sites_that_cannot_be_parted_are_refused():
    with pytest.raises(ValueError, match="p0 has no site"):
        by_site()(people(3))
    with pytest.raises(ValueError, match="only one site"):
        by_site()(people(3, site=lambda n: "A"))
    travelled = [Case(f"{s}", "the same", None, site=s) for s in "AB"]
    with pytest.raises(ValueError, match="2 sites share patients"):
        by_site()(travelled)


@pytest.mark.parametrize("splitter", [by_patient, by_site, lambda f: stratified(finding, f)])
@pytest.mark.parametrize("fraction", [0, 1, -0.5, float("nan")])
def test_a_share_lies_between_none_and_all(splitter, fraction):
    with pytest.raises(ValueError, match="between 0 and 1"):
        splitter(fraction)


def test_one_fold_is_none():
    with pytest.raises(ValueError, match="two folds"):
        k_fold(1)


def test_who_seems_to_be_one_patient_is_named():
    with pytest.raises(ValueError, match=r"only one patient \(knee\), as far as files"):
        by_patient()([Case("knee_left", "knee", None), Case("knee_right", "knee", None)])
    with pytest.raises(ValueError, match="no cases"):
        by_patient()([])


# --- splits that somebody has made --------------------------------------------------------


@pytest.fixture
def splits(tmp_path):
    def write(content):
        path = tmp_path / "splits_final.json"
        path.write_text(json.dumps(content))
        return path

    return write


def test_nnunets_own_splits(splits):
    cases = people(5)
    path = splits([{"train": ["p0", "p1"], "val": ["p2"]}, {"train": ["p2.nii.gz"], "val": ["p4"]}])
    for fold, sides in enumerate([(["p0", "p1"], ["p2"]), (["p2"], ["p4"])]):
        assert tuple([c.name for c in side] for side in listed(path, fold=fold)(cases)) == sides
    with pytest.raises(ValueError, match="2 folds, and no fold 2"):
        listed(path, fold=2)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ([{"train": ["p0"], "val": ["p9"]}], "names p9"),
        ([{"train": ["p0", "p1"], "val": ["p1"]}], "p1 on both sides"),
        ([{"train": ["p0"], "val": []}], "not all of them"),
        ([{"train": ["p0"]}], "no list of splits"),
        ({"train": ["p0"], "val": ["p1"]}, "no list of splits"),
        ("x", "no list of splits"),
    ],
)
def test_lists_that_cannot_be_followed(splits, content, why):
    with pytest.raises(ValueError, match=why):
        listed(splits(content))(people(3))


def test_a_list_that_tears_a_patient_apart_is_refused(splits):
    cases = [Case(n, n[0], None) for n in ("a1", "a2", "b1")]
    path = splits([{"train": ["a1", "b1"], "val": ["a2"]}])
    for splitter in (listed(path), held_out(["a2"])):
        with pytest.raises(ValueError, match=r"both trained and validated on: a1, a2"):
            splitter(cases)


def test_what_the_source_says():
    cases = people(4, split=lambda n: ["train", "valid"][n % 2])
    train, valid = as_marked()(cases)
    assert [[c.name for c in side] for side in (train, valid)] == [["p0", "p2"], ["p1", "p3"]]
    with pytest.raises(ValueError, match=r"p0, p1, p2 should be \(3 of 3"):
        as_marked()(people(3))


def test_a_structure_in_the_label_files_is_a_sort(tmp_path):
    write_task(tmp_path, 3, shape=(8, 10, 10), spacing=(3, 2.4, 2.4))
    found = pair(tmp_path / "images", tmp_path / "labels")
    key = bearing("left kidney", found.labels)
    assert [key(case) for case in found.cases] == ["with left kidney"] * 3
    from dataclasses import replace

    unasked = replace(found.cases[0], annotated=("right kidney",))
    assert key(unasked) == "not examined for left kidney"
