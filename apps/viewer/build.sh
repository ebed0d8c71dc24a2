#!/bin/sh
# Builds bundle/viewer.js from src/ (Node 20 or later). Packages go into build/, which is not shipped.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work="$here/../../build/viewer"
mkdir -p "$work"
cp "$here/package.json" "$here/package-lock.json" "$work/"
npm ci --prefix "$work" --no-audit --no-fund --ignore-scripts
NODE_PATH="$work/node_modules" "$work/node_modules/.bin/esbuild" "$here/src/index.js" \
    --bundle --format=esm --minify --target=es2022 --legal-comments=none --log-level=warning \
    --alias:zarrita="$here/src/no_zarrita.js" --outfile="$here/bundle/viewer.js"
