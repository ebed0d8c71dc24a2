/** Boxes of voxels: {low, high}, [x, y, z] each, the last voxel included; null holds nothing. */

export function union(one, other) {
  if (!one || !other) return one ?? other;
  return {
    low: one.low.map((n, k) => Math.min(n, other.low[k])),
    high: one.high.map((n, k) => Math.max(n, other.high[k])),
  };
}

export const sizes = (box) => box.high.map((n, k) => n - box.low[k] + 1);

/** Calls back with each row of a box along x: where it starts in the volume, and in the box. */
export function eachRow(box, dims, act) {
  const [width, height, depth] = sizes(box);
  let at = 0;
  for (let z = 0; z < depth; z++) {
    for (let y = 0; y < height; y++, at += width) {
      act(box.low[0] + dims[0] * (box.low[1] + y + dims[1] * (box.low[2] + z)), at, width);
    }
  }
}

/** The voxels of a box of a volume. */
export function cut(volume, dims, box) {
  const part = new Uint8Array(sizes(box).reduce((product, n) => product * n, 1));
  eachRow(box, dims, (from, at, width) => part.set(volume.subarray(from, from + width), at));
  return part;
}

/** A volume with nothing but a box of voxels in it. */
export function spread(box, ids, dims) {
  const volume = new Uint8Array(dims[0] * dims[1] * dims[2]);
  if (box) eachRow(box, dims, (to, at, width) => volume.set(ids.subarray(at, at + width), to));
  return volume;
}
