"""A random session: what it sends, in which pieces, and where it waits for answers."""
import dataclasses
import random

import alphabet
import raw

# The names and topics of a session, and how often it is drawn. `hidden` and `encoding` make names doubtful.
PROFILES = [
    (4, ('short', 'long'), ('plain', 'error', 'transaction', 'prepared', 'cursor')),
    (3, ('long', 'wide'), ('plain', 'plain', 'transaction', 'prepared', 'cursor')),
    (4, ('short',), ('plain', 'error', 'transaction', 'strings', 'ambiguous', 'ambiguous')),
    (2, ('short', 'encoded', 'wide'), ('plain', 'prepared', 'cursor', 'encoding', 'transaction')),
    (3, ('short', 'long'), ('plain', 'prepared', 'cursor', 'hidden', 'hidden', 'transaction', 'error')),
    (2, ('short', 'long', 'wide', 'encoded'), ('plain', 'error', 'transaction', 'prepared', 'cursor', 'strings',
                                               'ambiguous', 'encoding', 'hidden')),
]
USERS = ['admin', 'admin', 'bound', 'writer', 'reader']


@dataclasses.dataclass
class Op:
    """Messages that stay together, and what the client does behind them."""
    messages: list  # Of (type, body).
    then: str  # 'flow': more in the same write. 'write': a write ends here. 'pause': and a moment passes. 'wait': for all answers.
    tags: frozenset = frozenset()

    def __str__(self):
        return ' '.join('%s(%s)' % (kind.decode(), body[:300]) for kind, body in self.messages) + ' ' + self.then


@dataclasses.dataclass
class Session:
    seed: int
    user: str
    ops: list
    cut: int  # Writes are cut into pieces of at most so many bytes; 0: they are not.

    @property
    def tags(self):
        return frozenset().union(*(op.tags for op in self.ops)) if self.ops else frozenset()

    def __str__(self):
        return 'seed %d, user %s, cut %d\n  ' % (self.seed, self.user, self.cut) + '\n  '.join(map(str, self.ops))


def split(message):
    return message[:1], message[5:]


