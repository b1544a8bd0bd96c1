"""What a code object does, and which names it reads: no objects are looked at here, only code.

Two code objects get one digest exactly when they differ in nothing but what Python does not run: line numbers, file
names, docstrings, comments, annotations of functions, bare strings, the names of local variables. Operands are
therefore resolved (a constant by its content, a name by itself, a local by the order of its first use, a jump by the
instruction that it leads to) before anything is hashed.
"""

from __future__ import annotations

import dis
import re
import weakref
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from inspect import CO_OPTIMIZED
from itertools import pairwise
from types import CodeType
from typing import NamedTuple

from dagbook.fingerprint.digests import ATOMS, atom, join, leaf
from dagbook.fingerprint.parts import Digest

Chain = tuple[str, ...]
"""A name, then the attributes that are read from it: ``("np", "random", "rand")``."""

_SILENT = frozenset({"NOP", "CACHE", "EXTENDED_ARG", "MAKE_CELL", "COPY_FREE_VARS"})
_GLOBAL_LOADS = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})
_ATTRIBUTE_LOADS = frozenset({"LOAD_ATTR", "LOAD_METHOD"})
_CONSTANTS = frozenset(dis.hasconst)
_NAMES = frozenset(dis.hasname)
_LOCALS = frozenset(dis.haslocal) | frozenset(dis.hasfree)
_JUMPS = frozenset(dis.hasjrel) | frozenset(dis.hasjabs)
_PLAIN_JUMPS = frozenset({"JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_ABSOLUTE"})
_KIND_FLAGS = 0x3AF  # optimised, new locals, *args, **kwargs, generator, the kinds of coroutine; no compiler notes
_ANNOTATED = 4  # the flag of MAKE_FUNCTION
_CLOSED = 8
_MAKES_FUNCTION = frozenset({"MAKE_FUNCTION", "SET_FUNCTION_ATTRIBUTE"})
_CELL_LOADS = frozenset({"LOAD_CLOSURE", "LOAD_FAST", "LOAD_FAST_LOAD_FAST"})
_FROM_BODY = frozenset({"__doc__", "__qualname__", "__firstlineno__", "__static_attributes__"})

_SEES_LOCALS = frozenset(
    {"locals", "vars", "dir", "eval", "exec", "query", "_getframe", "currentframe", "f_locals"}
)
"""What can see the names of local variables, so that these count (``DataFrame.query("n > @least")`` does)."""

_RUNS_TEXT = frozenset({"eval", "exec", "query", "globals"})
"""What can look up a global by a text, so that the names in constant texts are taken as read."""

_UNSEEN = {
    "eval": "runs a text as code (`eval`)",
    "exec": "runs a text as code (`exec`)",
    "globals": "looks up globals by a computed name (`globals`)",
    "__import__": "imports a module by a computed name (`__import__`)",
    "import_module": "imports a module by a computed name (`import_module`)",
    "attrgetter": "reads attributes by a computed name (`attrgetter`)",
    "methodcaller": "calls a method by a computed name (`methodcaller`)",
    "environ": "reads environment variables (`environ`)",
    "getenv": "reads environment variables (`getenv`)",
    "subprocess": "starts other programs (`subprocess`)",
    "ctypes": "calls native code (`ctypes`)",
}

_WORD = re.compile(r"[^\W\d]\w*")


class Import(NamedTuple):
    """An import inside the code: the module as written, how many dots, and what is read of it."""

    module: str
    level: int
    attributes: Chain


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Reading:
    """What one code object, with the code nested in it, does and reads.

    ``free`` are its free variables in the order of their first use. ``maybe`` are names that stand in constant texts
    which the code may run; ``unseen`` says what cannot be followed.
    """

    digest: Digest
    globals: tuple[Chain, ...]
    imports: tuple[Import, ...]
    free: tuple[str, ...]
    maybe: frozenset[str]
    unseen: tuple[str, ...]


_readings: dict[int, tuple[weakref.ref[CodeType], Reading]] = {}
_same_readings: weakref.WeakValueDictionary[tuple[object, ...], Reading] = weakref.WeakValueDictionary()


def read(code: CodeType) -> Reading:
    """What ``code`` does and reads; remembered for as long as ``code`` lives (code objects never change)."""
    found = _readings.get(id(code))
    if found is not None and found[0]() is code:
        return found[1]
    key, content = id(code), _content(code)
    reading = _same_readings.get(content) if content else None
    if reading is None:
        reading = _Reader(code).reading()
        if content:
            _same_readings[content] = reading
    _readings[key] = weakref.ref(code, lambda _: _readings.pop(key, None)), reading
    return reading


