// Versions of the configuration: kept, told apart, and never with a number that was given before.
#include <doctest/doctest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "ringfence/control/config_history.h"

using namespace ringfence;
using namespace ringfence::control;

namespace {

struct Folder {
  Folder() {
    char name[] = "/tmp/rf-config-history-XXXXXX";
    path = std::string(mkdtemp(name)) + "/versions";
  }
  ~Folder() { std::filesystem::remove_all(std::filesystem::path(path).parent_path()); }
  std::string path;
};

ConfigVersion version(const std::string& origin, const std::string& text, const std::string& by = "") {
  ConfigVersion out;
  out.since_us = 1'700'000'000'000'000;
  out.origin = origin;
  out.by = by;
  out.text = text;
  out.fields = {{"text", text}, {"same", "1"}};
  return out;
}

ConfigHistory open(const std::string& folder) {
  auto out = ConfigHistory::open(folder);
  REQUIRE_MESSAGE(out, out.error().message);
  return std::move(*out);
}

}  // namespace

TEST_CASE("a start goes on with the version that it finds, a reload makes one") {
  Folder folder;
  {
    ConfigHistory history = open(folder.path);
    CHECK(history.current().kind == Answer::Kind::unavailable);
    CHECK(*history.begin(version("start", "a")) == 1);
    CHECK(*history.begin(version("reload", "a")) == 2);
    CHECK(*history.begin(version("rollback to 1", "b", "ana (password)")) == 3);
  }
  ConfigHistory history = open(folder.path);
  CHECK(*history.begin(version("start", "b")) == 3);
  CHECK(*history.begin(version("start", "c")) == 4);
  const model::Json items = history.list().body.at("items");
  REQUIRE(items.size() == 4);
  CHECK(items[0]["version"] == 4);
  CHECK(items[0]["is_current"] == true);
  CHECK(items[1]["by"] == "ana (password)");
  CHECK(items[1]["since"] == "2023-11-14T22:13:20.000000Z");
  CHECK_FALSE(items[1].contains("text"));
  CHECK(history.read(2).body["text"] == "a");
  CHECK(history.read(5).kind == Answer::Kind::not_found);
  struct stat info{};
  REQUIRE(::stat((folder.path + "/1.json").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
}

TEST_CASE("a difference names each field that one of two versions has otherwise") {
  Folder folder;
  ConfigHistory history = open(folder.path);
  REQUIRE(history.begin(version("start", "a")));
  ConfigVersion other = version("reload", "b");
  other.fields["new"] = "x";
  REQUIRE(history.begin(std::move(other)));
  const model::Json diff = history.diff(1, 0).body;
  CHECK(diff["from"] == 1);
  CHECK(diff["to"] == 2);
  CHECK(diff["changes"].size() == 2);
  CHECK(diff["changes"][0] == model::Json({{"path", "new"}, {"before", nullptr}, {"after", "x"}}));
  CHECK(diff["changes"][1] == model::Json({{"path", "text"}, {"before", "a"}, {"after", "b"}}));
  CHECK(history.diff(2, 2).body["changes"].empty());
  CHECK(history.diff(9, 0).kind == Answer::Kind::not_found);
}

TEST_CASE("the newest versions are kept, and one comes back only as long as it is held") {
  Folder folder;
  ConfigHistory history = open(folder.path);
  for (int i = 0; i < 25; ++i) REQUIRE(history.begin(version("reload", std::to_string(i))));
  CHECK(history.list().body["items"].size() == ConfigHistory::kept_max);
  CHECK(history.read(5).kind == Answer::Kind::not_found);
  CHECK_FALSE(std::filesystem::exists(folder.path + "/5.json"));
  history.set_held({24, 25});
  CHECK(history.read(24).body["can_roll_back"] == true);
  CHECK(history.read(25).body["can_roll_back"] == false);
  CHECK(history.read(23).body["can_roll_back"] == false);
}

TEST_CASE("a damaged file is no version, and its number is not given again") {
  Folder folder;
  {
    ConfigHistory history = open(folder.path);
    for (const char* text : {"a", "b", "c"}) REQUIRE(history.begin(version("reload", text)));
  }
  std::ofstream(folder.path + "/3.json", std::ios::trunc) << "{\"version\":3";
  std::ofstream(folder.path + "/notes.txt") << "not ours";
  ConfigHistory history = open(folder.path);
  CHECK(*history.begin(version("start", "c")) == 4);
  CHECK(history.read(2).body["text"] == "b");
  CHECK(std::filesystem::exists(folder.path + "/notes.txt"));
}
