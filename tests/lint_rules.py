#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the rules of CONTRIBUTING.md that no compiler knows: the direction of includes, constructs and names that
are banned, licence lines. Prints FILE:LINE: what is wrong, and fails if anything is.

    lint_rules.py [FOLDER]      checks the project in FOLDER (default: the one that this file is part of)
    lint_rules.py --self-test   shows that each rule finds a wrong example and accepts a right one
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

PRODUCT = ("agentd", "common", "ctl", "slurmview", "spank")
MAY_INCLUDE_SLURM = ("slurmview", "spank")
COMMON = {"base": {"base"}, "auth": {"auth", "base"}, "ipc": {"base", "ipc"}, "secure_memory": {"base", "secure_memory"}}
# Links OpenSSL and libmunge, which slurmstepd has not loaded.
NOT_FOR_PLUGIN = "auth"
MOST_LINES = 400

SPDX = "SPDX-License-Identifier: Apache-2.0"

# Only these call co_spawn(): the supervisor for background tasks, which it logs and restarts, spawn_request() for
# what a client waits for. Both report how a coroutine ended.
MAY_SPAWN = ("agentd/base/supervisor.h", "agentd/base/supervisor.cpp", "agentd/base/spawn_request.h")

# Names that the glossary (docs/architecture.md) replaced, as the words they consist of, and what replaced them.
# They are found in any spelling and as parts of longer names: WaitingList, waiting_list, kWaitingListSize.
REPLACED_NAMES = {
    "desk": "services",
    "doors": "servers",
    "fears swap": "uses_swappable_memory",
    "handshake queue": "HandshakeLimiter",
    "lasting trouble": "OutageLog",
    "operation memory": "HandlerAllocator",
    "refusal limit": "DenialRateLimit",
    "refused addresses": "DeniedAddressLog",
    "truth": "Replica, document",
    "waiting list": "AsyncCondition",
    "wiping new": "zeroing_new",
}
# The same, only for names of types: as words for other things they may stand in others.
REPLACED_TYPES = {
    "at end": "ScopeExit",
    "eye": "RecordReader",
    "hall": "HttpSessionRegistry",
    "membership": "ClusterRole",
    "pauses": "Backoff",
    "pen": "RecordWriter",
    "people": "Principal, store",
    "place": "the thing that it points to: RecordRef, SecretScope, JobPlacement",
    "rights": "Policy",
    "trail": "AuditFile",
    "trial": "PendingAudit",
}


class Source:
    """A C++ file: its lines, and its code with comments and the content of literals blanked out."""

    def __init__(self, path, text):
        self.path = path
        self.lines = text.splitlines()
        self.code = blank_literals(text)

    def line_of(self, position):
        return self.code.count("\n", 0, position) + 1


_LITERALS = re.compile(
    r"""//[^\n]*|/\*.*?\*/|\bR"(?P<mark>[^()\s\\]*)\(.*?\)(?P=mark)"|"(?:\\.|[^"\\\n])*"|(?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])+'""",
    re.DOTALL)


def blank_literals(text):
    def blank(match):
        return re.sub(r"[^\n]", " ", match[0])

    return _LITERALS.sub(blank, text)


# ---- includes ---------------------------------------------------------------------------------------


def rooms_in_order(folder):
    """Reads the subfolders that a CMakeLists.txt adds: each may include those before it, and itself."""
    cmake = folder / "CMakeLists.txt"
    return re.findall(r"^add_subdirectory\((\w+)\)", cmake.read_text(encoding="utf-8"), re.MULTILINE) if cmake.exists() else []


