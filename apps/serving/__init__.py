"""What the pages and the browser ask of the server: scans, outlines, and leave to see them."""
