// NiiVue reads Zarr through this package, which is three fifths of its size. Scans here are NIfTI.
export default {};
