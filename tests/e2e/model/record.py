"""A session's rows of the trail, held against what its client saw and what the server logged."""
import collections
import dataclasses
import itertools
import re

import alphabet

ROWS = ("SELECT * FROM (SELECT q.id, q.action, q.session_id, q.seq, coalesce(o.outcome, q.outcome) AS outcome, q.statement, "
        "coalesce(o.rows, q.rows) AS rows, coalesce(o.sqlstate, q.sqlstate) AS sqlstate, "
        "coalesce(o.command_tag, q.command_tag) AS command_tag, q.message_type, q.parameters, q.statement_raw, "
        "coalesce(q.metadata, '{}') || coalesce(o.metadata, '{}') AS metadata, q.application_name, q.reason, "
        "coalesce(o.attribution, q.attribution) AS attribution "
        "FROM ringfence.audit_event q LEFT JOIN ringfence.audit_event o ON q.outcome = 'running' AND o.parent_id = q.id "
        "AND o.node = q.node AND o.action = q.action || '_outcome' WHERE q.chain_no > %s) AS r ORDER BY session_id, seq")
# These run what a name stands for; their own text has no value.
BY_NAME = re.compile(rb'^(\s|;|--[^\n]*\n|/\*.*?\*/)*(execute|fetch|move)\b', re.I | re.S)

# Behind these a name may stand for something else, whatever they are here: the appliance sees words. An operator, a cast or a
# function may be somebody's own.
MAY_HIDE = re.compile(rb'\b(insert|update|delete|copy|from|do|call|execute|fetch|move|explain|selec|in)\b|::| [-+*/<>=#]+ |\w\(', re.I)

# The server says these before it logs that a portal runs.
NOT_REACHED = re.compile('portal ".*" does not exist$|invalid byte sequence|character with byte sequence')


@dataclasses.dataclass(frozen=True)
class Finding:
    """`kind` is what shrinking keeps."""
    kind: str
    text: str

    def __str__(self):
        return '%s: %s' % (self.kind, self.text)


class Contradiction(Exception):
    def __init__(self, kind, text, *more):
        super().__init__(kind)
        self.finding = Finding(kind, text % more)


def ascii_of(text):
    """Without what two encodings, or a redaction, write in two ways."""
    return re.sub(r'[^\x20-\x7e]+', '', text)


def numbers(row):
    return set(alphabet.VALUE.findall(row['statement'].encode()))


