"""Whole workspaces: what loads, and which mistake is answered by which words at which place."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import pytest

from mlcycle.declare import Declarations, load, schemas, write_schemas
from mlcycle.declare.model import all_columns, generates_key
from mlcycle.errors import DeclarationError, NotFoundError, UsageError
from mlcycle.workspace import Workspace

Product = Callable[..., Workspace]


def refused(workspace: Workspace) -> DeclarationError:
    with pytest.raises(DeclarationError) as caught:
        load(workspace)
    return caught.value


def test_a_valid_product_loads_typed(declared: Declarations) -> None:
    assert declared.product.name == "returns"
    assert [one.id for one in declared.design.requirements] == ["auc", "gap"]
    assert declared.checks["orders"].accuracy[0].between == {"amount": [0, None]}
    assert declared.require_features().views["visits"].windows["visits_30d"].over == "30d"
    assert declared.require_training().split.newest == 2
    assert declared.deploy.host == "127.0.0.1"
    assert declared.monitor.retrain_on == ["requirement", "untrained data"]


def test_a_source_without_a_key_gets_row_numbers(declared: Declarations) -> None:
    visits = declared.source("visits")
    assert generates_key(visits)
    assert all_columns(visits)["row_number"] == "integer"
    assert not generates_key(declared.source("orders"))


def test_a_place_can_be_asked_for_later(declared: Declarations) -> None:
    assert declared.place("features.yaml", ("views", "order"))[1:] == (12, 3)
    assert declared.place("design.yaml", ("requirements", 0, "metric"))[1:] == (4, 13)
    error = declared.error("features.yaml", ("views", "order", "features", "amount"), "no such column")
    assert str(error) == "features.yaml:15:15: no such column"


def test_an_unchanged_workspace_is_not_parsed_again_and_a_changed_one_is(product: Product) -> None:
    workspace = product()
    first = load(workspace)
    assert load(workspace) is first
    assert load(product("mlcycle.yaml", "returns", "refunds")).product.name == "refunds"


def test_only_the_product_file_must_exist(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("empty")
    assert str(refused(Workspace(folder))) == "mlcycle.yaml: does not exist"
    (folder / "mlcycle.yaml").write_text("name: x\n")
    (folder / "features.yaml").write_text("# spine:\n")
    found = load(Workspace(folder))
    assert found.features is None
    assert found.data.sources == {}
    with pytest.raises(DeclarationError, match=r"features\.yaml: declares nothing yet"):
        found.require_features()
    with pytest.raises(DeclarationError, match=r"training\.yaml: declares nothing yet"):
        found.require_training()


def test_an_unknown_source_is_answered_with_the_nearest(declared: Declarations) -> None:
    with pytest.raises(NotFoundError, match="did you mean `orders`"):
        declared.source("order")


def test_text_that_is_not_saved_yet_can_be_judged(product: Product) -> None:
    with pytest.raises(DeclarationError, match=r"design\.yaml:1:1: unknown key `requirement`"):
        load(product(), unsaved={"design.yaml": "requirement: []\n"})


def test_a_yml_file_is_not_overlooked(product: Product) -> None:
    workspace = product()
    (workspace.root / "features.yaml").rename(workspace.root / "features.yml")
    assert "rename it to features.yaml" in str(refused(workspace))


def test_checks_may_lie_elsewhere_if_they_are_included(product: Product) -> None:
    workspace = product("mlcycle.yaml", "name: returns", "name: returns\nincludes: [rules/*.yaml]")
    assert "`rules/*.yaml` matches no file" in str(refused(workspace))
    (workspace.root / "rules").mkdir()
    (workspace.root / "rules/visits.yaml").write_text("table: visits\ncompleteness:\n  - not_null: at\n")
    assert set(load(workspace).checks) == {"orders", "visits"}


@pytest.mark.parametrize("pattern", ["../*.yaml", "/etc/*.yaml"])
def test_includes_do_not_lead_out_of_the_workspace(product: Product, pattern: str) -> None:
    workspace = product("mlcycle.yaml", "name: returns", f"name: returns\nincludes: [{pattern}]")
    assert "is not a glob below the workspace" in str(refused(workspace))


DESIGN, DATA, CHECKS = "design.yaml", "data.yaml", "checks/orders.yaml"
VIEWS, TRAIN = "features.yaml", "training.yaml"
MISTAKES = [
    # shape: unknown keys, missing keys, wrong types
    (DESIGN, "metric: auc", "metirc: auc", "design.yaml:4:5: unknown key `metirc`; did you mean `metric`?"),
    (DESIGN, "metric: auc", "zzz: auc", "design.yaml:4:5: unknown key `zzz`; valid keys: id, role, metric,"),
    (DESIGN, "    metric: auc\n", "", "design.yaml:2:5: item 1 of `requirements` lacks `metric`"),
    (DESIGN, "value: 0.7", "value: high", "design.yaml:6:12: `value` must be a number, found the text `high`"),
    (DESIGN, "value: 0.7", "value: '0.7'", "design.yaml:6:12: `value` must be a number, found the text `0.7`"),
    (DESIGN, "role: data scientist", "role: data scientists", "did you mean `data scientist`?"),
    (DESIGN, "role: data scientist", "role: 3", "`role` must be one of `business`, `subject expert`,"),
    (DESIGN, "phases: [gate, monitor]", "phases: gate", "design.yaml:7:13: `phases` must be a list of one of"),
    (DATA, "amount: number", "amount: numbr", "data.yaml:11:15: unknown value `numbr`; did you mean `number`?"),
    (DATA, "key: order_id", "key: 5", "5:10: `key` must be text or a list of texts, found the number 5"),
    (DATA, "path: orders.csv", "path:", "data.yaml:3:10: `orders` lacks `path`"),
    (VIEWS, "over: 30d", "over: 30", "`over` must be text such as 30d, 12h, 15m, 45s, found the number 30"),
    (VIEWS, "over: 30d", "over: month", "`over` must be text such as 30d, 12h, 15m, 45s, found the text `month`"),
    (TRAIN, "newest: 2", "fraction: 1.5", "`fraction` must be a number above 0 and below 1, found the number 1.5"),
    # requirements
    (DESIGN, "metric: auc", "metric: aucc", "design.yaml:4:13: unknown metric `aucc`; did you mean `auc`?"),
    (DESIGN, "metric: auc", "metric: recal_at_30", "unknown metric `recal_at_30`; did you mean `recall_at_30`?"),
    (DESIGN, "metric: auc", "metric: recall_at_N", "write a percentage for N, as in `recall_at_20`"),
    (DESIGN, "metric: auc", "metric: recall_at_0", "unknown metric `recall_at_0`"),
    (DESIGN, "metric: auc", "metric: rmse", "`rmse` does not fit the task binary"),
    (DESIGN, "id: gap", "id: auc", "8:9: requirement `auc` is declared twice; the first is on line 2"),
    (DESIGN, "phases: [gate]", "phases: []", "requirement `gap` binds no phase"),
    (DESIGN, "{by: country, top: 20}", "{by: country}", "design.yaml:11:13: `recall_gap` needs `top`"),
    (DESIGN, "by: country", "by: contry", "unknown feature `contry`; did you mean `country`?"),
    (DESIGN, "top: 20", "top: all", "design.yaml:11:32: `top` must be a number"),
    (DESIGN, "top: 20", "top: 200", "`top` is a percentage above 0 and at most 100"),
    (DESIGN, "top: 20", "top: 20, tops: 2", "`recall_gap` has no parameter `tops`; did you mean `top`?"),
    (
        DESIGN,
        "metric: auc",
        "metric: freshness\n    params: {source: order}",
        "unknown table `order`; did you mean `orders`?",
    ),
    # sources
    (DATA, "key: order_id", "key: order", "5:10: `order` is no column of this source; did you mean `order_id`?"),
    (DATA, "time: ordered_at", "time: amount", "`amount` is declared as number; a moment is"),
    (DATA, "  orders:", "  spine:", "data.yaml:2:3: no source may be called `spine`"),
    (DATA, "  visits:", "  Orders:", "differ only in case"),
    (DATA, "format: csv", "format: csv\n    table: x", "`table` is for sqlite files; this source is csv"),
    (DATA, "format: csv", "format: csv\n    time_zone: Mars/Base", "unknown time zone `Mars/Base`"),
    # checks
    (CHECKS, "table: orders", "table: order", "orders.yaml:1:8: unknown table `order`; did you mean `orders`?"),
    (CHECKS, "unique: order_id", "unique: oder_id", "orders.yaml:3:13: `oder_id` is no column of orders;"),
    (CHECKS, "between: {amount:", "between: {amont:", "orders.yaml:5:15: `amont` is no column"),
    (CHECKS, "unique: order_id", "mostly: 0.5", "a check states exactly one rule, found none"),
    (CHECKS, "unique: order_id", "{unique: order_id, not_null: amount}", "found `not_null` and `unique`"),
    (CHECKS, "[0, null]", "[0]", "`between` is [lowest, highest]"),
    (CHECKS, "then: {column: amount,", "then: {column: amnt,", "`amnt` is no column of orders; did you mean `amount`?"),
    (CHECKS, "unique: order_id", "exists_in: {buyer_id: visits.buyer}", "`buyer` is no column of visits;"),
    (CHECKS, "unique: order_id", "exists_in: {buyer_id: buyers.id}", "unknown table `buyers`"),
    (CHECKS, "unique: order_id", "not_after: {ordered_at: asof}", "did you mean `as_of`?"),
    (CHECKS, "unique: order_id", "{rows: [1, null], then: set_aside}", "there are no rows to mend"),
    # features
    (VIEWS, "table: orders", "table: oders", "features.yaml:2:10: unknown table `oders`; did you mean `orders`?"),
    (VIEWS, "target: returned", "target: return", "features.yaml:5:11: `return` is no column of orders;"),
    (VIEWS, "avg: seconds", "avg: second", "11:25: `second` is no column of visits; did you mean `seconds`?"),
    (VIEWS, "avg: seconds", "avg: page", "`page` is declared as text; avg needs numbers"),
    (VIEWS, "avg: seconds", "avg: seconds, sum: seconds", "needs exactly one function, found `sum` and `avg`"),
    (VIEWS, "avg: seconds, ", "", "window `seconds_7d` needs exactly one function, found none"),
    (VIEWS, "over: 7d", "over: 7d, until: 7d", "nothing lies between over 7d and until 7d"),
    (VIEWS, "amount: amount", "visits_30d: amount", "feature `visits_30d` is also a feature of view `visits`"),
    (VIEWS, "amount: amount", "'a\\b': amount", "the model server takes no quotes or backslashes in a name"),
    (VIEWS, "amount: amount", "Score: amount", "feature `Score` is also what profiles and alerts call the model's"),
    (VIEWS, "amount: amount", "split: amount", "feature `split` is also a column of every training set"),
    (VIEWS, "amount: amount", "Buyer_ID: amount", "feature `Buyer_ID` is also a key"),
    (VIEWS, "    table: visits\n", "", "features.yaml:7:3: view `visits` lacks `table`"),
    (VIEWS, "    table: visits", "    table: visits\n    sql: SELECT 1", "an SQL view stands alone: `table`"),
    (VIEWS, "    table: visits", "    table: visits\n    key: [buyer_id, page]", "does not fit the spine's buyer_id"),
    (VIEWS, "    table: visits", "    table: visits\n    fills: {a: 1}", "`fills` is for SQL views"),
    (VIEWS, "  time: ordered_at\n", "", "windows end at the spine's time; the spine declares none"),
    # training
    (TRAIN, "model: trees", "model: tree", "training.yaml:7:16: unknown model `tree`; did you mean `trees`?"),
    (TRAIN, "model: trees", "model: rule", "model `rule` has no parameters to sweep"),
    (TRAIN, "choose: auc", "choose: acu", "unknown metric `acu`; did you mean `auc`?"),
    (TRAIN, "choose: auc", "choose: rmse", "`rmse` cannot choose among binary models"),
    (TRAIN, "choose: auc", "choose: latency_p95", "`latency_p95` cannot choose among binary models"),
    (TRAIN, "{kind: rule, score: -visits_30d}", "{kind: rule}", "5:9: model `rule` is a rule: it needs `score`"),
    (TRAIN, "{kind: boosted_trees}", "{kind: linear, score: a}", "`score` is for rules; model `trees` is linear"),
    (TRAIN, "newest: 2", "newest: 2, fraction: 0.2", "exactly one of `newest` and `fraction`"),
    (TRAIN, "split:", "features: [amont]\nsplit:", "3:12: unknown feature `amont`; did you mean `amount`?"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new", "words"), MISTAKES)
def test_a_mistake_is_answered_with_its_place_and_the_nearest_name(
    product: Product, file: str, old: str, new: str, words: str
) -> None:
    error = refused(product(file, old, new))
    assert words in str(error)
    assert error.file is not None
    assert error.line is not None
    assert error.column is not None
    assert error.exit_code == 2


def test_the_checks_of_a_table_are_declared_once(product: Product) -> None:
    workspace = product()
    (workspace.root / "checks/second.yaml").write_text("table: orders\n")
    assert "checks/second.yaml:1:8: the checks of `orders` are declared in checks/orders.yaml already" in str(
        refused(workspace)
    )


def test_monitor_and_deploy_are_judged_too(product: Product) -> None:
    workspace = product()
    (workspace.root / "monitor.yaml").write_text("subjects:\n  amont: {watch: 0.1, alert: 0.3}\n")
    assert "monitor.yaml:2:3: unknown feature `amont`; did you mean `amount`?" in str(refused(workspace))
    (workspace.root / "monitor.yaml").write_text("psi: {watch: 0.5}\n")
    assert "`watch` (0.5) must not be above `alert` (0.2)" in str(refused(workspace))
    (workspace.root / "monitor.yaml").write_text("subjects:\n  score: {alert: 0.3}\n")
    (workspace.root / "deploy.yaml").write_text("port: 70000\n")
    assert "deploy.yaml:1:7: `port` must be from 0 to 65535" in str(refused(workspace))


def test_an_sql_view_hides_its_features_so_unknown_names_are_left_to_the_features_room(
    product: Product,
) -> None:
    workspace = product("training.yaml", "split:", "features: [amount, from_sql]\nsplit:")
    text = (workspace.root / "features.yaml").read_text()
    (workspace.root / "features.yaml").write_text(
        text + "  more: {sql: 'SELECT row_id, 1 AS from_sql FROM spine'}\n"
    )
    assert load(workspace).require_training().features == ["amount", "from_sql"]


def test_references_to_the_environment_stay_text_until_they_are_used(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlcycle.declare import resolve

    monkeypatch.setenv("DATA_HOME", "/secret/place")
    monkeypatch.delenv("NOT_SET", raising=False)
    declared = load(product("data.yaml", "path: orders.csv", "path: '${env:DATA_HOME}/orders.csv'"))
    assert declared.source("orders").path == "${env:DATA_HOME}/orders.csv"
    assert "/secret/place" not in repr(declared)
    assert resolve(declared.source("orders").path) == "/secret/place/orders.csv"
    with pytest.raises(UsageError, match="NOT_SET is not set"):
        resolve("${env:NOT_SET}")


def test_every_declaration_has_a_json_schema_that_refuses_unknown_keys(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("schemas")
    written = write_schemas(folder)
    assert {path.name for path in written} == {f"{name}.schema.json" for name in schemas()}
    design = json.loads((folder / "design.schema.json").read_text())
    assert design["$defs"]["Requirement"]["additionalProperties"] is False
    assert "metric" in design["$defs"]["Requirement"]["required"]


def test_loading_imports_no_engine() -> None:
    code = (
        "import sys, mlcycle.declare, mlcycle.settings; "
        "print([m for m in ('duckdb', 'polars', 'sklearn', 'numpy', 'textual', 'click') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_retention_is_in_whole_days_or_for_ever(product: Product) -> None:
    workspace = product()
    assert load(workspace).monitor.retention.predictions == "forever"
    (workspace.root / "monitor.yaml").write_text("retention: {predictions: 90d}\n")
    kept = load(workspace).monitor.retention
    assert (kept.predictions, kept.archive) == ("90d", "forever")
    (workspace.root / "monitor.yaml").write_text("retention: {predictions: 12h}\n")
    assert "monitor.yaml:1:26: `predictions` must be text such as 90d, or forever" in str(refused(workspace))
