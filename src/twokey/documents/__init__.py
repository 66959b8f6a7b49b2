"""Pure renderings of what the control plane knows: texts that people read, files that they keep. No I/O, no clock."""
