import java.io.StringReader;
import java.io.StringWriter;
import java.math.BigDecimal;
import java.sql.BatchUpdateException;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Types;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyManager;

/** One case of pgjdbc each; the last line printed is what was sent, as JSON. */
public final class Matrix {
  interface Case {
    void run(Matrix m) throws Exception;
  }

  static final Map<String, Case> CASES = new LinkedHashMap<>();
  final List<String> sent = new ArrayList<>();
  final List<String> sessions = new ArrayList<>();
  Connection connection;

  // --- What was sent ---------------------------------------------------------------------------------------------
  static String quoted(String text) {
    if (text == null) return "null";
    StringBuilder out = new StringBuilder("\"");
    for (char c : text.toCharArray()) {
      if (c == '"' || c == '\\') out.append('\\').append(c);
      else if (c < 32) out.append(String.format("\\u%04x", (int) c));
      else out.append(c);
    }
    return out.append('"').toString();
  }

  void log(String text, String more) {
    sent.add("{\"text\": " + quoted(text) + (more.isEmpty() ? "" : ", " + more) + "}");
  }

  /** A statement that gives so many rows, with these parameters. */
  void rows(String text, int rows, String... parameters) {
    log(text, "\"rows\": " + rows + (parameters.length > 0 ? ", " + list(parameters) : ""));
  }

  void fails(String text, String sqlstate, String... parameters) {
    log(text, "\"outcome\": \"failure\", \"sqlstate\": \"" + sqlstate + "\""
        + (parameters.length > 0 ? ", " + list(parameters) : ""));
  }

  void skipped(String text, String... parameters) {
    log(text, "\"outcome\": \"not_executed\"" + (parameters.length > 0 ? ", " + list(parameters) : ""));
  }

  static String list(String... parameters) {
    List<String> parts = new ArrayList<>();
    for (String one : parameters) parts.add(quoted(one));
    return "\"parameters\": [" + String.join(", ", parts) + "]";
  }

  static void check(boolean holds, String what) {
    if (!holds) throw new AssertionError(what);
  }

  static int drain(ResultSet results) throws SQLException {
    int n = 0;
    while (results.next()) n++;
    results.close();
    return n;
  }

  static String sqlstate(Case work, Matrix m) throws Exception {
    try {
      work.run(m);
      return "none";
    } catch (SQLException error) {
      return error.getSQLState();
    }
  }

  // --- Sessions --------------------------------------------------------------------------------------------------
  void open(String... settings) throws SQLException {
    Properties all = new Properties();
    all.setProperty("user", System.getenv("PGUSER"));
    all.setProperty("password", System.getenv("PGPASSWORD"));
    all.setProperty("ApplicationName", System.getenv("PGAPPNAME") + "/" + sessions.size());
    all.setProperty("assumeMinServerVersion", "14");  // Then the name is in the startup packet.
    all.setProperty("sslmode", "disable");
    for (int i = 0; i < settings.length; i += 2) all.setProperty(settings[i], settings[i + 1]);
    connection = DriverManager.getConnection("jdbc:postgresql://" + System.getenv("PGHOST") + ":"
        + System.getenv("PGPORT") + "/" + System.getenv("PGDATABASE"), all);
    sent.clear();
  }

  void close() throws SQLException {
    connection.close();
    sessions.add("{\"application\": " + quoted(System.getenv("PGAPPNAME") + "/" + sessions.size()) + ", \"sent\": ["
        + String.join(", ", sent) + "]}");
  }

  void execute(String text) throws SQLException {
    log(text, "");
    try (Statement statement = connection.createStatement()) {
      statement.execute(text);
    }
  }

  // --- Cases -----------------------------------------------------------------------------------------------------
  static void prepared(String threshold, String... more) {
    CASES.put("prepared_" + threshold, m -> {
      m.open("prepareThreshold", threshold);
      String text = "SELECT n, $1::text AS t FROM generate_series(1, $2) n";
      String asked = "SELECT n, ?::text AS t FROM generate_series(1, ?) n";
      try (PreparedStatement statement = m.connection.prepareStatement(asked)) {
        for (int n = 0; n < 12; n++) {
          statement.setString(1, "grün " + n);
          statement.setInt(2, n);
          m.rows(text, n, "grün " + n, "" + n);
          check(drain(statement.executeQuery()) == n, "rows");
        }
      }
      try (PreparedStatement statement = m.connection.prepareStatement("SELECT 10 / ?::int")) {
        for (int n : new int[] {5, 0, 2, 0, 1, 5, 5}) {
          statement.setInt(1, n);
          if (n == 0) m.fails("SELECT 10 / $1::int", "22012", "0");
          else m.rows("SELECT 10 / $1::int", 1, "" + n);
          try {
            check(drain(statement.executeQuery()) == 1 && n != 0, "one row");
          } catch (SQLException error) {
            check(n == 0 && "22012".equals(error.getSQLState()), "division by zero");
          }
        }
      }
      m.close();
    });
  }

