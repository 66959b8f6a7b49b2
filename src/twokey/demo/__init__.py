"""The worked example, played live on real components."""
