#include "table.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "shown_text.h"

using namespace ringfence::client;
using ringfence::model::Json;

TEST_CASE("columns are aligned by what a terminal shows, without blanks at a line's end") {
  Table table({"name", "roles", "note"});
  table.add({"ana", "auditor,user", "a"});
  table.add({"büilder-ü", "-", "日本"});
  table.add({"日本", "x", "-"});
  CHECK(table.text() ==
        "NAME       ROLES         NOTE\n"
        "ana        auditor,user  a\n"
        "büilder-ü  -             日本\n"
        "日本       x             -\n");
  CHECK(Table({"name", "id"}).text() == "NAME  ID\n");
}

TEST_CASE("a cell is cut where a terminal has no room, between characters") {
  Table table({"n", "text"});
  table.add({"1", "äöüäöüäöü"});
  CHECK(table.text(5) == "N  TEXT\n1  äöüä…\n");
  CHECK(cut_to("abc", 3) == "abc");
  CHECK(cut_to("日本語", 5) == "日本…");
  CHECK(cut_to("日本語", 4) == "日…");
}

TEST_CASE("a cell shows each kind of value on one line") {
  CHECK(cell_of(Json()) == "-");
  CHECK(cell_of(Json("")) == "-");
  CHECK(cell_of(Json::array()) == "-");
  CHECK(cell_of(Json::object()) == "-");
  CHECK(cell_of(Json({"a", "b"})) == "a,b");
  CHECK(cell_of(Json({{"env", "prod"}, {"team", "x"}})) == "env:prod,team:x");
  CHECK(cell_of(Json(false)) == "false");
  CHECK(cell_of(Json(0)) == "0");
}

TEST_CASE("what others wrote moves no cursor and turns no text") {
  CHECK(cell_of(Json("a\x1b[2Jb")) == "a\\u001b[2Jb");
  CHECK(cell_of(Json("a\nb\tc")) == "a\\u000ab\\u0009c");
  CHECK(cell_of(Json("\u009b31m")) == "\\u009b31m");
  CHECK(cell_of(Json("\u202eevil")) == "\\u202eevil");
  CHECK(shown_text("\xff"
                   "a") ==
        "\ufffd"
        "a");
  CHECK(shown_text("a\nb", true) == "a\nb");
  CHECK(shown_text("a\rb", true) == "a\\u000db");
}

TEST_CASE("pairs stand below each other") {
  CHECK(pairs_text({{"id", "1"}, {"name", "ana"}}) == "id    1\nname  ana\n");
}
