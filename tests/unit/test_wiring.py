"""Parameters are bound by name or by exact type; what could mean two things is refused, and nothing is guessed."""

from __future__ import annotations

import functools
from typing import Any, Optional

import pytest

from dagbook.errors import AmbiguousInputError, MissingInputError
from dagbook.graph.wiring import UNKNOWN, Output, element_type, signature, wire


class Orders: ...


class Rush(Orders): ...


def bound(function, **above):
    return wire("node", signature(function).slots, [Output(name, kind) for name, kind in above.items()])


def test_the_one_output_of_the_type_is_bound():
    def f(orders: Orders, n: int): ...

    assert bound(f, a=int, b=Orders) == {"orders": "b", "n": "a"}


def test_annotations_that_are_texts_mean_what_they_mean_where_they_are_written():
    def f(orders: Orders): ...

    assert f.__annotations__ == {"orders": "Orders"}
    assert signature(f).slots[0].type is Orders


def test_a_local_class_is_found_when_the_function_has_captured_it():
    class Local: ...

    def f(x: Local) -> Local:
        return Local()

    assert signature(f).slots[0].type is Local
    assert signature(f).returns is Local


def test_names_that_cannot_be_resolved_are_equal_only_to_themselves():
    def f(x: Unheard) -> Unheard: ...  # noqa: F821
    def g(x: Other): ...  # noqa: F821

    kind = signature(f).returns
    assert bound(f, a=kind) == {"x": "a"}
    with pytest.raises(MissingInputError, match=r"Other.*Unheard"):
        bound(g, a=kind)


def test_a_subclass_is_another_type():
    def f(orders: Orders): ...

    with pytest.raises(MissingInputError, match=r"orders: Orders.*a → Rush"):
        bound(f, a=Rush)


@pytest.mark.parametrize(("asked", "given"), [(int, bool), (float, int), (list[int], list[str]), (str, int)])
def test_types_that_only_look_alike_are_not_bound(asked, given):
    def f(x): ...

    f.__annotations__ = {"x": asked}
    with pytest.raises(MissingInputError):
        bound(f, a=given)


@pytest.mark.parametrize(("asked", "given"), [(Optional[int], int | None), (dict[str, int], dict[str, int])])  # noqa: UP045
def test_two_spellings_of_a_type_are_one(asked, given):
    def f(x): ...

    f.__annotations__ = {"x": asked}
    assert bound(f, a=given) == {"x": "a"}


def test_two_outputs_of_the_type_are_refused_by_their_names():
    def f(orders: Orders): ...

    with pytest.raises(AmbiguousInputError, match=r"'orders' \(Orders\).*a and b.*list\[Orders\]"):
        bound(f, a=Orders, b=Orders)


def test_a_name_says_which_of_two_is_meant():
    def f(a: int, b: int): ...

    assert bound(f, b=int, a=int) == {"a": "a", "b": "b"}


def test_a_name_does_not_overrule_a_type():
    def f(a: int): ...

    assert bound(f, a=str, b=int) == {"a": "b"}


def test_a_list_takes_every_output_of_its_elements_type_in_their_order():
    def f(parts: list[int], rest: str): ...

    assert bound(f, b=int, s=str, a=int) == {"parts": ("b", "a"), "rest": "s"}


def test_a_list_takes_a_list_as_it_is():
    def f(parts: list[int]): ...

    assert bound(f, a=list[int]) == {"parts": "a"}


def test_a_list_and_its_elements_together_are_refused():
    def f(parts: list[int]): ...

    with pytest.raises(AmbiguousInputError, match=r"a and b"):
        bound(f, a=list[int], b=int)


def test_what_is_left_over_is_bound_when_there_is_only_one_of_each():
    def f(n: int, other): ...

    assert bound(f, a=int, b=UNKNOWN) == {"n": "a", "other": "b"}
    assert bound(f, a=int, b=Orders) == {"n": "a", "other": "b"}


def test_a_bare_list_takes_the_one_list_that_is_left():
    def f(parts: list): ...

    assert bound(f, a=list[int]) == {"parts": "a"}
    with pytest.raises(MissingInputError):
        bound(f, a=dict[str, int])


def test_two_that_are_left_are_not_guessed():
    def f(x, y): ...

    with pytest.raises(MissingInputError, match=r"x: no type, y: no type"):
        bound(f, a=UNKNOWN, b=UNKNOWN)


def test_any_says_nothing():
    def f(x: Any): ...

    assert signature(f).slots[0].type is UNKNOWN
    assert element_type(list[Any]) is UNKNOWN


def test_a_default_is_kept_when_another_parameter_takes_the_value():
    def f(n: int, limit: int = 3): ...

    assert bound(f, a=int) == {"n": "a"}


def test_a_parameter_with_a_default_takes_what_nobody_else_takes():
    def f(orders: Orders, limit: int = 3): ...

    assert bound(f, a=int, b=Orders) == {"orders": "b", "limit": "a"}


def test_an_upstream_that_no_parameter_asks_for_is_only_order():
    def f(): ...

    assert bound(f, a=int) == {}


def test_what_wraps_a_function_is_read_like_the_function():
    @functools.wraps(test_any_says_nothing)
    def wrapper(*args): ...

    class Callable:
        def __call__(self, n: int) -> str: ...

    def two(n: int, s: str) -> Orders: ...

    assert [s.type for s in signature(Callable()).slots] == [int]
    assert signature(Callable()).returns is str
    assert [s.name for s in signature(functools.partial(two, s="")).slots if not s.optional] == ["n"]
    assert signature(functools.partial(two, s="")).returns is Orders
    assert signature(wrapper).slots == ()
