"""Routes for scans and outlines: only who may, only what belongs, and never half of it."""

import gzip
import json
import sqlite3
import sys
import time
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracles import oracle
from small_scans import ORGANS, painted
from sqlalchemy.exc import IntegrityError
from strategies import grids

from medlib.io import write_nifti
from medlib.resources import folder
from medlib.space import Grid
from medlib.types import Labels, Mask, MRVolume, Volume
from medlib.workspace import Role, Seen, Workspace

nibabel = oracle("nibabel")
oracle("streamlit")
sys.path.append(str(folder("apps")))  # as Streamlit does for the pages

from serving.depot import Depot  # noqa: E402
from serving.headers import HEADERS, SecurityHeaders  # noqa: E402
from serving.reduced import Blocks  # noqa: E402
from serving.routes import Scans  # noqa: E402
from serving.session import COOKIE  # noqa: E402
from serving.shelf import Case, Shelf  # noqa: E402
from serving.turning import Turn, upright  # noqa: E402
from serving.wire import Patch, encode_volume, patch_of, unpack  # noqa: E402
from starlette.applications import Starlette  # noqa: E402
from starlette.middleware import Middleware  # noqa: E402
from starlette.testclient import TestClient  # noqa: E402

# Stored the way DICOM does not: rows run to the head, slices to the left.
AWRY = Grid.from_axes((5, 6, 7), spacing=(3.0, 1.0, 2.0), origin=(5.0, -7.0, 11.0)).reoriented(
    "RSA"
)


@pytest.fixture
def workspace(tmp_path):
    with Workspace(tmp_path / "workspace") as it:
        draw = torch.Generator().manual_seed(0)
        for name in ("one", "two"):
            scan = MRVolume(
                torch.randint(-900, 900, (1, *AWRY.shape), generator=draw).short(), AWRY
            )
            write_nifti(scan, tmp_path / f"{name}.nii.gz")
            it.scans.add(tmp_path / f"{name}.nii.gz", by="ada", kind="mr", file_names=True)
        it.label_sets.add("organs", ORGANS, by="ada")
        yield it


@pytest.fixture
def shelf(workspace):
    return Shelf(workspace)


@pytest.fixture
def client(workspace, shelf, tmp_path):
    scans = Scans(shelf, Depot(tmp_path / "depot"))
    return TestClient(Starlette(routes=scans.routes(), middleware=[Middleware(SecurityHeaders)]))


ONE, TWO = Case(1, 1), Case(2, 1)


def leave(shelf, case=ONE, action="label", person="ada"):
    return {"Authorization": f"Bearer {shelf.sign(case, person, action)}"}


def put(client, shelf, content, case=ONE, query="base=0", **how):
    url = f"/medlib/cases/{case}/mask?{query}"
    return client.put(url, content=content, headers=leave(shelf, **how))


NOTHING_DONE = {"whole": False, "slices": []}


def drawn(shelf, case=ONE, value=1, at=3, **more):
    """What a browser sends of a row that was painted."""
    said = {
        "scan": shelf.mark(case, Blocks(shelf.grid(case))),
        "seen": NOTHING_DONE,
        "annotated": None,
    } | more
    return gzip.compress(patch_of(painted(value, at, AWRY), said).pack())


def served(answer):
    """The outline that a browser gets, whole: (x, y, z), and what is said of it."""
    line, _, voxels = answer.content.partition(b"\n")
    said = json.loads(line)
    whole = np.zeros(upright(AWRY).shape[::-1], np.uint8)
    if voxels:
        at = tuple(slice(a, b + 1) for a, b in zip(said["low"], said["high"], strict=True))
        whole[at] = np.frombuffer(voxels, np.uint8).reshape(whole[at].shape, order="F")
    return whole, said


# --- what is shown --------------------------------------------------------------------------


def test_a_scan_arrives_as_nibabel_turns_it(client, shelf, tmp_path):
    answer = client.get("/medlib/cases/1-1/volume", headers=leave(shelf, action="view"))
    assert answer.status_code == 200
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["cache-control"] == "no-store"
    got = nibabel.Nifti1Image.from_bytes(answer.content)
    want = nibabel.as_closest_canonical(nibabel.load(tmp_path / "one.nii.gz"))
    assert got.get_data_dtype() == np.int16
    np.testing.assert_allclose(got.affine, want.affine, atol=1e-5)
    np.testing.assert_array_equal(got.get_fdata(), want.get_fdata())


