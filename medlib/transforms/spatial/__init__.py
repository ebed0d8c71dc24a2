"""Where things are: one spatial step, the maps it follows, and the recipes that draw it."""
