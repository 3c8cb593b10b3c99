// What redaction must leave alone: everything but the secrets' literals is in the record byte for byte,
// whatever stands before or behind them. Statements are put together of pieces; each says what of it is a
// secret.
#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

#include "redacted.h"
#include "ringfence/sql/lex.h"
#include "ringfence/sql/redact.h"

using namespace ringfence::sql;

namespace {

// Where @ stands a secret, as it stands in the text, between the quotes that are there.
const std::vector<std::string> statements = {
    "SELECT 'a' FROM (SELECT 'x' password) q WHERE password='@'UNION ALL SELECT v FROM public.secret",
    "SELECT 'a' WHERE password='@' UNION SELECT 'b' FROM t WHERE name = 'c'",
    "SELECT 1 WHERE passwd=$$@$$UNION ALL SELECT v FROM hr.salaries WHERE kind = 'k'",
    "SELECT 1 WHERE password IN ('@', '@') OR name IN ('ana', 'bob')",
    "ALTER ROLE a PASSWORD '@'; DELETE FROM orders WHERE name = 'x'",
    "ALTER ROLE a PASSWORD E'@';DELETE FROM orders",
    "DO U&'BEGIN DELETE FROM orders; END'",
    "DO U&'BEGIN ALTER ROLE a PASSWORD ''@''; DELETE FROM orders WHERE k = ''v''; END'",
    "DO $$BEGIN ALTER ROLE a PASSWORD '@'; DELETE FROM orders WHERE k = 'v'; /* passw */ END$$",
    "DO $a$BEGIN DO $b$BEGIN EXECUTE 'ALTER ROLE a PASSWORD ''@'''; DELETE FROM t; END$b$; END$a$",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1 WHERE password = ''@'' OR x = ''y'''",
    "DELETE FROM orders WHERE a = 'b' /* passw */",
    "DELETE FROM orders -- PASSWORD 'x' secret token\n WHERE a = 'b'",
    "SELECT U&'caf\\00E9', U&'d!0061t' UESCAPE '!' FROM t",
    "SELECT E'a\\nb', E'tab\\t' FROM t WHERE x = 'one'\n'two'",
    "INSERT INTO u (name, password, mail) VALUES ('ana', '@', 'a@b'), ('bob', '@', 'b@c') ON CONFLICT DO "
    "NOTHING",
    "INSERT INTO u (name, password) SELECT 'ana', '@' FROM t WHERE k = 'v'",
    "WITH w AS (INSERT INTO u (password) VALUES ('@') RETURNING id) SELECT 'x', 'y' FROM w WHERE z = 'q'",
    "UPDATE u SET password = '@', name = 'ana' WHERE mail = 'm'",
    "UPDATE u SET (name, password) = ('ana', '@') WHERE mail = 'm'",
    "SET app.jwt_secret = '@'",
    "SET LOCAL app.jwt_secret TO '@'",
    "SET app.settings.jwt_secret TO '@', '@'",
    "ALTER ROLE a SET app.secret_key TO '@'",
    "ALTER DATABASE d SET app.api_key = '@'",
    "ALTER SYSTEM SET my.token = '@'",
    "ALTER ROLE a IN DATABASE d SET app.token TO '@'",
    "SET password_encryption = 'scram-sha-256'",
    "CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (host 'h', secret_access_key '@', token '@', port '5')",
    "ALTER USER MAPPING FOR a SERVER s OPTIONS (SET password '@', ADD token '@', SET user 'u')",
    "SELECT f(secret_key := '@', pwd => '@', name => 'n')",
    "CALL login(token => '@', who => 'w')",
    "SELECT set_config('app.jwt_secret', '@', true), set_config('app.user_id', '7', true)",
    "SELECT set_config('request.jwt.claims', '{\"role\": \"anon\"}', true)",
    "SELECT current_setting('app.jwt_secret') = 'x' FROM t WHERE a = 'b'",
    "COPY t FROM PROGRAM 'curl -u ana:@ https://h/x?y=z' WITH (FORMAT csv, DELIMITER ';')",
    "COPY t FROM PROGRAM 'curl -su \"ana:@\" --header \"Accept: a\" https://h/x'",
    "COPY t FROM PROGRAM 'curl --user ana:@ --user=bob:@ https://h/'",
    "COPY t FROM PROGRAM 'mysql -h h -u root -p@ -P 3306 db -e \"select 1\"'",
    "COPY t FROM PROGRAM 'curl -H \"Authorization: Bearer @\" https://h/'",
    "COPY t FROM PROGRAM 'curl -H ''Authorization: Basic @'' -o x https://h/'",
    "COPY t FROM PROGRAM 'PGPASSWORD=@ psql -h h -U u -c \"select 1\"'",
    "COPY t FROM PROGRAM 'sshpass -p @ ssh u@h ls'",
    "SELECT dblink_connect('host=h password=@ user=u')",
    "SELECT dblink_connect('host=h password=''@'' user=u')",
    "SELECT dblink('postgres://u:@@h:5432/d?sslmode=require', 'select 1')",
    "SELECT f('postgresql://h/d?user=u&password=@&x=y')",
    "SELECT pgp_sym_encrypt('@', '@'), digest('x', 'sha256') FROM t WHERE k = 'v'",
    "SELECT hmac(d, '@', '@') FROM t WHERE k = 'v'",
    "DO $$ BEGIN RAISE NOTICE 'password=@ for %', 'bob'; RAISE EXCEPTION 'no %', 'x'; END $$",
    "DO $$BEGIN RAISE EXCEPTION 'the password @'; END$$",
    "DO $$ DECLARE v_password text := '@'; n text := 'x'; BEGIN END $$",
    "SELECT json_build_object('password', '@', 'name', 'ana')",
    "SELECT d ->> 'password' = '@' FROM t WHERE n = 'x'",
    "SELECT 'alter role a password ' || quote_literal('@') FROM t WHERE a = 'b'",
    "SELECT '{\"token\": \"@\", \"name\": \"ana\"}'::jsonb",
    "SELECT to_tsvector('english', 'see http://example.com:8080/a@b and https://u@h/p?q=1#f')",
    "SELECT 'http://host:80/x@y', 'ftp://h/a:b@c'",
    "SELECT XMLPARSE(DOCUMENT '<!DOCTYPE foo [<!ENTITY x SYSTEM \"/etc/passwd\">]><a>&x;</a>')",
    "SELECT 1 FROM tokens, secrets WHERE kind = 'a' AND passwords.kind = 'b'",
    "SELECT * FROM ts_debug('x') WHERE token = 'foo'",
    "SELECT 1 FROM u WHERE password_changed_at > '2020-01-01' AND kind = 'password' AND name = 'bob'",
    "SELECT 1 FROM u WHERE name IN ('password', 'mail', 'secret')",
    "SELECT 'secretary', 'tokenizer', 'monkey' FROM t WHERE secretary = 'x'",
    "CREATE TABLE secrets (kind text DEFAULT 'x', CHECK (kind <> 'y'))",
    "COMMENT ON TABLE t IS 'the user''s password'",
    "SELECT pg_read_file('/etc/passwd'), lo_import('/home/a/.pgpass')",
};
const std::vector<std::string> secrets = {"Zq7hunter", "x", "9081726354", "s3cr3t0", "AKIA-77_x"};
const std::vector<std::string> around = {"%",
                                         "%;",
                                         "BEGIN; %; COMMIT",
                                         "SELECT 'p'; %; SELECT 'q' /* passw */",
                                         "-- secret\n%",
                                         "SELECT '\\'; %",
                                         "%;SELECT E'\\'' || 'a'"};

}  // namespace

TEST_CASE("everything but the secrets' literals is in the record byte for byte") {
  std::mt19937_64 random(1);
  for (const std::string& statement : statements) {
    for (const std::string& frame : around) {
      std::string text;
      std::string expected;
      const std::string whole =
          frame.substr(0, frame.find('%')) + statement + frame.substr(frame.find('%') + 1);
      for (size_t i = 0; i < whole.size(); ++i) {
        const bool is_address =
            whole[i] == '@' && i > 0 && std::isalnum(static_cast<unsigned char>(whole[i - 1])) != 0 &&
            i + 1 < whole.size() && std::isalpha(static_cast<unsigned char>(whole[i + 1])) != 0;
        const bool is_place =
            whole[i] == '@' && !is_address && !(i > 0 && whole[i - 1] == '@' && whole[i - 2] == ':');
        if (is_place) {
          text += secrets[random() % secrets.size()];
          expected += "***";
        } else {
          text += whole[i];
          expected += whole[i];
        }
      }
      CHECK(redacted(text) == expected);
    }
  }
}

// Of random texts, well formed or not: what stands between literals comes out as it went in.
TEST_CASE("redaction changes nothing between the literals of any text") {
  static constexpr std::string_view pieces[] = {
      "password",
      " = ",
      "'a'",
      "'",
      "\"",
      "$$",
      "$q$",
      "E'\\''",
      "U&'\\0061'",
      "--",
      "\n",
      "/*",
      "*/",
      ";",
      "(",
      ")",
      ",",
      "secret",
      " SELECT ",
      " FROM t ",
      "UNION ALL",
      " || ",
      ":=",
      "=>",
      " SET ",
      " OPTIONS ",
      "insert into u(password)",
      "values",
      "crypt(",
      "'password='",
      "'token'",
      "://u:p@h",
      " ",
      "\\",
      "$1",
      "1",
      "format(",
      "'%L'",
      "DO ",
      "in",
      "curl -u a:b ",
  };
  std::mt19937_64 random(7);
  for (int i = 0; i < 60'000; ++i) {
    std::string text;
    for (size_t n = 1 + random() % 24; n > 0; --n) text += pieces[random() % std::size(pieces)];
    const auto out = redact(text);
    if (!out) continue;
    // The record's text, made anew: what the secrets are, and that each lies inside of one literal.
    size_t at = 0;
    std::string made;
    Lexer lexer(text);
    Token token = lexer.next();
    for (std::string_view secret : out->secrets) {
      const auto begin = static_cast<size_t>(secret.data() - text.data());
      made += text.substr(at, begin - at) + "***";
      at = begin + secret.size();
      while (token.kind != TokenKind::end && token.end < at) token = lexer.next();
      CAPTURE(text);
      CAPTURE(std::string(secret));
      const bool is_number = token.kind == TokenKind::integer || token.kind == TokenKind::decimal;
      REQUIRE((token.is_string() || token.kind == TokenKind::dollar_string || is_number));
      REQUIRE(token.begin <= begin);
      REQUIRE(at <= token.end);
    }
    REQUIRE(out->text == made + text.substr(at));
  }
}
