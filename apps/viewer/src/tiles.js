/** Where the planes lie on the canvas, and where a point of them lies in the scan. */

const NORMALS = [2, 1, 0]; // axial, coronal and sagittal planes cut across z, y and x
export const PLANE_NAMES = ["axial", "coronal", "sagittal"];

/** One plane on the canvas; positions are canvas pixels, places are fractions of the volume. */
export class Tile {
  constructor(niivue, index) {
    const slice = niivue.screenSlices[index];
    let [left, top, width, height] = slice.leftTopWidthHeight;
    if (width < 0) [left, width] = [left + width, -width]; // NiiVue's way to say mirrored
    Object.assign(this, { left, top, width, height });
    this.plane = slice.axCorSag;
    this.isRender = slice.axCorSag > 2;
    if (this.isRender) return;
    this.normal = NORMALS[slice.axCorSag];
    const at = (x, y) =>
      niivue.screenXY2TextureFrac(left + x * width, top + y * height, index, false);
    // NiiVue maps a plane by a linear function; three places give it, mirrored or not.
    this.origin = at(0.25, 0.25);
    const [right, down] = [at(0.75, 0.25), at(0.25, 0.75)];
    this.across = this.origin.map((start, k) => (right[k] - start) / (width / 2));
    this.along = this.origin.map((start, k) => (down[k] - start) / (height / 2));
    this.u = this.normal === 0 ? 1 : 0; // the volume's axis that runs across the tile
    this.v = this.normal === 2 ? 1 : 2;
  }

  holds(x, y) {
    const [dx, dy] = [x - this.left, y - this.top];
    return dx >= 0 && dy >= 0 && dx < this.width && dy < this.height;
  }

  place(x, y) {
    const dx = x - this.left - this.width / 4;
    const dy = y - this.top - this.height / 4;
    return [0, 1, 2].map((k) => this.origin[k] + dx * this.across[k] + dy * this.along[k]);
  }

  position(place) {
    const { u, v } = this;
    return [
      this.left + this.width / 4 + (place[u] - this.origin[u]) / this.across[u],
      this.top + this.height / 4 + (place[v] - this.origin[v]) / this.along[v],
    ];
  }

  /** Canvas pixels in a voxel, across and along. */
  pixels(dims) {
    const { u, v } = this;
    return [Math.abs(1 / (this.across[u] * dims[u])), Math.abs(1 / (this.along[v] * dims[v]))];
  }
}

export function tilesOf(niivue) {
  return niivue.screenSlices
    .map((slice, index) => (slice.axCorSag <= 2 && slice.AxyzMxy.length < 4 ? null : index))
    .filter((index) => index !== null)
    .map((index) => new Tile(niivue, index));
}

export const toVoxel = (place, dims) => place.map((part, k) => part * dims[k] - 0.5);
export const toPlace = (voxel, dims) => voxel.map((index, k) => (index + 0.5) / dims[k]);
export const isInside = (place) => place.every((part) => part >= 0 && part <= 1);
