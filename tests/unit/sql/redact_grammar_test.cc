// Redaction against PostgreSQL's own grammar: statements with a secret in every place where the grammar has
// one, written in every form that its scanner reads, are parsed by libpg_query, which has to find the secret,
// and redacted, which has to hide it.
#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

#include "redacted.h"
#include "ringfence/sql/redact.h"
#include "sql/grammar.h"

using namespace ringfence;
using namespace ringfence::sql;

namespace {

// Of digits, which no form writes in another way; four of them in a row betray it.
constexpr std::string_view secret = "9081726354";

// Where @ stands a literal with the secret; where < and > stand, a literal whose content is what is between,
// with the secret for @. ~ is a blank that may be a comment.
const std::vector<std::string> forms = {
    "alter~role~a~password~@",
    "ALTER~USER~a~WITH~ENCRYPTED~PASSWORD~@~VALID~UNTIL~'2030-01-01'",
    "create~role~a~login~password~@",
    "create~user~a~with~superuser~password~@",
    "create~group~a~password~@",
    "ALTER~ROLE~a~IN~DATABASE~d~SET~app.password~TO~@",
    "create~user~mapping~for~a~server~s~options~(user~'u',~password~@)",
    "create~user~mapping~for~a~server~s~options~(\"password\"~@,~user~'u')",
    "alter~user~mapping~for~a~server~s~options~(set~password~@)",
    "alter~user~mapping~for~a~server~s~options~(add~password~@)",
    "create~server~s~foreign~data~wrapper~w~options~(host~'h',~password~@)",
    "alter~server~s~options~(set~sslpassword~@)",
    "create~foreign~table~t~(a~int)~server~s~options~(password~@)",
    "alter~foreign~table~t~options~(add~proxy_password~@)",
    "create~foreign~data~wrapper~w~options~(password~@)",
    "create~subscription~s~connection~<host=h password=@ user=u>~publication~p",
    "alter~subscription~s~connection~<password=@>",
    "create~subscription~s~connection~<postgres://u:@@h/d>~publication~p",
    "create~subscription~s~connection~<postgresql://h/d?user=u&password=@&x=y>~publication~p",
    "select~dblink_connect(<host=h password=@>)",
    "select~dblink_connect('c',~<dbname=d PASSWORD = @ host=h>)",
    "select~dblink_connect_u(<user=u password=@>)",
    "select~*~from~dblink(<password=@ host=h>,~'select 1')~as~t(a~int)",
    "select~dblink_exec(<sslpassword=@>,~'x')",
    "select~dblink(<postgres://u:@@h/d>,~'x')",
    "select~crypt(@,~gen_salt('bf'))",
    "select~a~=~crypt(@,~a)~from~t",
    "select~pgp_sym_encrypt('data',~@)",
    "select~public.pgp_sym_decrypt(d,~@,~'x')~from~t",
    "select~pgp_sym_encrypt_bytea(d,~@)~from~t",
    "select~pgp_pub_decrypt(d,~k,~@)~from~t",
    "select~encrypt(d,~@,~'aes')~from~t",
    "select~decrypt_iv(d,~@::bytea,~'iv',~'aes')~from~t",
    "select~hmac('data',~@,~'sha256')",
    "select~\"crypt\"(@,~x)~from~t",
    "select~set_config('app.password',~@,~false)",
    "set~app.password~=~@",
    "set~app.db_password~to~@",
    "update~u~set~password~=~@~where~id~=~1",
    "update~u~set~(name,~password)~=~('ana',~@)",
    "update~u~set~password~=~md5(@)",
    "insert~into~u~(name,~password)~values~('ana',~@)",
    "insert~into~passwords~values~('ana',~@)",
    "select~1~from~u~where~password~=~@",
    "select~1~from~u~where~password~in~('x',~@)",
    "select~1~from~u~where~password~<>~@",
    "select~1~from~u~where~u.password~like~@",
    "select~reset_password('ana',~@)",
    "call~set_password('ana',~@)",
    "select~json_build_object('password',~@)",
    "select~format('alter role a password %L',~@)",
    "copy~t~from~program~<curl http://u:@@h/x>",
    "copy~t~to~program~<PGPASSWORD=@ psql>",
    "create~function~f()~returns~int~language~sql~as~<alter role a password ''@''>",
    "do~<begin alter role a password ''@''; end>",
    "do~<begin execute ''alter role a password ''''@''''''; end>",
    "do~<begin perform dblink_connect(''password=@''); end>",
    "do~<begin perform crypt(''@'', x); end>",
    "comment~on~role~a~is~<password: @>",
    "security~label~on~role~a~is~<postgres://u:@@h>",
    "notify~a,~<password=@>",
};
// Bodies in dollar quotes hold literals of any form themselves.
const std::vector<std::string> bodies = {
    "begin alter role a password @; end",
    "begin execute format('alter role a password %L', @); end",
    "begin perform dblink_connect_u(<password=@>); end",
    "begin perform pgp_sym_encrypt('d', @); end",
    "begin insert into u (password) values (@); end",
    "declare x text := 'y'; begin update u set password = @ where n = x; end",
};
const std::vector<std::string> wrappers = {
    "%", "%;", ";~%", "select~1;~%;~select~2", "/* x */~%", "begin;~%;~commit",
};
const std::vector<std::string> wrappers_of_queries = {"prepare~p~as~%", "explain~%", "explain~(verbose)~%",
                                                      "prepare~p(int)~as~%"};

class Writer {
 public:
  explicit Writer(uint64_t seed) : random_(seed) {}

