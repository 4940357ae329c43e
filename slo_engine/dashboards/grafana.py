"""Dashboards as Grafana's JSON, through the types of grafana-foundation-sdk. Only this module imports it.

The JSON is Grafana's first format, schema version 42. What the types leave out is set here: ids, a legend that is
shown, and what the variables are before somebody chooses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, Self

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as dashboard_builders
from grafana_foundation_sdk.builders import heatmap, prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders import heatmap as heatmap_builders
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from slo_engine.dashboards.model import (
    NEUTRAL,
    Dashboard,
    Heatmap,
    Lines,
    Panel,
    Query,
    Row,
    Stat,
    States,
    Table,
    Thresholds,
    Variable,
    laid_out,
)
from slo_engine.definitions.labels import SERVICE, SEVERITY, SLO

TAG = "slo-engine"
"""By which the dashboards find one another."""

DATASOURCE = common.DataSourceRef(type_val="prometheus", uid="${datasource}")

_AS_WRITTEN = 5
"""The type of a variable's query that the editor of Grafana shows as it is written."""

_VARIABLE_REF = "PrometheusVariableQueryEditor-VariableQuery"

_LIMIT: Mapping[str, object] = {
    "custom.lineStyle": {"fill": "dash", "dash": [10, 10]},
    "custom.fillOpacity": 0,
    "color": {"mode": "fixed", "fixedColor": "red"},
}


def as_json(page: Dashboard, datasource: str) -> str:
    """The JSON of a dashboard, whose variable ``datasource`` is at first the one with this UID."""
    built = dashboard.Dashboard(
        uid=page.uid,
        title=page.title,
        description=page.description,
        tags=[TAG],
        graph_tooltip=dashboard.DashboardCursorSync.CROSSHAIR,
        time=dashboard.DashboardDashboardTime(from_val=page.since, to="now"),
        refresh=page.refresh,
        panels=[_placed(item, place.x, place.y, place.width, place.height) for item, place in laid_out(page)],
        templating=dashboard.DashboardDashboardTemplating(
            list_val=[_datasource(datasource), *(_variable(each) for each in page.variables)]
        ),
        annotations=dashboard.AnnotationContainer(list_val=[_alerts(page.alerts)] if page.alerts else []),
        links=[_links()],
    )
    return JSONEncoder(sort_keys=True, indent=2, ensure_ascii=False).encode(built) + "\n"


def _placed(item: Row | Panel, x: int, y: int, width: int, height: int) -> dashboard.Panel | dashboard.RowPanel:
    place = dashboard.GridPos(h=height, w=width, x=x, y=y)
    if isinstance(item, Row):
        return dashboard.RowPanel(id_val=item.id, title=item.title, grid_pos=place)
    built = _BUILDERS[type(item)](item)
    built.grid_pos = place
    return built


class _Builder(Protocol):
    """What the builders of all panels have."""

    def id(self, id_val: int, /) -> Self: ...
    def title(self, title: str, /) -> Self: ...
    def description(self, description: str, /) -> Self: ...
    def datasource(self, datasource: common.DataSourceRef, /) -> Self: ...
    def unit(self, unit: str, /) -> Self: ...
    def thresholds(self, thresholds: dashboard_builders.ThresholdsConfig, /) -> Self: ...
    def decimals(self, decimals: float, /) -> Self: ...
    def no_value(self, no_value: str, /) -> Self: ...


def _described(built: _Builder, panel: Panel) -> None:
    built.id(panel.id).title(panel.title).description(panel.description).datasource(DATASOURCE)
    built.unit(panel.unit).thresholds(_thresholds(panel.thresholds))
    if panel.decimals is not None:
        built.decimals(panel.decimals)
    if panel.nothing is not None:
        built.no_value(panel.nothing)


def _stat(panel: Stat) -> dashboard.Panel:
    built = stat.Panel()
    _described(built, panel)
    for target in _targets(panel, PromQueryFormat.TIME_SERIES, now=True):
        built.with_target(target)
    is_plain = panel.thresholds == NEUTRAL and not panel.text
    built.color_mode(common.BigValueColorMode.VALUE if is_plain else common.BigValueColorMode.BACKGROUND)
    built.graph_mode(common.BigValueGraphMode.NONE)
    built.reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]))
    return built.mappings(_words(panel.text)).build()


