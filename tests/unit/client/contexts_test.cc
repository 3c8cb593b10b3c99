#include "contexts.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

using namespace ringfence::client;

namespace {

// A folder that is gone afterwards.
class Folder {
 public:
  Folder() {
    char name[] = "/tmp/ringfence-contexts-XXXXXX";
    path_ = mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string path(const char* below) const { return path_ + below; }

 private:
  std::string path_;
};

SavedContext context(const std::string& url, const char* key) {
  SavedContext out;
  out.url = url;
  out.user = "ana";
  out.key = ringfence::model::Secret(key);
  out.key_id = "0198d0f4-0000-7000-8000-000000000001";
  out.expires_at = "2027-01-01T00:00:00Z";
  return out;
}

mode_t mode_of(const std::string& path) {
  struct stat info{};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  return info.st_mode & 0777;
}

std::string refusal(const char* text) {
  auto parsed = parse_contexts(text);
  return parsed ? "" : parsed.error().message;
}

}  // namespace

TEST_CASE("contexts come back as they were written") {
  Contexts before;
  before.current = "prod";
  before.all["prod"] = context("https://a.example", "rf_1");
  before.all["lab"] = context("http://10.0.0.1:8432", "rf_2");
  before.all["lab"].allows_plain_http = true;
  before.all["lab"].ca_file = "/etc/ca.pem";
  before.all["lab"].key_id = "";
  before.all["lab"].expires_at = "";
  auto after = parse_contexts(contexts_text(before));
  REQUIRE(after);
  CHECK(after->current == "prod");
  REQUIRE(after->all.size() == 2);
  const SavedContext& lab = after->all["lab"];
  CHECK(lab.url == "http://10.0.0.1:8432");
  CHECK(lab.key.reveal() == "rf_2");
  CHECK(lab.allows_plain_http);
  CHECK(lab.ca_file == "/etc/ca.pem");
  CHECK(lab.key_id.empty());
  const SavedContext& prod = after->all["prod"];
  CHECK(!prod.allows_plain_http);
  CHECK(prod.key_id == "0198d0f4-0000-7000-8000-000000000001");
  CHECK(prod.expires_at == "2027-01-01T00:00:00Z");
}

TEST_CASE("a contexts file that makes no sense is refused with the cure") {
  for (const char* text :
       {"", "{", "[]", "7", "{}", R"({"version": 2, "contexts": {}})", R"({"version": 1, "contexts": []})",
        R"({"version": 1, "current": 7, "contexts": {}})",
        R"({"version": 1, "contexts": {"a": {"url": "https://a"}}})",
        R"({"version": 1, "contexts": {"a": {"url": "https://a", "key": 7}}})",
        R"({"version": 1, "contexts": {"a": 7}})",
        R"({"version": 1, "contexts": {"a b": {"url": "https://a", "key": "k"}}})"}) {
    CAPTURE(text);
    CHECK(refusal(text).find("remove it and log in again") != std::string::npos);
  }
  // A current context that is gone is none.
  auto gone = parse_contexts(R"({"version": 1, "current": "x", "contexts": {}})");
  REQUIRE(gone);
  CHECK(gone->current.empty());
}

TEST_CASE("the file and its folder are the user's alone") {
  const Folder folder;
  const ContextsFile file(folder.path("/config/ringfence"));
  auto none = file.load();
  REQUIRE(none);
  CHECK(none->all.empty());
  REQUIRE(file.update([](Contexts& now) { now.all["a"] = context("https://a", "rf_1"); }));
  CHECK(mode_of(folder.path("/config/ringfence")) == 0700);
  CHECK(mode_of(file.path()) == 0600);
  REQUIRE(file.load());
  CHECK(file.load()->all.size() == 1);
}

TEST_CASE("a file that others may read is refused") {
  const Folder folder;
  const ContextsFile file(folder.path("/ringfence"));
  REQUIRE(file.update([](Contexts& now) { now.all["a"] = context("https://a", "rf_1"); }));
  REQUIRE(::chmod(file.path().c_str(), 0640) == 0);
  auto loaded = file.load();
  REQUIRE(!loaded);
  CHECK(loaded.error().message.find("chmod 600") != std::string::npos);
  CHECK(!file.update([](Contexts&) {}));
  REQUIRE(::chmod(file.path().c_str(), 0600) == 0);
  REQUIRE(::chmod(folder.path("/ringfence").c_str(), 0720) == 0);
  loaded = file.load();
  REQUIRE(!loaded);
  CHECK(loaded.error().message.find("chmod 700") != std::string::npos);
}

TEST_CASE("a link in the file's place is not followed") {
  const Folder folder;
  const ContextsFile file(folder.path("/ringfence"));
  REQUIRE(file.update([](Contexts& now) { now.all["a"] = context("https://a", "rf_1"); }));
  std::filesystem::rename(file.path(), folder.path("/elsewhere"));
  std::filesystem::create_symlink(folder.path("/elsewhere"), file.path());
  CHECK(!file.load());
}

TEST_CASE("changes of several at once all hold") {
  const Folder folder;
  const std::string path = folder.path("/ringfence");
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&path, i] {
      const ContextsFile file(path);
      static_cast<void>(file.update(
          [i](Contexts& now) { now.all["c" + std::to_string(i)] = context("https://a", "rf_1"); }));
    });
  }
  for (std::thread& thread : threads) thread.join();
  auto loaded = ContextsFile(path).load();
  REQUIRE(loaded);
  CHECK(loaded->all.size() == 8);
}

TEST_CASE("a context's name is simple") {
  CHECK(check_context_name("prod-eu_1.x"));
  for (const char* wrong : {"", "a b", "../x", "a/b", "$(x)", "ü"}) {
    CAPTURE(wrong);
    CHECK(!check_context_name(wrong));
  }
}