class Comparison:
    """finding: the first contradiction, or None. counts: how much the record said that it does not know."""

    def __init__(self, session, answers, rows, logged, effects):
        self.session, self.answers, self.logged, self.effects = session, answers, logged, effects
        self.rows = [row for row in rows if row['action'] == 'postgres_query' and row['outcome'] != 'not_executed']
        self.refused = [row for row in rows if row['action'] == 'postgres_query_blocked']
        self.errors = [row for row in rows if row['action'] in ('postgres_error', 'postgres_bind')]
        self.mismatches = [row for row in rows if row['action'] == 'attribution_mismatch']
        self.messages = [list(same) for _, same in itertools.groupby(answers.seen, lambda one: one.place)]
        self.tried = set()
        self.furthest = -1, None  # Of the ways that were tried, the one that fitted most rows.
        self.finding = None
        try:
            self.at, self.logged_at, self.counts = 0, 0, collections.Counter()
            self.walk(0)
            self.check_errors()
            self.check_effects()
            for told in self.mismatches:
                self.check_mismatch(told)
        except Contradiction as found:
            self.finding = found.finding if self.at >= self.furthest[0] else self.furthest[1]
        self.counts['statements'] = len(self.rows)

    def check_mismatch(self, told):
        """The witness contradicts a text only where code may have changed what its name stands for; the row claims none."""
        row = next((row for row in self.rows if str(row['id']) == told['metadata']['related_id']), None)
        if 'hidden' not in self.session.tags or row is None or not row['statement'].startswith('-- text not known'):
            raise Contradiction('mismatch', '%s of %s', told, row)
        self.counts['contradicted'] += 1

    def walk(self, index):
        """The answers to the messages from `index` on have the rows from `at` on. A Parse or Bind that failed has a row
        if an Execute failed with it: both is tried."""
        for index in range(index, len(self.messages)):
            first = self.messages[index][0]
            row = self.peek()
            if first.is_outside and not first.is_refused and row is not None and row['message_type'] == 'E' and \
                    row['outcome'] == 'failure' and row['sqlstate'] == first.sqlstate:
                kept = self.at, self.logged_at, self.counts.copy()
                try:
                    self.at += 1
                    if (index, self.at) in self.tried:
                        raise Contradiction('again', '')
                    return self.walk(index + 1)
                except Contradiction as found:
                    self.tried.add((index, kept[0] + 1))
                    if self.at > self.furthest[0]:
                        self.furthest = self.at, found.finding
                    self.at, self.logged_at, self.counts = kept
            else:
                self.message(self.messages[index])
        return self.rest()

    def peek(self):
        return self.rows[self.at] if self.at < len(self.rows) else None

    def message(self, answers):
        """All answers to one message."""
        self.text_at = 0
        first = self.peek()
        whole = ascii_of(answers[0].text.decode('utf-8', 'replace'))
        if len(answers) > 1 and first is not None and not answers[0].is_refused and \
                ascii_of(first['statement']) in (whole, '***'):
            self.at += 1
            return self.check_shared(answers, first)
        for seen in answers:
            row = self.peek()
            if seen.is_refused or seen.is_outside:
                continue
            if row is None:
                raise Contradiction('missing', 'nothing is recorded of %s', seen)
            self.at += 1
            self.check(seen, row)

    def check(self, seen, row):
        if row['message_type'] != seen.kind:
            raise Contradiction('type', '%s is recorded as %s', seen, row)
        if seen.kind == 'Q':
            self.check_place(seen, row)
        line = self.line_of(seen) if seen.kind == 'E' else None
        # A portal that had failed before runs nothing, and has no text any more.
        if (line != '' or seen.ending != 'error') and not self.is_unknown(seen, row):
            self.check_text(seen, row, line)
        self.check_outcome(seen, row)
        count = seen.tag.rsplit(' ', 1)[-1]
        rows = int(count) if count.isdigit() else seen.data_rows if seen.ending == 'suspended' else None
        if rows is not None and (row['rows'] or 0) != rows:
            raise Contradiction('rows', '%s recorded as %s', seen, row)

    def check_shared(self, answers, row):
        """One row for all answers to a Query that could not be cut."""
        # Behind messages of its group a text that is not ASCII is not cut either.
        if not self.session.tags & {'strings', 'encoding'} and answers[0].text.isascii():
            raise Contradiction('shared', '%s has the one record %s', answers, row)
        self.counts['shared'] += 1
        for seen in answers:
            self.check_text(seen, row, None, is_alone=False)
        self.check_outcome(answers[-1], row)

    def line_of(self, seen):
        """What the server logged for this Execute; None where it did not come so far."""
        if seen.ending == 'empty' or NOT_REACHED.match(seen.message):
            return None
        self.logged_at += 1
        if self.logged_at > len(self.logged):
            raise Contradiction('log', 'the server logged nothing of %s', seen)
        return self.logged[self.logged_at - 1]

    def is_unknown(self, seen, row):
        # The text says it: of a portal that was suspended, or whose text came out when it ran, metadata may not.
        is_unknown = row['statement'].startswith('-- text not known')
        is_presumed = row['attribution'] == 'presumed'
        if not is_unknown and not is_presumed:
            return False
        if is_unknown and seen.ending == 'error' and seen.sqlstate in ('34000', '26000', '22021', '08P01'):
            return True  # Nothing ran.
        self.counts['unknown' if is_unknown else 'presumed'] += 1
        if is_presumed and not is_unknown and any(MAY_HIDE.search(body) for op in self.session.ops for _, body in op.messages):
            return True
        # A name that the server did not know may have been used by a function that raised the same error.
        no_name = is_presumed and any(one.sqlstate in ('26000', '34000') for one in self.answers.seen)
        # Nor can it be told, of a name that is not ASCII, what the server keeps of it while the encoding may change.
        no_name = no_name or (is_unknown and not row['statement'].isascii())
        if not self.session.tags & {'hidden', 'encoding', 'hold'} and not no_name and \
                not (is_unknown and 'strings' in self.session.tags):
            raise Contradiction('doubt', 'no reason to doubt: %s recorded as %s', seen, row)
        return True

    def check_text(self, seen, row, line, is_alone=True):
        """`is_alone`: the row is of this answer's statement and no other."""
        if '***' in row['statement']:
            # A text that could not be read, or a secret in it.
            self.counts['hidden'] += 1
            if not self.session.tags & {'strings', 'encoding'}:
                raise Contradiction('hidden', 'no reason to hide: %s', row)
            return
        said = numbers(row)
        text = row['statement'].encode()
        if seen.values and not BY_NAME.match(text) and not seen.values <= said:
            raise Contradiction('text', '%s gave %s, recorded is %s', seen.kind, seen, row)
        if is_alone and seen.data_rows > 0 and said and not seen.values:
            raise Contradiction('text', 'gave none of its values: %s, recorded as %s', seen, row)
        if line is not None and ascii_of(row['statement']) not in ascii_of(line):
            raise Contradiction('text', 'the server logged %r, recorded is %s', line, row)
        if seen.parameters:
            given = set(alphabet.PARAMETER.findall(str(row['parameters']).encode()))
            if not seen.parameters <= given:
                raise Contradiction('parameters', '%s recorded as %s', seen, row)

    def check_place(self, seen, row):
        """A row's text stands in its message, behind the one before."""
        whole, part = ascii_of(seen.text.decode('utf-8', 'replace')), ascii_of(row['statement'])
        if '***' in part or row['metadata'].get('statement_unknown'):
            return
        at = whole.find(part, self.text_at)
        if at < 0:
            raise Contradiction('place', '%r does not stand behind %d in %r', part, self.text_at, whole)
        self.text_at = at + len(part)

    def check_outcome(self, seen, row):
        wanted = ('failure', 'cancelled') if seen.ending == 'error' else ('success',)
        if row['outcome'] not in wanted or (row['sqlstate'] or '') != seen.sqlstate:
            raise Contradiction('outcome', '%s recorded as %s', seen, row)
        if seen.ending == 'done' and row['command_tag'] != seen.tag:
            raise Contradiction('tag', '%s recorded as %s', seen, row)

    def rest(self):
        """What is recorded and was not seen. A session that was ended may leave what its client did not read."""
        if self.answers.fatal is not None:
            self.counts['ended'] += 1
            return
        if self.peek() is not None:
            raise Contradiction('extra', 'the client saw nothing of %s', self.peek())
        if self.logged_at < len(self.logged):
            raise Contradiction('extra', 'the server ran what nobody saw: %s', self.logged[self.logged_at:])

    def check_errors(self):
        """Every error that the client saw is in the trail once. What is refused while the server skips has no answer."""
        if self.answers.fatal is not None:
            return
        errors = [one for one in self.answers.seen if one.ending == 'error']
        seen = collections.Counter(one.sqlstate for one in errors if not one.is_refused)
        told = collections.Counter(row['sqlstate'] for row in self.rows + self.errors if row['sqlstate'])
        if seen != told:
            raise Contradiction('errors', 'seen %s, recorded %s', dict(seen - told), dict(told - seen))
        if len(self.refused) < len(errors) - sum(seen.values()):
            raise Contradiction('refusals', '%d recorded of %d', len(self.refused), len(errors) - sum(seen.values()))

    def check_effects(self):
        """What took effect is in a text that ran, whatever the client saw of it."""
        if self.counts['unknown'] or self.counts['presumed'] or self.counts['hidden']:
            return
        recorded = set().union(*map(numbers, self.rows), set())
        if any(row['statement'].startswith(('***', '-- text not known')) for row in self.rows):
            return
        # An EXECUTE in SQL runs what a Parse has made, which has no row of its own.
        if any(BY_NAME.match(row['statement'].encode()) for row in self.rows):
            for op in self.session.ops:
                recorded |= set().union(*(alphabet.VALUE.findall(body) for kind, body in op.messages if kind == b'P'), set())
        if not self.effects <= recorded:
            raise Contradiction('effect', 'in no recorded text: %s', sorted(self.effects - recorded))
