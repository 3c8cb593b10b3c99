"""Attempts in bytes: messages that clients' libraries do not send, or not in this order. And what a startup packet may ask for.

A mechanism's attempts are (bytes, how many ReadyForQuery answer them). `expect` is a SQLSTATE that has to be among the answers;
'ended' where the session ends. Nothing of the kind ever changes anything.
"""
import struct

import raw
from attempts import Mechanism
from raw import FLUSH, SYNC, TERMINATE, bind, close, describe, execute, message, parse, query

DELETE = 'DELETE FROM victim'
NEXT = "SELECT nextval('orders_id_seq')"


def extended(text, name='', portal=''):
    return parse(name, text) + bind(portal, name) + describe(b'P', portal) + execute(portal)


def call(oid, *arguments):
    body = struct.pack('!IHH', oid, 0, len(arguments))
    for argument in arguments:
        body += struct.pack('!i', len(argument)) + argument
    return message(b'F', body + struct.pack('!H', 0))


def query_of(data):
    return message(b'Q', data)


# OIDs are PostgreSQL's own, from pg_proc.dat; they do not change.
CALLS = {'lo_creat': call(957, b'-1'), 'lo_create': call(715, b'0'), 'lo_open': call(952, b'4710', b'131072'), 'lowrite': call(955, b'0', b'x'), 'lo_unlink': call(964, b'4710'), 'lo_import': call(764, b'/etc/hostname'),
         'lo_export': call(765, b'4710', b'/tmp/wall-exported'), 'nextval': call(1574, b'orders_id_seq'), 'setval': call(1576, b'orders_id_seq', b'1'), 'pg_reload_conf': call(2621), 'set_config': call(2078, b'transaction_read_only', b'off', b'f'),
         'pg_terminate_backend': call(2096, b'1', b'0'), 'pg_cancel_backend': call(2171, b'1'), 'pg_notify': call(3036, b'wall', b'x'), 'pg_advisory_lock': call(2880, b'1'), 'pg_switch_wal': call(2848), 'pg_stat_reset': call(2274),
         'pg_current_xact_id': call(5059), 'pg_create_restore_point': call(3098, b'x'), 'query_to_xml': call(2925, b'delete from victim', b't', b't', b''), 'lo_put': call(3460, b'4710', b'0', b'x'), 'pg_read_file': call(2624, b'PG_VERSION', b'0', b'1'),
         'no such function': call(4_000_000_000), 'with the stand-in\'s number': call(0)}

