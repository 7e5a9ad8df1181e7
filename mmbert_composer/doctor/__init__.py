"""What this machine, this installation, these data and this run look like, each finding with what to do about it."""
