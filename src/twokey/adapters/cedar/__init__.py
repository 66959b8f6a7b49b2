"""The written policy, in Cedar: what ships with Twokey, what a team adds, and the one who is asked."""

from twokey.adapters.cedar.gatekeeper import CedarGatekeeper, gatekeeper
from twokey.adapters.cedar.reading import places_named

__all__ = ["CedarGatekeeper", "gatekeeper", "places_named"]
