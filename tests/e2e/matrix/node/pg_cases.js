'use strict';
const { Client, Pool } = require('pg');
const Cursor = require('pg-cursor');
const { session, fails, equal, main, sleep } = require('./record.js');

async function connected(log) {
  const client = new Client({ application_name: log.application, ssl: false });
  await client.connect();
  return client;
}

// One client, its log, and the end of both.
async function using(work) {
  const log = session();
  const client = await connected(log);
  await work(client, log);
  await client.end();
}

const cases = {
  simple: () => using(async (client, log) => {
    const first = await client.query(log.add('SELECT n FROM generate_series(1, 7) n', { rows: 7, type: 'Q', tag: 'SELECT 7' }));
    equal(first.rows.length, 7);
    const both = await client.query('SELECT 1 AS a;SELECT 2 AS b FROM generate_series(1, 3)');
    log.add('SELECT 1 AS a', { rows: 1, type: 'Q' });
    log.add('SELECT 2 AS b FROM generate_series(1, 3)', { rows: 3, type: 'Q' });
    equal(both.map((result) => result.rowCount), [1, 3]);
    await fails('42P01', client.query(log.add('SELECT * FROM nowhere', { outcome: 'failure', sqlstate: '42P01' })));
    await client.query(log.add("SELECT 'grün ☃'", { rows: 1 }));
  }),

  parameters: () => using(async (client, log) => {
    const ask = (text, values, parameters) =>
      client.query(log.add(text, { parameters, rows: 1, type: 'E' }), values);
    const got = await ask('SELECT $1::int AS n, $2::text AS t, $3::text AS z', [42, 'grün', null], ['42', 'grün', null]);
    equal(got.rows, [{ n: 42, t: 'grün', z: null }]);
    await ask('SELECT $1::bool', [true], ['true']);
    await ask('SELECT $1::int[]', [[1, 2]], ['{"1","2"}']);
    await ask('SELECT $1::jsonb', [{ a: [1, 'x'] }], ['{"a":[1,"x"]}']);
    const bytes = Buffer.from([0, 255, 128]);
    const back = await ask('SELECT $1::bytea AS b', [bytes], [{ base64: bytes.toString('base64') }]);
    equal(back.rows[0].b.equals(bytes), true);
    const text = 'SELECT $1::int AS n, $2::text AS t';
    const binary = await client.query({ text: log.add(text, { parameters: ['7', 'ü'], rows: 1 }), values: [7, 'ü'], binary: true });
    equal(binary.rows, [{ n: 7, t: 'ü' }]);
  }),

  prepared: () => using(async (client, log) => {
    for (let n = 0; n < 20; n++) {
      const text = n % 2 ? 'SELECT $1::int + 1 AS odd' : 'SELECT g FROM generate_series(1, $1::int) g';
      log.add(text, { parameters: [String(n)], rows: n % 2 ? 1 : n, type: 'E' });
      await client.query({ name: n % 2 ? 'odd' : 'even', text, values: [n] });
    }
    const bad = 'SELECT 10 / $1::int';
    log.add(bad, { parameters: ['5'], rows: 1 });
    await client.query({ name: 'divide', text: bad, values: [5] });
    log.add(bad, { parameters: ['0'], outcome: 'failure', sqlstate: '22012' });
    await fails('22012', client.query({ name: 'divide', text: bad, values: [0] }));
    log.add(bad, { parameters: ['2'], rows: 1 });
    await client.query({ name: 'divide', text: bad, values: [2] });
  }),

  // Parse, Bind, Execute and Sync go out at once, so there is a statement that was to be executed.
  failing_parse: () => using(async (client, log) => {
    const text = log.add('SELECT $1::int FROM nowhere', { outcome: 'failure', sqlstate: '42P01' });
    await fails('42P01', client.query({ name: 'again', text, values: [1] }));
    await client.query(log.add('SELECT $1::text', { parameters: ['after'], rows: 1 }), ['after']);
  }),

  transaction: () => using(async (client, log) => {
    const run = (text, more, values) => client.query(log.add(text, more), values);
    await run('BEGIN', { tag: 'BEGIN' });
    await run('CREATE TEMP TABLE t (n int PRIMARY KEY) ON COMMIT DROP', { tag: 'CREATE TABLE' });
    await run('INSERT INTO t VALUES ($1)', { rows: 1, parameters: ['1'], tag: 'INSERT 0 1' }, [1]);
    await fails('23505', run('INSERT INTO t VALUES ($1)', { parameters: ['1'], outcome: 'failure', sqlstate: '23505' }, [1]));
    await fails('25P02', run('SELECT $1::int', { parameters: ['2'], outcome: 'failure', sqlstate: '25P02' }, [2]));
    await fails('25P02', run('SELECT 3', { outcome: 'failure', sqlstate: '25P02' }));
    await run('ROLLBACK', { tag: 'ROLLBACK' });
    await run('SELECT 4', { rows: 1 });
  }),

  cursor: () => using(async (client, log) => {
    const text = 'SELECT n FROM generate_series(1, $1::int) n';
    const cursor = client.query(new Cursor(text, [250]));
    for (const wanted of [100, 100, 50]) {
      equal((await cursor.read(100)).length, wanted);
      log.add(text, { rows: wanted, type: 'E', parameters: ['250'] });
    }
    await cursor.close();
    const half = client.query(new Cursor(text, [30]));
    await half.read(10);
    log.add(text, { rows: 10, parameters: ['30'] });
    await half.close();
    await client.query(log.add('SELECT 1', { rows: 1 }));
  }),

  // pg's own way to fetch in pieces: Execute with a limit until the portal is done.
  limited_executes: () => using(async (client, log) => {
    const text = 'SELECT n FROM generate_series(1, $1::int) n';
    for (const rows of [10, 10, 5]) log.add(text, { rows, parameters: ['25'] });
    const got = await client.query({ text, values: [25], rows: 10 });
    equal(got.rows.length, 25);
  }),

  large_result: () => using(async (client, log) => {
    const got = await client.query(log.add("SELECT n, repeat('r', 200) FROM generate_series(1, 50000) n", { rows: 50000 }));
    equal(got.rows[49999].n, 50000);
  }),

  queued: () => using(async (client, log) => {
    const waiting = [];
    for (let n = 0; n < 200; n++) {
      waiting.push(client.query(log.add('SELECT $1::int AS n', { parameters: [String(n)], rows: 1 }), [n]));
    }
    equal((await Promise.all(waiting)).map((result) => result.rows[0].n), [...Array(200).keys()]);
  }),

  parallel: async () => {
    const logs = [...Array(20).keys()].map((n) => session('/' + n));
    await Promise.all(logs.map(async (log, n) => {
      const client = await connected(log);
      for (let k = 0; k < 25; k++) {
        const value = n * 1000 + k;
        const got = await client.query(log.add('SELECT $1::int AS n', { parameters: [String(value)], rows: 1 }), [value]);
        equal(got.rows, [{ n: value }]);
      }
      await client.end();
    }));
  },

  pool: async () => {
    const log = session();
    const pool = new Pool({ application_name: log.application, max: 1 });
    for (let n = 0; n < 10; n++) await pool.query(log.add('SELECT $1::int', { parameters: [String(n)], rows: 1 }), [n]);
    await pool.end();
  },

  notifications: async () => {
    const [listening, sending] = [session('/l'), session('/s')];
    const listener = await connected(listening);
    const sender = await connected(sending);
    const heard = new Promise((resolve) => listener.on('notification', resolve));
    await listener.query(listening.add('LISTEN matrix_pg', { tag: 'LISTEN' }));
    await sender.query(sending.add('SELECT pg_notify($1, $2)', { parameters: ['matrix_pg', 'héllo'], rows: 1 }), ['matrix_pg', 'héllo']);
    equal((await heard).payload, 'héllo');
    await listener.query(listening.add('UNLISTEN *', { tag: 'UNLISTEN' }));
    await listener.end();
    await sender.end();
  },

  cancel: () => using(async (client, log) => {
    const { Query } = require('pg');
    const text = log.add('SELECT pg_sleep(30)', { outcome: 'cancelled', sqlstate: '57014' });
    const query = new Query(text);
    const ended = new Promise((resolve) => {
      query.on('error', (error) => resolve(error.code));
      query.on('end', () => resolve('it ended'));
    });
    client.query(query);
    await sleep(300);
    new Client({}).cancel(client, query);
    equal(await ended, '57014');
    await client.query(log.add('SELECT 1', { rows: 1 }));
  }),

  process_id: () => using(async (client, log) => {
    const got = await client.query(log.add('SELECT pg_backend_pid() AS pid', { rows: 1 }));
    equal(got.rows[0].pid, client.processID);
    const heard = new Promise((resolve) => client.on('notification', resolve));
    await client.query(log.add('LISTEN matrix_pid', { tag: 'LISTEN' }));
    await client.query(log.add('NOTIFY matrix_pid', { tag: 'NOTIFY' }));
    equal((await heard).processId, client.processID);
  }),

  server_version: () => using(async (client, log) => {
    const got = await client.query(log.add('SHOW server_version', { rows: 1, tag: 'SHOW' }));
    if (!got.rows[0].server_version.startsWith(process.env.WANTED_VERSION)) throw new Error('another server answered');
  }),
};

main(cases);
