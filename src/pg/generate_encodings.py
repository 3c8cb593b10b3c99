#!/usr/bin/python3
"""Writes src/pg/encodings.inc: what each byte above 127 is in PostgreSQL's single-byte encodings.

  generate_encodings.py 'host=/tmp/a' >src/pg/encodings.inc

The server, of any database in UTF8, is asked for every byte, and for every character whether it comes back.
"""
import sys

import psycopg

ENCODINGS = (['LATIN%d' % i for i in range(1, 11)] + ['ISO_8859_%d' % i for i in range(5, 9)]
             + ['WIN%d' % i for i in range(1250, 1259)] + ['WIN866', 'WIN874', 'KOI8R', 'KOI8U'])
CONVERT = """
create function pg_temp.converted(text bytea, here name, there name) returns bytea language plpgsql as $$
begin return convert(text, here, there); exception when others then return null; end $$"""
FORWARD = """
select i, ascii(convert_from(utf8, 'UTF8')) from (
  select i, pg_temp.converted(set_byte('\\x00', 0, i), %s, 'UTF8') utf8 from generate_series(128, 255) i) q
where utf8 is not null"""
BACK = """
select get_byte(byte, 0), i from (
  select i, pg_temp.converted(convert_to(chr(i), 'UTF8'), 'UTF8', %s) byte from generate_series(128, 65535) i
  where i not between 55296 and 57343) q
where byte is not null"""


def main():
    connection = psycopg.connect(sys.argv[1], autocommit=True)
    connection.execute(CONVERT)
    print('// Made by generate_encodings.py. 0: that byte is no character.')
    for name in ENCODINGS:
        table = dict(connection.execute(FORWARD, (name,)).fetchall())
        back = connection.execute(BACK, (name,)).fetchall()
        # One table serves both directions, and its characters have 16 bits.
        assert sorted(back) == sorted(table.items()), name
        values = ['0x%x' % table.get(byte, 0) for byte in range(128, 256)]
        print('{"%s", {' % name)
        for at in range(0, 128, 16):
            print('   %s,' % ', '.join(values[at:at + 16]))
        print('}},')


main()
