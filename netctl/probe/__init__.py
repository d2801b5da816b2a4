"""Frames put in at one end of a wire and looked for at the other."""
