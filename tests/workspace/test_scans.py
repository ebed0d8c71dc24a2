"""Import and worklist: no name leaks, nothing comes twice, moved files are noticed."""

import shutil
import zipfile

import pytest
import torch
from small_scans import add_scan, grid_of
from tiny import write_series

from medlib.io import UnreadableError, write_nifti
from medlib.types import CTVolume, MRVolume
from medlib.workspace import NotThereError, Status, Workspace, WorkspaceError

EVIL = "<script>alert(1)</script>"


def series(folder, *, seed=0, **whose):
    draw = torch.Generator().manual_seed(seed)
    scan = CTVolume(torch.randint(-900, 900, (1, 4, 6, 8), generator=draw).float(), grid_of())
    write_series(folder, scan, modality="CT", **whose)
    return scan


def everything(folder):
    """All bytes of a workspace's tables."""
    return b"".join(path.read_bytes() for path in folder.glob("medlib.db*"))


def test_a_series_comes_back_as_it_was_and_nothing_says_whose_it_is(tmp_path):
    scan = series(tmp_path / "SECRET_NAME" / "ct")
    with Workspace(tmp_path / "w") as workspace:
        told = []
        found = workspace.scans.add(
            tmp_path / "SECRET_NAME", by="ada", progress=lambda *done: told.append(done)
        )
        (row,) = found.scans
        assert told == [(0, 1), (1, 1)]
        shutil.rmtree(tmp_path / "SECRET_NAME")
        volume = workspace.scans.volume(row.id)
        assert isinstance(volume, CTVolume)
        assert volume.grid.close_to(scan.grid)
        assert torch.equal(volume.data.float(), scan.data)
        (entry,) = workspace.scans.list()
        assert entry.scan.name == f"{entry.patient}-CT-1"
        assert workspace.identities.who(entry.patient) is None
    for secret in (b"Secret", b"SECRET", b"19500607"):
        assert secret not in everything(tmp_path / "w")


def test_names_that_are_kept_can_be_hidden_and_forgotten(tmp_path):
    series(tmp_path / "ct", name=f"Doe^Jane{EVIL}", patient="77\x07")
    with Workspace(tmp_path / "w") as workspace:
        workspace.scans.add(tmp_path / "ct", by="ada", named=True)
        (entry,) = workspace.scans.list()
        who = workspace.identities.who(entry.patient)
        assert (who.name, who.number, who.born) == (f"Doe Jane{EVIL}", "77", "19500607")
        workspace.identities.hide(True, by="ada")
        assert workspace.identities.who(entry.patient) is None
        workspace.identities.hide(False, by="ada")
        assert workspace.identities.who(entry.patient) == who
        workspace.identities.forget(by="ada")
        assert workspace.identities.who(entry.patient) is None
        assert "Doe" not in "".join(event.details for event in workspace.events.newest())


def test_a_files_name_is_a_name_of_a_patients_too(tmp_path):
    for number, name in enumerate(("Secret_Jane_T1", "Secret_Jane_T2", "Other_Joe")):
        scan = MRVolume(torch.full((1, 4, 6, 8), float(number)), grid_of())
        (tmp_path / "in").mkdir(exist_ok=True)
        write_nifti(scan, tmp_path / "in" / f"{name}.nii.gz")
    with Workspace(tmp_path / "w") as workspace:
        workspace.scans.add(tmp_path / "in", by="ada", kind="mr")
        entries = workspace.scans.list()
        wanted = {f"{e.patient}-MR-{n}" for n in (1, 2) for e in entries}
        assert len({entry.scan.name for entry in entries} & wanted) == 3
        assert len({entry.patient for entry in entries}) == 2
    for secret in (b"Secret", b"secret_jane", b"Other_Joe", b"other_joe"):
        assert secret not in everything(tmp_path / "w")
    with Workspace(tmp_path / "named") as workspace:
        workspace.scans.add(tmp_path / "in", by="ada", kind="mr", named=True)
        entries = workspace.scans.list()
        assert not [entry for entry in entries if "secret" in entry.scan.name.lower()]
        who = {workspace.identities.who(entry.patient).name for entry in entries}
        assert who == {"secret_jane", "other_joe"}
        workspace.identities.forget(by="ada")
        assert workspace.identities.who(entries[0].patient) is None


def test_a_warning_names_no_folder_that_is_called_by_a_patient(tmp_path):
    for number, name in enumerate(("Doe^Jane", "Roe^Joe")):
        series(tmp_path / "in" / name.replace("^", "_"), seed=number, patient="7", name=name)
    with Workspace(tmp_path / "w") as workspace:
        scans = workspace.scans.add(tmp_path / "in", by="ada").scans
        assert ["two patients with one ID" in str(scan.warnings) for scan in scans] == [True] * 2
        assert "oe" not in str([scan.warnings for scan in scans]).replace("does", "")


