import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.ParameterMetaData;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Properties;

/** Everything that pgjdbc asks of the catalog; prints how much was found, a line for each call. */
public final class Metadata {
  interface Call {
    ResultSet run() throws SQLException;
  }

  static void call(String name, Call call) {
    try (ResultSet results = call.run()) {
      int n = 0;
      while (results.next()) n++;
      System.out.println(name + " " + n);
    } catch (SQLException error) {
      System.out.println(name + " FAILED " + error.getSQLState() + " " + error.getMessage().replace('\n', ' '));
    }
  }

  public static void main(String[] arguments) throws Exception {
    Properties properties = new Properties();
    properties.setProperty("user", System.getenv("PGUSER"));
    properties.setProperty("password", System.getenv("PGPASSWORD"));
    properties.setProperty("sslmode", "disable");
    properties.setProperty("prepareThreshold", arguments[0]);
    properties.setProperty("preferQueryMode", arguments[1]);
    String url = "jdbc:postgresql://127.0.0.1:" + System.getenv("PGPORT") + "/" + System.getenv("PGDATABASE");
    try (Connection connection = DriverManager.getConnection(url, properties)) {
      connection.setReadOnly(true);
      DatabaseMetaData data = connection.getMetaData();
      call("catalogs", data::getCatalogs);
      call("schemas", data::getSchemas);
      call("schemas_like", () -> data.getSchemas(null, "pub%"));
      call("table_types", data::getTableTypes);
      call("tables", () -> data.getTables(null, "public", "%", null));
      call("tables_and_views", () -> data.getTables(null, null, "order%", new String[] {"TABLE", "VIEW", "SEQUENCE", "INDEX", "TYPE"}));
      call("columns", () -> data.getColumns(null, "public", "%", "%"));
      call("primary_keys", () -> data.getPrimaryKeys(null, "public", "orders"));
      call("primary_unique_keys", () -> data.getIndexInfo(null, "public", "customers", true, false));
      call("index_info", () -> data.getIndexInfo(null, "public", "orders", false, true));
      call("imported_keys", () -> data.getImportedKeys(null, "public", "orders"));
      call("exported_keys", () -> data.getExportedKeys(null, "public", "customers"));
      call("cross_reference", () -> data.getCrossReference(null, "public", "customers", null, "public", "orders"));
      call("best_row_identifier", () -> data.getBestRowIdentifier(null, "public", "orders", DatabaseMetaData.bestRowSession, true));
      call("version_columns", () -> data.getVersionColumns(null, "public", "orders"));
      call("type_info", data::getTypeInfo);
      call("udts", () -> data.getUDTs(null, null, "%", null));
      call("procedures", () -> data.getProcedures(null, "public", "%"));
      call("procedure_columns", () -> data.getProcedureColumns(null, "public", "%", "%"));
      call("functions", () -> data.getFunctions(null, "public", "%"));
      call("function_columns", () -> data.getFunctionColumns(null, "public", "%", "%"));
      call("table_privileges", () -> data.getTablePrivileges(null, "public", "orders"));
      call("column_privileges", () -> data.getColumnPrivileges(null, "public", "orders", "%"));
      call("client_info", data::getClientInfoProperties);
      System.out.println("keywords " + data.getSQLKeywords().split(",").length);
      System.out.println("isolation " + connection.getTransactionIsolation());
      System.out.println("names " + data.getMaxColumnNameLength());
      System.out.println("schema " + connection.getSchema().length());
      try (PreparedStatement prepared = connection.prepareStatement("SELECT o.*, c.name FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.id = ? AND o.status = ?")) {
        if (!arguments[1].equals("simple")) {  // There the driver asks with a text that has holes.
          ParameterMetaData parameters = prepared.getParameterMetaData();
          ResultSetMetaData columns = prepared.getMetaData();
          for (int i = 1; i <= columns.getColumnCount(); ++i) {
            columns.isAutoIncrement(i);
            columns.isNullable(i);
          }
          System.out.println("prepared " + (parameters.getParameterCount() + columns.getColumnCount()));
        }
      }
      connection.setAutoCommit(false);
      try (Statement statement = connection.createStatement()) {
        statement.setFetchSize(50);
        try (ResultSet results = statement.executeQuery("SELECT * FROM orders")) {
          int n = 0;
          while (results.next()) n++;
          System.out.println("fetched " + n);
        }
      }
      connection.setSavepoint("here");
      connection.rollback();
      connection.setReadOnly(false);
      try (Statement statement = connection.createStatement()) {
        statement.executeUpdate("DELETE FROM victim");
        System.out.println("delete FAILED to be refused");
      } catch (SQLException error) {
        System.out.println("refused " + error.getSQLState().length());
      }
      connection.rollback();
      System.out.println("valid " + (connection.isValid(5) ? 1 : 0));
    }
  }
}
