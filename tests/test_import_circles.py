"""No two modules import each other, directly or by way of others: each can be read after what it builds on."""

from __future__ import annotations

from functools import cache

import grimp


@cache
def imports() -> grimp.ImportGraph:
    """Of the whole package, with the imports for type checkers and those inside of functions."""
    return grimp.build_graph("slo_engine", exclude_type_checking_imports=False, cache_dir=None)


def circles(graph: grimp.ImportGraph) -> list[str]:
    """One line for each set of modules that import each other."""
    below = {module: graph.find_upstream_modules(module) for module in graph.modules}
    sets = {
        frozenset({module, *(other for other in below[module] if module in below[other])}) for module in graph.modules
    }
    return sorted(", ".join(sorted(each)) for each in sets if len(each) > 1)


def test_no_module_imports_itself_by_way_of_others() -> None:
    assert circles(imports()) == []


def test_a_circle_is_found_whichever_way_it_leads() -> None:
    graph = grimp.ImportGraph()
    for importer, imported in (("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("e", "a")):
        graph.add_import(importer=importer, imported=imported)
    assert circles(graph) == ["a, b, c"]


def test_imports_for_type_checkers_and_inside_of_functions_count() -> None:
    graph = imports()
    # Of `Prices`, only for its type; of the SDK's spans, only where there are keys.
    assert graph.direct_import_exists(importer="slo_engine.monitoring.run", imported="slo_engine.monitoring.prices")
    assert graph.direct_import_exists(
        importer="slo_engine.monitoring.langfuse", imported="slo_engine.monitoring.neighbours"
    )