def test_answers_carry_the_security_headers(client):
    answer = client.get("/medlib/cases/1-1/volume")
    assert answer.status_code == 401
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS


# --- who may --------------------------------------------------------------------------------


def test_leave_is_for_one_case_for_a_while_and_for_one_thing(client, shelf, workspace):
    url = "/medlib/cases/1-1/mask"
    assert client.get(url, headers=leave(shelf)).status_code == 200
    assert client.get(url).status_code == 401
    assert client.get(url, headers=leave(shelf, TWO)).status_code == 401
    assert client.get(url, headers=leave(shelf, Case(1, 2))).status_code == 401
    assert put(client, shelf, drawn(shelf), action="view").status_code == 401
    good = leave(shelf)["Authorization"]
    for forged in (good[:-2] + "AA", good + "A", "Bearer ", "Bearer é".encode().decode("latin-1"),
                   "Basic " + good.split()[1]):  # fmt: skip
        assert (
            client.get(url, headers={"Authorization": forged.encode("latin-1")}).status_code == 401
        )
    old = workspace.links.sign("label 1-1", "ada", at=1_000_000.0)
    assert client.get(url, headers={"Authorization": f"Bearer {old}"}).status_code == 401
    assert workspace.versions.head(1, 1) is None


def views(workspace):
    events = workspace.events.newest()[::-1]
    return [(event.who, event.subject) for event in events if event.what == "viewed"]


def test_who_was_shown_a_scan_is_written_down_once_an_hour(client, shelf, workspace, monkeypatch):
    def look(*whats, **whose):
        for what in whats:
            case = whose.get("case", ONE)
            answer = client.get(f"/medlib/cases/{case}/{what}", headers=leave(shelf, **whose))
            assert answer.status_code == 200, answer.text

    look("volume", "mask", "volume?grid=reduced", "volume", action="view")
    assert views(workspace) == [("ada", "scan 1")]
    look("mask", person="bob")
    look("volume", case=TWO)
    look("mask", "volume", person="bob")
    assert views(workspace)[1:] == [("bob", "scan 1"), ("ada", "scan 2")]
    now = time.time()
    monkeypatch.setattr("serving.shelf.time", lambda: now + 3600)
    look("volume", "volume")
    assert views(workspace)[3:] == [("ada", "scan 1")]
    assert workspace.verify() == ()


def test_what_is_not_shown_is_no_view_and_what_cannot_be_written_down_is_not_shown(
    client, shelf, workspace
):
    for what, headers in (("1-1", {}), ("2-1", leave(shelf)), ("99-1", leave(shelf, Case(99, 1)))):
        answer = client.get(f"/medlib/cases/{what}/volume", headers=headers)
        assert answer.status_code in {401, 404}
    assert put(client, shelf, drawn(shelf)).status_code == 200
    assert views(workspace) == []
    with closing(sqlite3.connect(workspace.folder / "medlib.db")) as link:
        link.executescript(
            "CREATE TRIGGER full BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'full'); END"
        )
    for what in ("volume", "mask"):
        with pytest.raises(IntegrityError, match="full"):
            client.get(f"/medlib/cases/1-1/{what}", headers=leave(shelf))


def test_whoever_lost_the_right_meanwhile_has_no_leave(client, shelf, workspace):
    boss = "long enough, one hopes"
    workspace.people.add("root", Role.ADMINISTRATOR, by="root", password=boss)
    workspace.people.add("ada", Role.READER, by="root", password=boss)
    client.cookies.set(COOKIE, workspace.people.log_in("ada", boss))
    answer = put(client, shelf, drawn(shelf))
    assert answer.status_code == 200, answer.text
    workspace.people.change("ada", active=False, by="root")
    assert put(client, shelf, drawn(shelf), query="base=1").status_code == 401
    assert put(client, shelf, drawn(shelf), query="base=1", person="nobody").status_code == 401


@pytest.mark.parametrize(
    "case",
    ["0-1", "1", "1-1-1", "..%2F..%2Fetc", "%2e%2e", "1-1%00", "１-1", "9" * 30 + "-1", "99-1"],
)
def test_names_that_lead_elsewhere_lead_nowhere(client, shelf, case):
    headers = leave(shelf)
    answer = client.get(f"/medlib/cases/{case}/mask", headers=headers)
    assert answer.status_code in {401, 404}


# --- what is kept ---------------------------------------------------------------------------


