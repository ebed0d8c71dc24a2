"""MONAI's side of ``training.py``: what a competent user of it writes for so few minutes.

python outline_monai.py JOB.json FOUND

Everything is read and prepared once and kept in memory; the network is MONAI's residual U-Net of 4.8
million parameters with instance norm, in bf16 and channels-last, trained by AdamW with one cycle over
the minutes on Dice and cross-entropy. Scans that fit into one window are seen whole (hippocampus);
others by balanced patches, and are outlined by a sliding window.
"""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path

begun = time.monotonic()  # importing is part of the minutes

import nibabel  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from monai import transforms as mt  # noqa: E402
from monai.data import CacheDataset, DataLoader, Dataset, MetaTensor, list_data_collate  # noqa: E402
from monai.inferers import sliding_window_inference  # noqa: E402
from monai.losses import DiceCELoss  # noqa: E402
from monai.networks.nets import UNet  # noqa: E402
from monai.utils import set_determinism  # noqa: E402

BOTH, MODES = ("image", "label"), ("bilinear", "nearest")
RECIPES = {
    "hippocampus": {
        "classes": 3,
        "spacing": None,
        "window": (48, 64, 48),
        "whole": True,
        "rate": 2e-3,
    },
    "abdomen": {
        "classes": 5,
        "spacing": (2.5, 2.5, 7.7),
        "window": (96, 96, 32),
        "whole": False,
        "rate": 2e-3,
    },
}


def prepared(recipe: dict) -> list:
    """What is done to every scan, once."""
    steps = [
        mt.LoadImaged(BOTH, image_only=True, ensure_channel_first=True, allow_missing_keys=True),
        mt.Orientationd(BOTH, "RAS", labels=None, allow_missing_keys=True),
    ]
    if recipe["spacing"]:
        steps.append(mt.Spacingd(BOTH, recipe["spacing"], mode=MODES, allow_missing_keys=True))
    steps.append(mt.NormalizeIntensityd("image"))
    if recipe["whole"]:
        steps.append(mt.SpatialPadd(BOTH, recipe["window"], allow_missing_keys=True))
    return steps


def varied(recipe: dict) -> list:
    """What is drawn anew each time."""
    window = recipe["window"]
    cut = (
        mt.RandSpatialCropd(BOTH, window, random_size=False)  # a few scans are larger
        if recipe["whole"]
        else mt.RandCropByLabelClassesd(
            BOTH, "label", window, num_classes=recipe["classes"], num_samples=1,
            ratios=[1] * recipe["classes"], allow_smaller=True,
        )
    )  # fmt: skip
    turn = math.radians(15)
    degrees = (turn, turn, turn) if recipe["whole"] else (0.0, 0.0, turn)
    return [
        cut,
        mt.ResizeWithPadOrCropd(BOTH, window),
        mt.RandAffined(
            BOTH, prob=0.8, rotate_range=degrees, scale_range=(0.1,) * 3, mode=MODES,
            padding_mode="border", cache_grid=True, spatial_size=window,
        ),
        mt.RandScaleIntensityd("image", 0.15, prob=0.5),
        mt.RandShiftIntensityd("image", 0.15, prob=0.5),
        mt.RandGaussianNoised("image", prob=0.5, std=0.1),
    ]  # fmt: skip


def batches(data: torch.utils.data.Dataset, size: int):
    """Without end."""
    loader = DataLoader(
        data,
        batch_size=size,
        shuffle=True,
        drop_last=len(data) >= size,
        collate_fn=list_data_collate,
    )
    while True:
        yield from loader


def learned(files: list[dict], recipe: dict, minutes: float) -> tuple[torch.nn.Module, int]:
    """The trained network, and its steps."""
    cache = CacheDataset(files, mt.Compose(prepared(recipe)), num_workers=2, progress=False)
    items = [cache[n] for n in range(len(cache))] * max(1, 8 // len(files))
    data = Dataset(items, mt.Compose(varied(recipe)))
    network = UNet(
        spatial_dims=3, in_channels=1, out_channels=recipe["classes"], channels=(16, 32, 64, 128, 256),
        strides=((2, 2, 2),) * 4 if recipe["whole"] else ((2, 2, 1), (2, 2, 2), (2, 2, 2), (2, 2, 2)),
        num_res_units=2, norm="instance",
    ).to(memory_format=torch.channels_last_3d)  # fmt: skip
    loss = DiceCELoss(to_onehot_y=True, softmax=True, batch=True)
    optimiser = torch.optim.AdamW(
        network.parameters(), recipe["rate"], weight_decay=1e-2, fused=True
    )
    first, steps = time.monotonic(), 0
    end = begun + 60 * minutes - 2.0
    for batch in batches(data, 2):
        now = time.monotonic()
        if now >= end:
            break
        done = (now - first) / (end - first)
        rise = 0.15
        share = (
            (1 - math.cos(math.pi * done / rise)) / 2
            if done < rise
            else (1 + math.cos(math.pi * (done - rise) / (1 - rise))) / 2
        )
        for group in optimiser.param_groups:
            group["lr"] = recipe["rate"] * max(share, 0.01)
        x = batch["image"].as_tensor().to(memory_format=torch.channels_last_3d)
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(x)
        value = loss(logits.float(), batch["label"].as_tensor())
        optimiser.zero_grad(set_to_none=True)
        value.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 12.0)
        optimiser.step()
        steps += 1
    return network, steps


def outlined(network: torch.nn.Module, path: Path, recipe: dict) -> np.ndarray:
    """The structures, on the file's own voxels."""
    before = mt.Compose(prepared(recipe))
    item = before({"image": str(path)})
    with torch.inference_mode():
        logits = sliding_window_inference(
            item["image"][None].as_tensor(),
            recipe["window"],
            1,
            network,
            overlap=0.5,
            mode="gaussian",
        )
    item["pred"] = MetaTensor(torch.softmax(logits[0].float(), 0), meta=item["image"].meta)
    item["pred"].applied_operations = item["image"].applied_operations
    back = mt.Invertd("pred", before, "image", nearest_interp=False, to_tensor=True)
    return back(item)["pred"].argmax(0).numpy().astype(np.uint8)


def main() -> None:
    """Learn, and outline the scans that were not learned from."""
    job, found = json.loads(Path(sys.argv[1]).read_text("utf-8")), Path(sys.argv[2])
    scans, labels = Path(job["scans"]), Path(job["labels"])
    recipe = RECIPES[job["data"]]
    set_determinism(job["seed"])
    torch.use_deterministic_algorithms(False)
    files = [
        {"image": str(scans / scan), "label": str(labels / label)} for scan, label in job["train"]
    ]
    network, steps = learned(files, recipe, job["minutes"])
    spent = time.monotonic() - begun
    network.eval()
    found.mkdir(parents=True, exist_ok=True)
    for scan, _ in job["test"]:
        mask = outlined(network, scans / scan, recipe)
        nibabel.save(nibabel.Nifti1Image(mask, nibabel.load(scans / scan).affine), found / scan)
    told = {"steps": steps, "seconds": round(spent, 1)}
    (found / "told.json").write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main()
