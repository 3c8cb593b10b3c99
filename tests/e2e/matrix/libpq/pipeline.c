/* libpq's pipeline mode without a driver in between. Prints what it sent as the client matrix wants it. */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char sent[1 << 20];
static size_t sent_size;

static void add(const char* text, const char* parameter, const char* more) {
  sent_size +=
      (size_t)snprintf(sent + sent_size, sizeof sent - sent_size, "%s{\"text\": \"%s\"%s%s%s%s%s}",
                       sent_size ? ", " : "", text, parameter ? ", \"parameters\": [\"" : "",
                       parameter ? parameter : "", parameter ? "\"]" : "", more[0] ? ", " : "", more);
}

static void die(PGconn* connection, const char* what) {
  fprintf(stderr, "%s: %s", what, PQerrorMessage(connection));
  exit(1);
}

/* The result of one command, and the NULL that ends it. */
static void expect(PGconn* connection, ExecStatusType wanted) {
  PGresult* result = PQgetResult(connection);
  if (PQresultStatus(result) != wanted) {
    fprintf(stderr, "%s instead of %s\n", PQresStatus(PQresultStatus(result)), PQresStatus(wanted));
    die(connection, "result");
  }
  PQclear(result);
  if (wanted != PGRES_PIPELINE_SYNC && PQgetResult(connection) != NULL)
    die(connection, "one result too many");
}

static void send_divide(PGconn* connection, const char* divisor) {
  const char* values[1] = {divisor};
  if (!PQsendQueryPrepared(connection, "divide", 1, values, NULL, NULL, 0)) die(connection, "send");
}

int main(void) {
  const char* divide = "SELECT 100 / $1::int";
  char number[16];
  PGconn* connection = PQconnectdb("sslmode=disable");
  if (PQstatus(connection) != CONNECTION_OK) die(connection, "connect");
  if (!PQenterPipelineMode(connection)) die(connection, "pipeline");

  /* Many commands, one Sync. */
  if (!PQsendPrepare(connection, "divide", divide, 0, NULL)) die(connection, "prepare");
  for (int n = 1; n <= 200; ++n) {
    snprintf(number, sizeof number, "%d", n);
    send_divide(connection, number);
    add(divide, number, "\"rows\": 1, \"type\": \"E\"");
  }
  if (!PQpipelineSync(connection)) die(connection, "sync");
  /* Three groups that are all on their way before the first answer is read; the second has an error in its
   * middle. */
  const char* groups[3][3] = {{"1", "2", "3"}, {"4", "0", "5"}, {"6", "7", "8"}};
  for (int group = 0; group < 3; ++group) {
    for (int i = 0; i < 3; ++i) send_divide(connection, groups[group][i]);
    if (!PQpipelineSync(connection)) die(connection, "sync");
  }
  for (int group = 0; group < 3; ++group) {
    for (int i = 0; i < 3; ++i) {
      const char* more = "\"rows\": 1";
      if (group == 1 && i == 1) more = "\"outcome\": \"failure\", \"sqlstate\": \"22012\"";
      if (group == 1 && i == 2) more = "\"outcome\": \"not_executed\"";
      add(divide, groups[group][i], more);
    }
  }
  expect(connection, PGRES_COMMAND_OK);
  for (int n = 0; n < 200; ++n) expect(connection, PGRES_TUPLES_OK);
  expect(connection, PGRES_PIPELINE_SYNC);
  for (int i = 0; i < 3; ++i) expect(connection, PGRES_TUPLES_OK);
  expect(connection, PGRES_PIPELINE_SYNC);
  expect(connection, PGRES_TUPLES_OK);
  expect(connection, PGRES_FATAL_ERROR);
  expect(connection, PGRES_PIPELINE_ABORTED);
  expect(connection, PGRES_PIPELINE_SYNC);
  for (int i = 0; i < 3; ++i) expect(connection, PGRES_TUPLES_OK);
  expect(connection, PGRES_PIPELINE_SYNC);

  /* A transaction over two groups, with a request to flush instead of a Sync, and one row at a time. */
  const char* texts[] = {"BEGIN", "CREATE TEMP TABLE t (n int)", "INSERT INTO t VALUES (1), (2), (3)"};
  const char* tags[] = {"\"tag\": \"BEGIN\"", "\"tag\": \"CREATE TABLE\"",
                        "\"tag\": \"INSERT 0 3\", \"rows\": 3"};
  for (int i = 0; i < 3; ++i) {
    if (!PQsendQueryParams(connection, texts[i], 0, NULL, NULL, NULL, NULL, 0)) die(connection, "send");
    add(texts[i], NULL, tags[i]);
  }
  if (!PQsendFlushRequest(connection) || PQflush(connection) < 0) die(connection, "flush");
  for (int i = 0; i < 3; ++i) expect(connection, PGRES_COMMAND_OK);
  const char* all = "SELECT n FROM t, generate_series(1, 100)";
  if (!PQsendQueryParams(connection, all, 0, NULL, NULL, NULL, NULL, 1)) die(connection, "send");
  add(all, NULL, "\"rows\": 300");
  if (!PQpipelineSync(connection)) die(connection, "sync");
  if (!PQsendQueryParams(connection, "COMMIT", 0, NULL, NULL, NULL, NULL, 0)) die(connection, "send");
  add("COMMIT", NULL, "\"tag\": \"COMMIT\"");
  if (!PQpipelineSync(connection)) die(connection, "sync");
  if (!PQsetSingleRowMode(connection)) die(connection, "single row mode");
  for (int i = 0; i < 300; ++i) {
    PGresult* row = PQgetResult(connection);
    if (PQresultStatus(row) != PGRES_SINGLE_TUPLE) die(connection, "a row");
    PQclear(row);
  }
  expect(connection, PGRES_TUPLES_OK);
  expect(connection, PGRES_PIPELINE_SYNC);
  expect(connection, PGRES_COMMAND_OK);
  expect(connection, PGRES_PIPELINE_SYNC);
  if (!PQexitPipelineMode(connection)) die(connection, "exit");
  PQfinish(connection);
  printf("{\"sessions\": [{\"application\": \"%s\", \"sent\": [%s]}]}\n", getenv("PGAPPNAME"), sent);
  return 0;
}
