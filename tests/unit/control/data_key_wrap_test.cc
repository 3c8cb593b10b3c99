// The trail's data keys under the key ring: wrapped, moved to another key, and never lost on the way.
#include "ringfence/control/data_key_wrap.h"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "ringfence/crypto/digest.h"

using namespace ringfence;
using namespace ringfence::control;
using audit::DataKeys;

namespace {

struct WrapFolder {
  std::string path;
  WrapFolder() {
    char name[] = "/tmp/ringfence-wrap-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~WrapFolder() { std::filesystem::remove_all(path); }
  std::string file() const { return path + "/data.key"; }
  std::string text() const {
    std::ifstream in(file());
    return std::string(std::istreambuf_iterator<char>(in), {});
  }
  void put(const std::string& text) const {
    std::ofstream(file()) << text;
    ::chmod(file().c_str(), 0600);
  }
};

const std::string first_key_line = "k1 AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
const std::string second_key_line = "k2 AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";
const std::string plain_line = "00112233445566aa " + std::string(64, '1') + "\n";

KeyRingPtr shared_ring(const std::string& text) {
  auto ring = KeyRing::parse(text, "test");
  REQUIRE_MESSAGE(ring, ring.error().message);
  return std::make_shared<const KeyRing>(std::move(*ring));
}

}  // namespace

TEST_CASE("data keys that stood as they are become wrapped, and are the same keys") {
  WrapFolder folder;
  folder.put(plain_line);
  const RingWrap wrap(shared_ring(first_key_line + "\n"));
  auto keys = DataKeys::open(folder.path, &wrap);
  REQUIRE_MESSAGE(keys, keys.error().message);
  CHECK(*keys->text() == plain_line);
  CHECK(folder.text().starts_with("00112233445566aa k1:"));
  CHECK(folder.text().find(std::string(64, '1')) == std::string::npos);
  CHECK(*DataKeys::read(folder.path, &wrap)->text() == plain_line);
  CHECK(DataKeys::is_wrapped_by(folder.path, "k1"));
  CHECK_FALSE(DataKeys::is_wrapped_by(folder.path, "k2"));
  // Nothing is written where nothing changes.
  const std::string before = folder.text();
  REQUIRE(DataKeys::open(folder.path, &wrap));
  CHECK(folder.text() == before);
  auto added = DataKeys::add(folder.path, &wrap);
  REQUIRE(added);
  CHECK(DataKeys::read(folder.path, &wrap)->size() == 2);
  struct stat info{};
  REQUIRE(::stat(folder.file().c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
}

TEST_CASE("data keys move to another key of the ring, and open by one that has retired") {
  WrapFolder folder;
  folder.put(plain_line);
  const RingWrap one(shared_ring(first_key_line + "\n"));
  REQUIRE(DataKeys::open(folder.path, &one));
  const RingWrap both(shared_ring(second_key_line + " state=active\n" + first_key_line + " state=retired\n"));
  CHECK(*DataKeys::read(folder.path, &both)->text() == plain_line);
  CHECK(folder.text().find("k1:") != std::string::npos);
  REQUIRE(DataKeys::move(folder.path, both));
  CHECK(folder.text().find("k1:") == std::string::npos);
  CHECK(*DataKeys::read(folder.path, &both)->text() == plain_line);
  const RingWrap two(shared_ring(second_key_line + "\n"));
  CHECK(*DataKeys::open(folder.path, &two)->text() == plain_line);
  WrapFolder empty;
  CHECK(DataKeys::move(empty.path, two));
  CHECK_FALSE(std::filesystem::exists(empty.file()));
}

TEST_CASE(
    "a ring without the key, another ring, no ring and a changed line are told, and nothing is made anew") {
  WrapFolder folder;
  folder.put(plain_line);
  const RingWrap one(shared_ring(first_key_line + "\n"));
  REQUIRE(DataKeys::open(folder.path, &one));
  const std::string before = folder.text();
  auto told = [&](const audit::DataKeyWrap* wrap, const std::string& what) {
    auto keys = DataKeys::open(folder.path, wrap);
    REQUIRE_FALSE(keys);
    CHECK_MESSAGE(keys.error().message.find(what) != std::string::npos, keys.error().message);
  };
  const RingWrap other(shared_ring(second_key_line + "\n"));
  told(&other, "bring the key ring that was here before");
  const RingWrap destroyed(shared_ring(second_key_line + " state=active\nk1 - state=destroyed\n"));
  told(&destroyed, "bring the key ring that was here before");
  const RingWrap same_name(shared_ring("k1" + second_key_line.substr(2) + "\n"));
  told(&same_name, "does not open");
  told(nullptr, "and there is none");
  CHECK_FALSE(DataKeys::move(folder.path, other));
  CHECK(folder.text() == before);
  // Under another id it is bound to it does not open.
  folder.put("10112233445566aa" + before.substr(16));
  told(&one, "does not open");
  folder.put(before.substr(0, before.size() - 6) + "!!!!!\n");
  told(&one, "base64");
  for (size_t size = 0; size < before.size() - 1; ++size) {
    folder.put(before.substr(0, size));
    CHECK_FALSE(DataKeys::read(folder.path, &one));
  }
}
