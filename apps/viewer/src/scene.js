/** NiiVue as it is used here: it draws the scan and the outline; it listens to nothing itself. */
import { MULTIPLANAR_TYPE, Niivue, NVImage, SHOW_RENDER, SLICE_TYPE } from "@niivue/niivue";
import { isInside, tilesOf, toPlace, toVoxel } from "./tiles.js";

export const VIEWS = [
  ["all", SLICE_TYPE.MULTIPLANAR],
  ["axial", SLICE_TYPE.AXIAL],
  ["coronal", SLICE_TYPE.CORONAL],
  ["sagittal", SLICE_TYPE.SAGITTAL],
  ["3-D", SLICE_TYPE.RENDER],
];
const SOFTWARE = /swiftshader|llvmpipe|software|softpipe|basic render/i;

export class Scene {
  constructor(canvas) {
    this.canvas = canvas;
    this.niivue = new Niivue({
      interactive: false,
      dragAndDropEnabled: false,
      isRadiologicalConvention: true,
      sagittalNoseLeft: true,
      isNearestInterpolation: false,
      isColorbar: false,
      isOrientCube: true,
      isOrientationTextVisible: false, // ours can be read, see overlay.js
      multiplanarLayout: MULTIPLANAR_TYPE.GRID,
      multiplanarPadPixels: 6,
      multiplanarEqualSize: false,
      backColor: [0, 0, 0, 1],
      fontColor: [0.93, 0.95, 0.97, 1],
      crosshairColor: [0.55, 0.85, 1, 0.75],
      crosshairWidthUnit: "mm",
      show3Dcrosshair: true,
      fontMinPx: 15,
      logLevel: "error",
      loadingText: "",
    });
    this.drawing = 0;
    this.isRecolouring = false;
  }

  async attach() {
    if (!document.createElement("canvas").getContext("webgl2")) {
      throw new Error("this browser draws no 3-D pictures (WebGL 2 is switched off or missing). "
        + "Switch on graphics acceleration in its settings, or use a current Chrome, Edge or Firefox");
    }
    await this.niivue.attachToCanvas(this.canvas, false);
    // NiiVue draws by itself when its size changes; what lies over it has to follow.
    this.resizing = new ResizeObserver(() => this.dims && this.draw());
    this.resizing.observe(this.canvas);
    const gl = this.niivue.gl;
    const details = gl.getExtension("WEBGL_debug_renderer_info");
    const name = gl.getParameter(details ? details.UNMASKED_RENDERER_WEBGL : gl.RENDERER);
    this.isSoftware = SOFTWARE.test(String(name));
    this.niivue.opts.multiplanarShowRender = this.isSoftware ? SHOW_RENDER.NEVER : SHOW_RENDER.ALWAYS;
  }

  /** Shows a scan, with an empty outline over it. */
  async show(buffer, [low, high]) {
    const { niivue } = this;
    if (niivue.volumes.length) {
      niivue.closeDrawing();
      niivue.removeVolume(niivue.volumes[0]);
    }
    const image = await NVImage.loadFromUrl({
      url: buffer, name: "scan.nii", colormap: "gray", cal_min: low, cal_max: high,
    });
    if (String(image.permRAS) !== "1,2,3") {
      throw new Error("this scan lies between two directions, and cannot be shown upright");
    }
    niivue.addVolume(image);
    this.dims = image.dimsRAS.slice(1, 4);
    this.spacing = image.pixDimsRAS.slice(1, 4);
    this.affine = image.hdr.affine;
    this.intensities = image.img;
    // NiiVue draws a cross of no positive width in 3-D only; overlay.js draws one in the planes,
    // which is as thin however far one has zoomed in.
    niivue.opts.crosshairWidth = -0.002 * Math.max(...this.dims.map((n, k) => n * this.spacing[k]));
    niivue.createEmptyDrawing();
    niivue.scene.pan2Dxyzmm = [0, 0, 0, 1];
  }

  /** The array that is drawn from; who changes it calls `refresh`. */
  get ids() {
    return this.niivue.drawBitmap;
  }

  place(ids) {
    this.niivue.drawBitmap = ids;
    this.refresh();
  }

  /** Takes a changed box of the outline to the graphics card; all of it without a box. */
  refresh(box = { low: [0, 0, 0], high: this.dims.map((n) => n - 1) }) {
    const { gl, drawTexture, drawBitmap } = this.niivue;
    const size = box.high.map((n, k) => n - box.low[k] + 1);
    if (Math.min(...size) < 1) return;
    gl.activeTexture(gl.TEXTURE7); // where NiiVue keeps the outline
    gl.bindTexture(gl.TEXTURE_3D, drawTexture);
    const layout = [
      [gl.UNPACK_ALIGNMENT, 1],
      [gl.UNPACK_ROW_LENGTH, this.dims[0]],
      [gl.UNPACK_IMAGE_HEIGHT, this.dims[1]],
      [gl.UNPACK_SKIP_PIXELS, box.low[0]],
      [gl.UNPACK_SKIP_ROWS, box.low[1]],
      [gl.UNPACK_SKIP_IMAGES, box.low[2]],
    ];
    for (const [name, value] of layout) gl.pixelStorei(name, value);
    gl.texSubImage3D(gl.TEXTURE_3D, 0, ...box.low, ...size, gl.RED, gl.UNSIGNED_BYTE, drawBitmap);
    for (const [name] of layout.slice(1)) gl.pixelStorei(name, 0);
    this.draw();
  }