class Includes:
    def __init__(self, project):
        self.rooms = {part: rooms_in_order(project / part) for part in ("agentd", "ctl")}

    def check(self, source):
        parts = source.path.split("/")
        if parts[0] not in PRODUCT:
            return
        for number, line in enumerate(source.lines, 1):
            match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
            if match and (wrong := self._wrong(parts, match[1] == "<", match[2])):
                yield number, wrong

    def _wrong(self, parts, is_system, included):
        part, room = parts[0], parts[1] if len(parts) > 2 else None
        if is_system:
            if included.startswith("slurm/") and part not in MAY_INCLUDE_SLURM:
                return f"includes <{included}>: only spank/ and slurmview/ may include headers of Slurm"
            return None
        to, to_room = included.split("/")[0], included.split("/")[1] if included.count("/") > 1 else None
        if to not in PRODUCT:
            return f'includes "{included}": expected a path that begins with one of: {", ".join(PRODUCT)}'
        if to not in (part, "common"):
            return f'includes "{included}": {part}/ may include itself and common/ only'
        if part == "common" and to_room not in COMMON.get(room, ()):
            return f'includes "{included}": common/{room}/ may include {", ".join(sorted(COMMON.get(room, ())))} only'
        if part == "spank" and to == "common" and to_room == NOT_FOR_PLUGIN:
            return f'includes "{included}": the plugin may not link common/{to_room}'
        if part == to and part in self.rooms and room is not None:
            return self._upward(part, room, to_room, included)
        return None

    def _upward(self, part, room, to_room, included):
        order = self.rooms[part]
        for name in (room, to_room):
            if name not in order:
                return f'includes "{included}": {part}/CMakeLists.txt does not add {part}/{name}'
        if order.index(to_room) > order.index(room):
            return f'includes "{included}": {part}/{to_room} stands after {part}/{room} in {part}/CMakeLists.txt'
        return None


# ---- banned constructs ------------------------------------------------------------------------------


def spawns_of(source):
    """Yields the places that start a coroutine which no other one awaits."""
    for match in re.finditer(r"\basio::(detached|co_spawn)\b|(?<![\w:])(co_spawn)\s*\(", source.code):
        if "use_awaitable" not in source.code[match.end():].split(";")[0]:
            yield match


def check_detached(source):
    """Finds coroutines whose exceptions would be dropped, so that a task ends and no log entry says so."""
    if source.path.split("/")[0] != "agentd" or source.path in MAY_SPAWN:
        return
    for match in spawns_of(source):
        name = match[1] or match[2]
        yield source.line_of(match.start()), f"{name} outside the supervisor: use agentd/base/supervisor.h or spawn_request.h"


_TOKEN = re.compile(r"[A-Za-z_]\w*|&&|\|\||[-+*/%&|^=!<>]=|->|::|==|<=>|[^\s\w]")
# What ends the operand of && and ||, beside a group's end.
_ENDS_OPERAND = {",", ";", "=", "?", ":", "+=", "-=", "|=", "&=", "return", "co_return", "co_yield"}


def check_awaits(source):
    """Finds co_await in operands of && and ||, which GCC 12 miscompiles."""
    tokens = [(match[0], match.start()) for match in _TOKEN.finditer(source.code)]
    opened = _matching_openers(tokens)
    for at, (token, position) in enumerate(tokens):
        if token == "co_await" and _is_in_condition(tokens, opened, at):
            yield source.line_of(position), "co_await inside && or ||: await in a statement of its own"


def _matching_openers(tokens):
    """Returns for each token the index of the bracket around it, or None, and for each opening bracket its end."""
    stack, inside, closed = [], [], {}
    for at, (token, _) in enumerate(tokens):
        if token in ")]}" and stack:
            closed[stack.pop()] = at
        inside.append(stack[-1] if stack else None)
        if token in "([{":
            stack.append(at)
    return inside, closed


def _is_in_condition(tokens, opened, at):
    inside, closed = opened
    while True:
        opener = inside[at]
        if _operand_has_condition(tokens, inside, closed, at):
            return True
        if opener is None or (tokens[opener][0] == "{" and not _is_braced_value(tokens, opener)):
            return False
        at = opener


def _operand_has_condition(tokens, inside, closed, at):
    """Whether && or || is in the same bracket as the token, and nothing between them ends an operand."""
    opener = inside[at]
    for step in (-1, 1):
        here = at if step < 0 else closed.get(at, at)
        while 0 <= (here := here + step) < len(tokens):
            if inside[here] != opener or here == opener:
                if here == opener or (opener is not None and here == closed.get(opener)):
                    break
                continue  # in a bracket of its own
            token = tokens[here][0]
            if token in _ENDS_OPERAND or (token in "{}" and not (token == "{" and _is_braced_value(tokens, here))):
                break
            if token in ("&&", "||"):
                return True
    return False


