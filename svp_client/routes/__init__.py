"""The methods of both clients, described once, by noun."""

from svp_client.routes.analyses import Analyses
from svp_client.routes.annotators import Annotators
from svp_client.routes.core_sets import CoreSets
from svp_client.routes.flags import Flags
from svp_client.routes.gold import Gold
from svp_client.routes.imports import Imports
from svp_client.routes.items import Items
from svp_client.routes.jobs import Jobs
from svp_client.routes.label_exports import LabelExports
from svp_client.routes.label_studio import LabelStudio
from svp_client.routes.labels import Labels
from svp_client.routes.leases import Leases
from svp_client.routes.models import Models
from svp_client.routes.people import People
from svp_client.routes.predictions import GivenItems
from svp_client.routes.projects import Projects
from svp_client.routes.requeue import Requeue
from svp_client.routes.rounds import Rounds
from svp_client.routes.tokens import Tokens
from svp_client.routes.webhooks import Webhooks


class Routes(
    Projects,
    Items,
    Imports,
    Leases,
    Labels,
    LabelExports,
    Flags,
    Requeue,
    Annotators,
    Gold,
    Rounds,
    Jobs,
    Models,
    GivenItems,
    CoreSets,
    Analyses,
    People,
    Webhooks,
    LabelStudio,
    Tokens,
):
    """Every method of the API."""


__all__ = ["Routes"]
