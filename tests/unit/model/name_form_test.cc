#include "ringfence/model/name_form.h"

#include <doctest/doctest.h>

#include "ringfence/base/utf8.h"

using namespace ringfence;
using model::NameForm;

namespace {
std::string name(std::string_view form, std::string_view client) {
  auto parsed = NameForm::parse(form);
  REQUIRE(parsed);
  return parsed->name("ada", "shop", client);
}
}  // namespace

TEST_CASE("a form names the human, the target and the client's own name") {
  CHECK(NameForm().name("ada", "shop", "psql") == "ringfence/ada: psql");
  CHECK(NameForm().name("ada", "shop", "") == "ringfence/ada");
  CHECK(name("{name} ({user}@{target})", "psql") == "psql (ada@shop)");
  CHECK(name("{user}", "psql") == "ada");
  CHECK(name("{target}/{user} - {name}", "") == "shop/ada");
  CHECK(name("proxy", "psql") == "proxy");
  CHECK(name("{name}", "") == "");
  CHECK(name("{user}: {name}", "p\xc3\xa4\n") == "ada: p???");
}

TEST_CASE("the client's own name is passed as it stands") {
  CHECK(name("client", "psql") == "psql");
  CHECK(name("client", "") == "");
  CHECK(name("client", "p\xc3\xa4") == "p\xc3\xa4");
}

TEST_CASE("no name is longer than the server keeps, and none ends within a character") {
  for (size_t bytes = 40; bytes < 100; ++bytes) {
    const std::string ascii(bytes, 'x');
    std::string wide;
    while (wide.size() < bytes) wide += "\xe6\x97\xa5";
    for (const char* form : {"client", "ringfence/{user}: {name}", "{name}", "{name}{name}{name} {user}"}) {
      for (const std::string& client : {ascii, wide}) {
        const std::string made = name(form, client);
        CHECK(made.size() <= model::application_name_bytes_max);
        CHECK(is_valid_text(made));
      }
    }
  }
  CHECK(name("client", std::string(62, 'x') + "\xc3\xa4") == std::string(62, 'x'));
  CHECK(name("{name}", std::string(80, 'x')) == std::string(63, 'x'));
}

TEST_CASE("a form that cannot be meant is an error") {
  for (std::string_view form :
       {"", "{", "}", "{}", "{usr}", "{user", "user}", "{{user}}", "a\tb", "ringfence \xc3\xa4"}) {
    CAPTURE(form);
    CHECK_FALSE(NameForm::parse(form));
  }
  CHECK_FALSE(NameForm::parse(std::string(64, 'x')));
  CHECK(NameForm::parse(std::string(63, 'x')));
}