PROTOCOL = [
    Mechanism('FunctionCall', [(data, 1) for name, data in CALLS.items() if name not in ('no such function', "with the stand-in's number")]),
    Mechanism('FunctionCall of nothing', [(CALLS['no such function'], 1)]),
    Mechanism('FunctionCall in a pipeline', [(parse('', 'SELECT 1') + CALLS['nextval'] + SYNC, 2), (query('SELECT 1') + CALLS['lo_creat'] + query('SELECT 2'), 3)]),
    Mechanism('FunctionCall in a transaction that has failed', [(query('BEGIN') + query('SELECT 1/0') + CALLS['lo_creat'], 3)], expect='25P02'),
    Mechanism('FunctionCall cut short', [(message(b'F', struct.pack('!I', 957)), 1)], expect='08P01'),
    Mechanism('a Flush with a body', [(message(b'H', b'x') + query(DELETE) + SYNC, 1)], expect='08P01'),
    Mechanism('many messages at once', [
        (query('SELECT 1') + query(DELETE) + query('SELECT 2'), 3), (query('SELECT 1') * 50 + query(DELETE), 51), (extended('SELECT 1') + extended(DELETE) + extended('SELECT 2') + SYNC, 1),
        (extended('SELECT 1') + SYNC + extended(DELETE) + SYNC + extended(NEXT) + SYNC + query(DELETE), 4)]),
    Mechanism('a Sync withheld', [(extended(DELETE) + FLUSH + SYNC, 1), (extended('SELECT 1') + FLUSH + extended(DELETE) + FLUSH + extended('SELECT 1') + SYNC, 1), (extended(DELETE) + query(DELETE) + SYNC, 1)]),
    Mechanism('a Query behind an error that is not synchronised', [(parse('', 'no SQL') + query(DELETE) + SYNC, 1), (parse('', DELETE) + query(DELETE) + CALLS['lo_creat'] + SYNC, 1)]),
    Mechanism('a name that keeps its old statement', [
        (parse('keep', 'SELECT 1') + SYNC + parse('keep', DELETE) + bind('', 'keep') + execute() + SYNC + close(b'S', 'keep') + SYNC, 3),
        (parse('w', DELETE) + SYNC + bind('', 'w') + execute() + SYNC, 2),
        (parse('x', 'no SQL') + close(b'S', 'x') + parse('x', DELETE) + SYNC + bind('', 'x') + execute() + SYNC, 2)]),
    Mechanism('SQL PREPARE, then the protocol', [(query('PREPARE sp AS ' + DELETE) + bind('', 'sp') + execute() + SYNC, 2), (extended('PREPARE sp AS ' + NEXT) + SYNC + bind('', 'sp') + execute() + SYNC, 2)]),
    Mechanism('the protocol, then SQL EXECUTE', [(parse('pp', DELETE) + SYNC + query('EXECUTE pp'), 2), (parse('pp', NEXT) + SYNC + extended('EXECUTE pp') + SYNC, 2)]),
    Mechanism("a cursor's portal", [(query('BEGIN') + query('DECLARE cp CURSOR FOR ' + NEXT) + execute('cp') + SYNC, 3), (query('BEGIN') + extended("DECLARE cp CURSOR FOR SELECT erase_one()") + SYNC + execute('cp') + SYNC, 3)]),
    Mechanism('portals with a limit of rows', [(parse('', 'SELECT a FROM victim') + bind('pl', '') + execute('pl', 2) + parse('', DELETE) + execute('pl', 2) + SYNC, 1),
                                              (query('BEGIN') + parse('', 'SELECT a FROM victim') + bind('pl', '') + execute('pl', 2) + FLUSH + query(DELETE) + execute('pl', 2) + SYNC, 3)]),
    Mechanism('parameters instead of constants', [
        (parse('', 'SELECT set_config($1, $2, false)') + bind('', '', [b'default_transaction_read_only', b'off']) + execute() + SYNC, 1),
        (parse('', 'SELECT nextval($1)', [2205]) + bind('', '', [b'orders_id_seq']) + execute() + SYNC, 1), (parse('', 'SELECT query_to_xml($1, true, true, $2)') + bind('', '', [b'delete from victim', b'']) + execute() + SYNC, 1)]),
    Mechanism('two statements in one Parse', [(extended('SELECT 1; ' + DELETE) + SYNC, 1), (extended(';' + DELETE) + SYNC, 1)]),
    Mechanism('transactions by the extended protocol', [(extended('BEGIN READ WRITE') + extended(DELETE) + extended('COMMIT') + SYNC, 1), (extended('BEGIN') + extended('SET TRANSACTION READ WRITE') + extended(DELETE) + SYNC, 1),
                                                       (extended('COMMIT') + extended('START TRANSACTION READ WRITE') + extended(DELETE) + SYNC, 1), (query('BEGIN') + extended('SET LOCAL transaction_read_only = off') + SYNC, 2)]),
    Mechanism('COPY data for a COPY that was refused', [(query('COPY victim FROM STDIN') + message(b'd', b'1\tx\n') + message(b'c') + query('SELECT 1'), 2), (extended('COPY victim FROM STDIN') + SYNC + message(b'd', b'1\tx\n') + message(b'c') + SYNC, 2)]),
    Mechanism('COPY data around a Query', [(message(b'd', b'1\tx\n') + message(b'c') + query(DELETE) + message(b'f', b'x\0'), 1)]),
    Mechanism('bytes that are no text', [
        (query_of(b"SELECT '\xff'; DELETE FROM victim\0"), 1), (query_of(b'SELECT 1\xc0\xbb DELETE FROM victim\0'), 1), (query_of(b"SELECT '\xe2\x80'; DELETE FROM victim; --'\0"), 1), (message(b'P', b'\0DELETE\xa0FROM victim\0\0\0') + SYNC, 1)]),
    Mechanism('a text behind the end of the text', [(query_of(b'SELECT 1\0; DELETE FROM victim\0'), 1), (query_of(b'SELECT 1\0Q\0\0\0\x18DELETE FROM victim\0'), 1)], expect='08P01'),
    Mechanism('a text without an end', [(query_of(b'SELECT 1; DELETE FROM victim'), 1), (message(b'P', b'\0DELETE FROM victim') + SYNC, 1)]),
    Mechanism('no text at all', [(query_of(b'') + query(DELETE), 2), (message(b'P', b'') + query(DELETE) + SYNC, 1), (message(b'E', b'') + SYNC + query(DELETE), 2)], expect='08P01'),
    Mechanism('what was refused is used all the same', [(parse('r', DELETE) + describe(b'S', 'r') + bind('rp', 'r') + describe(b'P', 'rp') + execute('rp') + execute('rp') + SYNC, 1), (parse('r', DELETE) + SYNC + describe(b'S', 'r') + SYNC, 2)]),
    Mechanism('a message longer than is decided', [(query(DELETE + ' WHERE b = \'' + 'x' * (1 << 20) + "'") + query('SELECT 1'), 2), (parse('', DELETE + ' /*' + 'x' * (1 << 20) + '*/') + bind('', '') + execute() + SYNC, 1)], expect='54000'),
]
# After these the session is over.
ENDING = [
    Mechanism('a message of an unknown type', [(message(b'?', b'DELETE FROM victim\0') + query(DELETE), 1), (message(b'z') + query(DELETE), 1)], expect='ended'),
    Mechanism('a password that nobody asked for', [(message(b'p', b'secret\0') + query(DELETE), 1)], expect='ended'),
    Mechanism('a startup packet in the session', [(raw.startup({'user': 'postgres', 'database': 'shop', 'replication': 'database'}) + query(DELETE), 1), (raw.SSL_REQUEST + query(DELETE), 1)], expect='ended'),
    Mechanism('a length that is too short or too long', [(b'Q\0\0\0\x03' + query(DELETE), 1), (b'Q\xff\xff\xff\xff' + query(DELETE), 1)], expect='ended'),
    Mechanism('a statement behind Terminate', [(TERMINATE + query(DELETE), 1), (query('SELECT 1') + TERMINATE + extended(DELETE) + SYNC, 2)], expect='ended'),
    Mechanism('a FunctionCall longer than is decided', [(message(b'F', struct.pack('!I', 957) + b'\0' * (2 << 20)) + query(DELETE), 1)], expect='ended'),
]
# Of the startup packet: refused, or the session is as read-only as any.
STARTUP = {
    'the startup packet: replication': [{'replication': 'database'}, {'replication': 'true'}, {'replication': '1'}, {'replication': 'on'}],
    'the startup packet: options': [{'options': text} for text in (
        '-c default_transaction_read_only=off', '-cdefault_transaction_read_only=off', '--default_transaction_read_only=off', '--default-transaction-read-only=off', '-c default_transaction_read_only=on -c default_transaction_read_only=off',
        r'-c default_transaction_read_only\=off', '-c DEFAULT_TRANSACTION_READ_ONLY=OFF', '-c transaction_read_only=off', '-c role=postgres', '-c session_authorization=postgres', '-c standard_conforming_strings=off', '-c work_mem=1GB',
        '-c search_path=evil,pg_catalog', '-c session_replication_role=replica', '-d 5', '-P', '-O', '-c client_encoding=SJIS', '-c session_preload_libraries=x')],
    'the startup packet: keys': [{'default_transaction_read_only': 'off'}, {'DEFAULT_TRANSACTION_READ_ONLY': 'off'}, {'transaction_read_only': 'off'}, {'role': 'postgres'}, {'session_authorization': 'postgres'}, {'standard_conforming_strings': 'off'},
                                 {'client_encoding': 'SJIS'}, {'search_path': 'evil, pg_catalog'}, {'session_replication_role': 'replica'}, {'_pq_.x': '1'}, {'ignore_system_indexes': 'on'}, {'statement_timeout': '0'}, {'local_preload_libraries': 'x'}],
}
