// The keys of a ring: their states, their text, and where it is kept.
#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "control/key_keeper.h"
#include "ringfence/control/key_ring.h"

using namespace ringfence;
using namespace ringfence::control;

namespace {

const std::string bytes = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
constexpr uint64_t now_us = 1'800'000'000'000'000;

struct RingFolder {
  RingFolder() {
    char name[] = "/tmp/ringfence-keys-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~RingFolder() { std::filesystem::remove_all(path); }
  std::string file(const std::string& name) const { return path + "/" + name; }
  std::string path;
};

std::string content_of(const std::string& path) {
  std::stringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}

std::string states_of(const KeyRing& ring) {
  std::string out;
  for (const RingKey& key : ring.keys()) out += (out.empty() ? "" : " ") + std::string(name(key.state));
  return out;
}

KeyRing ring_of(const std::string& text) {
  auto out = KeyRing::parse(text, "ring");
  REQUIRE_MESSAGE(out, out.error().message);
  return *out;
}

}  // namespace

TEST_CASE("a ring without states has one active key, and the others are accepted") {
  const KeyRing ring = ring_of("new " + bytes + "\nold " + bytes + "\n");
  CHECK(states_of(ring) == "active accepted");
  CHECK(ring.prepared() == nullptr);
  CHECK(ring.find("old") != nullptr);
}

TEST_CASE("a ring's text says all of it, whatever a key's state is") {
  const std::string text = "a " + bytes + " state=retired created=2026-01-02T03:04:05.000000Z\nb " + bytes +
                           " state=active expires=2027-01-02T03:04:05.000000Z\nc - state=destroyed "
                           "since=2026-01-02T03:04:05.000000Z\nd " +
                           bytes + " state=prepared\ne " + bytes + " state=retiring\nf " + bytes + "\n";
  const KeyRing ring = ring_of(text);
  CHECK(states_of(ring) == "retired active destroyed prepared retiring accepted");
  CHECK(ring.current_id() == "b");
  CHECK(ring.find("a") == nullptr);
  CHECK(ring.find("c") == nullptr);
  CHECK(ring.find("d") != nullptr);
  CHECK(ring.find("e") != nullptr);
  CHECK(ring.key("a")->created_us != 0);
  CHECK(ring.key("c")->secret.empty());
  CHECK(ring_of(ring.text()).text() == ring.text());
}

TEST_CASE("a line that says too much, or too little, is an error with its number") {
  for (const auto& [text, what] :
       {std::pair<std::string, std::string>{"k " + bytes + " state=best", "ring:1: has an unknown state"},
        {"k " + bytes + " colour=red", "ring:1: has something unknown behind the key"},
        {"k " + bytes + " ", ""},
        {"k " + bytes + "  state=active", "ring:1: has something unknown"},
        {"k " + bytes + " created=yesterday", "ring:1: has a time that is none"},
        {"k " + bytes + " state=destroyed", "ring:1: must have `-`"},
        {"k -", "ring:1: must have `-`"},
        {"k - state=active", "ring:1: must have `-`"},
        {"k " + bytes + " state=retired", "ring has no active key"},
        {"k - state=destroyed", "ring has no active key"},
        {"k " + bytes + " state=active\nl " + bytes + " state=active",
         "ring has more than one active key"}}) {
    CAPTURE(text);
    auto parsed = KeyRing::parse(text, "ring");
    CHECK(parsed.has_value() == what.empty());
    if (parsed) continue;
    CHECK_MESSAGE(parsed.error().message.starts_with(what), parsed.error().message);
    CHECK(parsed.error().message.find(bytes) == std::string::npos);
  }
}

TEST_CASE("a key lives from prepared to destroyed, and never goes back") {
  KeyRing ring = ring_of("k1 " + bytes + "\n");
  auto added = ring.add(now_us, now_us + 1);
  REQUIRE(added);
  CHECK(states_of(ring) == "active prepared");
  CHECK(ring.prepared()->id == *added);
  CHECK(ring.find(*added)->reveal() != ring.current().reveal());
  CHECK_FALSE(ring.destroy("k1", now_us));
  REQUIRE(ring.activate(*added, now_us));
  CHECK(ring.current_id() == *added);
  CHECK(ring.active().expires_us == now_us + 1);
  CHECK(states_of(ring) == "retiring active");
  CHECK(ring.find("k1") != nullptr);
  CHECK_FALSE(ring.destroy("k1", now_us));
  ring.retire(now_us);
  CHECK(states_of(ring) == "retired active");
  CHECK(ring.find("k1") == nullptr);
  CHECK_FALSE(ring.activate("k1", now_us));
  REQUIRE(ring.destroy("k1", now_us));
  CHECK(states_of(ring_of(ring.text())) == "destroyed active");
  CHECK(ring.text().find(bytes) == std::string::npos);
  CHECK_FALSE(ring.activate("k1", now_us));
  CHECK_FALSE(ring.activate("none", now_us));
}

TEST_CASE("a ring keeps a hundred keys and no more") {
  KeyRing ring = ring_of("k1 " + bytes + "\n");
  for (size_t i = 1; i < ring_keys_max; ++i) REQUIRE(ring.add(now_us, 0));
  CHECK_FALSE(ring.add(now_us, 0));
  CHECK(ring.text().size() < ring_bytes_max);
}

TEST_CASE("a change of the ring is on the disk, for its owner alone") {
  RingFolder folder;
  auto keeper = KeyKeeper::open({}, folder.path);
  REQUIRE_MESSAGE(keeper, keeper.error().message);
  CHECK((*keeper)->why_fixed().empty());
  REQUIRE((*keeper)->change([](KeyRing& ring) -> Result<void> {
    return ring.add(now_us, 0) ? Result<void>() : fail(Fault::internal, "");
  }));
  CHECK(states_of(*(*keeper)->ring()) == "active prepared");
  struct stat facts{};
  REQUIRE(::stat(folder.file("control.keys").c_str(), &facts) == 0);
  CHECK((facts.st_mode & 0777) == 0600);
  CHECK(states_of(*KeyRing::read(folder.file("control.keys"))) == "active prepared");
  // What fails changes nothing.
  CHECK_FALSE((*keeper)->change([](KeyRing& ring) -> Result<void> {
    ring.retire(now_us);
    return ring.activate("none", now_us);
  }));
  CHECK(states_of(*(*keeper)->ring()) == "active prepared");
  CHECK_FALSE(*(*keeper)->reload());
}

TEST_CASE("a ring that somebody brings is in force, and a damaged one is not") {
  RingFolder folder;
  auto keeper = KeyKeeper::open({}, folder.path);
  REQUIRE(keeper);
  const std::string file = folder.file("control.keys"), before = content_of(file);
  std::ofstream(file + ".x") << "other " + bytes + "\n" + before;
  std::filesystem::rename(file + ".x", file);
  auto reloaded = (*keeper)->reload();
  REQUIRE(reloaded);
  CHECK(*reloaded);
  // The one that was there says itself that it is active.
  CHECK((*keeper)->ring()->current_id() == "k1");
  CHECK((*keeper)->ring()->find("other") != nullptr);
  std::ofstream(file + ".x") << "nothing\n";
  std::filesystem::rename(file + ".x", file);
  CHECK_FALSE((*keeper)->reload());
  CHECK((*keeper)->ring()->find("other") != nullptr);
  CHECK_FALSE((*keeper)->change([](KeyRing&) -> Result<void> { return {}; }));
  std::filesystem::remove(file);
  REQUIRE((*keeper)->reload());
  CHECK((*keeper)->ring()->find("other") != nullptr);
}

TEST_CASE("the first source that is given has the ring, and some cannot be changed") {
  RingFolder folder;
  const std::string text = "mine " + bytes + "\n";
  std::ofstream(folder.file("credential")) << "credential " + bytes + "\n";
  std::ofstream(folder.file("file")) << "file " + bytes + "\n";
  KeySource source;
  source.text = model::Secret(text);
  auto of_environment = KeyKeeper::open(source, folder.path);
  REQUIRE(of_environment);
  CHECK((*of_environment)->ring()->current_id() == "mine");
  CHECK((*of_environment)->why_fixed().find("RINGFENCE_KEY_RING") != std::string::npos);
  CHECK_FALSE(*(*of_environment)->reload());
  source.credential = folder.file("credential");
  auto of_credential = KeyKeeper::open(source, folder.path);
  REQUIRE(of_credential);
  CHECK((*of_credential)->ring()->current_id() == "credential");
  CHECK((*of_credential)->why_fixed().find("systemd credential") != std::string::npos);
  CHECK_FALSE((*of_credential)->change([](KeyRing&) -> Result<void> { return {}; }));
  source.file = folder.file("file");
  auto of_file = KeyKeeper::open(source, folder.path);
  REQUIRE(of_file);
  CHECK((*of_file)->ring()->current_id() == "file");
  CHECK((*of_file)->why_fixed().empty());
  CHECK_FALSE(std::filesystem::exists(folder.file("control.keys")));
  source.file = folder.file("none");
  auto missing = KeyKeeper::open(source, folder.path);
  REQUIRE_FALSE(missing);
  CHECK(missing.error().message.find("bring the file") != std::string::npos);
  // A link is what somebody else points elsewhere.
  std::filesystem::create_symlink(folder.file("file"), folder.file("link"));
  source.file = folder.file("link");
  auto linked = KeyKeeper::open(source, folder.path);
  REQUIRE(linked);
  CHECK((*linked)->why_fixed().find("no ordinary file") != std::string::npos);
}
