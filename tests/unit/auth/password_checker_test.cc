#include <doctest/doctest.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <future>
#include <optional>

#include "ringfence/auth/password_checker.h"
#include "ringfence/auth/stored_password.h"

using namespace ringfence;
using namespace ringfence::auth;

namespace {

constexpr crypto::Argon2Cost small{64, 1, 1};
constexpr Uuid alice{{1}};
constexpr Uuid bob{{2}};
constexpr auto right = PasswordVerdict::right;
constexpr auto wrong = PasswordVerdict::wrong;
constexpr auto busy = PasswordVerdict::busy;
constexpr auto failed = PasswordVerdict::failed;

model::Secret stored_of(const char* password, const crypto::Argon2Cost& cost = small) {
  auto made = make_stored_password(password, {cost, 1});
  REQUIRE(made.has_value());
  return made->argon2;
}

PasswordCheckerOptions options_of(const crypto::Argon2Cost& cost = small, uint64_t remember_ms = 600'000,
                                  size_t remembered_max = 100) {
  PasswordCheckerOptions out;
  out.cost = cost;
  out.remember_ms = remember_ms;
  out.remembered_max = remembered_max;
  return out;
}

// A worker that waits until it may go on. What both threads use lives as long as the last of them.
class Blocked {
 public:
  explicit Blocked(ring::Workers& workers) {
    REQUIRE(workers.post([gate = gate_] {
      gate->began.set_value();
      gate->open.get_future().wait();
    }));
    gate_->began.get_future().wait();
  }
  ~Blocked() { go_on(); }
  Blocked(const Blocked&) = delete;
  Blocked& operator=(const Blocked&) = delete;
  void go_on() {
    if (!std::exchange(is_open_, true)) gate_->open.set_value();
  }

