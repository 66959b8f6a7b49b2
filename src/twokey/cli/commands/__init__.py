"""The commands, one file per noun. Each reads its arguments, calls the API once or twice, and draws the answer."""
