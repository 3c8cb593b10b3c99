// What a node remembers, and the keys that it believes.
#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "ringfence/control/key_ring.h"
#include "ringfence/control/known_versions.h"

using namespace ringfence;
using namespace ringfence::control;

namespace {

struct Folder {
  Folder() {
    char name[] = "/tmp/ringfence-control-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string file(const std::string& name) const { return path + "/" + name; }
  std::string path;
};

void append(const std::string& path, const std::string& text) { std::ofstream(path, std::ios::app) << text; }

constexpr const char* key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

}  // namespace

TEST_CASE("versions survive, and only grow") {
  Folder folder;
  {
    auto known = KnownVersions::open(folder.file("v"));
    REQUIRE(known);
    CHECK(known->store_id().empty());
    REQUIRE(known->add({{"user a", {3, false}}, {"user b", {1, false}}}, 7, "store"));
    REQUIRE(known->add({{"user a", {2, false}}, {"user b", {2, true}}}, 8, "store"));
  }
  auto known = KnownVersions::open(folder.file("v"));
  REQUIRE(known);
  CHECK(known->find("user a")->version == 3);
  CHECK(known->find("user b")->is_deleted);
  CHECK(known->find("user c") == nullptr);
  CHECK(known->revision() == 8);
  CHECK(known->store_id() == "store");
}

TEST_CASE("a batch that was cut short is none, and does not spoil what follows") {
  for (const char* rest : {"user a 9", "user a 9\n", "user a 9\nrevision 99 st", "user a 9 dele"}) {
    Folder folder;
    {
      auto known = KnownVersions::open(folder.file("v"));
      REQUIRE(known->add({{"user a", {1, false}}}, 1, "store"));
    }
    append(folder.file("v"), rest);
    {
      auto known = KnownVersions::open(folder.file("v"));
      REQUIRE_MESSAGE(known, known.error().message);
      CHECK(known->find("user a")->version == 1);
      CHECK(known->revision() == 1);
      REQUIRE(known->add({{"user a", {2, false}}}, 2, "store"));
    }
    CHECK(KnownVersions::open(folder.file("v"))->find("user a")->version == 2);
  }
}

TEST_CASE("a damaged file is no empty one") {
  Folder folder;
  {
    auto known = KnownVersions::open(folder.file("v"));
    REQUIRE(known->add({{"user a", {1, false}}}, 1, "store"));
  }
  append(folder.file("v"), "user a minus\nrevision 2 store\n");
  auto known = KnownVersions::open(folder.file("v"));
  REQUIRE_FALSE(known);
  CHECK(known.error().message.find("v:3 is damaged") != std::string::npos);
}

TEST_CASE("a file with many old lines is written anew") {
  Folder folder;
  {
    auto known = KnownVersions::open(folder.file("v"));
    std::vector<KnownVersions::Entry> all;
    for (int i = 0; i < 6'000; ++i) all.push_back({"user " + std::to_string(i), {1, false}});
    for (int64_t version = 1; version <= 3; ++version) {
      for (auto& entry : all) entry.known.version = version;
      REQUIRE(known->add(all, version, "store"));
    }
  }
  const auto before = std::filesystem::file_size(folder.file("v"));
  auto known = KnownVersions::open(folder.file("v"));
  REQUIRE(known);
  CHECK(std::filesystem::file_size(folder.file("v")) < before / 2);
  REQUIRE(known->add({{"user 1", {4, false}}}, 4, "store"));
  auto again = KnownVersions::open(folder.file("v"));
  REQUIRE(again);
  CHECK(again->all().size() == 6'000);
  CHECK(again->find("user 1")->version == 4);
}

TEST_CASE("a key ring names what is wrong with it by its line") {
  const std::string k(key);
  auto good = KeyRing::parse("# keys\nnew " + k + "\r\n\nold " + k + "\n", "ring");
  REQUIRE(good);
  CHECK(good->current_id() == "new");
  CHECK(good->find("old")->size() == 32);
  CHECK(good->find("other") == nullptr);
  for (const auto& [text, what] : {std::pair<std::string, std::string>{"", "ring has no key"},
                                   {"k1\n", "ring:1: is no key"},
                                   {"# x\nk/1 " + k, "ring:2: names no key"},
                                   {"k1 AAAA", "ring:1: has no key of 32 bytes"},
                                   {"k1  " + k, "ring:1: has no key of 32 bytes"},
                                   {"k1 " + k + "\nk1 " + k, "ring:2: has the key \"k1\" a second time"}}) {
    auto wrong = KeyRing::parse(text, "ring");
    REQUIRE_FALSE(wrong);
    CHECK_MESSAGE(wrong.error().message.starts_with(what), wrong.error().message);
    CHECK(wrong.error().message.find(k) == std::string::npos);
  }
}

TEST_CASE("a key ring is made once, for its owner alone") {
  Folder folder;
  auto made = KeyRing::read_or_make(folder.file("keys"));
  REQUIRE_MESSAGE(made, made.error().message);
  struct stat facts{};
  REQUIRE(::stat(folder.file("keys").c_str(), &facts) == 0);
  CHECK((facts.st_mode & 0777) == 0600);
  auto again = KeyRing::read_or_make(folder.file("keys"));
  REQUIRE(again);
  CHECK(again->current().reveal() == made->current().reveal());
  CHECK_FALSE(KeyRing::read(folder.file("none")));
}