 private:
  struct Gate {
    std::promise<void> began;
    std::promise<void> open;
  };
  std::shared_ptr<Gate> gate_ = std::make_shared<Gate>();
  bool is_open_ = false;
};

// A shard without a thread of its own: the test runs its mail. The shard outlives the workers.
struct Fixture {
  explicit Fixture(PasswordCheckerOptions options = options_of(), unsigned threads = 1, size_t backlog = 16)
      : workers(std::in_place, threads, backlog) {
    auto made = PasswordChecker::make(*workers, options);
    REQUIRE(made.has_value());
    checker = std::move(*made);
  }
  ~Fixture() {
    checker.reset();
    workers.reset();
    shard.turn_at(0);
  }
  // Calls back on this thread.
  void ask(Uuid user, const model::Secret& stored, const model::Secret& password,
           std::function<void(PasswordAnswer)> done) {
    checker->check({user, stored, password}, shard, std::move(done));
  }
  PasswordAnswer answer(Uuid user, const model::Secret& stored, const model::Secret& password) {
    std::optional<PasswordAnswer> out;
    ask(user, stored, password, [&](PasswordAnswer given) {
      CHECK_FALSE(out.has_value());
      out = given;
    });
    for (int i = 0; i < 60'000 && !out; ++i) {
      ::usleep(i < 100 ? 50 : 1'000);
      shard.turn_at(static_cast<uint64_t>(i));
    }
    REQUIRE(out.has_value());
    return *out;
  }
  PasswordVerdict verdict(Uuid user, const model::Secret& stored, const model::Secret& password) {
    return answer(user, stored, password).verdict;
  }

  ring::Shard shard{ring::ShardOptions{}};
  std::optional<ring::Workers> workers;
  std::unique_ptr<PasswordChecker> checker;
};

// Of all of the process's threads: who else runs on the machine does not count.
uint64_t cpu_ns() {
  timespec time{};
  REQUIRE(::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

// What an attempt with a wrong password takes.
uint64_t taken_ns(Fixture& f, Uuid user, const model::Secret& stored) {
  const uint64_t begin = cpu_ns();
  CHECK(f.verdict(user, stored, "not the password") == wrong);
  return cpu_ns() - begin;
}

}  // namespace

TEST_CASE("A password is right, wrong, or nobody's") {
  Fixture f;
  const model::Secret stored = stored_of("secret123");
  CHECK(f.verdict(alice, stored, "secret123") == right);
  CHECK(f.verdict(alice, stored, "secret124") == wrong);
  CHECK(f.verdict(alice, stored, "") == wrong);
  CHECK(f.verdict({}, {}, "secret123") == wrong);
  CHECK(f.verdict({}, {}, "") == wrong);
  CHECK(f.checker->counts().hashed == 5);
}

TEST_CASE("A stored text that is no hash lets nobody in, and costs a check") {
  Fixture f;
  for (const char* stored :
       {"secret123", "$argon2id$v=19$m=4194304,t=3,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAA", "SCRAM-SHA-256$1:a$b:c"})
    CHECK(f.verdict(alice, stored, "secret123") == failed);
  CHECK(f.checker->counts().hashed == 3);
}

TEST_CASE("However a letter is composed, the password fits") {
  Fixture f;
  CHECK(f.verdict(alice, stored_of("caf\xc3\xa9-au-lait"), "cafe\xcc\x81-au-lait") == right);
}

TEST_CASE("A password of more than 1024 bytes is wrong at once, for everybody") {
  Fixture f;
  const std::string password(1025, 'x');
  CHECK(f.verdict(alice, stored_of("secret123"), ByteView(password)) == wrong);
  CHECK(f.verdict({}, {}, ByteView(password)) == wrong);
  CHECK(f.checker->counts().hashed == 0);
}

TEST_CASE("A right password is remembered and answered before the call returns") {
  Fixture f;
  const model::Secret stored = stored_of("secret123");
  CHECK(f.verdict(alice, stored, "secret123") == right);
  bool is_answered = false;
  f.ask(alice, stored, "secret123", [&](PasswordAnswer answer) { is_answered = answer.verdict == right; });
  CHECK(is_answered);
  CHECK(f.checker->counts().hashed == 1);
  CHECK(f.checker->counts().remembered == 1);
}

TEST_CASE("Only the same user's same password with the same stored hash is remembered") {
  Fixture f;
  const model::Secret stored = stored_of("secret123");
  const model::Secret changed = stored_of("secret124");
  const model::Secret anew = stored_of("secret123");
  CHECK(f.verdict(alice, stored, "secret123") == right);
  CHECK(f.verdict(alice, stored, "secret12") == wrong);
  CHECK(f.verdict(alice, changed, "secret123") == wrong);
  CHECK(f.verdict(alice, anew, "secret123") == right);
  CHECK(f.verdict(bob, stored, "secret123") == right);
  CHECK(f.verdict({}, {}, "secret123") == wrong);
  CHECK(f.verdict(alice, {}, "secret123") == wrong);
  CHECK(f.checker->counts().remembered == 0);
  CHECK(f.checker->counts().hashed == 7);
}

TEST_CASE("A wrong password is never remembered") {
  Fixture f;
  const model::Secret stored = stored_of("secret123");
  for (int i = 0; i < 3; ++i) CHECK(f.verdict(alice, stored, "secret124") == wrong);
  CHECK(f.verdict(alice, "no hash", "secret124") == failed);
  CHECK(f.verdict(alice, "no hash", "secret124") == failed);
  CHECK(f.checker->counts().remembered == 0);
  CHECK(f.checker->counts().hashed == 5);
}

TEST_CASE("What is remembered is forgotten after its time") {
  Fixture f(options_of(small, 20));
  const model::Secret stored = stored_of("secret123");
  CHECK(f.verdict(alice, stored, "secret123") == right);
  ::usleep(40'000);
  CHECK(f.verdict(alice, stored, "secret123") == right);
  CHECK(f.checker->counts().hashed == 2);
}

TEST_CASE("Nothing is remembered where that is switched off") {
  Fixture f(options_of(small, 600'000, 0));
  const model::Secret stored = stored_of("secret123");
  CHECK(f.verdict(alice, stored, "secret123") == right);
  CHECK(f.verdict(alice, stored, "secret123") == right);
  CHECK(f.checker->counts().hashed == 2);
}

TEST_CASE("Who finds the queue full is told at once, and nothing is known of his password") {
  Fixture f(options_of(), 1, 2);
  const model::Secret stored = stored_of("secret123");
  Blocked blocked(*f.workers);
  std::vector<PasswordVerdict> later;
  for (const char* password : {"secret123", "secret124"})
    f.ask(alice, stored, password, [&](PasswordAnswer answer) { later.push_back(answer.verdict); });
  std::optional<PasswordVerdict> at_once;
  f.ask(alice, stored, "secret123", [&](PasswordAnswer answer) { at_once = answer.verdict; });
  CHECK(at_once == busy);
  CHECK(later.empty());
  CHECK(f.checker->counts().busy == 1);
  blocked.go_on();
  for (int i = 0; i < 60'000 && later.size() < 2; ++i) {
    ::usleep(1'000);
    f.shard.turn_at(1);
  }
  CHECK(later == std::vector{right, wrong});
}

TEST_CASE("Attempts that wait for the same password cost one check") {
  Fixture f;
  const model::Secret stored = stored_of("secret123");
  Blocked blocked(*f.workers);
  std::vector<PasswordVerdict> verdicts;
  for (int i = 0; i < 8; ++i)
    f.ask(alice, stored, "secret123", [&](PasswordAnswer answer) { verdicts.push_back(answer.verdict); });
  blocked.go_on();
  for (int i = 0; i < 60'000 && verdicts.size() < 8; ++i) {
    ::usleep(1'000);
    f.shard.turn_at(1);
  }
  CHECK(verdicts == std::vector<PasswordVerdict>(8, right));
  CHECK(f.checker->counts().hashed == 1);
  CHECK(f.checker->counts().remembered == 7);
}

TEST_CASE("What waits when the checker ends is answered, without a check") {
  Fixture f;
  const model::Secret stored = stored_of("secret123");
  std::vector<PasswordVerdict> verdicts;
  {
    Blocked blocked(*f.workers);
    for (int i = 0; i < 5; ++i)
      f.ask(alice, stored, "secret123", [&](PasswordAnswer answer) { verdicts.push_back(answer.verdict); });
    f.checker.reset();
  }
  f.workers.reset();
  f.shard.turn_at(1);
  CHECK(verdicts == std::vector<PasswordVerdict>(5, busy));
}

TEST_CASE("A right password with another cost than new ones is to be stored anew") {
  Fixture f;
  CHECK_FALSE(f.answer(alice, stored_of("secret123"), "secret123").needs_rehash);
  const model::Secret old = stored_of("secret123", {32, 1, 1});
  CHECK(f.answer(alice, old, "secret123").needs_rehash);
  CHECK_FALSE(f.answer(alice, old, "secret124").needs_rehash);
}

TEST_CASE("An unknown user costs as much time as a known one") {
  constexpr crypto::Argon2Cost cost{8 * 1024, 2, 1};
  Fixture f(options_of(cost));
  const model::Secret stored = stored_of("secret123", cost);
  uint64_t known = UINT64_MAX;
  uint64_t unknown = UINT64_MAX;
  for (int i = 0; i < 9; ++i) {
    known = std::min(known, taken_ns(f, alice, stored));
    unknown = std::min(unknown, taken_ns(f, {}, {}));
  }
  INFO("known " << known << " ns, unknown " << unknown << " ns");
  CHECK(known > 1'000'000);
  CHECK(unknown > known / 3);
  CHECK(unknown < known * 3);
  CHECK(f.checker->counts().hashed == 18);
}

TEST_CASE("Shards check at the same time, each attempt is answered once on its shard") {
  constexpr int shards_size = 3;
  constexpr int attempts = 40;
  struct Asker {
    ring::Shard shard{[] {
      ring::ShardOptions options;
      options.ring.entries = 64;
      options.ring.buffers = 8;
      return options;
    }()};
    int answered = 0;
    int fitting = 0;
    std::promise<void> done;
  };
  std::vector<std::unique_ptr<Asker>> askers;
  std::optional<ring::Workers> workers(std::in_place, 2, 1'000);
  auto made = PasswordChecker::make(*workers, options_of());
  REQUIRE(made.has_value());
  PasswordChecker& checker = **made;
  const model::Secret stored = stored_of("secret123");
  for (int i = 0; i < shards_size; ++i) {
    askers.push_back(std::make_unique<Asker>());
    REQUIRE(askers.back()->shard.start().has_value());
  }
  for (auto& asker : askers) {
    REQUIRE(asker->shard.post([&checker, &stored, asker = asker.get()] {
      for (int i = 0; i < attempts; ++i) {
        const PasswordVerdict expected = i % 2 == 0 ? right : wrong;
        const std::string password = i % 2 == 0 ? "secret123" : "wrong" + std::to_string(i);
        checker.check({alice, stored, ByteView(password)}, asker->shard,
                      [asker, expected](PasswordAnswer answer) {
                        asker->fitting += answer.verdict == expected ? 1 : 0;
                        if (++asker->answered == attempts) asker->done.set_value();
                      });
      }
    }));
  }
  for (auto& asker : askers) {
    auto done = asker->done.get_future();
    CHECK(done.wait_for(std::chrono::seconds(60)) == std::future_status::ready);
  }
  const PasswordCounts counts = checker.counts();
  CHECK(counts.hashed + counts.remembered == shards_size * attempts);
  CHECK(counts.remembered > 0);
  workers.reset();
  for (auto& asker : askers) {
    asker->shard.stop();
    asker->shard.join();
    CHECK(asker->answered == attempts);
    CHECK(asker->fitting == attempts);
  }
}
