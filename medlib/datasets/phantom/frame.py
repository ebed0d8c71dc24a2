"""The trunk around the organs: couch, skin, fat, muscle, lungs, ribs and spine."""

from __future__ import annotations

import numpy as np

from medlib.datasets.phantom.build import INF, Build
from medlib.datasets.phantom.render import Part
from medlib.datasets.phantom.shapes import Field, Solid, beyond, ellipsoid, tube

FAT, MUSCLE, LUNG, BLOOD = -102.0, 56.0, -850.0, 42.0
CORTICAL, RIB_MARROW, CARTILAGE, DISC, CORD = 520.0, 220.0, 105.0, 85.0, 30.0

_VERTEBRA = 35.0  # mm from one vertebra to the next
_RIB = 27.0


def couch(build: Build) -> tuple[Part, ...]:
    """A carbon-fibre table top, hollow, that the patient's back lies on."""
    radius = 420.0
    top = build.depth - 3
    shell = ellipsoid((0, top - radius, 0), (radius, radius, INF))
    plate = shell.cut(shell.grown(-22)).meet(ellipsoid((0, top, 0), (215, 90, INF), power=4))
    return (Part(plate, -60), Part(plate.grown(-2.5), -920))


def trunk(build: Build, heart_hu: float) -> tuple[Part, ...]:
    """Skin, fat and muscle, and what the cavity holds: chest above the diaphragm, fat below."""
    skin, cavity, abdomen = build.skin, build.cavity, build.below_diaphragm
    linea_alba = ellipsoid((0, -build.depth, 0), (5, build.depth * 0.6, INF))
    wall = build.under_fat.cut(linea_alba.cut(cavity.grown(3)), blend=4)
    back = [
        ellipsoid(
            (side * 33, build.spine + 37, 0), (27, 18, INF), power=2.5, turn=(0, 0, -side * 8)
        ).meet(skin.grown(-4), blend=4)
        for side in (-1, 1)
    ]
    loins = [
        tube(
            [(side * 30, build.spine, 40), (side * 36, build.spine, 0),
             (side * 44, build.spine - 2, -60), (side * 54, build.spine - 8, -150)],
            (4, 13, 20, 23),
        )
        for side in (-1, 1)
    ]  # fmt: skip
    return (
        Part(skin, 30),
        Part(skin.grown(-2.2), FAT),
        Part(wall, MUSCLE),
        Part(cavity, LUNG),
        *_chest(build, heart_hu),
        Part(cavity.meet(abdomen), MUSCLE),
        Part(cavity.grown(-1).meet(abdomen.grown(-3)), FAT),
        *(Part(muscle, MUSCLE) for muscle in loins),
        *(Part(muscle.grown(3), FAT) for muscle in back),
        *(Part(muscle, MUSCLE) for muscle in back),
    )


def _chest(build: Build, heart_hu: float) -> tuple[Part, ...]:
    """Mediastinum, heart and oesophagus, and the vessels of the lungs."""
    cavity, rng = build.cavity.grown(-1), build.rng
    mediastinum = ellipsoid((4, build.spine - 22, 0), (30, 48, INF), power=2.5)
    centre = build.draw_near(20, build.spine - 78, build.dome + 28, spread=4)
    heart = ellipsoid(centre, build.draw_size(56, 42, 42), turn=(0, 20, 28)).meet(cavity)
    gullet = tube(
        [(6, build.spine - 32, 200), (8, build.spine - 34, build.dome), (24, 0, 80)], (9, 8, 7)
    )
    branches = []
    for side in (-1, 1):
        hilum = np.array([side * 38, build.spine - 40, build.dome + 60])
        for _ in range(14):
            end = np.array([
                side * rng.uniform(55, build.width - build.fat - 28),
                rng.uniform(build.spine - 95, build.spine + 10),
                rng.uniform(build.dome - 60, build.dome + 40),
            ])  # fmt: skip
            bend = (hilum + end) / 2 + rng.normal(0, 9, 3)
            branches.append(tube([hilum, bend, end], (4, 2.2, 0.8)))
    return (
        *(Part(branch, BLOOD) for branch in branches),
        Part(heart.grown(5).join(mediastinum, blend=8).meet(cavity), FAT),
        Part(heart, heart_hu),
        Part(gullet, BLOOD),
    )


def ribs(build: Build) -> tuple[Part, ...]:
    """Ribs in the chest wall: they slope down to the front, where they are cartilage."""
    slope = 0.42
    wall = build.cavity.grown(4.5)

    def loop(half_width: float, half_height: float) -> Solid:
        """A ring around the chest of an oval section."""

        def field(p: Field) -> Field:
            across = wall.field(p) / half_width
            along = p[2] / half_height
            radius = np.sqrt(np.square(across) + np.square(along))
            return np.asarray((radius - 1) * half_width, np.float32)

        return Solid(field, wall.low - 6, wall.high + 6)

    phase = build.rng.uniform(0, _RIB)
    arch = beyond((0, 0.72, 1), build.rng.normal(12, 5)).meet(beyond((0, 0, 1), -30))
    away = ellipsoid((0, build.spine + 20, 0), (26, 40, INF))

    def cage(ring: Solid) -> Solid:
        return ring.repeated(period=_RIB, phase=phase, slope=slope).meet(arch).cut(away, blend=4)

    bony = beyond((0, 1, 0), -0.5 * build.depth)
    outer, inner = cage(loop(4.2, 6.8)), cage(loop(2.6, 5.2))
    return (
        Part(outer, CARTILAGE),
        Part(outer.meet(bony), CORTICAL),
        Part(inner.meet(bony), RIB_MARROW),
    )


def spine(build: Build, marrow_hu: float, label: int) -> tuple[Part, ...]:
    """Vertebrae with their arches, discs between them, and the canal behind."""
    y = build.spine
    half = _VERTEBRA / 2 - 4.5
    size = build.draw_size(23, 17, spread=0.05)
    phase = build.rng.uniform(-6, 6)
    slab = beyond((0, 0, 1), -half).meet(beyond((0, 0, -1), -half))
    column = ellipsoid((0, y, 0), (*size, INF), power=2.5)
    canal = ellipsoid((0, y + size[1] + 9, 0), (11.5, 9, INF))
    body = column.meet(slab, blend=3).cut(canal)
    arch = (
        ellipsoid((0, y + size[1] + 9, 2), (17.5, 14.5, 12), power=4)
        .join(
            ellipsoid((0, y + size[1] + 25, -5), (3.6, 13, 10), power=2.5, turn=(-15, 0, 0)),
            ellipsoid((24, y + size[1] + 9, 3), (20, 4.8, 6), turn=(0, 0, 14)),
            ellipsoid((-24, y + size[1] + 9, 3), (20, 4.8, 6), turn=(0, 0, -14)),
            blend=5,
        )
        .cut(canal)
    )

    def each(solid: Solid) -> Solid:
        return solid.repeated(period=_VERTEBRA, phase=phase)

    bone = each(body.join(arch, blend=3))
    return (
        Part(column.grown(-0.5), DISC),
        Part(bone, CORTICAL * 0.85, label),
        Part(each(body.grown(-2.2)), marrow_hu, label),
        Part(each(arch.grown(-2.2)), marrow_hu + 40, label),
        Part(canal, CORD),
        Part(canal.grown(-4), CORD + 15),
    )
