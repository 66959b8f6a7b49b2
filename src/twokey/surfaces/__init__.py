"""The doors: what the network may reach."""
