"""Counts what the classes of a C++ source have, by its braces, as functions.py finds functions.

Counted are members that hold state (not constants, which are static constexpr) and functions that are declared,
whatever may call them (not constructors, destructors and what is deleted). A class has the functions of its
public bases too.
"""
import dataclasses
import re

import functions

CLASS = re.compile(
    r'(?:class|struct|union)\s+(?P<name>[\w:]+)\s*(?:final\b\s*)?(?::(?!:)\s*(?P<bases>.*))?$', re.DOTALL)
LABEL = re.compile(r'^(?:(?:public|private|protected)\s*:(?!:)\s*)+')
NO_MEMBER = re.compile(r'(?:using|typedef|friend|static_assert|enum|class|struct|union|requires)\b')
DELETED = re.compile(r'=\s*delete\s*$')
POINTER = re.compile(r'^[^(]*\(\s*[&*]')  # To a function.
CONSTANT = re.compile(r'(?:inline\s+)?(?:static\s+constexpr|constexpr\s+static)\b')


@dataclasses.dataclass
class Class:
    """`functions` by name: how often each is declared. `bases`: the public ones, without their scopes."""
    name: str
    line: int
    lines: int = 0
    members: int = 0
    functions: dict = dataclasses.field(default_factory=dict)
    bases: list = dataclasses.field(default_factory=list)


def plain(head):
    """A declaration without labels, attributes, template parameters and the arguments of templates."""
    head = functions.without_angles(functions.ATTRIBUTE.sub('', head).strip()).strip()
    head = LABEL.sub('', head)
    return re.sub(r'^(?:template\s*)+', '', head).strip()


def bases_of(text, is_struct):
    for base in functions.without_angles(text or '').split(','):
        words = base.split()
        if words and ('public' in words or (is_struct and not {'private', 'protected'} & set(words))):
            yield words[-1].rpartition('::')[2]


def outside(text):
    """A declaration with @ for each pair of parentheses."""
    while True:
        shorter = re.sub(r'\([^()]*\)', '@', text)
        if shorter == text:
            return text
        text = shorter


def declare(of, head):
    """Notes what `head` declares in the class `of`: all up to a semicolon, or up to the brace of a body."""
    head = plain(head)
    if not head or NO_MEMBER.match(head) or DELETED.search(head):
        return
    found = functions.CALLED.search(head)
    shape = outside(head)
    # What is called stands before what is assigned or begun.
    is_function = found and '@' in functions.ASSIGNMENT.split(shape)[0] and not POINTER.search(head)
    if not is_function:
        if not CONSTANT.match(head):
            of.members += 1 + re.split(r'[={]', shape)[0].count(',')
        return
    name = re.sub(r'\s+', ' ', found[1]).strip()
    if name.lstrip('~') != of.name:
        of.functions[name] = of.functions.get(name, 0) + 1


def classes(text):
    """Each class with a body, in the order of their ends; those in others by themselves."""
    code = functions.NO_CODE.sub(functions.blank, text)
    found, scopes = [], []  # Of a scope: its class, or None.
    start = at = parentheses = 0

    def line(position):
        return code.count('\n', 0, position) + 1
    while at < len(code):
        letter = code[at]
        if letter in '([':
            parentheses += 1
        elif letter in ')]':
            parentheses -= 1
        elif parentheses:
            if letter == '{':
                at = functions.matching(code, at, line)
        elif letter == ';':
            if scopes and scopes[-1]:
                declare(scopes[-1], code[start:at])
            start = at + 1
        elif letter == '}':
            if not scopes:
                raise functions.Unbalanced('a } too many in line %d' % line(at))
            ended = scopes.pop()
            if ended:
                ended.lines = line(at) - ended.line + 1
                found.append(ended)
            start = at + 1
        elif letter == '{':
            start, at = opened(code, start, at, scopes, line)
        at += 1
    if scopes:
        raise functions.Unbalanced('a scope has no end')
    return found


def opened(code, start, at, scopes, line):
    """What a brace opens. Gives where the next declaration begins, and where to go on from."""
    head = code[start:at]
    what = functions.kind(head)
    if what == 'scope':
        is_class = CLASS.search(plain(head))
        of = None
        if is_class and 'enum' not in plain(head).split():
            first = start + len(head) - len(head.lstrip())
            of = Class(is_class['name'].rpartition('::')[2], line(first))
            of.bases = list(bases_of(is_class['bases'], 'struct' in plain(head).split()))
        scopes.append(of)
        return at + 1, at
    close = functions.matching(code, at, line)
    if what == 'function':
        if scopes and scopes[-1]:
            declare(scopes[-1], head)
        return close + 1, close
    return start, close  # A value in braces: the declaration goes on.


def with_bases(of, by_name):
    """How often each function is declared, with those of its public bases that it does not have itself."""
    names = dict(of.functions)
    for base in of.bases:
        if base in by_name and by_name[base] is not of:
            names = {**with_bases(by_name[base], by_name), **names}
    return names


def crowds(sources):
    """(class, members, functions) of each class of these sources, which are texts."""
    found = [each for text in sources for each in classes(text)]
    by_name = {each.name: each for each in found}
    return [(each.name, each.members, sum(with_bases(each, by_name).values())) for each in found]
