#include "ringfence/sql/read_only_form.h"

#include <doctest/doctest.h>

#include <random>

#include "ringfence/sql/analyze.h"

using namespace ringfence;
using sql::read_only_form;

TEST_CASE("READ WRITE of a transaction statement becomes READ ONLY in as many bytes") {
  const std::pair<const char*, const char*> cases[] = {
      {"BEGIN READ WRITE", "BEGIN READ ONLY "},
      {"begin read write", "begin read ONLY "},
      {"BEGIN TRANSACTION READ\tWRITE", "BEGIN TRANSACTION READ\tONLY "},
      {"BEGIN WORK READ WRITE", "BEGIN WORK READ ONLY "},
      {"START TRANSACTION READ WRITE", "START TRANSACTION READ ONLY "},
      {"BEGIN ISOLATION LEVEL SERIALIZABLE, READ WRITE, DEFERRABLE",
       "BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY , DEFERRABLE"},
      {"BEGIN READ WRITE ISOLATION LEVEL REPEATABLE READ NOT DEFERRABLE",
       "BEGIN READ ONLY  ISOLATION LEVEL REPEATABLE READ NOT DEFERRABLE"},
      {"BEGIN READ ONLY READ WRITE", "BEGIN READ ONLY READ ONLY "},
      {"BEGIN READ WRITE, READ WRITE", "BEGIN READ ONLY , READ ONLY "},
      {"BEGIN READ/* WRITE */WRITE/* x */", "BEGIN READ/* WRITE */ONLY /* x */"},
      {"BEGIN READ -- WRITE\nWRITE", "BEGIN READ -- WRITE\nONLY "},
      {"SET TRANSACTION READ WRITE", "SET TRANSACTION READ ONLY "},
      {"SET LOCAL TRANSACTION READ WRITE", "SET LOCAL TRANSACTION READ ONLY "},
      {"SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
       "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY "},
      {"SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ UNCOMMITTED, READ WRITE",
       "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ UNCOMMITTED, READ ONLY "},
  };
  for (const auto& [sent, instead] : cases) {
    CAPTURE(sent);
    const auto form = read_only_form(sent);
    REQUIRE(form);
    CHECK(*form == instead);
    const auto before = sql::analyze(sent), after = sql::analyze(*form);
    REQUIRE(before);
    REQUIRE(after);
    CHECK(after->kind == before->kind);
    CHECK(after->control == before->control);
    REQUIRE(after->settings.size() == before->settings.size());
    for (size_t i = 0; i < after->settings.size(); ++i) {
      const sql::Setting& one = after->settings[i];
      CHECK(one.name == before->settings[i].name);
      const bool is_mode = one.name.ends_with("transaction_read_only");
      CHECK(one.values == (is_mode ? std::vector<std::string>{"1"} : before->settings[i].values));
    }
  }
}

TEST_CASE("a statement that is not just that has no read-only form") {
  const std::string long_comment =
      "BEGIN READ WRITE /*" + std::string(sql::read_only_form_bytes_max, 'x') + "*/";
  for (std::string_view text :
       std::initializer_list<std::string_view>{"",
                                               "BEGIN",
                                               "BEGIN READ ONLY",
                                               "BEGIN ISOLATION LEVEL READ COMMITTED",
                                               "BEGIN WRITE",
                                               "BEGIN READ, WRITE",
                                               "SELECT 'BEGIN READ WRITE'",
                                               "BEGIN READ WRITE 'x'",
                                               "BEGIN READ WRITE; DELETE FROM t",
                                               "BEGIN READ \"write\"",
                                               "BEGIN READ WRITE 1",
                                               "SET transaction_read_only = off",
                                               "SET TRANSACTION SNAPSHOT 'READ WRITE'",
                                               "SET x TO read, write",
                                               "COMMIT AND CHAIN",
                                               "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC READ WRITE",
                                               "BEGIN READ WRITE /* open",
                                               "BEGIN READ WRITE $$x$$",
                                               "BEGIN READ WRITE \xe2\x80\x83",
                                               ", BEGIN READ WRITE",
                                               "READ WRITE",
                                               "PREPARE p AS BEGIN READ WRITE",
                                               "BEGIN R\xc3\x89"
                                               "AD WRITE",
                                               long_comment}) {
    CAPTURE(text);
    CHECK_FALSE(read_only_form(text));
  }
}

TEST_CASE("whatever has a read-only form never lets a session write by it") {
  const char* pieces[] = {
      "begin",     "start",     "set",   "transaction",  "session",    "local", "characteristics",
      "as",        "isolation", "level", "serializable", "repeatable", "read",  "committed",
      "only",      "write",     "not",   "deferrable",   ",",          "/**/",  "read write",
      "read only", "work",      "--x\n", "'x'",          ";"};
  std::mt19937 random(7);
  size_t parsed = 0;
  for (int i = 0; i < 200'000; ++i) {
    std::string text = random() % 3 == 0   ? "begin"
                       : random() % 2 == 0 ? "set transaction"
                                           : "start transaction";
    for (size_t n = random() % 6; n > 0; --n) text += std::string(" ") + pieces[random() % std::size(pieces)];
    const auto form = read_only_form(text);
    if (!form) continue;
    CHECK(form->size() == text.size());
    const auto facts = sql::analyze(*form);
    if (!facts) continue;
    ++parsed;
    CHECK((facts->kind == "begin" || facts->kind == "set"));
    CHECK(facts->level() == sql::Level::read);
    for (const sql::Setting& setting : facts->settings)
      if (setting.name.ends_with("read_only")) CHECK(setting.values == std::vector<std::string>{"1"});
  }
  CHECK(parsed > 1'000);
}
