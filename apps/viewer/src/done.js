/** Which slices somebody has finished: of each plane, and of the scan as a whole. */

export class Done {
  /** @param {{whole: boolean, slices: number[][]}} said [0 axial 1 coronal 2 sagittal, index] */
  constructor({ whole, slices }) {
    this.whole = whole;
    this.planes = [new Set(), new Set(), new Set()];
    for (const [plane, index] of slices) this.planes[plane].add(index);
    this.offered = null; // {plane, index, reason}
  }

  said() {
    return { whole: this.whole, slices: this.pairs() };
  }

  pairs() {
    return this.planes.flatMap((set, plane) => [...set].map((index) => [plane, index]));
  }

  has(plane, index) {
    return this.whole || this.planes[plane].has(index);
  }

  flip(plane, index) {
    const set = this.planes[plane];
    if (!set.delete(index)) set.add(index);
    if (this.offered?.plane === plane && this.offered.index === index) this.offered = null;
  }
}
