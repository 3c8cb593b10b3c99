// What programs do with pgjdbc: Clients CASE URL USER PASSWORD.
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.Statement;
import java.util.Properties;
import org.postgresql.PGConnection;
import org.postgresql.largeobject.LargeObject;
import org.postgresql.largeobject.LargeObjectManager;

public class Clients {
  static String ask(Connection connection, String text) throws Exception {
    try (Statement statement = connection.createStatement(); ResultSet rows = statement.executeQuery(text)) {
      rows.next();
      return rows.getString(1);
    }
  }

  static void largeObject(Connection connection) throws Exception {
    connection.setAutoCommit(false);
    LargeObjectManager all = ((PGConnection) connection).getLargeObjectAPI();
    long number = all.createLO();
    LargeObject object = all.open(number);
    object.write(new byte[100_000]);
    object.seek(0);
    System.out.println(object.read(200_000).length);
    object.close();
    all.delete(number);
    connection.commit();
  }

  // What pools do with a connection that was used read-only: readOnlyMode=always says it in every way.
  static void readOnly(Connection connection) throws Exception {
    for (boolean isReadOnly : new boolean[] {true, false}) {
      connection.setAutoCommit(true);
      connection.setReadOnly(isReadOnly);
      connection.setAutoCommit(false);
      System.out.println(ask(connection, "SHOW transaction_read_only"));
      connection.commit();
    }
    try (Statement statement = connection.createStatement()) {
      statement.execute("SET TRANSACTION READ WRITE");
    }
    System.out.println(ask(connection, "SHOW transaction_read_only"));
    connection.commit();
  }

  public static void main(String[] arguments) throws Exception {
    Properties properties = new Properties();
    properties.setProperty("user", arguments[2]);
    properties.setProperty("password", arguments[3]);
    properties.setProperty("readOnlyMode", "always");
    properties.setProperty("currentSchema", "public");
    properties.setProperty("options", "-c search_path=pg_catalog -c statement_timeout=60000");
    try (Connection connection = DriverManager.getConnection(arguments[1], properties)) {
      switch (arguments[0]) {
        case "large_object": largeObject(connection); break;
        case "schema": System.out.println(ask(connection, "SHOW search_path")); break;
        case "read_only": readOnly(connection); break;
        default: throw new IllegalArgumentException(arguments[0]);
      }
    }
  }
}