def _lines(panel: Lines) -> dashboard.Panel:
    built = timeseries.Panel()
    _described(built, panel)
    for target in _targets(panel, PromQueryFormat.TIME_SERIES):
        built.with_target(target)
    built.legend(_legend()).tooltip(_tooltip()).line_width(1).fill_opacity(30 if panel.stacked else 5)
    built.show_points(common.VisibilityMode.AUTO)
    if panel.least is not None:
        built.min(panel.least)
    if panel.most is not None:
        built.max(panel.most)
    if panel.finest is not None:
        built.interval(panel.finest)
    if panel.since is not None:
        built.time_from(panel.since)
    if panel.stacked:
        built.stacking(common_builders.StackingConfig().mode(common.StackingMode.NORMAL).group("A"))
    if panel.show_thresholds:
        style = common_builders.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED)
        built.thresholds_style(style)
    if panel.logarithmic:
        built.scale_distribution(common_builders.ScaleDistributionConfig().type(common.ScaleDistribution.LOG).log(10))
    for number, query in enumerate(panel.queries):
        if query.is_limit:
            built.override_by_query(_ref(number), _properties(_LIMIT))
    return built.build()


def _heatmap(panel: Heatmap) -> dashboard.Panel:
    built = heatmap.Panel()
    _described(built, panel)
    for target in _targets(panel, PromQueryFormat.HEATMAP):
        built.with_target(target)
    colours = heatmap_builders.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Oranges").steps(64)
    built.color(colours).y_axis(heatmap_builders.YAxisConfig().unit(panel.unit)).calculate(False)
    tooltip = heatmap_builders.HeatmapTooltip().mode(common.TooltipDisplayMode.SINGLE).y_histogram(True)
    return built.tooltip(tooltip).filter_values(heatmap_builders.FilterValueRange().le(1e-9)).show_legend().build()


def _states(panel: States) -> dashboard.Panel:
    built = statetimeline.Panel()
    _described(built, panel)
    for target in _targets(panel, PromQueryFormat.TIME_SERIES):
        built.with_target(target)
    built.legend(_legend()).tooltip(_tooltip()).show_value(common.VisibilityMode.AUTO).row_height(0.9)
    built.color_scheme(dashboard_builders.FieldColor().mode(dashboard.FieldColorModeId.THRESHOLDS))
    return built.merge_values(True).mappings(_words(panel.text)).build()


def _table(panel: Table) -> dashboard.Panel:
    built = table.Panel()
    _described(built, panel)
    for target in _targets(panel, PromQueryFormat.TABLE, now=True):
        built.with_target(target)
    # With one query the column is called Value, with more of them Value #A, Value #B, ...
    names = ["Value"] if len(panel.queries) == 1 else [f"Value #{_ref(number)}" for number in range(len(panel.queries))]
    titles = {name: column.title for name, column in zip(names, panel.columns, strict=True)}
    hidden = dict.fromkeys(("Time", "__name__", *panel.hidden), True)
    if len(panel.queries) > 1:
        built.with_transformation(dashboard.DataTransformerConfig(id_val="merge", options={}))
    places = {label: number for number, label in enumerate(panel.first)}
    organized = {"excludeByName": hidden, "indexByName": places, "renameByName": titles}
    built.with_transformation(dashboard.DataTransformerConfig(id_val="organize", options=organized))
    for column in panel.columns:
        properties: dict[str, object] = {"unit": column.unit}
        if column.decimals is not None:
            properties["decimals"] = column.decimals
        if column.thresholds is not None:
            properties["thresholds"] = _thresholds(column.thresholds).build()
            properties["custom.cellOptions"] = {"type": "color-background", "mode": "basic"}
        built.override_by_name(column.title, _properties(properties))
    for label, (title, url) in panel.links.items():
        built.override_by_name(label, _properties({"links": [{"title": title, "url": url}]}))
    if panel.sort_by is not None:
        built.sort_by([common_builders.TableSortByFieldState().display_name(panel.sort_by).desc(panel.descending)])
    return built.filterable(True).build()


