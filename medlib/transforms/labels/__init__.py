"""Which voxels bear which label: recipes, their steps, and the choice of one label a voxel."""