  /** Draws once before the next frame, however often it is asked to. */
  draw() {
    this.drawing ||= requestAnimationFrame(() => {
      this.drawing = 0;
      if (!this.canvas.isConnected) return;
      if (this.isRecolouring) this.niivue.updateGLVolume();
      else this.niivue.drawScene();
      this.isRecolouring = false;
      this.onDrawn?.();
    });
  }

  colours(labels, hidden) {
    const [R, G, B, A, I] = [[0], [0], [0], [0], [0]];
    for (const { id, colour } of labels) {
      const [r, g, b] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
      [R, G, B].forEach((list, k) => list.push([r, g, b][k]));
      A.push(hidden.has(id) ? 0 : 255);
      I.push(id);
    }
    this.niivue.setDrawColormap({ R, G, B, A, I, labels: I.map(String) });
    this.draw();
  }

  set opacity(value) {
    this.niivue.drawOpacity = value;
    this.draw();
  }

  get window() {
    const { cal_min: low, cal_max: high } = this.niivue.volumes[0];
    return [low, high];
  }

  set window([low, high]) {
    const volume = this.niivue.volumes[0];
    volume.cal_min = low;
    volume.cal_max = Math.max(high, low + 1e-6);
    this.isRecolouring = true;
    this.draw();
  }

  get tiles() {
    return tilesOf(this.niivue);
  }

  tileAt(x, y) {
    return this.tiles.find((tile) => tile.holds(x, y));
  }

  get place3d() {
    return [...this.niivue.scene.crosshairPos];
  }

  get voxel() {
    return toVoxel(this.place3d, this.dims).map(Math.round);
  }

  goTo(place) {
    if (!isInside(place)) return;
    // To the middle of its voxel, so that all planes cut where the numbers say.
    const voxel = toVoxel(place, this.dims).map((n, k) => clamp(Math.round(n), this.dims[k]));
    this.niivue.scene.crosshairPos = toPlace(voxel, this.dims);
    this.draw();
  }

  step(normal, by) {
    const voxel = this.voxel;
    voxel[normal] = clamp(voxel[normal] + by, this.dims[normal]);
    this.goTo(toPlace(voxel, this.dims));
  }

  /** Magnifies about the crosshair; 1 shows all. */
  zoom(factor) {
    const [x, y, z, old] = this.niivue.scene.pan2Dxyzmm;
    const fresh = factor === 1 ? 1 : Math.min(16, Math.max(0.5, old * factor));
    const mm = this.niivue.frac2mm(this.niivue.scene.crosshairPos);
    const pan = [x, y, z].map((n, k) => (fresh === 1 ? 0 : n + (old - fresh) * mm[k]));
    this.niivue.scene.pan2Dxyzmm = [...pan, fresh];
    this.draw();
  }

  turn(azimuth, elevation) {
    const { scene } = this.niivue;
    scene.renderAzimuth += azimuth;
    scene.renderElevation = Math.min(90, Math.max(-90, scene.renderElevation + elevation));
    this.draw();
  }

  view(index) {
    this.niivue.opts.sliceType = VIEWS[index][1];
    this.draw();
  }

  crosshair(isShown) {
    this.hasCross = isShown;
    this.niivue.opts.show3Dcrosshair = isShown;
    this.draw();
  }

  /** LPS millimetres of a voxel, by the scan's own affine, sheared or not. */
  millimetres(voxel) {
    const [x, y, z] = this.affine.slice(0, 3).map(
      (row) => row[0] * voxel[0] + row[1] * voxel[1] + row[2] * voxel[2] + row[3],
    );
    return [-x, -y, z]; // NIfTI's are RAS
  }

  /** The voxel, not rounded, of LPS millimetres. */
  voxelAt([x, y, z]) {
    const rows = this.affine.slice(0, 3).map((row) => row.slice(0, 3));
    const away = [-x, -y, z].map((mm, k) => mm - this.affine[k][3]);
    const minor = (r, c) => {
      const [[a, b], [d, e]] = rows.filter((_, k) => k !== r).map((row) => row.filter((_, k) => k !== c));
      return (r + c) % 2 ? b * d - a * e : a * e - b * d;
    };
    const determinant = [0, 1, 2].reduce((sum, c) => sum + rows[0][c] * minor(0, c), 0);
    return [0, 1, 2].map((k) => away.reduce((sum, mm, r) => sum + minor(r, k) * mm, 0) / determinant);
  }

  intensity(voxel) {
    const [x, y, z] = voxel;
    return this.intensities[x + this.dims[0] * (y + this.dims[1] * z)];
  }

  close() {
    cancelAnimationFrame(this.drawing);
    this.resizing.disconnect();
    this.niivue.cleanup();
    this.niivue.gl.getExtension("WEBGL_lose_context")?.loseContext(); // cleanup() leaves it open
  }
}

const clamp = (index, n) => Math.min(n - 1, Math.max(0, index));
