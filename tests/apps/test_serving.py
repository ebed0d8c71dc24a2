"""Routes for scans and outlines: only who may, only what belongs, and never half of it."""

import gzip
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracles import oracle
from small_scans import ORGANS, painted
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
from serving.shelf import Case, Shelf  # noqa: E402
from serving.wire import encode_mask, encode_volume  # noqa: E402
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
            it.scans.add(tmp_path / f"{name}.nii.gz", by="ada", kind="mr")
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


def drawn(case=ONE, grid=AWRY, value=1, at=3):
    return gzip.compress(encode_mask(painted(value, at, grid), str(case)))


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
    assert put(client, shelf, drawn(), action="view").status_code == 401
    good = leave(shelf)["Authorization"]
    for forged in (good[:-2] + "AA", good + "A", "Bearer ", "Bearer é".encode().decode("latin-1"),
                   "Basic " + good.split()[1]):  # fmt: skip
        assert (
            client.get(url, headers={"Authorization": forged.encode("latin-1")}).status_code == 401
        )
    old = workspace.links.sign("label 1-1", "ada", at=1_000_000.0)
    assert client.get(url, headers={"Authorization": f"Bearer {old}"}).status_code == 401
    assert workspace.versions.head(1, 1) is None


def test_whoever_lost_the_right_meanwhile_has_no_leave(client, shelf, workspace):
    boss = "long enough, one hopes"
    workspace.people.add("root", Role.ADMINISTRATOR, by="root", password=boss)
    workspace.people.add("ada", Role.READER, by="root", password=boss)
    assert put(client, shelf, drawn()).status_code == 200
    workspace.people.change("ada", active=False, by="root")
    assert put(client, shelf, drawn(), query="base=1").status_code == 401
    assert put(client, shelf, drawn(), query="base=1", person="nobody").status_code == 401


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
    served = client.get("/medlib/cases/1-1/mask", headers=headers)
    image = nibabel.Nifti1Image.from_bytes(served.content)
    data = np.asarray(image.dataobj).copy()
    data[5, 2, 1] = 2
    raw = served.content[:352] + data.tobytes(order="F")
    answer = put(client, shelf, gzip.compress(raw))
    assert answer.json()["version"] == 1
    mask = workspace.versions.mask(1)
    (index,) = np.argwhere(mask.data[0].numpy())
    lps = mask.grid.to_patient(index)
    ras = nibabel.affines.apply_affine(image.affine, (5, 2, 1))
    np.testing.assert_allclose(lps * (-1, -1, 1), ras, atol=1e-4)
    assert mask.data.max() == 2
    assert workspace.versions.get(1).author == "ada"
    again = client.get("/medlib/cases/1-1/mask", headers=headers)
    assert again.content == raw
    assert again.headers["x-version"] == "1"


def test_a_stale_mask_is_kept_aside_and_can_be_put_on_top(client, shelf, workspace):
    assert put(client, shelf, drawn(at=1)).json()["version"] == 1
    stale = put(client, shelf, drawn(at=2))
    assert stale.status_code == 409
    said = stale.json()
    assert said["newest"] == 1
    assert workspace.versions.head(1, 1).id == 1
    aside = workspace.versions.mask(said["aside"])
    assert torch.equal(aside.data, painted(at=2, grid=AWRY).data)
    mine = put(client, shelf, drawn(at=2), query=f"base=1&merges={said['aside']}")
    assert mine.status_code == 200
    assert workspace.versions.head(1, 1).id == mine.json()["version"]
    assert workspace.versions.aside(1, 1) == []


def test_slices_that_are_done_stay_done(client, shelf, workspace):
    first = workspace.versions.save_mask(
        1, 1, painted(grid=AWRY), base=None, by="ada", seen=Seen.of([2, 3])
    )
    after = put(client, shelf, drawn(at=4), query=f"base={first.id}").json()["version"]
    assert Seen.from_dict(workspace.versions.get(after).seen).indices() == (2, 3)


def bad_masks():
    other = Grid.from_axes(AWRY.shape, origin=(0, 0, 0))
    whole = encode_mask(painted(grid=AWRY), str(ONE))
    floats = nibabel.Nifti1Image(np.zeros(AWRY.shape[::-1], np.float32), np.eye(4)).to_bytes()
    return {
        "of another scan": drawn(TWO),
        "on another grid": drawn(grid=other),
        "of another size": drawn(grid=Grid.from_axes((4, 6, 8))),
        "with a strange id": drawn(value=9),
        "not gzipped": whole,
        "cut short": drawn()[:-9],
        "two in one": drawn() + drawn(),
        "a bomb": gzip.compress(whole + bytes(50_000_000)),
        "floats": gzip.compress(floats),
        "noise": gzip.compress(np.random.default_rng(0).bytes(len(whole))),
        "nothing": b"",
    }


@pytest.mark.parametrize("what", bad_masks())
def test_what_is_no_mask_of_this_scan_is_refused(client, shelf, workspace, what):
    answer = put(client, shelf, bad_masks()[what])
    assert answer.status_code == 422, answer.text
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
    assert put(client, shelf, drawn(), query=query).status_code == 422


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
    fine = put(client, shelf, drawn(at=3)).json()["version"]
    url = "/medlib/cases/1-1/mask?grid=reduced"
    served = client.get(url, headers=leave(shelf)).content
    volume = client.get("/medlib/cases/1-1/volume?grid=reduced", headers=leave(shelf))
    assert volume.headers["x-blocks"] != "1,1,1"
    assert nibabel.Nifti1Image.from_bytes(volume.content).shape == (
        nibabel.Nifti1Image.from_bytes(served).shape
    )
    same = put(client, shelf, gzip.compress(served), query=f"base={fine}&grid=reduced")
    assert torch.equal(
        workspace.versions.mask(same.json()["version"]).data, workspace.versions.mask(fine).data
    )


def test_encoding_keeps_every_value():
    halves = Volume(torch.rand(1, *AWRY.shape), AWRY)
    image = nibabel.Nifti1Image.from_bytes(encode_volume(halves))
    assert sorted(image.get_fdata().ravel()) == sorted(halves.data.double().ravel().tolist())
    with pytest.raises(ValueError, match="2 channels"):
        encode_volume(Volume(torch.rand(2, *AWRY.shape), AWRY))