_BUILDERS: Mapping[type[Panel], Callable[[Any], dashboard.Panel]] = {
    Stat: _stat,
    Lines: _lines,
    Heatmap: _heatmap,
    States: _states,
    Table: _table,
}


def _targets(panel: Panel, form: PromQueryFormat, *, now: bool = False) -> list[prometheus.Dataquery]:
    return [_target(query, number, form, now=now) for number, query in enumerate(panel.queries)]


def _target(query: Query, number: int, form: PromQueryFormat, *, now: bool) -> prometheus.Dataquery:
    built = prometheus.Dataquery().ref_id(_ref(number)).datasource(DATASOURCE).expr(query.expr)
    built.legend_format(query.legend).format(form).exemplar(query.exemplars)
    return built.instant() if now else built.range()


def _ref(number: int) -> str:
    return chr(ord("A") + number)


def _thresholds(steps: Thresholds) -> dashboard_builders.ThresholdsConfig:
    built = dashboard_builders.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE)
    return built.steps([dashboard.Threshold(value, colour) for value, colour in steps])


def _words(text: Mapping[int, tuple[str, str]]) -> list[dashboard.ValueMapping]:
    options = {
        str(value): dashboard.ValueMappingResult(text=word, color=colour, index=index)
        for index, (value, (word, colour)) in enumerate(text.items())
    }
    return [dashboard.ValueMap(options=options)] if options else []


def _properties(properties: Mapping[str, object]) -> list[dashboard.DynamicConfigValue]:
    return [dashboard.DynamicConfigValue(name, value) for name, value in properties.items()]


def _legend() -> common_builders.VizLegendOptions:
    built = common_builders.VizLegendOptions().show_legend(True).calcs([])
    return built.display_mode(common.LegendDisplayMode.LIST).placement(common.LegendPlacement.BOTTOM)


def _tooltip() -> common_builders.VizTooltipOptions:
    return common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING)


def _datasource(uid: str) -> dashboard.VariableModel:
    built = dashboard_builders.DatasourceVariable("datasource").label("Data source").type("prometheus")
    return built.current(dashboard.VariableOption(selected=False, text=uid, value=uid)).build()


def _variable(each: Variable) -> dashboard.VariableModel:
    built = dashboard_builders.QueryVariable(each.name).label(each.label).datasource(DATASOURCE)
    query: dict[str, object] = {"qryType": _AS_WRITTEN, "query": each.query, "refId": _VARIABLE_REF}
    built.query(query).definition(each.query)
    built.refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(dashboard.VariableSort.ALPHABETICAL_ASC)
    built.multi(each.multi).regex(each.regex).options([])
    if each.all_value is not None:
        built.include_all(True).all_value(each.all_value)
        chosen = dashboard.VariableOption(selected=True, text="All", value="$__all")
        if each.multi:
            chosen = dashboard.VariableOption(selected=True, text=["All"], value=["$__all"])
        built.current(chosen)
    return built.build()


def _alerts(series: str) -> dashboard.AnnotationQuery:
    # An interval of its own: each sample of a long range would be a mark.
    built = dashboard_builders.AnnotationQuery().name("Alerts").datasource(DATASOURCE).enable(True).icon_color("red")
    built.target(prometheus.Dataquery().ref_id("Alerts").expr(series).range().interval("60s"))
    annotation = built.expr(series).step("60s").title_format("{{alertname}}").text_format(_ALERT_TEXT).build()
    annotation.tag_keys = f"{SEVERITY},{SERVICE},{SLO}"
    annotation.placement = None  # type: ignore[assignment]  # the type has a constant for it; Grafana's default is better
    return annotation


_ALERT_TEXT = f"{{{{{SERVICE}}}}} {{{{{SLO}}}}} {{{{agent_type}}}}"


def _links() -> dashboard.DashboardLink:
    built = dashboard_builders.DashboardLink("SLOs").type(dashboard.DashboardLinkType.DASHBOARDS).tags([TAG])
    link = built.keep_time(True).as_dropdown(False).build()
    link.placement = None  # type: ignore[assignment]  # as above
    return link
