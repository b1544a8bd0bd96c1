"""A node that runs again and gives an equal value stops the change there: nothing below it runs."""

CHAIN = """
def raw():
    return [3, 1, 2]

def clean(raw):
    return sorted(raw)

def total(clean):
    return sum(clean)

def report(total):
    return f"total {total}"
"""


def test_code_that_gives_an_equal_value_runs_alone(lab):
    lab.cell(CHAIN)
    assert lab.ran() == ["raw", "clean", "total", "report"]
    lab.cell(CHAIN.replace("sorted(raw)", "list(sorted(raw))"))
    assert lab.ran() == ["clean"]
    assert lab["report"] == "total 6"
    assert "its value is unchanged" in lab.why("clean")
    assert "its code changed" in lab.why("clean")
    assert "clean ran again" in lab.why("report")
    assert "so nothing after it ran" in lab.why("report")


def test_the_change_goes_as_far_as_values_differ(lab):
    lab.cell(CHAIN)
    lab.ran()
    lab.cell(CHAIN.replace("[3, 1, 2]", "[2, 3, 1]"))
    assert lab.ran() == ["raw", "clean"]
    lab.cell(CHAIN.replace("[3, 1, 2]", "[2, 3, 5]"))
    assert lab.ran() == ["raw", "clean", "total", "report"]
    assert lab["report"] == "total 10"
    assert "the value of total changed" in lab.why("report")


def test_equal_is_by_type_and_content_never_by_the_equals_sign(lab):
    lab.cell("def n(): return 1\ndef kind(n): return type(n).__name__")
    lab.ran()
    lab.cell("def n(): return True\ndef kind(n): return type(n).__name__")
    assert lab.ran() == ["n", "kind"]
    assert lab["kind"] == "bool"


def test_comments_formatting_and_names_of_variables_run_nothing(lab):
    lab.cell(CHAIN)
    lab.ran()
    longer = CHAIN.replace("    return sorted(raw)", "    # by size\n    x = sorted( raw )\n    return x")
    lab.cell('"""A title."""\n' + longer)
    lab.ran()
    lab.cell(CHAIN.replace("    return sorted(raw)", "    # by number\n    y = sorted(raw)\n    return y"))
    assert lab.ran() == []


def test_a_run_without_any_change_runs_nothing_and_says_so(lab):
    lab.cell(CHAIN)
    lab.ran()
    assert lab.ran() == []
    assert "Nothing that it depends on has changed" in lab.why("report")


def test_a_helper_and_a_constant_count_as_the_code(lab):
    lab.cell("LATE = 15\ndef _scale(x): return x * 2\ndef a(): return _scale(LATE)\ndef b(): return 1")
    lab.ran()
    lab.cell("def _scale(x): return x * 3\nLATE = 15\ndef a(): return _scale(LATE)\ndef b(): return 1")
    assert lab.ran() == ["a"]
    assert "helper `_scale` changed" in lab.why("a")
    lab.namespace["LATE"] = 20
    assert lab.ran() == ["a"]
    assert "constant `LATE` changed from 15 to 20" in lab.why("a")
    assert lab["a"] == 60
