#!/usr/bin/python3
"""Makes command_tags.inc: which command tags a statement's answer may have, by the statement's leading words.

usage: generate_command_tags.py CMDTAGLIST_H WHERE_FROM > command_tags.inc

CMDTAGLIST_H is PostgreSQL's src/include/tcop/cmdtaglist.h; Debian has it in postgresql-server-dev-15. WHERE_FROM says
what it is of, for the head of the output. The lists of 16, 17 and 18 differ from that of 15 by LOGIN alone, which is
the tag of an event trigger and answers no statement.
"""
import re
import sys

# Of these words any number may stand behind CREATE, ALTER and DROP before the word that says what is made.
MODIFIERS = '''
constraint default global local or procedural recursive replace temp temporary trusted unique unlogged
'''.split()

# Where the tags are not those that begin with the statement's words. A tag stands for itself and what begins with it.
RELATION = ['ALTER TABLE', 'ALTER INDEX', 'ALTER VIEW', 'ALTER SEQUENCE', 'ALTER MATERIALIZED VIEW', 'ALTER FOREIGN TABLE']
IRREGULAR = {
    '(': ['SELECT'],
    'VALUES': ['SELECT'],
    'TABLE': ['SELECT'],
    'WITH': ['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'MERGE'],
    # What is prepared is not told by the statement, and may be anything.
    'EXECUTE': None,
    # In a failed transaction.
    'COMMIT': ['COMMIT', 'ROLLBACK'],
    'END': ['COMMIT', 'ROLLBACK'],
    'PREPARE': ['PREPARE', 'ROLLBACK'],
    'ABORT': ['ROLLBACK'],
    'ANALYSE': ['ANALYZE'],
    # AS, with and without data, and where the table was there.
    'CREATE TABLE': ['CREATE TABLE', 'SELECT'],
    'CREATE MATERIALIZED': ['CREATE MATERIALIZED VIEW', 'SELECT', 'CREATE TABLE AS'],
    'CREATE USER': ['CREATE ROLE', 'CREATE USER MAPPING'],
    'CREATE GROUP': ['CREATE ROLE'],
    'ALTER USER': ['ALTER ROLE', 'ALTER USER MAPPING'],
    'ALTER GROUP': ['ALTER ROLE'],
    'DROP USER': ['DROP ROLE', 'DROP USER MAPPING'],
    'DROP GROUP': ['DROP ROLE'],
    # The kind of a relation is not told by the word.
    'ALTER TABLE': RELATION, 'ALTER INDEX': RELATION, 'ALTER VIEW': RELATION, 'ALTER SEQUENCE': RELATION,
    'ALTER MATERIALIZED': RELATION, 'ALTER FOREIGN': RELATION + ['ALTER FOREIGN DATA WRAPPER'],
}
BY_SECOND_WORD = ['ALTER', 'CREATE', 'DROP']


def main():
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    with open(sys.argv[1]) as file:
        tags = re.findall(r'^PG_CMDTAG\(\w+, "([A-Z ]+)"', file.read(), re.MULTILINE)
    tags = sorted(set(tags))
    if len(tags) < 150:
        raise SystemExit('%s is no list of command tags' % sys.argv[1])

    def beginning(words):
        return [tag for tag in tags if tag == words or tag.startswith(words + ' ')]

    leaders = {}
    for tag in tags:
        words = tag.split(' ')
        leaders[words[0]] = beginning(words[0])
        if words[0] in BY_SECOND_WORD:
            leaders[' '.join(words[:2])] = beginning(' '.join(words[:2]))
    for words, allowed in IRREGULAR.items():
        if allowed is None:
            del leaders[words]
            continue
        found = [tag for begin in allowed for tag in beginning(begin)]
        if not found:
            raise SystemExit('no tag is like %s' % allowed)
        leaders[words] = sorted(set(found))
    print('// Made by generate_command_tags.py from cmdtaglist.h of %s; do not edit.' % sys.argv[2])
    print('constexpr std::string_view command_tags[] = {')
    for tag in tags:
        print('    "%s",' % tag)
    print('};')
    print('// The leading words of statements, and the tags that may answer them, a bit for each.')
    print('constexpr Leader leaders[] = {')
    for words in sorted(leaders):
        bits = sum(1 << tags.index(tag) for tag in leaders[words])
        parts = ', '.join('0x%xu' % (bits >> (64 * i) & (1 << 64) - 1) for i in range(4))
        print('    {"%s", {{%s}}},' % (words, parts))
    print('};')
    print('constexpr std::string_view modifiers[] = {%s};' % ', '.join('"%s"' % word for word in MODIFIERS))


if __name__ == '__main__':
    main()
