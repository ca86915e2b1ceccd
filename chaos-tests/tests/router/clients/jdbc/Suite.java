// Runs the suite with MariaDB Connector/J, then what only its interface has; prints whatever it gets.

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.*;
import java.util.*;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

public final class Suite {
  private static final int KEYS = Statement.RETURN_GENERATED_KEYS;
  private static final int SHOWN_MAX = 200;
  private static final Pattern STEP = Pattern.compile("(\\w+)([:?!]) (.*)");
  private static final Pattern ARGUMENT = Pattern.compile("\"([^\"]*)\"|[^,\\[\\] ]+");
  private static final PrintStream OUT =
      new PrintStream(new FileOutputStream(FileDescriptor.out), false, StandardCharsets.UTF_8);

  private static String[] args;

  /** One step that may fail. */
  private interface Attempt {
    void run() throws SQLException;
  }

  private static Connection connect(String user) throws SQLException {
    Properties with = new Properties();
    with.put("user", user);
    with.put("password", args[3]);
    with.put("allowMultiQueries", "true");
    with.put("allowLocalInfile", "true");
    with.put("useServerPrepStmts", "true");
    with.put("useBulkStmts", "true");
    with.put("useResetConnection", "true");
    // The authority whose certificate the server must have; without it there is no TLS.
    with.put("sslMode", args.length > 5 ? "verify-full" : "disable");
    if (args.length > 5) with.put("serverSslCert", args[5]);
    Connection conn = DriverManager.getConnection("jdbc:mariadb://" + args[1] + ":" + args[2] + "/compat", with);
    causal(conn);
    return conn;
  }

  private static void causal(Connection conn) throws SQLException {
    try (Statement statement = conn.createStatement()) {
      statement.execute("SET @quorate_causal_reads = 'global'");
    }
  }

  private static String shown(Object value) throws SQLException {
    if (value == null) return "NULL";
    if (value instanceof Blob) value = ((Blob) value).getBytes(1, (int) ((Blob) value).length());
    String text = value instanceof byte[] ? HexFormat.of().formatHex((byte[]) value) : value.toString();
    if (text.length() > SHOWN_MAX) text = text.length() + " characters, hash " + text.hashCode();
    return value.getClass().getSimpleName() + " " + text;
  }

  private static String value(ResultSet rows, int column) throws SQLException {
    String text = rows.getString(column);
    try {
      Object value = rows.getObject(column);
      // Of most values one form says it all.
      return value instanceof String || value == null && text == null ? shown(text) : shown(value) + " or " + shown(text);
    } catch (SQLException | IllegalArgumentException error) {
      return shown(text) + " and no object: " + said(error);
    }
  }

  private static void rows(ResultSet rows) throws SQLException {
    ResultSetMetaData meta = rows.getMetaData();
    for (int nth = 1; nth <= meta.getColumnCount(); nth++) {
      OUT.printf("  column %s|%s|%s.%s.%s|%s %d %s|%d %d %d|%d %b %b %b%n",
          meta.getColumnLabel(nth), meta.getColumnName(nth),
          meta.getCatalogName(nth), meta.getSchemaName(nth), meta.getTableName(nth),
          meta.getColumnTypeName(nth), meta.getColumnType(nth), meta.getColumnClassName(nth),
          meta.getPrecision(nth), meta.getScale(nth), meta.getColumnDisplaySize(nth),
          meta.isNullable(nth), meta.isSigned(nth), meta.isAutoIncrement(nth), meta.isReadOnly(nth));
    }
    while (rows.next()) {
      StringBuilder line = new StringBuilder("  row");
      for (int nth = 1; nth <= meta.getColumnCount(); nth++) line.append(" | ").append(value(rows, nth));
      OUT.println(line);
    }
  }

  /** Everything that a statement came to; it has been executed. */
  private static void results(Statement statement, boolean first) throws SQLException {
    boolean isRows = first;
    while (true) {
      if (isRows) {
        try (ResultSet rows = statement.getResultSet()) {
          rows(rows);
        }
      } else if (statement.getLargeUpdateCount() == -1) {
        break;
      } else {
        OUT.println("  changed " + statement.getLargeUpdateCount());
        try (ResultSet keys = statement.getGeneratedKeys()) {
          while (keys.next()) OUT.println("  key " + keys.getLong(1));
        }
      }
      isRows = statement.getMoreResults();
    }
    for (SQLWarning warning = statement.getWarnings(); warning != null; warning = warning.getNextWarning()) {
      OUT.println("  warning " + said(warning));
    }
  }

