"""What the sessions of the model test are made of: names that collide, and texts that carry a number of their own.

A number from 7000000 on is a value: where the text runs, the client gets it (in a row, in a notice, in COPY data), and
one that stands in the table `told`, beside the server's process, took effect. A number from 6000000 on is a mark in a
comment. A number from 8000000 on is a parameter, which the statement returns."""
import re

VALUE = re.compile(rb'7\d{6}')
PARAMETER = re.compile(rb'8\d{6}')
ANY = re.compile(rb'[67]\d{6}')

LONG = b'n' * 62
NAMES = {
    'short': [b'a', b'b', b'A'],
    # To the server these are one name: it keeps 63 bytes.
    'long': [LONG + b'n1', LONG + b'n2', LONG + b'n'],
    # Cut inside of the character in messages (the first two are one name then), at its edge in SQL.
    'wide': [(LONG.decode() + end).encode() for end in 'éê日'] + [LONG],
    # One name in two encodings.
    'encoded': [b'\xc3\xa9', b'\xe9', b'\xc3\x83\xc2\xa9'],
}

SETUP = r"""
CREATE TABLE told (n int, pid int DEFAULT pg_backend_pid());
CREATE TABLE copied (n int);
CREATE TABLE renamed (name text, n int);
CREATE TABLE switched (value text);
CREATE VIEW strings_off AS SELECT set_config('standard_conforming_strings', 'off', false) AS now;
CREATE VIEW strings_on AS SELECT set_config('standard_conforming_strings', 'on', false) AS now;
CREATE FUNCTION swap(name text, n int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM pg_prepared_statements p WHERE p.name = swap.name::name::text) THEN
    EXECUTE format('DEALLOCATE %I', name::name);
  END IF;
  EXECUTE format('PREPARE %I AS SELECT %s', name::name, n);
  RETURN n;
END $$;
CREATE FUNCTION swap_portal(name text, n int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE c refcursor := name::name;
BEGIN
  IF EXISTS (SELECT FROM pg_cursors p WHERE p.name = swap_portal.name::name::text) THEN
    CLOSE c;
  END IF;
  OPEN c FOR EXECUTE format('SELECT %s', n);
  RETURN n;
END $$;
CREATE FUNCTION swapped_by_operator(text, int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN swap($1, $2); END $$;
CREATE OPERATOR ##> (leftarg = text, rightarg = int, function = swapped_by_operator);
CREATE FUNCTION lower(text, int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN swap($1, $2); END $$;
CREATE FUNCTION drop_names() RETURNS int LANGUAGE plpgsql AS $$ BEGIN DEALLOCATE ALL; RETURN 1; END $$;
CREATE FUNCTION on_renamed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM swap(NEW.name, NEW.n); RETURN NEW; END $$;
CREATE TRIGGER swaps BEFORE INSERT ON renamed FOR EACH ROW EXECUTE FUNCTION on_renamed();
CREATE FUNCTION on_switched() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM set_config('standard_conforming_strings', NEW.value, false); RETURN NEW; END $$;
CREATE TRIGGER switches BEFORE INSERT ON switched FOR EACH ROW EXECUTE FUNCTION on_switched();
CREATE PROCEDURE say(n int) LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE '%', n; END $$;
GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC;
"""


