#include <doctest/doctest.h>

#include <string>

#include "redacted.h"
#include "ringfence/sql/redact.h"

using namespace ringfence::sql;

namespace {
bool needs_redaction(std::string_view text) { return SecretNames::built_in().may_hold_secret(text); }
}  // namespace

TEST_CASE("a literal after PASSWORD is replaced in each of its forms") {
  CHECK(redacted("ALTER USER a PASSWORD 'hunter2' VALID UNTIL 'x'") ==
        "ALTER USER a PASSWORD '***' VALID UNTIL 'x'");
  CHECK(redacted("create role a encrypted password E'hun\\'ter2'") ==
        "create role a encrypted password E'***'");
  CHECK(redacted("create role a PassWord U&'hunter2'") == "create role a PassWord U&'***'");
  CHECK(redacted("create role a password $$hunter2$$") == "create role a password $$***$$");
  CHECK(redacted("create role a password $x$hunter2$x$ login") == "create role a password $x$***$x$ login");
  CHECK(redacted("create role a password N'hunter2'") == "create role a password N'***'");
  CHECK(redacted("alter role a password /* x */ -- y\n 'hunter2'") ==
        "alter role a password /* x */ -- y\n '***'");
  CHECK(redacted("alter role a password 'hun'\n'ter2'") == "alter role a password '***'\n'***'");
  CHECK(redacted("alter role a password 'hun' -- it's\n 'ter2'") ==
        "alter role a password '***' -- it's\n '***'");
  CHECK(redacted("set app.password to 'hunter2'") == "set app.password to '***'");
  CHECK(redacted("set app.pin_secret = 1234; select 5") == "set app.pin_secret = ***; select 5");
  CHECK(redacted("update u set password = 'hunter2' where id = 'x'") ==
        "update u set password = '***' where id = 'x'");
  CHECK(redacted("create user mapping for a server s options (user 'u', password 'hunter2')") ==
        "create user mapping for a server s options (user 'u', password '***')");
  CHECK(redacted("alter user mapping for a server s options (set \"password\" 'hunter2')") ==
        "alter user mapping for a server s options (set \"password\" '***')");
  CHECK(redacted("select f(U&\"p\\0061ssword\" => 'hunter2')").find("hunter2") == std::string::npos);
}

TEST_CASE("passwords in connection strings are replaced") {
  CHECK(redacted("select dblink_connect('host=h password=hunter2 user=u')") ==
        "select dblink_connect('host=h password=*** user=u')");
  CHECK(redacted("create subscription s connection 'PASSWORD = hunter2 host=h' publication p") ==
        "create subscription s connection 'PASSWORD = *** host=h' publication p");
  CHECK(redacted("select dblink('password=''hunter2 more'' host=h')") ==
        "select dblink('password=''***'' host=h')");
  CHECK(redacted("select dblink('sslpassword=hun\\ ter2 host=h')") ==
        "select dblink('sslpassword=*** host=h')");
  CHECK(redacted("select dblink($$host=h password=hunter2$$)") == "select dblink($$host=h password=***$$)");
  CHECK(redacted("select f('postgres://user:hunter2@host/db?x=y')") ==
        "select f('postgres://user:***@host/db?x=y')");
  CHECK(redacted("select f('password=hunter2 uri=http://u:hunter2@h')") ==
        "select f('password=*** uri=http://u:***@h')");
  CHECK(redacted("select f('http://u:hunter2@h password=hunter2')") ==
        "select f('http://u:***@h password=***')");
  CHECK(redacted("select f('postgres://h/db?user=u&password=hunter2')") ==
        "select f('postgres://h/db?user=u&password=***')");
  CHECK(redacted("select '{\"password\": \"hunter2\", \"name\": \"ana\"}'::jsonb") ==
        "select '{\"password\": \"***\", \"name\": \"ana\"}'::jsonb");
}

TEST_CASE("secrets in nested statements and hidden words are replaced") {
  for (std::string_view text : {
           "do $$ begin execute 'alter user a password ''hunter2'''; end $$",
           "do $$ begin alter user a password 'hunter2'; end $$",
           "do $$ begin alter user a password /* c */ $x$hunter2$x$; end $$",
           "select dblink_exec('c', 'alter user a password ''hunter2''')",
           "select format('alter user a password %L', 'hunter2')",
           "do $$ begin execute 'alter user a password ' || quote_literal('hunter2'); end $$",
           "select 'alter user a password ' || quote_literal('hunter2')",
           "select json_build_object('password', 'hunter2')",
           "select dblink('password=' || 'hunter2')",
           "select dblink(E'pass\\x77ord=hunter2')",
           "select dblink(E'\\160assword=hunter2')",
           "select dblink(E'p\\u0061ssword=hunter2')",
           "select dblink(U&'p!0061ssword=hunter2' UESCAPE '!')",
           "select dblink('pass'\n'word=hunter2')",
           "select dblink('pass' -- it's\n  'word=hunter2')",
       }) {
    CAPTURE(text);
    CHECK(redacted(text).find("hunter2") == std::string::npos);
  }
}