def _content(code: CodeType) -> tuple[object, ...]:
    """All that a reading is made from: of another code object with the same (a cell that is run again) it is the same.

    Nothing where there is other code inside.
    """
    if not ATOMS.issuperset(map(type, code.co_consts)):
        return ()
    arguments = code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags
    names = code.co_name, code.co_names, code.co_varnames, code.co_cellvars, code.co_freevars
    return code.co_code, code.co_exceptiontable, tuple(map(atom, code.co_consts)), *arguments, *names


def codes(code: CodeType) -> Iterator[CodeType]:
    """``code`` and all code nested in it."""
    yield code
    for value in code.co_consts:
        if isinstance(value, CodeType):
            yield from codes(value)


def constant(value: object) -> Digest:
    """The digest of a constant of a code object, by type and content."""
    if isinstance(value, tuple):
        return join("tuple", map(constant, value))
    if isinstance(value, frozenset):
        return join("frozenset", sorted(map(constant, value)))
    if isinstance(value, slice):
        return join("slice", map(constant, (value.start, value.stop, value.step)))
    return atom(value)


class _Scope:
    """The variables of one code object, numbered in the order of first use, whatever they are called."""

    def __init__(self, code: CodeType, parent: _Scope | None, index: int) -> None:
        self.code = code
        self.parent = parent
        self.index = index
        named = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & 4) + bool(code.co_flags & 8)
        self.numbers = {name: i for i, name in enumerate(code.co_varnames[:named])}
        self.own = frozenset(code.co_varnames + code.co_cellvars)

    def label(self, name: str) -> str:
        """``name`` as the digest knows it; the label of a variable is the same in every scope that uses it."""
        if name not in self.own and self.parent is not None:
            return self.parent.label(name)
        return f"{self.index}.{self.numbers.setdefault(name, len(self.numbers))}"


