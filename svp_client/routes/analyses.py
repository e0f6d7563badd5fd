"""Analyses: questions about the labels at hand, which a worker answers."""

from typing import Unpack

from svp_client import paths
from svp_client.calls import Call, Pages, as_json, get, send
from svp_client.methods import entries, result
from svp_client.settings import AuditSettings, ProxyAdviceSettings
from svp_client.types import Audit, LabelErrors, LabelsSaved, Map, ProxyAdvice, SuspectedLabel


class Analyses:
    """Methods of analyses."""

    @result
    def create_audit(self, project: int, **settings: Unpack[AuditSettings]) -> Call[Audit]:
        """Ask how far the proxy's scores are those of the target; a worker trains both."""
        return send("POST", paths.project(project, "/audits"), as_json, settings)

    @result
    def audits(self, project: int) -> Call[list[Audit]]:
        """Return every audit, oldest first."""
        return get(paths.project(project, "/audits"), as_json)

    @result
    def advise_proxy(
        self, project: int, **settings: Unpack[ProxyAdviceSettings]
    ) -> Call[ProxyAdvice]:
        """Ask for the cheapest proxy that scores as the target; a worker tries candidates."""
        return send("POST", paths.project(project, "/advice/proxy"), as_json, settings)

    @result
    def proxy_advice(self, project: int) -> Call[list[ProxyAdvice]]:
        """Return every advice on the proxy, oldest first."""
        return get(paths.project(project, "/advice/proxy"), as_json)

    @result
    def find_label_errors(self, project: int, judge: str = "proxy") -> Call[LabelErrors]:
        """Ask which labels are likely wrong; a worker trains models that judge them."""
        return send("POST", paths.label_errors(project), as_json, {"judge": judge})

    @result
    def label_errors(self, project: int) -> Call[list[LabelErrors]]:
        """Return every search for label errors, oldest first."""
        return get(paths.label_errors(project), as_json)

    @entries
    def suspected_labels(self, project: int, search: int) -> Pages[SuspectedLabel]:
        """Yield the labels that a search suspects, most suspected first."""
        return Pages(get(paths.label_errors(project, f"/{search}/items"), as_json), "items")

    @result
    def estimate_labels_saved(self, project: int) -> Call[LabelsSaved]:
        """Ask how many labels the strategy saved against uniform selection; a worker finds out."""
        return send("POST", paths.project(project, "/labels-saved"), as_json)

    @result
    def labels_saved(self, project: int) -> Call[list[LabelsSaved]]:
        """Return every estimate of the labels saved, oldest first."""
        return get(paths.project(project, "/labels-saved"), as_json)

    @result
    def draw_map(self, project: int) -> Call[Map]:
        """Ask for a map of the pool by the newest proxy's features; a worker draws it."""
        return send("POST", paths.project(project, "/map"), as_json)

    @result
    def map(self, project: int) -> Call[Map]:
        """Return the newest map, with its points once one is drawn."""
        return get(paths.project(project, "/map"), as_json)
