/** What the machine proposes, drawn over the picture in a chequer until somebody takes it. */
import { sizes } from "./boxes.js";

const [STRONG, FAINT, GONE] = [235, 90, [20, 20, 20]];

export class Proposal {
  /**
   * @param {{box: object, ids: Uint8Array, said: object}} answer of the server
   * @param {import("./outline.js").Outline} outline
   * @param {(id: number) => string} colourOf
   */
  constructor({ box, ids, said }, outline, colourOf) {
    Object.assign(this, { box, ids, outline, colourOf });
    this.words = said.words ?? "";
    this.paints = said.paints ?? null;
    this.pictures = new Map();
  }

  get isEmpty() {
    return !this.box || !this.outline.proposed(this.box, this.ids, this.paints).indices.length;
  }

  take() {
    return this.outline.take(this.box, this.ids, this.paints);
  }

  draw(context, tile, scene) {
    const { box } = this;
    const { normal, u, v } = tile;
    const slice = scene.voxel[normal];
    if (!box || slice < box.low[normal] || slice > box.high[normal]) return;
    const picture = this.#picture(normal, u, v, slice);
    const corner = (of, add) => {
      const place = [0, 0, 0];
      for (const k of [u, v]) place[k] = (of[k] + add) / scene.dims[k];
      return tile.position(place);
    };
    const [[left, top], [right, bottom]] = [corner(box.low, 0), corner(box.high, 1)];
    context.save();
    context.imageSmoothingEnabled = false;
    context.translate(left, top);
    context.scale((right - left) / picture.width, (bottom - top) / picture.height);
    context.drawImage(picture, 0, 0);
    context.restore();
  }

  /** The slice of the box as a small picture; made once for each slice. */
  #picture(normal, u, v, slice) {
    const key = `${normal} ${slice}`;
    if (this.pictures.has(key)) return this.pictures.get(key);
    const { box, ids, outline, paints } = this;
    const size = sizes(box);
    const picture = document.createElement("canvas");
    [picture.width, picture.height] = [size[u], size[v]];
    const context = picture.getContext("2d");
    const image = context.createImageData(size[u], size[v]);
    const at = [0, 0, 0];
    at[normal] = slice - box.low[normal];
    for (at[v] = 0; at[v] < size[v]; at[v]++) {
      for (at[u] = 0; at[u] < size[u]; at[u]++) {
        const told = ids[at[0] + size[0] * (at[1] + size[1] * at[2])];
        const old = outline.ids[outline.at(at.map((n, k) => n + box.low[k]))];
        const id = paints ? (told ? paints : old) : told;
        if (id === old || outline.protected.has(old) || outline.protected.has(id)) continue;
        const isOdd = (at[u] + at[v]) % 2;
        const colour = id ? rgb(this.colourOf(id)) : GONE;
        const mixed = isOdd ? colour : colour.map((n) => Math.round((n + 255) / 2));
        image.data.set([...mixed, id ? (isOdd ? STRONG : FAINT + 60) : isOdd ? STRONG : FAINT],
          4 * (at[u] + size[u] * at[v]));
      }
    }
    context.putImageData(image, 0, 0);
    if (this.pictures.size > 64) this.pictures.clear();
    this.pictures.set(key, picture);
    return picture;
  }
}

const rgb = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