def _is_braced_value(tokens, opener):
    """Whether the brace begins a value, as in T{…}, = {…}, f({…}), and no block of statements."""
    before = tokens[opener - 1][0] if opener else ""
    if before in ("=", ",", "(", "{", "return", "co_return", ">"):
        return before != "{" or opener < 2
    return bool(re.match(r"[A-Za-z_]\w*$", before)) and before not in (
        "else", "do", "try", "const", "noexcept", "mutable", "override", "final")


# ---- names ------------------------------------------------------------------------------------------


def words_of(name):
    """Splits an identifier into its words, in lower case: kWaitingList_size -> k, waiting, list, size."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z0-9]*|[a-z0-9]+", name)]


def check_names(source):
    """Finds names that the glossary replaced."""
    for match in re.finditer(r"[A-Za-z_]\w*", source.code):
        spaced = f" {' '.join(words_of(match[0]))} ".replace(" in place ", " ")
        is_type = re.match(r"[A-Z].*[a-z]", match[0])
        for old, new in {**REPLACED_NAMES, **(REPLACED_TYPES if is_type else {})}.items():
            if f" {old} " in spaced:
                yield source.line_of(match.start()), f"{match[0]}: the glossary has another name for this ({new})"


# ---- licence and size -------------------------------------------------------------------------------


def needs_licence(path):
    return path.endswith((".h", ".cpp", ".c", ".java", ".py", ".sh")) or path.split("/")[-1] == "CMakeLists.txt"


def check_licence(lines):
    if not any(SPDX in line for line in lines[:3]):
        yield 1, f"no {SPDX} in the first three lines"


def check_size(lines):
    if len(lines) > MOST_LINES:
        yield len(lines), f"more than {MOST_LINES} lines: has it one reason to change?"


# ---- the lowest versions of what a build needs ------------------------------------------------------


def check_lowest_versions(cmake, table):
    """`cmake` and `table` map names to versions; each version that CMake demands must be in the table, and the other way round."""
    for name in sorted(cmake.keys() | table.keys()):
        if cmake.get(name) != table.get(name):
            yield f"{name}: CMake demands {cmake.get(name, 'no version')}, docs/building.md shows {table.get(name, 'none')}"


def lowest_versions_of_cmake(texts):
    found = {}
    for text in texts:
        found |= {name: version for name, version in re.findall(r'^ *require_version\("?([\w+-]+).* ([\d.]+)\)$', text, re.MULTILINE)}
        found |= {"CMake": version for version in re.findall(r"cmake_minimum_required\(VERSION ([\d.]+?)(?:\.{3}|\))", text)}
    return found


def lowest_versions_of_table(text):
    section = text.partition("## Lowest versions")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| ([\w+-]+)[^|]*\| ([\d.]+) \|", section, re.MULTILINE))


# ---- all of it --------------------------------------------------------------------------------------


def files_of(project):
    """Lists the files that git tracks or would add; without git all but those of build directories."""
    listed = subprocess.run(["git", "-C", project, "ls-files", "--cached", "--others", "--exclude-standard"],
                            capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        names = listed.stdout.splitlines()
    else:
        names = [str(path.relative_to(project)) for path in project.rglob("*")]
    return sorted({name for name in names if not re.match(r"(build[^/]*|\.[^/]*)/", name) and (project / name).is_file()})


def check_project(project):
    """Returns the broken rules and the warnings, as sentences."""
    wrong, warnings = [], []
    includes = Includes(project)
    for path in files_of(project):
        if not needs_licence(path):
            continue
        text = (project / path).read_text(encoding="utf-8", errors="replace")
        source = Source(path, text)
        found = []
        if path.endswith((".h", ".cpp")):
            found = [*includes.check(source), *check_detached(source), *check_awaits(source), *check_names(source)]
        found += check_licence(source.lines)
        wrong += [f"{path}:{line}: {what}" for line, what in found]
        warnings += [f"{path}:{line}: {what}" for line, what in check_size(source.lines)]
    files = [project / path for path in ("CMakeLists.txt", "lowest_versions.cmake", "agentd/CMakeLists.txt", "docs/building.md")]
    *cmake, table = [file.read_text(encoding="utf-8") if file.exists() else "" for file in files]
    wrong += check_lowest_versions(lowest_versions_of_cmake(cmake), lowest_versions_of_table(table))
    return wrong, warnings


# ---- the self-test ----------------------------------------------------------------------------------

ORDER = {"agentd/CMakeLists.txt": "add_subdirectory(base)\nadd_subdirectory(vault)\nadd_subdirectory(api)\n",
         "ctl/CMakeLists.txt": "add_subdirectory(io)\nadd_subdirectory(commands)\n"}

# A file, its text, and the words that the rule prints; None if it is right.
EXAMPLES = [
    ("agentd/vault/a.h", '#include "agentd/api/b.h"', "agentd/api stands after agentd/vault"),
    ("agentd/api/a.h", '#include "agentd/vault/b.h"\n#include "common/ipc/c.h"\n#include <string>', None),
    ("agentd/api/a.h", '#include "agentd/vaults/b.h"', "does not add agentd/vaults"),
    ("ctl/io/a.h", '#include "ctl/commands/b.h"', "ctl/commands stands after ctl/io"),
    ("ctl/main.cpp", '#include "ctl/commands/b.h"', None),
    ("ctl/io/a.h", '#include "agentd/base/b.h"', "ctl/ may include itself and common/ only"),
    ("spank/a.h", '#include "ctl/io/b.h"', "spank/ may include itself and common/ only"),
    ("spank/a.h", '#include "common/auth/b.h"', "the plugin may not link common/auth"),
    ("ctl/io/a.h", '#include "common/auth/b.h"', None),
    ("slurmview/a.h", '#include "slurmview/b.h"\n#include "common/base/c.h"\n#include <slurm/slurm.h>', None),
    ("agentd/base/a.h", "#include <slurm/slurm.h>", "only spank/ and slurmview/ may include headers of Slurm"),
    ("common/base/a.h", '#include "common/ipc/b.h"', "common/base/ may include base only"),
    ("common/ipc/a.h", '#include "common/secure_memory/b.h"', "common/ipc/ may include base, ipc only"),
    ("common/ipc/a.h", '#include "common/base/b.h"', None),
    ("common/base/a.h", '#include "agentd/base/b.h"', "common/ may include itself and common/ only"),
    ("agentd/base/a.h", '#include "tests/unit/b.h"', "expected a path that begins with"),
    ("agentd/base/a.h", '#include "b.h"', "expected a path that begins with"),
    ("tests/unit/a.cpp", '#include "agentd/api/b.h"\n#include "ctl/io/b.h"\n#include <slurm/slurm.h>', None),
    ("agentd/api/a.cpp", "asio::co_spawn(loop, run(), asio::detached);", "detached outside the supervisor"),
    ("agentd/api/a.cpp", "asio::co_spawn(loop, run(), log);", "co_spawn outside the supervisor"),
    ("agentd/api/a.cpp", "co_spawn (loop, run(), log);", "co_spawn outside the supervisor"),
    ("agentd/api/a.cpp", "auto x = co_await asio::co_spawn(thread_, std::move(task), asio::use_awaitable);", None),
    ("agentd/base/supervisor.cpp", "asio::co_spawn(loop, run(), log);", None),
    ("agentd/api/a.cpp", "// asio::detached is banned\nlog(\"asio::detached\");", None),
    ("agentd/api/a.cpp", "void f() { if (a && co_await b()) c(); }", "co_await inside"),
    ("agentd/api/a.cpp", "void f() { if (co_await b() || a) c(); }", "co_await inside"),
    ("agentd/api/a.cpp", "void f() { const bool x = a && !(co_await b()); }", "co_await inside"),
    ("agentd/api/a.cpp", "void f() { co_return a ||\n  is(T{co_await b()}); }", "co_await inside"),
    ("agentd/api/a.cpp", "void f() { while (a && g(1, co_await b())) c(); }", "co_await inside"),
    ("agentd/api/a.cpp", "void f() { if (a && b) co_await c(); }", None),
    ("agentd/api/a.cpp", "void f() { auto&& x = co_await c(); d(e && g, co_await h()); }", None),
    ("agentd/api/a.cpp", "void f(T&& t) { if (a || b) { co_await c(); } const bool y = (co_await c()).x; if (y && z) g(); }", None),
    ("agentd/api/a.cpp", "auto g = a && [] { return 1; }; Task f() { co_await b(); }", None),
    ("agentd/api/a.cpp", "void f() { if (a && '\\'' == \"co_await\"[0]) g(1'000); }", None),
    ("agentd/api/a.h", "class WaitingList;", "AsyncCondition"),
    ("agentd/api/a.h", "int kWaitingListSize = f(waiting_list);", "AsyncCondition"),
    ("tests/unit/a.cpp", "Truth truth;", "Replica"),
    ("agentd/api/a.h", "class AtEnd;", "ScopeExit"),
    ("agentd/api/a.h", "struct JobPlace;", "JobPlacement"),
    ("agentd/api/a.h", "struct JobInPlace;", None),
    ("agentd/api/a.h", "void wipe_at_end(); enum { SCM_RIGHTS };", None),
    ("agentd/api/a.h", '// the truth\nint truthful = f("truth");', None),
]
LICENCE_EXAMPLES = [
    ("agentd/api/a.h", f"// {SPDX}\n#pragma once\n", None),
    ("agentd/api/a.h", f"#pragma once\n\n\n// {SPDX}\n", "no SPDX"),
    ("tests/a.sh", f"#!/bin/sh\n# {SPDX}\n", None),
    ("tests/a.py", "import sys\n", "no SPDX"),
    ("nextflow/src/A.java", "class A {}\n", "no SPDX"),
    ("tests/CMakeLists.txt", "add_test(a)\n", "no SPDX"),
]


def check_example(path, text, expected, licence=f"// {SPDX}\n"):
    with tempfile.TemporaryDirectory() as folder:
        order = {name: f"# {SPDX}\n{content}" for name, content in ORDER.items()}
        for name, content in {**order, path: licence + text}.items():
            file = Path(folder) / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content, encoding="utf-8")
        wrong, _ = check_project(Path(folder))
    is_right = any(expected in sentence for sentence in wrong) if expected else not wrong
    if not is_right:
        print(f"self-test: {path} with\n{text}\n  expected: {expected or 'nothing'}\n  found: {wrong}", file=sys.stderr)
    return is_right


def self_test():
    passed = [check_example(*example) for example in EXAMPLES]
    passed += [check_example(*example, licence="") for example in LICENCE_EXAMPLES]
    passed.append(len(list(check_size(["x"] * (MOST_LINES + 1)))) == 1)
    demanded = lowest_versions_of_cmake(['cmake_minimum_required(VERSION 3.20...4.0)\nrequire_version("Slurm (${a})" "${b}" 22.05)\n'])
    shown = lowest_versions_of_table("## Lowest versions\n| CMake | 3.20 | 3.25 |\n| Slurm | 23.11 | |\n| g++ (GNU) | 11 | |\n## B\n| x | 1 |")
    passed.append([sentence.partition(":")[0] for sentence in check_lowest_versions(demanded, shown)] == ["Slurm", "g++"])
    print(f"lint: {len(passed)} examples of rules, {passed.count(False)} failed")
    return 0 if all(passed) else 1


def main(arguments):
    if arguments == ["--self-test"]:
        return self_test()
    wrong, warnings = check_project(Path(arguments[0]) if arguments else Path(__file__).resolve().parents[1])
    for sentence in warnings:
        print(f"warning: {sentence}")
    for sentence in wrong:
        print(sentence, file=sys.stderr)
    print(f"lint: the rules of CONTRIBUTING.md: {len(wrong)} broken, {len(warnings)} warnings")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