  private static String said(Exception error) {
    // The thread's number is none of the suite's business.
    String text = String.valueOf(error.getMessage()).replaceAll("\\(conn=\\d+\\) ", "");
    if (!(error instanceof SQLException)) return error.getClass().getSimpleName() + " " + text;
    SQLException sql = (SQLException) error;
    return error.getClass().getSimpleName() + " " + sql.getErrorCode() + " " + sql.getSQLState() + " " + text;
  }

  private static void attempt(Attempt attempt) {
    try {
      attempt.run();
    } catch (SQLException error) {
      OUT.println("  error " + said(error));
    }
  }

  private static void text(Connection conn, String sql) throws SQLException {
    try (Statement statement = conn.createStatement()) {
      results(statement, statement.execute(sql, KEYS));
    }
  }

  private static void prepared(Connection conn, String rest) throws SQLException {
    int end = rest.indexOf("] ") + 1;
    Matcher given = ARGUMENT.matcher(rest.substring(0, end));
    try (PreparedStatement statement = conn.prepareStatement(rest.substring(end + 1), KEYS)) {
      for (int nth = 1; given.find(); nth++) {
        if (given.group(1) != null) statement.setString(nth, given.group(1));
        else if (given.group().equals("null")) statement.setNull(nth, Types.NULL);
        else if (given.group().contains(".")) statement.setDouble(nth, Double.parseDouble(given.group()));
        else statement.setLong(nth, Long.parseLong(given.group()));
      }
      // The second time it is known to the server.
      boolean reads = rest.startsWith("SELECT", end + 1);
      for (int turn = 0; turn < (reads ? 2 : 1); turn++) results(statement, statement.execute());
    }
  }

  private static void step(Map<String, Connection> all, String name, String mark, String rest) throws SQLException {
    if (!all.containsKey(name)) all.put(name, connect("compat"));
    Connection conn = all.get(name);
    try {
      step(all, name, conn, mark, rest);
    } finally {
      // It ends a connection whose character set is none of UTF-8.
      if (conn.isClosed()) all.remove(name, conn);
    }
  }

  private static void step(Map<String, Connection> all, String name, Connection conn, String mark, String rest)
      throws SQLException {
    String[] words = rest.split(" ", 2);
    if (mark.equals(":")) text(conn, rest);
    else if (mark.equals("?")) prepared(conn, rest);
    else if (words[0].equals("use")) conn.setCatalog(words[1]);
    else if (words[0].equals("infile")) text(conn, words[1].replace("FILE INTO", "'" + args[4] + "' INTO"));
    else if (words[0].equals("reset")) {
      ((org.mariadb.jdbc.Connection) conn).reset();
      causal(conn);
    } else {
      // What this client cannot do is done by a new connection.
      all.remove(name).close();
      if (words[0].equals("change")) all.put(name, connect(words[1]));
    }
  }

  private static void batches(Connection conn) throws SQLException {
    text(conn, "CREATE OR REPLACE TABLE batch (id INT AUTO_INCREMENT PRIMARY KEY, a INT, b VARCHAR(50), c DOUBLE)");
    try (PreparedStatement insert = conn.prepareStatement("INSERT INTO batch (a, b, c) VALUES (?, ?, ?)")) {
      for (int nth = 0; nth < 1000; nth++) {
        insert.setInt(1, nth);
        insert.setString(2, nth % 5 == 0 ? null : "row " + nth);
        insert.setDouble(3, nth / 8.0);
        insert.addBatch();
      }
      OUT.println("  batch " + Arrays.hashCode(insert.executeBatch()));
    }
    text(conn, "SELECT COUNT(*), SUM(a), MD5(GROUP_CONCAT(b ORDER BY id)) FROM batch");
    try (Statement several = conn.createStatement()) {
      several.addBatch("UPDATE batch SET c = 1 WHERE a < 10");
      several.addBatch("INSERT INTO batch (id) VALUES (1)");
      several.addBatch("DELETE FROM batch WHERE a > 500");
      attempt(() -> OUT.println("  batch " + Arrays.toString(several.executeBatch())));
    }
    prepared(conn, "[7] SELECT * FROM batch WHERE a = ?");
  }