class _Reader:
    """Reads one outermost code object."""

    def __init__(self, code: CodeType) -> None:
        self.code = code
        self.globals: dict[Chain, None] = {}
        self.imports: dict[tuple[str, int, Chain, str], None] = {}
        self.loads: dict[str, set[Chain]] = {}
        self.unseen: dict[str, None] = {}
        self.scopes = 0
        names = {name for each in codes(code) for name in each.co_names}
        self.locals_count = not names.isdisjoint(_SEES_LOCALS)
        self.runs_text = not names.isdisjoint(_RUNS_TEXT)

    def reading(self) -> Reading:
        scope = self._scope(self.code, None)
        digest = self._digest(scope)
        first = {name: scope.numbers[name] for name in self.code.co_freevars if name in scope.numbers}
        unused = sorted(name for name in self.code.co_freevars if name not in first)
        return Reading(
            digest,
            tuple(self.globals),
            tuple(self._resolved_imports()),
            (*sorted(first, key=first.__getitem__), *unused),
            frozenset(self._words()) if self.runs_text else frozenset(),
            tuple(self.unseen),
        )

    def _scope(self, code: CodeType, parent: _Scope | None) -> _Scope:
        self.scopes += 1
        return _Scope(code, parent, self.scopes)

    def _digest(self, scope: _Scope) -> Digest:
        code = scope.code
        kept = list(_kept(code))
        offsets = [instruction.offset for instruction in kept]
        lines = [self._signature(code)]
        for position, instruction in enumerate(kept):
            self._note(kept, position, scope)
            operation = instruction.opname
            if instruction.opcode in _JUMPS:
                lines.append(f"{_undirected(operation)} {_destination(kept, offsets, instruction)}")
            else:
                lines.append(f"{operation} {self._operand(instruction, scope)}")
        lines.extend(_handlers(code.co_exceptiontable, offsets))
        return leaf("code", "\n".join(lines))

    def _signature(self, code: CodeType) -> str:
        """The argument shape; the names only of what can be passed by keyword, or what a peek at locals would show."""
        total = code.co_argcount + code.co_kwonlyargcount
        shape = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & _KIND_FLAGS)
        names = code.co_varnames[code.co_posonlyargcount : total]
        if self.locals_count:
            names += ("", *code.co_varnames, *code.co_cellvars, *code.co_freevars)
        return f"{shape} {names}"

    def _operand(self, instruction: dis.Instruction, scope: _Scope) -> str:
        opcode = instruction.opcode
        opcode, value = instruction.opcode, instruction.argval
        if opcode in _CONSTANTS:
            value = scope.code.co_consts[instruction.arg or 0]  # `dis` leaves out the names of keyword arguments
            if isinstance(value, CodeType):
                return self._digest(self._scope(value, scope)).hex()
            return constant(value).hex()
        if opcode in _NAMES:
            return str(instruction.argval)
        if opcode in _LOCALS:
            return " ".join(map(scope.label, _variables(instruction)))
        if instruction.opname == "MAKE_FUNCTION":
            return str((instruction.arg or 0) & ~_ANNOTATED)
        return str(instruction.arg)

    def _note(self, kept: list[dis.Instruction], position: int, scope: _Scope) -> None:
        """Remember what the instruction at ``position`` reads from outside."""
        instruction = kept[position]
        opname, name = instruction.opname, instruction.argval
        if opname in _GLOBAL_LOADS:
            chain = (name, *_attributes(kept, position + 1))
            self.globals[chain] = None
            self._note_unseen(chain, kept, position, scope)
        elif opname == "IMPORT_NAME":
            self._note_import(kept, position, scope)
        elif instruction.opcode in _LOCALS and "LOAD" in opname:
            *bare, last = _variables(instruction)
            self.loads.setdefault(scope.label(last), set()).add(_attributes(kept, position + 1))
            for each in bare:
                self.loads.setdefault(scope.label(each), set()).add(())

    def _note_import(self, kept: list[dis.Instruction], position: int, scope: _Scope) -> None:
        module, names, level = kept[position].argval, kept[position - 1].argval, kept[position - 2].argval
        after = kept[position + 1 :]
        if not names:
            renamed = after[0].opname == "IMPORT_FROM"  # `import a.b as c` binds b; `import a.b` binds a
            target = next(i for i in after if i.opname.startswith("STORE"))
            bound = module if renamed else module.partition(".")[0]
            self.imports[bound, level, (), self._target(target, scope)] = None
            if bound != module:
                self.imports[module, level, ("__name__",), ""] = None
            return
        for name in names:
            store = next(
                (after[i + 1] for i, each in enumerate(after) if each.opname == "IMPORT_FROM" and each.argval == name),
                None,
            )
            self.imports[module, level, (name,), self._target(store, scope) if store else ""] = None

    def _target(self, store: dis.Instruction, scope: _Scope) -> str:
        """The label of the local variable that an import is stored in; empty when it is none."""
        if store.opcode not in _LOCALS:
            return ""
        return scope.label(_variables(store)[0])

    def _resolved_imports(self) -> Iterator[Import]:
        """Each import with each chain of attributes that is read from the variable that holds it."""
        for module, level, attributes, label in self.imports:
            for chain in sorted(self.loads.get(label, {()})):
                yield Import(module, level, attributes + chain)

    def _note_unseen(self, chain: Chain, kept: list[dis.Instruction], position: int, scope: _Scope) -> None:
        name = scope.code.co_name
        for each in chain:
            if each in _UNSEEN:
                self.unseen[f"`{name}` {_UNSEEN[each]}"] = None
        if chain[0] in ("getattr", "setattr"):
            text = _attribute_text(kept, position + 1)
            if text is None:
                self.unseen[f"`{name}` reads an attribute by a computed name (`{chain[0]}`)"] = None

    def _words(self) -> Iterator[str]:
        """The identifiers in the constant texts: what text that is run as code can name."""
        for code in codes(self.code):
            for value in code.co_consts:
                if isinstance(value, str):
                    yield from _WORD.findall(value)


def _undirected(opname: str) -> str:
    """A jump's name without its direction, which its destination tells."""
    return opname.replace("_FORWARD", "").replace("_BACKWARD", "")


def _destination(kept: list[dis.Instruction], offsets: list[int], jump: dis.Instruction) -> int:
    """The instruction that a jump ends at: a jump to a jump is one (the layout decides if Python merges them)."""
    for _ in kept:
        position = bisect_left(offsets, jump.argval)
        if position == len(kept) or kept[position].opname not in _PLAIN_JUMPS:
            break
        jump = kept[position]
    return position


def _attributes(kept: list[dis.Instruction], position: int) -> Chain:
    """The attributes loaded one after another from ``position`` on."""
    chain = []
    while position < len(kept) and kept[position].opname in _ATTRIBUTE_LOADS:
        chain.append(kept[position].argval)
        position += 1
    return tuple(chain)