  std::string write(const std::string& form, bool is_body = false) {
    std::string out;
    for (size_t i = 0; i < form.size(); ++i) {
      if (form[i] == '~') {
        out += blank();
      } else if (form[i] == '@') {
        out += literal(std::string(secret), is_body);
      } else if (form[i] == '<' && form.find('>', i) != form.npos && form[i + 1] != '>') {
        const size_t end = form.find('>', i);
        std::string content;
        for (char c : form.substr(i + 1, end - i - 1)) {
          // "@@": the secret, then an @ of a URL.
          if (c == '@' && content.size() >= secret.size() && content.ends_with(secret)) content += '@';
          else if (c == '@') content += secret;
          else content += c;
        }
        out += literal(content, is_body);
        i = end;
      } else {
        out += form[i];
      }
    }
    return out;
  }
  std::string dollar(const std::string& body) {
    static const std::string tags[] = {"$$", "$q$", "$Body$"};
    const std::string& tag = tags[random_() % 3];
    return tag + body + tag;
  }
  size_t pick(size_t n) { return random_() % n; }

 private:
  std::string blank() {
    switch (random_() % 9) {
      case 0: return "\n";
      case 1: return "\t ";
      case 2: return " /* c */ ";
      case 3: return " /* a /* nested ' */ $$ */ ";
      case 4: return " -- it's\n";
      default: return " ";
    }
  }
  // `content` has its quotes doubled, as in '…'.
  std::string literal(const std::string& content, bool is_body) {
    std::string plain;
    for (size_t i = 0; i < content.size(); ++i) {
      plain += content[i];
      if (content[i] == '\'') ++i;
    }
    switch (random_() % 9) {
      case 0: return "E'" + escaped(content) + "'";
      case 1: return "E'" + content + "'";
      case 2: return "U&'" + unicode(content) + "'";
      case 3: return is_body ? "'" + content + "'" : dollar(plain);
      case 4: return is_body ? "'" + content + "'" : "$tag$" + plain + "$tag$";
      case 5: {
        const size_t at = content.find_first_not_of('\'', content.size() / 2);
        if (at == content.npos || content.find('\'') != content.npos) return "'" + content + "'";
        return "'" + content.substr(0, at) + "'\n  '" + content.substr(at) + "'";
      }
      default: return "'" + content + "'";
    }
  }
  // Some of its letters by their numbers; the quotes stay doubled.
  std::string escaped(const std::string& content) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string out;
    for (char c : content) {
      const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
      const auto byte = static_cast<unsigned char>(c);
      if (is_letter && random_() % 3 == 0) out += std::string("\\x") + digits[byte >> 4] + digits[byte & 15];
      else if (is_letter && random_() % 5 == 0)
        out += std::string("\\u00") + digits[byte >> 4] + digits[byte & 15];
      else out += c;
    }
    return out;
  }
  std::string unicode(const std::string& content) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string out;
    for (char c : content) {
      const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
      const auto byte = static_cast<unsigned char>(c);
      if (is_letter && random_() % 3 == 0) out += std::string("\\00") + digits[byte >> 4] + digits[byte & 15];
      else out += c;
    }
    return out;
  }
  std::mt19937_64 random_;
};

