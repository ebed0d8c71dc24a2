"""A damaged scan among many: learning goes on without it, and says so."""

import pytest
from tiny import write_task

import medlib
from medlib.data import held_out


def test_a_task_names_the_scans_that_it_cannot_use(tmp_path):
    folder = write_task(tmp_path, 4)
    path = folder / "images" / "case_3.nii.gz"
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 40] = bytes(byte ^ 0xFF for byte in content[middle : middle + 40])
    path.write_bytes(content)
    arguments = {"kind": "mr", "precision": "fp32"}
    where = folder / "images", folder / "labels"
    learn = medlib.segmenter(*where, validation=held_out(["case_2"]), **arguments)
    ((name, reason),) = learn.pairing.set_aside
    assert name == "case_3"
    assert reason
    assert [case.name for case in learn.learner.data.train.cases] == ["case_1", "case_4"]
    with pytest.raises(ValueError, match=r"1 of 4 cases cannot be used.*case_3"):
        medlib.segmenter(*where, validation=held_out(["case_3"]), **arguments)
