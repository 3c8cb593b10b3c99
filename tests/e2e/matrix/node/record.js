'use strict';
// What a session sent, in order, for the comparison with the trail.

class Session {
  constructor(application) {
    this.application = application;
    this.sent = [];
  }
  // more: parameters, rows, outcome, sqlstate, tag, type.
  add(text, more = {}) {
    this.sent.push({ text, ...more });
    return text;
  }
}

const sessions = [];
const base = process.env.PGAPPNAME;

function session(suffix = '') {
  const made = new Session(base + suffix);
  sessions.push(made);
  return made;
}

// Expects the promise to fail with this SQLSTATE.
async function fails(sqlstate, promise) {
  try {
    await promise;
  } catch (error) {
    if (error.code !== sqlstate) throw error;
    return;
  }
  throw new Error('it did not fail with ' + sqlstate);
}

function equal(got, wanted) {
  if (JSON.stringify(got) !== JSON.stringify(wanted)) {
    throw new Error('got ' + JSON.stringify(got) + ' instead of ' + JSON.stringify(wanted));
  }
}

function main(cases) {
  const name = process.argv[2];
  cases[name]().then(
    () => {
      console.log(JSON.stringify({ sessions }));
      process.exit(0);
    },
    (error) => {
      console.error(name, error);
      process.exit(1);
    },
  );
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

module.exports = { session, fails, equal, main, sleep };