def test_a_mask_comes_to_lie_where_it_was_drawn(client, shelf, workspace):
    """By nibabel's orientation, not ours: the voxel at a place of the patient."""
    headers = leave(shelf)
    volume = client.get("/medlib/cases/1-1/volume", headers=headers)
    image = nibabel.Nifti1Image.from_bytes(volume.content)
    empty, said = served(client.get("/medlib/cases/1-1/mask", headers=headers))
    assert empty.shape == image.shape
    assert not empty.any()
    line = {"scan": said["scan"], "low": [5, 2, 1], "high": [5, 2, 1]}
    line |= {"seen": NOTHING_DONE, "annotated": None}
    answer = put(client, shelf, gzip.compress(json.dumps(line).encode() + b"\n\x02"))
    assert answer.json()["version"] == 1
    mask = workspace.versions.mask(1)
    (index,) = np.argwhere(mask.data[0].numpy())
    lps = mask.grid.to_patient(index)
    ras = nibabel.affines.apply_affine(image.affine, (5, 2, 1))
    np.testing.assert_allclose(lps * (-1, -1, 1), ras, atol=1e-4)
    assert mask.data.max() == 2
    assert workspace.versions.get(1).author == "ada"
    again = client.get("/medlib/cases/1-1/mask", headers=headers)
    whole, _ = served(again)
    assert np.argwhere(whole).tolist() == [[5, 2, 1]]
    assert again.headers["x-version"] == "1"


