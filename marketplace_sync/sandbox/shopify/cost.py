"""What a query costs before and after it ran, and the leaky bucket it is paid from (Shopify, API limits)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    is_abstract_type,
    is_composite_type,
    value_from_ast_untyped,
)

MUTATION_BASE = 10
CONNECTION_BASE = 2
"""With ten nodes at one point each this makes the 12 points seen for `products(first:10){edges{node{id title}}}`."""


@dataclass
class CostNode:
    """One selected field that leads to objects. Children are by response key."""

    connection: bool = False
    free: bool = False
    """Payload objects of a mutation: its base price covers them."""
    size: int | str | None = None
    """`first` or `last` of a connection: a number, or the name of the variable that holds it."""
    children: dict[str, CostNode] = field(default_factory=dict)
    branches: list[dict[str, CostNode]] = field(default_factory=list)
    """Children under type conditions of an interface or union: only the dearest counts."""

    def requested(self, variables: dict[str, Any]) -> int:
        below = sum(child.requested(variables) for child in self.children.values())
        if self.branches:
            below += max(sum(child.requested(variables) for child in branch.values()) for branch in self.branches)
        if self.connection:
            size = variables.get(self.size) if isinstance(self.size, str) else self.size
            return CONNECTION_BASE + (size if isinstance(size, int) and size > 0 else 0) * below
        return below if self.free else below + 1

    def actual(self, value: Any) -> int:
        if value is None:
            return 0
        if isinstance(value, list):
            return sum(self.actual(item) for item in value)
        below = 0
        for children in (self.children, *self.branches):
            for key, child in children.items():
                below += child.actual(value.get(key))
        if self.connection:
            return CONNECTION_BASE + below
        return below if self.free else below + 1


def cost_tree(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> CostNode:
    """The costs in an operation of a valid document. The root is free."""
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    root = CostNode(free=True)
    kind = schema.get_root_type(operation.operation)
    assert kind is not None
    _collect(schema, fragments, operation.selection_set, kind, root.children, root, False)
    if operation.operation is OperationType.MUTATION:
        for child in root.children.values():
            _cover(child)
    return root


def _cover(node: CostNode) -> None:
    """Single objects in a mutation's payload are covered by its base price; connections are not."""
    node.free = True
    for children in (node.children, *node.branches):
        for child in children.values():
            if not child.connection:
                _cover(child)


def _collect(
    schema: GraphQLSchema,
    fragments: dict[str, FragmentDefinitionNode],
    selections: SelectionSetNode,
    parent: GraphQLNamedType,
    into: dict[str, CostNode],
    owner: CostNode,
    transparent: bool,
) -> None:
    """`transparent`: the parent is a connection or an edge, whose edges, nodes and pageInfo are paid with it."""
    for selection in selections.selections:
        if isinstance(selection, FieldNode):
            _collect_field(schema, fragments, selection, parent, into, transparent)
            continue
        if isinstance(selection, FragmentSpreadNode):
            fragment = fragments[selection.name.value]
            condition, inner = fragment.type_condition.name.value, fragment.selection_set
        else:
            assert isinstance(selection, InlineFragmentNode)
            condition = selection.type_condition.name.value if selection.type_condition else parent.name
            inner = selection.selection_set
        target = into
        if is_abstract_type(parent) and condition != parent.name:
            target = {}
            owner.branches.append(target)
        _collect(schema, fragments, inner, schema.type_map[condition], target, owner, transparent)


def _collect_field(
    schema: GraphQLSchema,
    fragments: dict[str, FragmentDefinitionNode],
    selection: FieldNode,
    parent: GraphQLNamedType,
    into: dict[str, CostNode],
    transparent: bool,
) -> None:
    if selection.selection_set is None or selection.name.value.startswith("__"):
        return
    definition = parent.fields[selection.name.value]  # type: ignore[attr-defined]
    kind = get_named_type(definition.type)
    if not is_composite_type(kind):
        return
    key = selection.alias.value if selection.alias else selection.name.value
    connection = kind.name.endswith("Connection")
    is_plumbing = transparent and selection.name.value in ("edges", "pageInfo")
    node = into.setdefault(key, CostNode(connection=connection, free=is_plumbing, size=_size(selection)))
    below = connection or (transparent and selection.name.value == "edges")
    _collect(schema, fragments, selection.selection_set, kind, node.children, node, below)


def _size(selection: FieldNode) -> int | str | None:
    for argument in selection.arguments:
        if argument.name.value in ("first", "last"):
            if isinstance(argument.value, VariableNode):
                return argument.value.name.value
            return value_from_ast_untyped(argument.value)  # type: ignore[no-any-return]
    return None


class Bucket:
    """Points of one app in one store: `size` at most, `rate` back per second."""

    def __init__(self, size: float, rate: float, now: float) -> None:
        self.size = size
        self.rate = rate
        self._level = size
        self._at = now

    def available(self, now: float) -> float:
        self._level = min(self.size, self._level + max(0.0, now - self._at) * self.rate)
        self._at = now
        return self._level

    def take(self, points: float, now: float) -> None:
        self._level = self.available(now) - points

    def status(self, now: float) -> dict[str, Any]:
        return {
            "maximumAvailable": float(self.size),
            "currentlyAvailable": int(self.available(now)),
            "restoreRate": float(self.rate),
        }


class BottomlessBucket(Bucket):
    """For a shop without limits: always full."""

    def __init__(self) -> None:
        super().__init__(20000.0, 1000.0, 0.0)

    def available(self, now: float) -> float:
        return self.size

    def take(self, points: float, now: float) -> None:
        return None
