"""The door for outside agents: reading views, `submit_finding` and `draft_proposal`, no other step.

Nothing stands behind it yet; the import contract that confines it already does.
"""
