"""The browser's part: shows a scan in three planes and in 3-D, and paints its outline.

``src/`` is built into ``bundle/viewer.js`` by ``build.sh``; the bundle is shipped, so that nothing
is fetched from elsewhere. It holds NiiVue, whose licence lies beside it.
"""
