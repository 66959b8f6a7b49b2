"""What a running application installs: provider, snapshot source, reporter."""