// The grammar's strings that hold the secret.
bool holds_secret(const Message& message) {
  if (text_of(&message).find(secret) != std::string_view::npos) return true;
  bool found = false;
  const auto* bytes = reinterpret_cast<const char*>(&message);
  for (unsigned i = 0; i < message.descriptor->n_fields; ++i) {
    const ProtobufCFieldDescriptor& field = message.descriptor->fields[i];
    if (field.type != PROTOBUF_C_TYPE_STRING || field.label == PROTOBUF_C_LABEL_REPEATED) continue;
    const char* text = *reinterpret_cast<char* const*>(bytes + field.offset);
    found = found || (text != nullptr && std::string_view(text).find(secret) != std::string_view::npos);
  }
  for_each_child(message, [&](const Message& child) { found = found || holds_secret(child); });
  return found;
}
bool grammar_finds_secret(const std::string& text) {
  auto tree = Tree::parse(text);
  CAPTURE(text);
  if (!tree) {
    MESSAGE(text);
    FAIL(tree.error().message);
  }
  for (size_t i = 0; i < tree->statements(); ++i) {
    if (holds_secret(tree->statement(i))) return true;
  }
  return false;
}

void check_hides(const std::string& text) {
  const std::string shown = redacted(text);
  for (size_t i = 0; i + 4 <= secret.size(); ++i) {
    if (shown.find(secret.substr(i, 4)) == std::string::npos) continue;
    CAPTURE(text);
    CHECK(shown == "without the secret");
    return;
  }
}

}  // namespace

TEST_CASE("wherever the grammar has a secret, in whatever form it is written, the trail does not show it") {
  size_t statements = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    Writer writer(seed);
    for (const std::string& form : forms) {
      const std::string wrapper = wrappers[writer.pick(wrappers.size())];
      const std::string text = writer.write(wrapper.substr(0, wrapper.find('%'))) + writer.write(form) +
                               writer.write(wrapper.substr(wrapper.find('%') + 1));
      REQUIRE(grammar_finds_secret(text));
      check_hides(text);
      ++statements;
      const bool is_query =
          form.starts_with("select") || form.starts_with("update") || form.starts_with("insert");
      if (!is_query) continue;
      const std::string around = wrappers_of_queries[writer.pick(wrappers_of_queries.size())];
      const std::string wrapped = writer.write(around.substr(0, around.find('%'))) + writer.write(form);
      REQUIRE(grammar_finds_secret(wrapped));
      check_hides(wrapped);
    }
    for (const std::string& body : bodies) {
      const std::string text = writer.write("do~") + writer.dollar(writer.write(body, true));
      REQUIRE(Tree::parse(text));
      check_hides(text);
      const std::string function =
          "create function f() returns void language plpgsql as " + writer.dollar(writer.write(body, true));
      REQUIRE(Tree::parse(function));
      check_hides(function);
      ++statements;
    }
  }
  CHECK(statements > 2'000);
}

TEST_CASE("a verifier, as psql's \\password sends it, is a secret too") {
  const std::string text = "ALTER USER ana PASSWORD 'SCRAM-SHA-256$4096:c2FsdA==$Zq7hunter2=:x='";
  CHECK(redacted(text) == "ALTER USER ana PASSWORD '***'");
  const std::string md5 = "ALTER USER ana PASSWORD 'md5Zq7hunter2'";
  CHECK(redacted(md5) == "ALTER USER ana PASSWORD '***'");
}

TEST_CASE("text that the grammar does not take hides what stands where a secret would") {
  for (std::string_view text : {
           "alter role a password 'Zq7hunter2",
           "alter role a password 'it' 's Zq7hunter2' login",
           "create user mapping for options (password 'Zq7hunter2'",
           "select crypt('Zq7hunter2'",
           "select crypt(crypt('a', 'b'), 'Zq7hunter2",
           "alter role a password = 'Zq7hunter2'",
           "alter role a password E'\\'Zq7hunter2",
           "do $$ begin alter role a password 'Zq7hunter2'; end",
           "do $a$ do $b$ do $c$ do $d$ do $e$ do $f$ alter role a password 'Zq7hunter2' $f$ $e$ $d$ $c$ $b$ "
           "$a$",
       }) {
    CAPTURE(text);
    CHECK(redacted(text).find("Zq7hunter2") == std::string::npos);
  }
}

TEST_CASE("what merely has to do with passwords is shown") {
  for (std::string_view text : {
           "select password from users where name = 'ana'",
           "create table u (password text, name text default 'x')",
           "alter role a password null valid until 'infinity'",
           "create extension pgcrypto",
           "select 'type', happy from t where mytype = 'x'",
           "select is_encrypted from t where a = 'x'",
           "select digest('x', 'sha256')",
           "update u set name = 'x' where password is null",
       }) {
    CAPTURE(text);
    CHECK(redacted(text) == text);
  }
}
