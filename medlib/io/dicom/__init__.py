"""DICOM: headers into stacks, stacks into volumes, segmentations in and out."""