TEST_CASE("a text cut off anywhere shows no secret") {
  for (const std::string text : {
           "alter user a password 'hunter2' valid until 'x'",
           "alter user a password E'hunter2'",
           "alter user a password $abc$hunter2$abc$",
           "select dblink('host=h password=hunter2')",
           "select f('postgres://user:hunter2@host/db')",
           "do $$ begin alter user a password 'hunter2'; end $$",
       }) {
    // From the secret's fourth byte on something of it would be recognisable.
    for (size_t size = text.find("hunter2") + 4; size <= text.size(); ++size) {
      CAPTURE(text.substr(0, size));
      CHECK(redacted(std::string_view(text).substr(0, size)).find("hun") == std::string::npos);
    }
  }
}

TEST_CASE("ordinary text is left alone and needs no look") {
  for (std::string_view text : {"", "p", "pas", "select 1", "select 'spa' from paste where a::text = ':/'",
                                "select * from t\nwhere a = 'b'\nand c = $1", "select 'pas' || 'sword'",
                                "select key, tok, secre from words where url = 'http:/x' and pw = 'd'"}) {
    CAPTURE(text);
    CHECK_FALSE(needs_redaction(text));
    CHECK_FALSE(redact(text));
  }
  CHECK(redacted("select 'C:\\dir'") == "select 'C:\\dir'");
  CHECK(redacted("select 'http://host/path'") == "select 'http://host/path'");
  CHECK(redacted("alter role a password null; select 'x'") == "alter role a password null; select 'x'");
}

TEST_CASE("the configuration's names are secrets' names too") {
  const SecretNames names({"pin", "card-number"});
  for (std::string_view text :
       {"set app.pin = '$'", "select f(card_number := '$')", "select 'cardnumber=$ x'",
        "update c set \"cardNumber\" = '$' where a = 'b'"}) {
    std::string sent(text);
    sent.replace(sent.find('$'), 1, "4111");
    std::string shown(text);
    shown.replace(shown.find('$'), 1, "***");
    CAPTURE(text);
    const auto out = redact(sent, names);
    REQUIRE(out);
    CHECK(out->text == shown);
    REQUIRE(out->secrets.size() == 1);
    CHECK(out->secrets[0] == "4111");
  }
  CHECK_FALSE(redact("select spin = 'x', pinned = 'y' from pins_x where opinion = 'z'", names));
  CHECK(SecretNames::is_valid_name("card-number"));
  for (std::string_view name : {"", "p", "1a", "a b", "a'b", "é1"})
    CHECK_FALSE(SecretNames::is_valid_name(name));
}

TEST_CASE("parameters that stand where a secret would are told") {
  CHECK(redact("update u set password = $2, name = $1 where id = $3")->parameters == 2);
  CHECK(redact("select set_config('app.jwt_secret', $1, $2)")->parameters == 1);
  CHECK(redact("insert into u (name, password) values ($1, $2), ($3, $4)")->parameters == 0b1010);
  CHECK(redact("select crypt($1, $2)")->parameters == 3);
  CHECK(redact("update u set password = $2")->text == "update u set password = $2");
  CHECK_FALSE(redact("select password from u where id = $1"));
}

TEST_CASE("a message shows no secret that it quotes") {
  const auto shown = [](std::string_view message) {
    auto out = redact_message(message);
    return out ? out->text : std::string(message);
  };
  CHECK(shown("program \"curl -u ana:Zq7 https://h/\" failed") ==
        "program \"curl -u ana:*** https://h/\" failed");
  CHECK(shown("program \"mysql -pZq7 -h h\" failed") == "program \"mysql -p*** -h h\" failed");
  CHECK(shown("program \"curl -H 'Authorization: Bearer Zq7' h\" failed") ==
        "program \"curl -H 'Authorization: Bearer ***' h\" failed");
  CHECK(shown("the token=Zq7 is wrong") == "the token=*** is wrong");
  CHECK(shown("database \"postgres://u:Zq7@h/d\" does not exist") ==
        "database \"postgres://u:***@h/d\" does not exist");
  CHECK(shown("could not open file \"/etc/passwd\": Permission denied") ==
        "could not open file \"/etc/passwd\": Permission denied");
  CHECK(shown("password authentication failed for user \"ana\"") ==
        "password authentication failed for user \"ana\"");
}

TEST_CASE("the quick look finds the words at every offset and in any case") {
  for (std::string_view word : {"passw", "PASSW", "PaSsW", "secret", "TOKEN", "api_key", "api-KEY", "apikey",
                                "pwd", "curl", "Bearer", "://", "\\", "&'"})
    for (size_t before = 0; before < 70; ++before)
      for (size_t after : {0, 1, 20}) {
        std::string text = std::string(before, 'x').append(word) + std::string(after, 'x');
        REQUIRE(needs_redaction(text));
      }
}

// One that looks to the text's end for each of them takes minutes.
TEST_CASE("a text that speaks of passwords 100,000 times is looked through once") {
  std::string many;
  for (int i = 0; i < 110'000; ++i) many += "passw to ";
  CHECK(redacted("select '" + many + "'") == "select '" + many + "'");
  CHECK(redacted("select 1 /* " + many + " */") == "select 1 /* " + many + " */");
  CHECK(redacted("select '" + many + " $'") == "select '" + many + " $'");
}