@given(grid=grids())
def test_turning_is_what_reorienting_the_grid_is(grid):
    """A slice or window of the viewer lies where the grid's own does."""
    turn, shown = Turn.of(grid), upright(grid)
    assert turn.turned == shown.shape
    numbers = np.arange(np.prod(grid.shape)).reshape(grid.shape)
    index = np.argwhere(numbers >= 0).reshape(*grid.shape, 3)
    for at in np.ndindex(*shown.shape):
        here = [int(np.ravel_multi_index(at, shown.shape))]
        own = np.argwhere(numbers == turn.view(numbers).ravel()[here])[0]
        np.testing.assert_allclose(grid.to_patient(own), shown.to_patient(at), atol=1e-6)
        for axis in range(3):
            own_axis, own_index = turn.own(axis, at[axis])
            assert own[own_axis] == own_index
            assert turn.shown(own_axis, own_index) == (axis, at[axis])
    window = tuple(slice(n // 2, n) for n in shown.shape)
    back = turn.own_window(window)
    assert turn.shown_window(back) == window
    cut = {tuple(i) for i in index[back].reshape(-1, 3).tolist()}
    assert cut == {
        tuple(np.argwhere(numbers == n)[0].tolist()) for n in turn.view(numbers)[window].ravel()
    }


def test_a_stale_mask_is_kept_aside_and_can_be_put_on_top(client, shelf, workspace):
    assert put(client, shelf, drawn(shelf, at=1)).json()["version"] == 1
    stale = put(client, shelf, drawn(shelf, at=2))
    assert stale.status_code == 409
    said = stale.json()
    assert said["newest"] == 1
    assert workspace.versions.head(1, 1).id == 1
    aside = workspace.versions.mask(said["aside"])
    assert torch.equal(aside.data, painted(at=2, grid=AWRY).data)
    mine = put(client, shelf, drawn(shelf, at=2), query=f"base=1&merges={said['aside']}")
    assert mine.status_code == 200
    assert workspace.versions.head(1, 1).id == mine.json()["version"]
    assert workspace.versions.aside(1, 1) == []


def test_slices_are_done_where_the_browser_says(client, shelf, workspace):
    """The scan is stored awry: its own axes are others, and run the other way."""
    first = workspace.versions.save_mask(
        1, 1, painted(grid=AWRY), base=None, by="ada", seen=Seen.of([2, 3])
    )
    _, said = served(client.get("/medlib/cases/1-1/mask", headers=leave(shelf)))
    # AWRY's slices run to the left and up its axis 0; the viewer's axis 2 counts to the right.
    right = upright(AWRY)
    for axis, index in said["seen"]["slices"]:
        place = [0, 0, 0]
        place[axis] = index
        own = AWRY.to_index(right.to_patient(place))
        assert round(own[0]) in (2, 3)
    more = {"whole": False, "slices": [*said["seen"]["slices"], [0, 1]]}
    body = drawn(shelf, at=4, seen=more, annotated=["liver"])
    after = put(client, shelf, body, query=f"base={first.id}").json()["version"]
    row = workspace.versions.get(after)
    assert Seen.from_dict(row.seen).indices() == (2, 3)
    height = [own for axis, own in row.seen["slices"] if axis != 0]
    assert len(height) == 1
    place = upright(AWRY).to_patient([1, 0, 0])
    (axis,) = [axis for axis, _ in row.seen["slices"] if axis]
    assert round(AWRY.to_index(place)[axis]) == height[0]
    assert row.annotated == ["liver"]
    whole = drawn(shelf, at=4, seen={"whole": True, "slices": []})
    put(client, shelf, whole, query=f"base={after}")
    assert str(workspace.scans.get(1).status) == "labelled"


def bad_masks(shelf):
    ids = np.zeros(upright(AWRY).shape, np.uint8)
    said = {
        "scan": shelf.mark(ONE, Blocks(shelf.grid(ONE))),
        "seen": NOTHING_DONE,
        "annotated": None,
    }
    whole = Patch(ids, (0, 0, 0), said).pack()
    line, _, voxels = whole.partition(b"\n")

    def but(**more):
        return gzip.compress(json.dumps(json.loads(line) | more).encode() + b"\n" + voxels)

    return {
        "of another scan": drawn(shelf, TWO),
        "of nothing": drawn(shelf, scan=None),
        "with a strange id": gzip.compress(line + b"\n" + b"\x09" * len(voxels)),
        "beyond the scan": but(high=[99, 5, 4]),
        "a box upside down": but(low=[3, 0, 0], high=[2, 5, 4]),
        "another box": but(high=[1, 1, 1]),
        "no box": but(low="0", high=None),
        "fractions": but(low=[0.5, 0, 0]),
        "truths": but(low=[False, False, False]),
        "a slice too high": but(seen={"whole": False, "slices": [[0, 99]]}),
        "a strange axis": but(seen={"whole": False, "slices": [[3, 0]]}),
        "a word for done": but(seen={"whole": "yes", "slices": []}),
        "nothing done": but(seen=None),
        "nobody's structure": but(annotated=["heart"]),
        "not gzipped": whole,
        "cut short": drawn(shelf)[:-9],
        "two in one": drawn(shelf) + drawn(shelf),
        "a bomb": gzip.compress(whole + bytes(50_000_000)),
        "noise": gzip.compress(np.random.default_rng(0).bytes(len(whole))),
        "deep": gzip.compress(b"[" * 100_000),
        "nothing": b"",
    }


def test_what_is_no_mask_of_this_scan_is_refused(client, shelf, workspace):
    for what, content in bad_masks(shelf).items():
        answer = put(client, shelf, content)
        assert answer.status_code == 422, (what, answer.text)
        assert answer.json()["reason"]
    assert workspace.versions.head(1, 1) is None


def test_too_much_is_not_even_read(client, shelf):
    read = 0

    def endless():
        nonlocal read
        while True:
            read += 2**20
            yield bytes(2**20)

    assert (
        put(
            client, shelf, (piece for piece, _ in zip(endless(), range(70), strict=False))
        ).status_code
        == 413
    )
    assert read <= 72 * 2**20


@pytest.mark.parametrize(
    "query", ["", "base=", "base=-1", "base=one", "base=99999999999", "base=²"]
)
def test_a_mask_must_say_what_it_was_drawn_on(client, shelf, query):
    assert put(client, shelf, drawn(shelf), query=query).status_code == 422


def test_overlapping_structures_are_not_flattened_in_silence(client, shelf, workspace):
    both = torch.cat([painted(1, 3, AWRY).data, painted(2, 3, AWRY).data])
    workspace.versions.save_mask(1, 1, Mask(both, AWRY, ORGANS), base=None, by="ada")
    answer = client.get("/medlib/cases/1-1/mask", headers=leave(shelf))
    assert answer.status_code == 422
    assert "overlap" in answer.json()["reason"]


# --- coarser grids --------------------------------------------------------------------------


@given(grid=grids(), most=st.integers(1, 200), seed=st.integers(0, 99))
def test_what_was_not_touched_stays_as_fine_as_it_was(grid, most, seed):
    draw = torch.Generator().manual_seed(seed)
    shape = grid.shape
    blocks = Blocks.within(grid, most)
    fine = Mask(torch.randint(0, 3, (1, *shape), generator=draw), grid, Labels.of(["a", "b"]))
    coarse = blocks.outline(fine)
    assert coarse.data.numel() <= most
    assert torch.equal(blocks.onto(fine, coarse).data, fine.data)

    touched = [int(torch.randint(0, n, (), generator=draw)) for n in coarse.grid.shape]
    changed = coarse.data.clone()
    changed[0, *touched] = (changed[0, *touched] + 1) % 3
    result = blocks.onto(fine, Mask(changed, coarse.grid, fine.labels))
    inside = torch.ones(shape, dtype=torch.bool)
    for axis, (at, f) in enumerate(zip(touched, blocks.factors, strict=True)):
        here = torch.arange(shape[axis]) // f == at
        inside &= here.view([-1 if k == axis else 1 for k in range(3)])
    assert (result.data[0][inside] == changed[0, *touched]).all()
    assert torch.equal(result.data[0][~inside], fine.data[0][~inside])


def test_blocks_lie_where_their_voxels_do():
    """A ramp along x reads the same place on both grids."""
    grid = Grid.from_axes((4, 6, 8), spacing=(2.0, 1.0, 1.0), origin=(3.0, 4.0, 5.0))
    blocks = Blocks(grid, (2, 3, 4))
    index = np.moveaxis(np.indices(grid.shape), 0, -1)
    x = torch.from_numpy(grid.to_patient(index)[..., 0])[None]
    coarse = blocks.scan(Volume(x, grid))
    index = np.moveaxis(np.indices(coarse.grid.shape), 0, -1)
    np.testing.assert_allclose(coarse.data[0], coarse.grid.to_patient(index)[..., 0], atol=1e-5)


def test_a_coarse_mask_goes_over_the_wire_and_back(client, shelf, workspace, monkeypatch):
    monkeypatch.setattr(Blocks.within.__func__, "__defaults__", (30,))
    body = drawn(shelf, at=3, seen={"whole": False, "slices": [[0, 2], [2, 4]]})
    fine = put(client, shelf, body).json()["version"]
    url = "/medlib/cases/1-1/mask?grid=reduced"
    answer = client.get(url, headers=leave(shelf))
    volume = client.get("/medlib/cases/1-1/volume?grid=reduced", headers=leave(shelf))
    assert volume.headers["x-blocks"] != "1,1,1"
    shape = nibabel.Nifti1Image.from_bytes(volume.content).shape
    patch = unpack(gzip.compress(answer.content), shape[::-1])
    again = gzip.compress(patch.pack())
    same = put(client, shelf, again, query=f"base={fine}&grid=reduced").json()["version"]
    assert torch.equal(workspace.versions.mask(same).data, workspace.versions.mask(fine).data)
    assert workspace.versions.get(same).seen == workspace.versions.get(fine).seen
    # A whole coarse slice more is done: all that it stands for is.
    done = {"whole": False, "slices": [*patch.said["seen"]["slices"], [1, 0]]}
    more = Patch(patch.ids, patch.start, {**patch.said, "seen": done}).pack()
    after = put(client, shelf, gzip.compress(more), query=f"base={same}&grid=reduced")
    seen = {*map(tuple, workspace.versions.get(after.json()["version"]).seen["slices"])}
    own, index = Turn.of(Blocks.within(AWRY).coarse).own(1, 0)
    f = Blocks.within(AWRY).factors[own]
    before = {*map(tuple, workspace.versions.get(fine).seen["slices"])}
    n = AWRY.shape[own]
    assert seen - before == {(own, i) for i in range(index * f, min(n, index * f + f))} - before


def test_encoding_keeps_every_value():
    halves = Volume(torch.rand(1, *AWRY.shape), AWRY)
    image = nibabel.Nifti1Image.from_bytes(encode_volume(halves))
    assert sorted(image.get_fdata().ravel()) == sorted(halves.data.double().ravel().tolist())
    with pytest.raises(ValueError, match="2 channels"):
        encode_volume(Volume(torch.rand(2, *AWRY.shape), AWRY))


# --- what a model found, where somebody has drawn --------------------------------------------------


def test_the_models_outline_keeps_off_slices_that_are_done(client, shelf, workspace):
    """Whoever finished a slice knows better than the model, which is asked for the others."""
    before = shelf.drawing(ONE, 0).mask
    drawn_row = painted(1, 3, AWRY)
    version = workspace.versions.save_mask(
        1, 1, drawn_row, base=None, by="ada", seen=Seen.of([3])
    ).id
    model = workspace.models.add("net", __file__, 1, by="worker")
    found = replace(before, data=torch.zeros_like(before.data))
    found.data[0, :, 2] = 1  # a row of each slice, elsewhere than the drawn one
    workspace.models.keep_mask(model.id, 1, found, by="worker")
    turn = Turn.of(AWRY)
    said = {
        "scan": shelf.mark(ONE, Blocks(shelf.grid(ONE))), "action": "model", "structure": 1,
        "done": [[*turn.shown(0, 3)]], "whole": False,
    }  # fmt: skip
    url = f"/medlib/cases/{ONE}/assist?base={version}"

    def ask(**more):
        sent = gzip.compress(Patch(said=said | more).pack())
        return client.post(url, content=sent, headers=leave(shelf))

    answer = ask()
    assert answer.status_code == 200, answer.text
    there = np.argwhere(served(answer)[0])
    along, index = turn.shown(0, 3)
    assert len(there)
    assert index not in there[:, 2 - along], "the slice that is done is none of the model's"
    whole = ask(whole=True)
    assert whole.status_code == 422
    assert "whole scan is done" in whole.json()["reason"]
    nothing = ask(done=[[along, n] for n in range(upright(AWRY).shape[along])])
    assert nothing.status_code == 422


# --- older versions, and two people's outlines as one ----------------------------------------------


def test_an_older_version_is_shown_as_it_was_and_is_of_its_own_scan(client, shelf, workspace):
    first = put(client, shelf, drawn(shelf, at=3)).json()["version"]
    before, _ = served(client.get(f"/medlib/cases/{ONE}/mask", headers=leave(shelf)))
    put(client, shelf, drawn(shelf, at=9, value=2), query=f"base={first}")
    at = f"versions/{first}/mask"
    shown = client.get(f"/medlib/cases/{ONE}/{at}", headers=leave(shelf, action="view"))
    np.testing.assert_array_equal(served(shown)[0], before)
    assert shown.headers["X-Version"] == str(first)
    assert client.get(f"/medlib/cases/{TWO}/{at}", headers=leave(shelf, TWO)).status_code == 404
    assert client.get(f"/medlib/cases/{ONE}/{at}", headers=leave(shelf, TWO)).status_code == 401
    volume = client.get(f"/medlib/cases/{ONE}/versions/{first}/volume", headers=leave(shelf))
    assert volume.content == client.get(f"/medlib/cases/{ONE}/volume", headers=leave(shelf)).content
    sent = client.put(f"/medlib/cases/{ONE}/{at}?base={first}", content=b"", headers=leave(shelf))
    assert sent.status_code == 405, "it can only be read"


def conflicting(client, shelf, theirs, mine):
    """Two people begin with one version; the numbers that the second one's browser is told."""
    base = put(client, shelf, drawn(shelf, at=3)).json()["version"]
    put(client, shelf, drawn(shelf, **theirs), query=f"base={base}", person="grace")
    answer = put(client, shelf, drawn(shelf, **mine), query=f"base={base}", person="bob")
    assert answer.status_code == 409
    return answer.json()


def both(client, shelf, mine):
    url = f"/medlib/cases/{ONE}/both?mine={mine}"
    return client.get(url, headers=leave(shelf)).json()["disputed"]


def test_changes_that_do_not_touch_are_kept_both_with_what_was_drawn_since(
    client, shelf, workspace
):
    told = conflicting(client, shelf, {"at": 9, "value": 2}, {"at": 14})
    assert both(client, shelf, told["aside"]) == 0
    query = f"base={told['newest']}&merges={told['aside']}&both=yes"
    answer = put(client, shelf, drawn(shelf, at=16), query=query, person="bob")
    assert answer.status_code == 200, answer.text
    merged = workspace.versions.get(answer.json()["version"])
    assert (merged.author, merged.parent_id, merged.origin) == ("bob", told["newest"], "merged")
    expected = sum(painted(v, at, AWRY).data for v, at in ((1, 3), (2, 9), (1, 14), (1, 16)))
    found = workspace.versions.mask(merged.id).data
    assert torch.equal(found, expected.to(found.dtype))
    assert workspace.versions.aside(1, 1) == [], "all of it was taken up"
    assert workspace.verify() == ()


def test_where_both_changed_the_same_place_it_is_asked_again(client, shelf, workspace):
    told = conflicting(client, shelf, {"at": 9, "value": 2}, {"at": 9})
    assert both(client, shelf, told["aside"]) == 1
    query = f"base={told['newest']}&merges={told['aside']}&both=yes"
    answer = put(client, shelf, drawn(shelf, at=9), query=query, person="bob")
    assert (answer.status_code, answer.json()["newest"]) == (409, told["newest"])
    assert workspace.versions.head(1, 1).id == told["newest"]
    assert (
        client.get(
            f"/medlib/cases/{TWO}/both?mine={told['aside']}", headers=leave(shelf, TWO)
        ).status_code
        == 404
    )