def test_scans_of_one_patient_share_a_pseudonym_that_other_workspaces_do_not(tmp_path):
    for number, whose in enumerate(("1", "1", "2")):
        series(tmp_path / "in" / str(number), seed=number, patient=whose, name="A^B")
    keys = []
    for name in "ab":
        with Workspace(tmp_path / name) as workspace:
            workspace.scans.add(tmp_path / "in", by="ada")
            keys.append([entry.patient for entry in workspace.scans.list(order="added")])
            assert sorted(keys[-1].count(key) for key in set(keys[-1])) == [1, 2]
    assert not set(keys[0]) & set(keys[1])


def test_what_is_there_already_is_not_brought_in_twice(local, tmp_path):
    add_scan(local, tmp_path / "in", "a")
    add_scan(local, tmp_path / "in", "b")
    again = local.scans.add(tmp_path / "in", by="bob")
    assert (len(again.scans), len(again.known)) == (0, 2)
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(tmp_path / "in" / "a.nii.gz", other / "renamed.nii.gz")
    assert [scan.name for scan in local.scans.add(other, by="bob").known] == ["a"]


def test_a_zip_is_read_in_place_and_a_hostile_one_refused(local, tmp_path):
    scan = series(tmp_path / "ct")
    with zipfile.ZipFile(tmp_path / "ct.zip", "w") as archive:
        for file in (tmp_path / "ct").iterdir():
            archive.write(file, f"deep/{file.name}")
    (row,) = local.scans.add(tmp_path / "ct.zip", by="ada", copy=False).scans
    assert torch.equal(local.scans.volume(row.id).data.float(), scan.data)
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("../../evil.dcm", b"x")
    with pytest.raises(UnreadableError, match="points outside"):
        local.scans.add(tmp_path / "evil.zip", by="ada")
    assert local.verify() == ()


def test_a_damaged_series_is_refused_with_the_reason_and_the_others_come_in(local, tmp_path):
    series(tmp_path / "in" / "whole", seed=1, patient="1")
    series(tmp_path / "in" / "cut", seed=2, patient="2")
    (tmp_path / "in" / "cut" / "002.dcm").unlink()
    found = local.scans.add(tmp_path / "in", by="ada")
    assert len(found.scans) == 1
    assert found.refusals
    assert found.refusals[0].reason


def test_a_scan_that_was_moved_or_changed_where_it_lay_is_noticed(local, tmp_path):
    scan = add_scan(local, tmp_path / "in", "a", copy=False)
    assert torch.is_tensor(local.scans.volume(scan).data)
    other = MRVolume(torch.zeros(1, 4, 6, 9), grid_of((4, 6, 9)))
    write_nifti(other, tmp_path / "in" / "a.nii.gz")
    with pytest.raises(WorkspaceError, match="a were moved or changed"):
        local.scans.volume(scan)
    assert [str(fault) for fault in local.verify()] == [
        f"file 1 of scan {scan}: is missing, or holds something else"
    ]
    (tmp_path / "in" / "a.nii.gz").unlink()
    with pytest.raises(WorkspaceError, match="moved or changed"):
        local.scans.stack(scan)


def test_the_worklist_filters_and_sorts(workspace, tmp_path):
    a, b, c = (add_scan(workspace, tmp_path / "in", name) for name in "abc")
    scans = workspace.scans
    scans.tag(a, "tumour", "child", by="ada")
    scans.untag(a, "child", by="ada")
    scans.assign(b, "bob", by="ada")
    scans.rank({b: (0.2, "like c"), c: (0.9, "unlike all others")}, by="ranking")
    with pytest.raises(WorkspaceError, match="say why"):
        scans.set_status(c, Status.SET_ASIDE, by="ada")
    scans.set_status(c, Status.SET_ASIDE, by="ada", reason="motion")

    def numbers(**wanted):
        return [entry.scan.id for entry in scans.list(**wanted)]

    assert numbers() == [a, b, c]
    assert numbers(order="usefulness") == [c, b, a]
    assert numbers(order="added") == [c, b, a]
    assert numbers(tag="tumour") == [a]
    assert numbers(reader="bob") == [b]
    assert numbers(status=Status.NEW) == [a, b]
    assert scans.list()[0].tags == ("tumour",)
    assert scans.list(order="usefulness")[0].scan.usefulness_reason == "unlike all others"
    with pytest.raises(NotThereError):
        scans.get(99)
    assert workspace.verify() == ()
