"""Pure renderings of domain things: decision record, proposal, chart, reports."""
