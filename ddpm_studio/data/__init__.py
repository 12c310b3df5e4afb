"""From a folder or zip of pictures to batches: find them (scan), decode them once (cache), pick them (batches)."""
