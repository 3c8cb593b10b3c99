// A use is written at once, the next one of the same key a minute later at the earliest.
#include "ringfence/control/key_uses.h"

#include <doctest/doctest.h>

using namespace ringfence;
using namespace ringfence::control;

namespace {

constexpr uint64_t second_us = 1'000'000;

struct UseLog {
  std::vector<KeyUses::Uses> written;
  std::vector<std::function<void(bool)>> waiting;
  KeyUses uses{[this](KeyUses::Uses some, std::function<void(bool)> done) {
    written.push_back(std::move(some));
    waiting.push_back(std::move(done));
  }};
  void finish(bool is_ok) {
    auto done = std::move(waiting.front());
    waiting.erase(waiting.begin());
    done(is_ok);
  }
};

Uuid key_number(uint8_t number) {
  Uuid out{};
  out.bytes[15] = number;
  return out;
}

}  // namespace

TEST_CASE("each key's use is written once a minute at most") {
  UseLog log;
  log.uses.note(key_number(1), 100 * second_us);
  REQUIRE(log.written.size() == 1);
  CHECK(log.written[0].size() == 1);
  CHECK(log.written[0][0].id == to_string(key_number(1)));
  CHECK(log.written[0][0].used_at == "1970-01-01T00:01:40.000000Z");
  log.finish(true);
  log.uses.note(key_number(1), 159 * second_us);
  CHECK(log.written.size() == 1);
  log.uses.note(key_number(1), 160 * second_us);
  CHECK(log.written.size() == 2);
}

TEST_CASE("uses that come while the store writes go together afterwards") {
  UseLog log;
  log.uses.note(key_number(1), second_us);
  log.uses.note(key_number(2), second_us);
  log.uses.note(key_number(3), second_us);
  CHECK(log.written.size() == 1);
  log.finish(false);
  REQUIRE(log.written.size() == 2);
  CHECK(log.written[1].size() == 2);
  log.finish(true);
  CHECK(log.written.size() == 2);
}

TEST_CASE("more keys than the bound cost no more memory") {
  UseLog log;
  size_t noted = 0;
  for (size_t i = 0; i < KeyUses::keys_max + 100; ++i) {
    Uuid key{};
    key.bytes[14] = static_cast<uint8_t>(i >> 8);
    key.bytes[15] = static_cast<uint8_t>(i);
    log.uses.note(key, second_us);
  }
  log.finish(true);
  for (const KeyUses::Uses& some : log.written) noted += some.size();
  CHECK(noted == KeyUses::keys_max);
}