  /** Transactions as the interface has them, seen by another connection. */
  private static void transactions(Connection conn, Connection other) throws SQLException {
    String count = "SELECT COUNT(*) FROM batch";
    OUT.println("  isolation " + conn.getTransactionIsolation() + ", autocommit " + conn.getAutoCommit());
    conn.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
    OUT.println("  isolation " + conn.getTransactionIsolation());
    for (int turn = 0; turn < 20; turn++) {
      conn.setAutoCommit(false);
      prepared(conn, "[" + turn + "] INSERT INTO batch (a) VALUES (?)");
      text(other, count);
      if (turn % 3 == 0) conn.rollback();
      else if (turn % 3 == 1) conn.commit();
      conn.setAutoCommit(true);
      for (Connection each : new Connection[] {conn, other}) {
        text(each, count);
        // It warns that a text is no number.
        prepared(each, "[" + (turn + 21) + ", 2.5] SELECT a FROM batch WHERE a = ? AND b < ?");
      }
    }
    conn.setReadOnly(true);
    attempt(() -> text(conn, "INSERT INTO batch (a) VALUES (1)"));
    conn.setReadOnly(false);
    attempt(() -> text(conn, "INSERT INTO batch (a) VALUES (1)"));
    OUT.println("  valid " + conn.isValid(10));
  }

  /** What the driver puts before a statement, and what it does from another connection. */
  private static void limited(Connection conn) throws SQLException {
    try (Statement statement = conn.createStatement()) {
      statement.setQueryTimeout(1000);
      statement.setMaxRows(2);
      results(statement, statement.execute("SELECT id FROM batch ORDER BY id", KEYS));
      results(statement, statement.execute("UPDATE batch SET b = 'late' WHERE a = 7", KEYS));
    }
    prepared(conn, "[7] SELECT b FROM batch WHERE a = ?");
    try (Statement statement = conn.createStatement()) {
      Thread sleeper = new Thread(() -> attempt(() ->
          results(statement, statement.execute("SELECT SLEEP(50) FROM (SELECT 1 UNION SELECT 2) t WHERE RAND() < 2"))));
      sleeper.start();
      while (sleeper.isAlive()) {
        statement.cancel();
        sleeper.join(50);
      }
    } catch (InterruptedException error) {
      throw new SQLException(error);
    }
  }

  private static void described(Connection conn) throws SQLException {
    OUT.println("  server " + conn.getMetaData().getDatabaseProductVersion());
    try (ResultSet columns = conn.getMetaData().getColumns(null, "compat", "batch", "%")) {
      rows(columns);
    }
    text(conn, "CREATE OR REPLACE PROCEDURE called(IN x INT, OUT o INT, INOUT io INT) BEGIN SET o = x * 2; SELECT x; SET io = io + 1; END");
    try (CallableStatement call = conn.prepareCall("{call called(?, ?, ?)}")) {
      call.setInt(1, 21);
      call.registerOutParameter(2, Types.INTEGER);
      call.setInt(3, 5);
      call.registerOutParameter(3, Types.INTEGER);
      results(call, call.execute());
      OUT.println("  out " + call.getInt(2) + " " + call.getInt(3));
    }
    text(conn, "DROP PROCEDURE called; DROP TABLE batch");
  }

  public static void main(String[] given) throws IOException, SQLException {
    args = given;
    Map<String, Connection> all = new HashMap<>();
    for (String line : Files.readAllLines(Path.of(args[0]))) {
      Matcher step = STEP.matcher(line);
      if (!step.matches()) continue;
      OUT.println(line);
      attempt(() -> step(all, step.group(1), step.group(2), step.group(3)));
    }
    for (Connection conn : all.values()) conn.close();
    try (Connection conn = connect("compat"); Connection other = connect("compat")) {
      batches(conn);
      transactions(conn, other);
      limited(conn);
      described(conn);
    }
    OUT.flush();
  }
}