def _attribute_text(kept: list[dis.Instruction], position: int) -> str | None:
    """The constant name in ``getattr(x.y, "name")``, if it is one."""
    position += 1 + len(_attributes(kept, position + 1))
    if position < len(kept) and kept[position].opcode in _CONSTANTS and kept[position - 1].opname.startswith("LOAD"):
        return kept[position].argval if isinstance(kept[position].argval, str) else None
    return None


def _kept(code: CodeType) -> Iterator[dis.Instruction]:
    """The instructions that count."""
    every = [i for i in dis.get_instructions(code) if i.opname not in _SILENT]
    dropped = _annotation_positions(every)
    if not code.co_flags & CO_OPTIMIZED:
        dropped |= _body_positions(every)
    cells = frozenset(code.co_cellvars + code.co_freevars)
    for position, instruction in enumerate(every):
        if position not in dropped and not _loads_cell(instruction, cells):
            yield instruction


def _loads_cell(instruction: dis.Instruction, cells: frozenset[str]) -> bool:
    """Whether this hands a variable's cell to a nested function, whose own code tells which variables it uses.

    Python 3.13 does it by LOAD_FAST, which names no cell in earlier versions.
    """
    return instruction.opname in _CELL_LOADS and cells.issuperset(_variables(instruction))


def _variables(instruction: dis.Instruction) -> tuple[str, ...]:
    """The one or two (Python 3.13) local variables of an instruction."""
    return instruction.argval if isinstance(instruction.argval, tuple) else (instruction.argval,)


def _body_positions(every: list[dis.Instruction]) -> set[int]:
    """In the body of a class: the stores of its docstring, its qualified name and where it stands."""
    dropped = set()
    for position, (load, store) in enumerate(pairwise(every)):
        if store.opname == "STORE_NAME" and store.argval in _FROM_BODY and load.opcode in _CONSTANTS:
            dropped |= {position, position + 1}
    return dropped


def _annotation_positions(every: list[dis.Instruction]) -> set[int]:
    """Where the annotations of nested functions are built; what jumps is left in (and counts)."""
    dropped: set[int] = set()
    made = 0
    for position, instruction in enumerate(every):
        flags = instruction.arg or 0
        if instruction.opname == "MAKE_FUNCTION":
            made = position
        if instruction.opname not in _MAKES_FUNCTION or not flags & _ANNOTATED:
            continue
        end = made - 2  # the code object comes last, before it the cells
        if flags & _CLOSED or (position > made + 1 and every[made + 1].arg == _CLOSED):
            cells = every[end].arg or 0
            end -= 1 + cells
        values = _value_positions(every, end)
        dropped |= values
        if values and position > made:
            dropped.add(position)
    return dropped


def _value_positions(every: list[dis.Instruction], end: int) -> set[int]:
    """The straight run of instructions that leaves one value on the stack and ends at ``end``."""
    height, start = 0, end + 1
    while height < 1 and start > 0:
        start -= 1
        instruction = every[start]
        if instruction.opcode in _JUMPS or instruction.is_jump_target:
            return set()
        height += dis.stack_effect(instruction.opcode, instruction.arg)
    return set(range(start, end + 1))


def _handlers(table: bytes, offsets: list[int]) -> Iterator[str]:
    """The exception table by instructions, neighbours that share a handler merged."""
    merged: list[tuple[int, int, int, int]] = []
    for start, stop, target, depth in _table(table):
        first, last, handler = (bisect_left(offsets, offset) for offset in (start, stop, target))
        if first == last:
            continue
        if merged and merged[-1][1:] == (first, handler, depth):
            first = merged.pop()[0]
        merged.append((first, last, handler, depth))
    return (f"except {entry}" for entry in merged)


def _table(table: bytes) -> Iterator[tuple[int, int, int, int]]:
    """The entries (start, stop, handler: byte offsets; stack depth) of an exception table.

    Each is four numbers, six bits in a byte, the most significant first; bit 6 says that more bytes follow.
    """
    numbers: list[int] = []
    value = 0
    for byte in table:
        value = value << 6 | byte & 63
        if not byte & 64:
            numbers.append(value)
            value = 0
    for start, size, target, depth in zip(*[iter(numbers)] * 4, strict=True):
        yield 2 * start, 2 * (start + size), 2 * target, depth