class Alphabet:
    """Texts at random. `names`: keys of NAMES; `topics`: methods below that end in _text."""

    def __init__(self, random, names, topics, has_escapes=True):
        self.random = random
        self.pool = [name for key in names for name in NAMES[key]]
        self.names = random.sample(self.pool, min(len(self.pool), random.randint(2, 4)))
        self.topics = topics
        self.has_escapes = has_escapes  # UESCAPE in other forms than '…'.
        self.values = 7000000
        self.marks = 6000000
        self.parameters = 8000000
        self.tags = set()  # What the last text may do: 'strings', 'encoding', 'hidden', 'hold'.

    def value(self):
        self.values += 1
        return b'%d' % self.values

    def mark(self):
        self.marks += 1
        return b' /*%d*/' % self.marks

    def parameter(self):
        self.parameters += 1
        return b'%d' % self.parameters

    def name(self):
        """As in a message; there the empty one is a name as well."""
        return self.random.choice(self.names + [b''])

    def identifier(self, name=None):
        """A name as SQL may write it."""
        name = name or self.random.choice(self.names)
        forms = [b'"%s"' % name]
        if name.isascii():
            forms += [name, name.upper()]
        try:
            text = name.decode()
        except UnicodeDecodeError:
            return forms[0]
        picked = self.random.randrange(len(text))
        escapes = [('\\', ''), ('!', " UESCAPE '!'")]
        if self.has_escapes:
            escapes += [('!', ' UESCAPE $$!$$'), ('!', ' /**/ uescape\n E\'!\'')]
        for escape, behind in escapes:
            code = '%s%04X' % (escape, ord(text[picked]))
            if self.random.random() < 0.3:
                code = '%s+%06X' % (escape, ord(text[picked]))
            forms.append(('U&"%s%s%s"%s' % (text[:picked], code, text[picked + 1:], behind)).encode())
        return self.random.choice(forms)

    def text(self):
        self.tags = set()
        topic = self.random.choice(self.topics)
        return getattr(self, topic + '_text')()

    # ---- topics

    def plain_text(self):
        n = self.value()
        return self.random.choice([
            b'SELECT %s' % n, b'SELECT %s' % n, b"SELECT '%s', 'x'" % n, b'VALUES (%s)' % n,
            b'SELECT %s FROM generate_series(1, %d)' % (n, self.random.randint(0, 4)),
            b'INSERT INTO told VALUES (%s) RETURNING n' % n,
            b'WITH w AS (SELECT %s AS n) SELECT n FROM w' % n,
            b'DELETE FROM told WHERE n = -1' + self.mark(),
            b'UPDATE told SET n = 0 WHERE n = -1' + self.mark(),
            b'COPY (SELECT %s) TO STDOUT' % n,
            b'EXPLAIN (COSTS off) SELECT 1' + self.mark(),
            b'-- of nothing' + self.mark(), b'',
        ])

    def error_text(self):
        return self.random.choice([
            b'SELECT 1 / 0' + self.mark(), b'SELECT %s FROM nowhere' % self.value(), b'SELEC %s' % self.value(),
            b'SELECT 1 / (n - n) FROM generate_series(1, 2) n' + self.mark(), b'EXECUTE nobody' + self.mark(),
            b'ROLLBACK TO nowhere' + self.mark(), b'SELECT \'a' + self.mark(),
        ])

    def transaction_text(self):
        return self.random.choice([
            b'BEGIN', b'BEGIN', b'START TRANSACTION', b'COMMIT', b'COMMIT', b'END', b'ROLLBACK', b'COMMIT AND CHAIN',
            b'SAVEPOINT s', b'SAVEPOINT s', b'ROLLBACK TO s', b'ROLLBACK TO s', b'RELEASE s', b'ABORT',
        ]) + self.mark()

    def prepared_text(self):
        name = self.identifier()
        return self.random.choice([
            b'PREPARE %s AS SELECT %s' % (name, self.value()), b'PREPARE %s AS SELECT %s' % (name, self.value()),
            b'prepare %s as INSERT INTO told VALUES (%s) RETURNING n' % (name, self.value()),
            b'EXECUTE %s' % name + self.mark(), b'EXECUTE %s' % name + self.mark(), b'EXECUTE %s' % name + self.mark(),
            b'DEALLOCATE %s' % name + self.mark(), b'DEALLOCATE PREPARE %s' % name + self.mark(),
            b'DEALLOCATE ALL' + self.mark(), b'DISCARD ALL' + self.mark(), b'DISCARD PLANS' + self.mark(),
        ])

    def cursor_text(self):
        name = self.identifier()
        hold = self.random.choice([b'', b'', b' WITH HOLD'])
        if hold:
            self.tags.add('hold')
        rows = self.random.randint(1, 6)
        return self.random.choice([
            b'DECLARE %s CURSOR%s FOR SELECT %s FROM generate_series(1, %d)' % (name, hold, self.value(), rows),
            b'DECLARE %s CURSOR%s FOR SELECT %s FROM generate_series(1, %d)' % (name, hold, self.value(), rows),
            b'FETCH %d FROM %s' % (rows, name) + self.mark(), b'FETCH ALL IN %s' % name + self.mark(),
            b'MOVE 1 FROM %s' % name + self.mark(), b'CLOSE %s' % name + self.mark(), b'CLOSE ALL' + self.mark(),
        ])

    def strings_text(self):
        self.tags.add('strings')
        to = self.random.choice([b'on', b'off'])
        word = b'standard_conforming_strings'
        return self.random.choice([
            b'SET %s = %s' % (word, to), b'SET LOCAL %s TO %s' % (word, to), b'SET SESSION "%s" = \'%s\'' % (word, to),
            b"SELECT set_config('%s', '%s', %s), %s" % (word, to, self.random.choice([b'true', b'false']), self.value()),
            b"UPDATE pg_catalog.pg_settings SET setting = '%s' WHERE name = '%s'" % (to, word),
            b'RESET %s' % word, b'RESET ALL', b'SET %s TO DEFAULT' % word,
            b'SELECT now, %s FROM strings_%s' % (self.value(), to), b"INSERT INTO switched VALUES ('%s')" % to,
            b"DO $$ BEGIN PERFORM set_config('%s', '%s', false); END $$" % (word, to),
        ]) + self.mark()

    def ambiguous_text(self):
        """Reads differently where backslashes escape; the first two run as many statements in both readings."""
        n = [self.value() for _ in range(5)]
        return self.random.choice([
            b"SELECT 'a\\'; SELECT %s; SELECT %s; /*'; SELECT %s; SELECT %s; SELECT '*/ SELECT %s -- '" % tuple(n),
            b"SELECT 'a\\'; SELECT %s; /*'; SELECT %s; SELECT '*/ SELECT %s -- '" % tuple(n[:3]),
            b"SELECT 'a\\'; INSERT INTO told VALUES (%s); /*'; INSERT INTO told VALUES (%s); SELECT '*/ INSERT INTO told "
            b"VALUES (%s) -- '" % tuple(n[:3]),
            b"SELECT '\\' || /*', %s -- */ 'x', %s\n" % tuple(n[:2]),
            b"SELECT '\\', %s -- ', %s" % tuple(n[:2]) + b'\n',
            b"SELECT 'it\\'; SELECT %s --'" % n[0],
            b"SELECT E'\\'', %s; SELECT %s --'" % tuple(n[:2]),
        ])

    def encoding_text(self):
        self.tags.add('encoding')
        to = self.random.choice([b'UTF8', b'UTF8', b'LATIN1', b'LATIN1', b'SJIS', b'SQL_ASCII'])
        return self.random.choice([
            b"SET client_encoding = '%s'" % to, b"SET NAMES '%s'" % to, b"SET LOCAL client_encoding TO '%s'" % to,
            b"SELECT set_config('client_encoding', '%s', false), %s" % (to, self.value()), b'RESET client_encoding',
            b"SELECT E'\x95\\', %s --'" % self.value(),
        ]) + self.mark()

    def hidden_text(self):
        """What takes names or prints where no text of the client says so."""
        self.tags.add('hidden')
        word = self.random.choice(self.names)
        n, m = self.value(), self.value()
        return self.random.choice([
            b"DO $$ BEGIN PERFORM swap('%s', %s); END $$" % (word, n), b"SELECT swap('%s', %s), %s" % (word, n, m),
            b"SELECT swap_portal('%s', %s), %s" % (word, n, m), b"INSERT INTO renamed VALUES ('%s', %s) RETURNING n" % (word, n),
            b"SELECT '%s'::text ##> %s, %s" % (word, n, m), b"SELECT lower('%s'::text, %s), %s" % (word, n, m),
            b'SELECT drop_names(), %s' % m, b"DO $$ BEGIN RAISE NOTICE '%s'; END $$" % n, b'CALL say(%s)' % n,
            b'DO $$ BEGIN DEALLOCATE "%s"; EXCEPTION WHEN OTHERS THEN NULL; END $$' % word + self.mark(),
            b"DO 'BEGIN RAISE NOTICE ''%s''; END'" % n,
        ])