class Maker:
    def __init__(self, seed, users=None, without=frozenset()):
        self.random = random.Random(seed)
        weights = [weight for weight, _, _ in PROFILES]
        _, names, topics = self.random.choices(PROFILES, weights)[0]
        self.user = self.random.choice(users or USERS)
        topics = [topic for topic in topics if topic not in without]
        names = [name for name in names if name not in without] or ['short']
        self.alphabet = alphabet.Alphabet(self.random, names, topics, 'escapes' not in without)
        self.wants = {}  # Of each name of a message: how many parameters its text has, as the client believes.
        self.patience = self.random.choice([0.05, 0.3, 0.7])
        self.sync = self.random.choice([0.2, 0.5, 0.9])
        self.ops = []

    def session(self, seed):
        steps = [self.query, self.query, self.parse, self.run, self.run, self.run, self.whole, self.close, self.describe,
                 self.copy]
        topics = self.alphabet.topics
        steps += [self.switch] * 3 * ('strings' in topics and 'ambiguous' in topics)
        steps += [self.collide] * 3 * ('prepared' in topics)
        for _ in range(self.random.randint(4, 20)):
            self.random.choice(steps)()
        return Session(seed, self.user, self.ops, self.random.choice([0, 0, 0, 1, 7, 100]))

    # ---- several messages that chance alone would seldom bring together

    def statement(self, text, tags=()):
        """By a Query, or extended; it may be the whole of a flight or not even a sync group."""
        if self.random.random() < 0.6:
            self.add(raw.message(b'Q', text + b'\0'), answers=True, tags=tags)
            return
        self.add(raw.message(b'P', b'\0' + text + b'\0\0\0'), self.bind_message(b'', b'', 0), raw.message(b'E', bytes(5)),
                 tags=tags)
        self.perhaps_sync()

    def switch(self):
        """A setting changes how the next text reads, perhaps only until it is taken back."""
        if self.random.random() < 0.3:
            self.statement(self.random.choice([b'BEGIN', b'SAVEPOINT s']) + self.alphabet.mark())
        text = self.alphabet.strings_text()
        self.statement(text, self.alphabet.tags)
        if self.random.random() < 0.3:
            self.statement(self.random.choice([b'ROLLBACK', b'COMMIT', b'ROLLBACK TO s']) + self.alphabet.mark())
        text = self.alphabet.ambiguous_text()
        self.statement(text, self.alphabet.tags | {'strings'})

    def collide(self):
        """A name is made, perhaps made anew or dropped under another spelling or out of sight, and used."""
        first, second = self.alphabet.name(), self.alphabet.name()
        self.add(raw.message(b'P', first + b'\0SELECT ' + self.alphabet.value() + b'\0\0\0'))
        self.wants[first] = 0
        self.perhaps_sync()
        if self.random.random() < 0.2:
            # To those who may not: what stands in front of a change is refused.
            self.add(raw.message(b'Q', b'DROP TABLE nowhere' + self.alphabet.mark() + b'\0'), answers=True)
        if 'hidden' in self.alphabet.topics and self.random.random() < 0.5:
            text = self.alphabet.hidden_text()
            self.statement(text, self.alphabet.tags)
        elif self.random.random() < 0.5:
            self.add(raw.message(b'C', b'S' + second + b'\0'))
        else:
            self.statement(b'DEALLOCATE %s' % self.alphabet.identifier() + self.alphabet.mark())
        third = self.alphabet.name()
        self.add(raw.message(b'P', third + b'\0SELECT ' + self.alphabet.value() + b'\0\0\0'))
        self.wants[third] = 0
        self.perhaps_sync()
        self.add(self.bind_message(b'', self.random.choice([first, second, third])), self.execute_message(b''))
        self.perhaps_sync()

    def add(self, *messages, answers=False, tags=()):
        """`answers`: the server says what it has, so that one may wait for it."""
        if answers and self.random.random() < self.patience:
            then = 'wait'
        else:
            then = self.random.choice(['flow', 'flow', 'flow', 'write', 'pause'])
        self.ops.append(Op([split(message) for message in messages], then, frozenset(tags)))

    def perhaps_sync(self):
        if self.random.random() < self.sync:
            self.add(raw.SYNC, answers=True)
        elif self.random.random() < 0.2:
            self.add(raw.FLUSH, answers=True)

    def query(self):
        texts, tags = [], set()
        for _ in range(self.random.choice([1, 1, 1, 2, 3])):
            texts.append(self.alphabet.text())
            tags |= self.alphabet.tags
        glue = self.random.choice([b';', b'; ', b' ; -- it\n', b';/* ; */'])
        # Behind a comment to the line's end there is nothing of the next one.
        text = glue.join(one + b'\n' if b'--' in one else one for one in texts) + self.random.choice([b'', b';', b' ;; '])
        if self.random.random() < 0.3:
            self.add(raw.SYNC, answers=True)
        self.add(raw.message(b'Q', text + b'\0'), answers=True, tags=tags)

    def parse_message(self, name):
        self.wants[name] = 0
        text, tags = self.alphabet.text(), set(self.alphabet.tags)
        if self.random.random() < 0.15:
            text, tags = b'SELECT %s, $1::int' % self.alphabet.value(), set()
            self.wants[name] = 1
        return raw.message(b'P', name + b'\0' + text + b'\0\0\0'), tags

    def bind_message(self, portal, name, wants=None):
        values = [self.alphabet.parameter() for _ in range(self.wants.get(name, 0) if wants is None else wants)]
        body = portal + b'\0' + name + b'\0\0\0' + len(values).to_bytes(2, 'big')
        for value in values:
            body += len(value).to_bytes(4, 'big') + value
        return raw.message(b'B', body + b'\0\0')

    def execute_message(self, portal):
        rows = self.random.choice([0, 0, 0, 1, 2])
        return raw.message(b'E', portal + b'\0' + rows.to_bytes(4, 'big'))

    def parse(self):
        message, tags = self.parse_message(self.alphabet.name())
        self.add(message, tags=tags)
        self.perhaps_sync()

    def run(self):
        name, portal = self.alphabet.name(), self.random.choice([b'', b'', self.alphabet.name()])
        if self.random.random() < 0.85:
            self.add(self.bind_message(portal, name))
        else:
            portal = self.alphabet.name()
        for _ in range(self.random.choice([1, 1, 1, 2])):
            self.add(self.execute_message(portal))
        self.perhaps_sync()

    def whole(self):
        """As drivers do it."""
        name = self.alphabet.name()
        parse, tags = self.parse_message(name)
        self.add(parse, tags=tags)
        self.add(self.bind_message(b'', name))
        if self.random.random() < 0.5:
            self.add(raw.message(b'D', b'P\0'))
        self.add(self.execute_message(b''))
        self.perhaps_sync()

    def close(self):
        self.add(raw.message(b'C', self.random.choice([b'S', b'S', b'P']) + self.alphabet.name() + b'\0'))
        self.perhaps_sync()

    def describe(self):
        self.add(raw.message(b'D', self.random.choice([b'S', b'P']) + self.alphabet.name() + b'\0'))
        self.perhaps_sync()

    def copy(self):
        data = [raw.message(b'd', self.alphabet.value() + b'\n') for _ in range(self.random.randint(0, 2))]
        end = self.random.choice([raw.message(b'c'), raw.message(b'c'), raw.message(b'f', b'enough\0')])
        table = self.random.choice([b'copied', b'copied', b'copied', b'nowhere'])
        text = b'COPY %s FROM STDIN' % table + self.alphabet.mark()
        if self.random.random() < 0.5:
            self.add(raw.SYNC, raw.message(b'Q', text + b'\0'), *data, end, answers=True)
        else:
            # By names that nothing else uses: an Execute of it without data behind would wait for ever.
            self.add(raw.parse('copy_in', text.decode()), raw.bind('copy_in', 'copy_in'), raw.execute('copy_in'), *data, end,
                     raw.close(b'S', 'copy_in'), raw.SYNC, answers=True)


def make(seed, users=None, without=frozenset()):
    return Maker(seed, users, without).session(seed)
