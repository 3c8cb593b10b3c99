'use strict';
const { Readable } = require('stream');
const { pipeline } = require('stream/promises');
const postgres = require('postgres');
const { session, fails, equal, main, sleep } = require('./record.js');

function connected(log, more = {}) {
  return postgres({
    host: process.env.PGHOST, port: +process.env.PGPORT, database: process.env.PGDATABASE, user: process.env.PGUSER,
    password: process.env.PGPASSWORD, ssl: false, max: 1, fetch_types: false, onnotice: () => {},
    connection: { application_name: log.application }, ...more,
  });
}

async function using(work, more) {
  const log = session();
  const sql = connected(log, more);
  await work(sql, log);
  await sql.end({ timeout: 5 });
}

const count = (n) => [...Array(n).keys()];

const cases = {
  parameters: () => using(async (sql, log) => {
    log.add('SELECT $1::int AS n, $2::text AS t, $3::text AS z', { parameters: ['42', 'grün', null], rows: 1, type: 'E' });
    equal([...(await sql`SELECT ${42}::int AS n, ${'grün'}::text AS t, ${null}::text AS z`)], [{ n: 42, t: 'grün', z: null }]);
    log.add('SELECT $1::bool', { parameters: ['t'], rows: 1 });
    await sql`SELECT ${true}::bool`;
    log.add('SELECT $1::jsonb', { parameters: ['{"a":[1,"x"]}'], rows: 1 });
    await sql`SELECT ${sql.json({ a: [1, 'x'] })}::jsonb`;
    log.add('SELECT 1 AS plain', { rows: 1 });
    await sql`SELECT 1 AS plain`;
  }),

  prepared: () => using(async (sql, log) => {
    for (const n of count(20)) {
      log.add('SELECT g FROM generate_series(1, $1::int) g', { parameters: [String(n)], rows: n, type: 'E' });
      equal((await sql`SELECT g FROM generate_series(1, ${n}::int) g`).length, n);
    }
  }),

  unprepared: () => using(async (sql, log) => {
    for (const n of count(10)) {
      log.add('SELECT $1::int AS n', { parameters: [String(n)], rows: 1 });
      await sql`SELECT ${n}::int AS n`;
    }
  }, { prepare: false }),

  pipelined: () => using(async (sql, log) => {
    await sql.unsafe(log.add('CREATE TEMP TABLE p (n int)'));
    await Promise.all(count(300).map((n) => {
      log.add('INSERT INTO p VALUES ($1)', { parameters: [String(n)], rows: 1, tag: 'INSERT 0 1' });
      return sql`INSERT INTO p VALUES (${n})`;
    }));
    log.add('SELECT count(*)::int AS c, sum(n)::int AS s FROM p', { rows: 1 });
    equal([...(await sql`SELECT count(*)::int AS c, sum(n)::int AS s FROM p`)], [{ c: 300, s: 44850 }]);
  }),

  pipelined_errors: () => using(async (sql, log) => {
    log.add('SELECT 100 / $1::int AS q', { parameters: ['50'], rows: 1 });
    await sql`SELECT 100 / ${50}::int AS q`;
    const done = await Promise.allSettled(count(30).map((n) => {
      const failed = n % 3 === 0 ? { outcome: 'failure', sqlstate: '22012' } : { rows: 1 };
      log.add('SELECT 100 / $1::int AS q', { parameters: [String(n % 3)], ...failed });
      return sql`SELECT 100 / ${n % 3}::int AS q`;
    }));
    equal(done.filter((one) => one.status === 'rejected').map((one) => one.reason.code), Array(10).fill('22012'));
  }),

  transactions: () => using(async (sql, log) => {
    log.add('begin ', { tag: 'BEGIN' });
    log.add('CREATE TEMP TABLE t (n int PRIMARY KEY)', { tag: 'CREATE TABLE' });
    log.add('INSERT INTO t VALUES ($1)', { parameters: ['1'], rows: 1 });
    log.add('savepoint "s0"', { tag: 'SAVEPOINT' });
    log.add('INSERT INTO t VALUES ($1)', { parameters: ['1'], outcome: 'failure', sqlstate: '23505' });
    log.add('rollback to "s0"', { tag: 'ROLLBACK' });
    log.add('commit', { tag: 'COMMIT' });
    await sql.begin(async (tx) => {
      await tx`CREATE TEMP TABLE t (n int PRIMARY KEY)`;
      await tx`INSERT INTO t VALUES (${1})`;
      await fails('23505', tx.savepoint((deeper) => deeper`INSERT INTO t VALUES (${1})`));
    });
    log.add('begin ');
    log.add('SELECT 1/0 AS x', { outcome: 'failure', sqlstate: '22012' });
    log.add('rollback', { tag: 'ROLLBACK' });
    await fails('22012', sql.begin((tx) => tx`SELECT 1/0 AS x`));
    log.add('SELECT count(*)::int AS c FROM t', { rows: 1 });
    equal((await sql`SELECT count(*)::int AS c FROM t`)[0].c, 1);
  }),

  cursor: () => using(async (sql, log) => {
    const text = 'SELECT n FROM generate_series(1, $1::int) n';
    for (const rows of [100, 100, 50]) log.add(text, { rows, parameters: ['250'], type: 'E' });
    const sizes = [];
    for await (const rows of sql`SELECT n FROM generate_series(1, ${250}::int) n`.cursor(100)) sizes.push(rows.length);
    equal(sizes, [100, 100, 50]);
    log.add(text, { rows: 10, parameters: ['30'] });
    for await (const rows of sql`SELECT n FROM generate_series(1, ${30}::int) n`.cursor(10)) {
      equal(rows.length, 10);
      break;
    }
    log.add('SELECT 1 AS x', { rows: 1 });
    await sql`SELECT 1 AS x`;
  }),

  large_result: () => using(async (sql, log) => {
    log.add("SELECT n, repeat('r', 200) AS r FROM generate_series(1, 50000) n", { rows: 50000 });
    equal((await sql`SELECT n, repeat('r', 200) AS r FROM generate_series(1, 50000) n`).length, 50000);
    let seen = 0;
    log.add("SELECT n, repeat('s', 20) AS r FROM generate_series(1, 50000) n", { rows: 50000 });
    await sql`SELECT n, repeat('s', 20) AS r FROM generate_series(1, 50000) n`.forEach(() => { seen++; });
    equal(seen, 50000);
  }),

  simple: () => using(async (sql, log) => {
    log.add('SELECT 1 AS a', { rows: 1, type: 'Q' });
    log.add('SELECT n FROM generate_series(1, 3) n', { rows: 3, type: 'Q' });
    await sql.unsafe('SELECT 1 AS a; SELECT n FROM generate_series(1, 3) n').simple();
  }),

  copy: () => using(async (sql, log) => {
    await sql.unsafe(log.add('CREATE TEMP TABLE c (n int, t text)'));
    log.add('COPY c FROM STDIN', { rows: 5000, tag: 'COPY 5000' });
    const lines = count(5000).map((n) => n + '\trow ' + n + '\n');
    await pipeline(Readable.from(lines), await sql`COPY c FROM STDIN`.writable());
    log.add('SELECT count(*)::int AS c FROM c', { rows: 1 });
    equal((await sql`SELECT count(*)::int AS c FROM c`)[0].c, 5000);
    // Last: this driver answers no query after a readable COPY, with or without Ringfence.
    log.add('COPY c TO STDOUT', { rows: 5000, tag: 'COPY 5000' });
    let size = 0;
    for await (const chunk of await sql`COPY c TO STDOUT`.readable()) size += chunk.length;
    equal(size, lines.join('').length);
  }),

  described_only: () => using(async (sql, log) => {
    const found = await sql`SELECT ${1}::int AS n`.describe();
    equal(found.columns.length, 1);
    log.add('SELECT 2 AS m', { rows: 1 });
    await sql`SELECT 2 AS m`;
  }),

  cancel: () => using(async (sql, log) => {
    log.add('SELECT pg_sleep(30)', { outcome: 'cancelled', sqlstate: '57014' });
    const query = sql`SELECT pg_sleep(30)`;
    query.execute();
    await sleep(400);
    query.cancel();
    await fails('57014', query);
    log.add('SELECT 1 AS x', { rows: 1 });
    await sql`SELECT 1 AS x`;
  }),

  parallel: async () => {
    const logs = count(15).map((n) => session('/' + n));
    await Promise.all(logs.map(async (log, n) => {
      const sql = connected(log);
      await Promise.all(count(40).map(async (k) => {
        const value = n * 1000 + k;
        log.add('SELECT $1::int AS n', { parameters: [String(value)], rows: 1 });
        equal((await sql`SELECT ${value}::int AS n`)[0].n, value);
      }));
      await sql.end({ timeout: 5 });
    }));
  },
};

main(cases);
