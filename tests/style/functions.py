"""Finds the functions of a C++ source by its braces: no parser, and enough for what clang-format has made."""
import bisect
import re

# What may hold a brace that is none: comments, text, characters (not the ' in a number), preprocessor lines.
NO_CODE = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(?P<mark>[^(\s]*)\(.*?\)(?P=mark)"|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9a-fA-FxX])'(?:\\.|[^'\\\n])+'|^[ \t]*#(?:\\\n|[^\n])*", re.DOTALL | re.MULTILINE)
ATTRIBUTE = re.compile(r'\[\[[^\]]*\]\]|\balignas\s*\([^()]*\)|__attribute__\s*\(\(.*?\)\)')
TYPE = re.compile(
    r'(?:(?:typedef|static|const|constexpr|inline)\s+)*(?:class|struct|union|enum)\b[^()]*(?::.*)?$',
    re.DOTALL)
ASSIGNMENT = re.compile(r'(?<!operator)(?<![=!<>+*/|&^-])=(?!=)')
LAMBDA = re.compile(r'\]\s*(?:\([^{}]*\))?[\w\s:<>*&,.-]*$')
CALLED = re.compile(r'((?:[A-Za-z_~][\w:~]*)?operator\s*(?:\(\)|[^\s\w(]+|[\w:*& ]+)|[A-Za-z_~][\w:~]*)\s*\(')


class Unbalanced(Exception):
    """The braces of a source do not pair: the scanner understands less than it must."""


def blank(match):
    """Spaces of the same length, with the same ends of lines; text stays text."""
    kept = re.sub(r'[^\n]', ' ', match[0])
    return '"' + kept[2:] + '"' if match[0][0] in '"R' else kept


def without_angles(text):
    """Takes out <...> from inside to outside."""
    text = re.sub(r'<=>|<<=?|>>=|<=|>=|->', '  ', text)
    while True:
        shorter = re.sub(r'<[^<>;{}]*>', '', text)
        if shorter == text:
            return text
        text = shorter


def kind(head):
    """What a brace opens, from the text since the last ; { or }: scope, function, member (of a constructor's
    list), other."""
    head = ATTRIBUTE.sub('', head).strip()
    plain = re.sub(r'^(?:template\s*)+', '', without_angles(head).strip()).strip()
    plain = re.sub(r'^(?:public|private|protected)\s*:(?!:)\s*', '', plain)
    if re.match(r'(?:inline\s+)?namespace\b|extern\s*"\s*"\s*$', plain) or plain == '':
        return 'scope'
    if TYPE.match(plain):
        return 'other' if re.match(r'(?:\w+\s+)*?enum\b', plain) else 'scope'
    outside = plain
    while True:  # What stands in no parentheses says whether this is a value.
        shorter = re.sub(r'\([^()]*\)', '@', outside)
        if shorter == outside:
            break
        outside = shorter
    if ASSIGNMENT.search(outside) and 'operator=' not in outside.replace(' ', ''):
        return 'function' if LAMBDA.search(plain) and '[' in plain else 'other'
    if '@' not in outside:
        return 'other'
    if re.search(r'@[\w\s]*(?<!:):(?!:)', outside):  # A constructor's members: its body follows a ) or a }.
        return 'function' if head[-1] in ')}' else 'member'
    return 'function'


def name_of(head):
    plain = re.sub(r'^(?:template\s*)+', '', without_angles(ATTRIBUTE.sub('', head)).strip()).strip()
    assigned = re.match(r'[^(]*?(\w+)\s*=', plain)
    if assigned and 'operator' not in plain:
        return assigned[1]
    found = CALLED.search(plain)
    return re.sub(r'\s+', ' ', found[1]).strip() if found else plain[:40]


def functions(text):
    """(name, first line, number of lines) of each function with a body, from first word to last brace."""
    code = NO_CODE.sub(blank, text)
    ends = [match.start() for match in re.finditer('\n', code)]

    def line(position):
        return bisect.bisect_left(ends, position) + 1
    found, scopes = [], []
    start = at = parentheses = 0
    while at < len(code):
        letter = code[at]
        if letter in '([':
            parentheses += 1
        elif letter in ')]':
            parentheses -= 1
        elif parentheses == 0 and letter == ';':
            start = at + 1
        elif parentheses == 0 and letter == '}':
            if not scopes:
                raise Unbalanced('a } too many in line %d' % line(at))
            scopes.pop()
            start = at + 1
        elif letter == '{':
            opened = 'other' if parentheses else kind(code[start:at])
            if opened == 'scope':
                scopes.append(at)
                start = at + 1
            else:
                close = matching(code, at, line)
                if opened == 'function':
                    first = start + len(code[start:at]) - len(code[start:at].lstrip())
                    label = re.match(r'\s*(?:(?:public|private|protected)\s*:(?!:)\s*)+', code[start:at])
                    if label:
                        first = start + label.end()
                    found.append((name_of(code[first:at]), line(first), line(close) - line(first) + 1))
                    start = close + 1
                at = close
        at += 1
    if scopes or parentheses:
        raise Unbalanced('what line %d opens has no end' % line(scopes[-1] if scopes else 0))
    return found


def matching(code, at, line):
    """Where the brace at `at` is closed."""
    depth = 0
    for brace in re.compile('[{}]').finditer(code, at):
        depth += 1 if brace[0] == '{' else -1
        if depth == 0:
            return brace.start()
    raise Unbalanced('what line %d opens has no end' % line(at))
