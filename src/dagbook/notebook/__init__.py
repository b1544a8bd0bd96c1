"""The notebook: cells become nodes, a run is watched live, what nodes showed comes back in order."""