  static void batches(String name, String... settings) {
    CASES.put(name, m -> {
      m.open(settings);
      m.execute("CREATE TEMP TABLE b (n int PRIMARY KEY, t text)");
      try (PreparedStatement statement = m.connection.prepareStatement("INSERT INTO b VALUES (?, ?)")) {
        for (int n = 0; n < 100; n++) {
          statement.setInt(1, n);
          statement.setString(2, "row " + n);
          statement.addBatch();
          m.rows("INSERT INTO b VALUES ($1, $2)", 1, "" + n, "row " + n);
        }
        check(statement.executeBatch().length == 100, "counts");
      }
      m.rows("SELECT * FROM b", 100);
      try (Statement statement = m.connection.createStatement()) {
        check(drain(statement.executeQuery("SELECT * FROM b")) == 100, "all of them");
      }
      m.close();
    });
  }

  static {
    CASES.put("statement", m -> {
      m.open();
      m.rows("SELECT n FROM generate_series(1, 9) n", 9);
      m.rows("SELECT 1", 1);
      m.rows(" SELECT n FROM generate_series(1, 3) n", 3);
      try (Statement statement = m.connection.createStatement()) {
        check(drain(statement.executeQuery("SELECT n FROM generate_series(1, 9) n")) == 9, "rows");
        statement.execute("SELECT 1; SELECT n FROM generate_series(1, 3) n");
        m.fails("SELECT * FROM nowhere", "42P01");
        check("42P01".equals(sqlstate(x -> statement.executeQuery("SELECT * FROM nowhere"), m)), "42P01");
        m.rows("SELECT 'ü☃'", 1);
        drain(statement.executeQuery("SELECT 'ü☃'"));
      }
      m.close();
      m.open("preferQueryMode", "simple");
      m.log("SELECT n FROM generate_series(1, 4) n", "\"rows\": 4, \"type\": \"Q\"");
      try (Statement statement = m.connection.createStatement()) {
        check(drain(statement.executeQuery("SELECT n FROM generate_series(1, 4) n")) == 4, "rows");
      }
      m.close();
    });

    prepared("0");
    prepared("1");
    prepared("5");

    CASES.put("types", m -> {
      m.open("prepareThreshold", "1");
      String text = "SELECT $1::int8, $2::text, $3::numeric, $4::bool, $5::float8, $6::uuid, $7::text";
      java.util.UUID uuid = java.util.UUID.fromString("0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0");
      try (PreparedStatement statement = m.connection.prepareStatement(
          "SELECT ?::int8, ?::text, ?::numeric, ?::bool, ?::float8, ?::uuid, ?::text")) {
        for (int n = 0; n < 8; n++) {
          statement.setLong(1, (1L << 40) + n);
          statement.setString(2, "ü\n\"" + n);
          statement.setBigDecimal(3, new BigDecimal("12.50"));
          statement.setBoolean(4, n % 2 == 0);
          statement.setDouble(5, 1.5);
          statement.setObject(6, uuid);
          statement.setNull(7, Types.VARCHAR);
          m.rows(text, 1);
          ResultSet results = statement.executeQuery();
          check(results.next() && results.getLong(1) == (1L << 40) + n && results.getString(2).equals("ü\n\"" + n)
              && results.getBigDecimal(3).equals(new BigDecimal("12.50")) && results.getDouble(5) == 1.5
              && results.getObject(6).equals(uuid) && results.getString(7) == null, "values");
          results.close();
        }
      }
      m.close();
    });

    batches("batch");
    batches("batch_threshold_1", "prepareThreshold", "1");
    batches("batch_unnamed", "prepareThreshold", "0");

    CASES.put("batch_that_fails", m -> {
      m.open();
      m.execute("CREATE TEMP TABLE b (n int PRIMARY KEY)");
      String text = "INSERT INTO b VALUES ($1)";
      int[] values = {1, 2, 3, 2, 4, 5};
      try (PreparedStatement statement = m.connection.prepareStatement("INSERT INTO b VALUES (?)")) {
        for (int i = 0; i < values.length; i++) {
          statement.setInt(1, values[i]);
          statement.addBatch();
          if (i < 3) m.rows(text, 1, "" + values[i]);
          else if (i == 3) m.fails(text, "23505", "2");
          else m.skipped(text, "" + values[i]);
        }
        check("23505".equals(sqlstate(x -> statement.executeBatch(), m)), "23505");
      } catch (BatchUpdateException error) {
        throw new AssertionError(error);
      }
      // One Sync for all of them without a transaction: the server rolled the whole group back.
      m.rows("SELECT n FROM b", 0);
      try (Statement statement = m.connection.createStatement()) {
        check(drain(statement.executeQuery("SELECT n FROM b")) == 0, "nothing stays");
      }
      m.close();
    });

    CASES.put("batch_of_statements", m -> {
      m.open();
      m.execute("CREATE TEMP TABLE b (n int PRIMARY KEY)");
      try (Statement statement = m.connection.createStatement()) {
        for (int n = 0; n < 30; n++) {
          statement.addBatch("INSERT INTO b VALUES (" + n + ")");
          m.rows("INSERT INTO b VALUES (" + n + ")", 1);
        }
        statement.executeBatch();
      }
      m.close();
    });

    CASES.put("rewritten_batch", m -> {
      m.open("reWriteBatchedInserts", "true");
      m.execute("CREATE TEMP TABLE b (n int, t text)");
      int total = 200;
      try (PreparedStatement statement = m.connection.prepareStatement("INSERT INTO b VALUES (?, ?)")) {
        for (int n = 0; n < total; n++) {
          statement.setInt(1, n);
          statement.setString(2, "r" + n);
          statement.addBatch();
        }
        check(statement.executeBatch().length == total, "counts");
      }
      // pgjdbc makes INSERTs of 128 rows and then of the powers of two that are left.
      int at = 0;
      for (int size = 128; at < total; ) {
        if (total - at < size) {
          size /= 2;
          continue;
        }
        StringBuilder text = new StringBuilder("INSERT INTO b VALUES ");
        String[] parameters = new String[2 * size];
        for (int i = 0; i < size; i++) {
          text.append(i > 0 ? "," : "").append("($").append(2 * i + 1).append(", $").append(2 * i + 2).append(")");
          parameters[2 * i] = "" + (at + i);
          parameters[2 * i + 1] = "r" + (at + i);
        }
        m.rows(text.toString(), size, parameters);
        at += size;
      }
      m.rows("SELECT n FROM b", total);
      try (Statement statement = m.connection.createStatement()) {
        check(drain(statement.executeQuery("SELECT n FROM b")) == total, "all of them");
      }
      m.close();
    });

    CASES.put("fetch_size", m -> {
      m.open();
      m.connection.setAutoCommit(false);
      for (String threshold : new String[] {"5", "1"}) {
        m.log("BEGIN", "\"tag\": \"BEGIN\"");
        try (PreparedStatement statement = m.connection.prepareStatement("SELECT n FROM generate_series(1, ?) n")) {
          ((org.postgresql.PGStatement) statement).setPrepareThreshold(Integer.parseInt(threshold));
          statement.setFetchSize(100);
          statement.setInt(1, 250);
          check(drain(statement.executeQuery()) == 250, "rows");
          for (int rows : new int[] {100, 100, 50}) m.rows("SELECT n FROM generate_series(1, $1) n", rows, "250");
          // Half read, then closed.
          statement.setInt(1, 30);
          statement.setFetchSize(10);
          ResultSet half = statement.executeQuery();
          for (int i = 0; i < 15; i++) half.next();
          half.close();
          for (int rows : new int[] {10, 10}) m.rows("SELECT n FROM generate_series(1, $1) n", rows, "30");
        }
        m.connection.commit();
        m.log("COMMIT", "\"tag\": \"COMMIT\"");
      }
      m.close();
    });

    CASES.put("copy", m -> {
      m.open();
      m.execute("CREATE TEMP TABLE c (n int, t text)");
      CopyManager copies = ((PGConnection) m.connection).getCopyAPI();
      StringBuilder lines = new StringBuilder();
      for (int n = 0; n < 5000; n++) lines.append(n).append('\t').append("row ").append(n).append('\n');
      m.rows("COPY c FROM STDIN", 5000);
      check(copies.copyIn("COPY c FROM STDIN", new StringReader(lines.toString())) == 5000, "in");
      m.rows("COPY c TO STDOUT", 5000);
      StringWriter out = new StringWriter();
      check(copies.copyOut("COPY c TO STDOUT", out) == 5000 && out.toString().equals(lines.toString()), "out");
      m.fails("COPY c FROM STDIN", "22P02");
      check("22P02".equals(sqlstate(x -> copies.copyIn("COPY c FROM STDIN", new StringReader("no\tnumber\n")), m)), "22P02");
      m.log("COPY c FROM STDIN", "\"outcome\": \"cancelled\", \"sqlstate\": \"57014\"");
      org.postgresql.copy.CopyIn broken = copies.copyIn("COPY c FROM STDIN");
      byte[] line = "1\tx\n".getBytes();
      broken.writeToCopy(line, 0, line.length);
      broken.cancelCopy();
      m.rows("SELECT n FROM c", 5000);
      try (Statement statement = m.connection.createStatement()) {
        check(drain(statement.executeQuery("SELECT n FROM c")) == 5000, "rows");
      }
      m.close();
    });

    CASES.put("process_id", m -> {
      m.open();
      m.rows("SELECT pg_backend_pid()", 1);
      try (Statement statement = m.connection.createStatement(); ResultSet row = statement.executeQuery("SELECT pg_backend_pid()")) {
        check(row.next() && row.getInt(1) == ((PGConnection) m.connection).getBackendPID() && !row.next(), "process id");
      }
      m.close();
    });

    CASES.put("cancel", m -> {
      m.open();
      try (Statement statement = m.connection.createStatement()) {
        m.log("SELECT pg_sleep(30)", "\"outcome\": \"cancelled\", \"sqlstate\": \"57014\"");
        Thread other = new Thread(() -> {
          try {
            Thread.sleep(500);
            statement.cancel();
          } catch (Exception error) {
            throw new RuntimeException(error);
          }
        });
        other.start();
        check("57014".equals(sqlstate(x -> statement.executeQuery("SELECT pg_sleep(30)"), m)), "57014");
        other.join();
        m.rows("SELECT 1", 1);
        drain(statement.executeQuery("SELECT 1"));
      }
      m.close();
    });

    CASES.put("transaction", m -> {
      m.open();
      m.execute("CREATE TEMP TABLE t (n int PRIMARY KEY)");
      m.connection.setAutoCommit(false);
      m.log("BEGIN", "");
      m.rows("INSERT INTO t VALUES (1)", 1);
      m.fails("INSERT INTO t VALUES (1)", "23505");
      m.fails("SELECT 1", "25P02");
      m.log("ROLLBACK", "\"tag\": \"ROLLBACK\"");
      try (Statement statement = m.connection.createStatement()) {
        statement.executeUpdate("INSERT INTO t VALUES (1)");
        check("23505".equals(sqlstate(x -> statement.executeUpdate("INSERT INTO t VALUES (1)"), m)), "23505");
        check("25P02".equals(sqlstate(x -> statement.executeQuery("SELECT 1"), m)), "25P02");
        m.connection.rollback();
      }
      m.close();
    });

    CASES.put("max_rows", m -> {
      m.open();
      String text = "SELECT n FROM generate_series(1, 100) n";
      try (Statement statement = m.connection.createStatement()) {
        statement.setMaxRows(10);
        m.rows(text, 10);
        check(drain(statement.executeQuery(text)) == 10, "rows");
        m.rows("SELECT 1", 1);
        drain(statement.executeQuery("SELECT 1"));
      }
      m.close();
    });

    CASES.put("batch_that_fails_in_a_transaction", m -> {
      m.open("prepareThreshold", "1");
      m.execute("CREATE TEMP TABLE b (n int PRIMARY KEY)");
      String text = "INSERT INTO b VALUES ($1)";
      m.connection.setAutoCommit(false);
      m.log("BEGIN", "");
      try (PreparedStatement statement = m.connection.prepareStatement("INSERT INTO b VALUES (?)")) {
        for (int round = 0; round < 2; round++) {
          int[] values = round == 0 ? new int[] {1, 2, 3} : new int[] {4, 5, 1, 6, 7};
          for (int i = 0; i < values.length; i++) {
            statement.setInt(1, values[i]);
            statement.addBatch();
            if (round == 0 || i < 2) m.rows(text, 1, "" + values[i]);
            else if (i == 2) m.fails(text, "23505", "1");
            else m.skipped(text, "" + values[i]);
          }
          String state = sqlstate(x -> statement.executeBatch(), m);
          check(state.equals(round == 0 ? "none" : "23505"), state);
        }
      }
      m.fails("SELECT 1", "25P02");
      try (Statement statement = m.connection.createStatement()) {
        check("25P02".equals(sqlstate(x -> statement.executeQuery("SELECT 1"), m)), "25P02");
      }
      m.connection.rollback();
      m.log("ROLLBACK", "");
      m.close();
    });

    // The server forgets the statement; the driver notices by the error and prepares it again.
    CASES.put("forgotten_statements", m -> {
      m.open("prepareThreshold", "1");
      try (PreparedStatement statement = m.connection.prepareStatement("SELECT ?::int");
          Statement plain = m.connection.createStatement()) {
        for (int n = 1; n <= 3; n++) {
          statement.setInt(1, n);
          m.rows("SELECT $1::int", 1, "" + n);
          drain(statement.executeQuery());
        }
        for (String forget : new String[] {"DEALLOCATE ALL", "DISCARD ALL"}) {
          plain.execute(forget);
          m.log(forget, "");
          statement.setInt(1, 7);
          m.rows("SELECT $1::int", 1, "7");
          drain(statement.executeQuery());
        }
      }
      m.close();
    });

    CASES.put("stale_plan", m -> {
      m.open("prepareThreshold", "1");
      m.execute("CREATE TEMP TABLE s (n int)");
      m.execute("INSERT INTO s VALUES (1)");
      try (PreparedStatement statement = m.connection.prepareStatement("SELECT * FROM s")) {
        for (int n = 0; n < 2; n++) {
          m.rows("SELECT * FROM s", 1);
          drain(statement.executeQuery());
        }
        m.execute("ALTER TABLE s ADD COLUMN t text");
        m.fails("SELECT * FROM s", "0A000");
        m.rows("SELECT * FROM s", 1);
        drain(statement.executeQuery());
      }
      m.close();
    });

    CASES.put("autosave", m -> {
      m.open("autosave", "always");
      m.connection.setAutoCommit(false);
      try (Statement statement = m.connection.createStatement()) {
        drain(statement.executeQuery("SELECT 1"));
        check("42P01".equals(sqlstate(x -> statement.executeQuery("SELECT * FROM nowhere"), m)), "42P01");
        drain(statement.executeQuery("SELECT 2"));
      }
      m.connection.commit();
      m.close();
    });

    // FunctionCall messages.
    CASES.put("large_objects", m -> {
      m.open();
      m.connection.setAutoCommit(false);
      org.postgresql.largeobject.LargeObjectManager all = ((PGConnection) m.connection).getLargeObjectAPI();
      long oid = all.createLO();
      org.postgresql.largeobject.LargeObject object = all.open(oid);
      byte[] bytes = new byte[100_000];
      object.write(bytes);
      object.seek(0);
      check(object.read(bytes.length).length == bytes.length, "read");
      object.close();
      all.delete(oid);
      m.connection.commit();
      m.close();
    });

    // Its texts are pgjdbc's own, so the server's log alone is the measure.
    CASES.put("metadata", m -> {
      m.open();
      java.sql.DatabaseMetaData data = m.connection.getMetaData();
      check(drain(data.getTables(null, "public", "%", new String[] {"TABLE"})) > 0, "tables");
      check(drain(data.getColumns(null, "public", "orders", "%")) > 0, "columns");
      check(drain(data.getPrimaryKeys(null, "public", "orders")) > 0, "keys");
      drain(data.getIndexInfo(null, "public", "orders", false, false));
      drain(data.getImportedKeys(null, "public", "orders"));
      drain(data.getTypeInfo());
      drain(data.getSchemas());
      drain(data.getProcedures(null, null, "%"));
      try (PreparedStatement statement = m.connection.prepareStatement("SELECT * FROM orders WHERE id = ?")) {
        check(statement.getMetaData().getColumnCount() > 0 && statement.getParameterMetaData().getParameterCount() == 1, "described");
      }
      m.close();
    });

    // As a program has it that says nothing about the server's version: settings follow the login as statements.
    CASES.put("default_settings", m -> {
      m.open("assumeMinServerVersion", "");
      String text = "SELECT '" + System.getenv("PGAPPNAME") + "'";
      m.rows(text, 1);
      try (Statement statement = m.connection.createStatement()) {
        drain(statement.executeQuery(text));
      }
      m.close();
    });
  }

  public static void main(String[] arguments) {
    Matrix m = new Matrix();
    try {
      CASES.get(arguments[0]).run(m);
    } catch (Throwable error) {
      error.printStackTrace();
      System.exit(1);
    }
    System.out.println("{\"sessions\": [" + String.join(", ", m.sessions) + "]}");
    System.exit(0);
  }
}
