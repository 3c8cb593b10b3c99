#include <doctest/doctest.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "ringfence/audit/journal.h"
#include "ringfence/audit/recovery.h"

using namespace ringfence;
using namespace ringfence::audit;

namespace {

struct TempDir {
  std::string path;
  TempDir() {
    char name[] = "/tmp/ringfence-journal-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~TempDir() {
    std::error_code error;
    std::filesystem::remove_all(path, error);
  }
};

JournalOptions options_in(const TempDir& dir) {
  JournalOptions out;
  out.directory = dir.path;
  out.node = "n1";
  out.segment_bytes = 8192;
  out.max_bytes = 8192 * 4;
  return out;
}

std::unique_ptr<Journal> open_journal(JournalOptions options) {
  auto journal = Journal::open(std::move(options));
  REQUIRE_MESSAGE(journal, journal.error().message);
  return std::move(*journal);
}

uint64_t put(Journal& journal, const std::string& body, RecordKind kind = RecordKind::event,
             uint64_t start = 0) {
  char* room = journal.reserve(body.size());
  if (room == nullptr) return 0;
  std::memcpy(room, body.data(), body.size());
  return journal.publish(kind, body.size(), start);
}

std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
}
void spill(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

std::vector<std::string> read_all(const std::string& directory, uint64_t from, uint64_t next_seq,
                                  uint64_t* lost) {
  auto recovered = recover(directory, "n1");
  REQUIRE_MESSAGE(recovered, recovered.error().message);
  std::vector<std::string> out;
  for (RecoveredJournal& journal : *recovered) {
    RecoveryReader reader(std::move(journal), from, next_seq);
    JournalRecord record;
    while (reader.next(record)) out.emplace_back(record.body);
    if (lost != nullptr) *lost += reader.take_lost();
  }
  return out;
}

}  // namespace

TEST_CASE("records come out in order, in place, with gapless numbers, across segments and their reuse") {
  TempDir dir;
  auto journal = open_journal(options_in(dir));
  uint64_t produced = 0;
  uint64_t consumed = 0;
  JournalRecord record;
  for (int turn = 0; turn < 2000; ++turn) {
    std::string body =
        "record " + std::to_string(turn) + std::string(static_cast<size_t>(turn * 7 % 900), 'x');
    RecordKind kind = turn % 3 == 0   ? RecordKind::start
                      : turn % 3 == 1 ? RecordKind::outcome
                                      : RecordKind::event;
    uint64_t seq = put(*journal, body, kind, kind == RecordKind::outcome ? produced : 0);
    REQUIRE(seq == ++produced);
    journal->keep();
    REQUIRE(journal->next(record));
    CHECK(record.seq == ++consumed);
    CHECK(record.body == body);
    CHECK(record.kind == kind);
    CHECK(!journal->next(record));
    journal->release(journal->consumed_position(), journal->next_seq());
  }
  CHECK(journal->counters().depth_records == 0);
  CHECK(journal->counters().segments <= 4);
  CHECK(std::distance(std::filesystem::directory_iterator(dir.path), {}) <= 6);
}

TEST_CASE("at its bound the journal has no room, and wakes the producer when it has again") {
  TempDir dir;
  auto journal = open_journal(options_in(dir));
  int woken = 0;
  journal->on_room([&] {
    ++woken;
    return true;
  });
  std::string body(1000, 'b');
  uint64_t seq = 0;
  while (journal->has_room(body.size())) {
    REQUIRE(put(*journal, body) == ++seq);
    journal->keep();
  }
  CHECK(journal->reserve(body.size()) == nullptr);
  CHECK(journal->counters().stalls == 1);
  CHECK(!journal->keep());
  CHECK(journal->counters().is_full);
  CHECK(woken == 0);
  JournalRecord record;
  for (uint64_t i = 0; i < seq; ++i) REQUIRE(journal->next(record));
  journal->release(journal->consumed_position(), journal->next_seq());
  CHECK(journal->keep());
  CHECK(woken == 1);
  CHECK(put(*journal, body) == ++seq);
  REQUIRE(journal->next(record));
  CHECK(record.seq == seq);
  CHECK(!journal->counters().is_full);
}

TEST_CASE("a producer that could not be woken is woken at the next opportunity") {
  TempDir dir;
  auto journal = open_journal(options_in(dir));
  int tried = 0;
  bool can_wake = false;
  journal->on_room([&] {
    ++tried;
    return can_wake;
  });
  std::string body(1000, 'b');
  while (put(*journal, body) != 0) journal->keep();
  JournalRecord record;
  while (journal->next(record)) {
  }
  journal->release(journal->consumed_position(), journal->next_seq());
  CHECK(journal->keep());
  CHECK(tried == 1);
  CHECK(!journal->keep());  // The spare is there; the producer does not know.
  CHECK(tried == 2);
  can_wake = true;
  CHECK(!journal->keep());
  CHECK(tried == 3);
  CHECK(!journal->keep());
  CHECK(tried == 3);
}

TEST_CASE("once a sync has failed none succeeds any more, and nothing new is granted") {
  TempDir dir;
  static int error = 0;
  JournalOptions options = options_in(dir);
  options.sync_file = [](int fd) {
    errno = error;
    return error == 0 ? ::fdatasync(fd) : -1;
  };
  auto journal = open_journal(options);
  CHECK(put(*journal, "on the disk") == 1);
  const uint64_t durable = journal->published_position();
  CHECK(journal->sync(durable).has_value());
  CHECK(!journal->counters().is_broken);
  CHECK(put(*journal, "perhaps not") == 2);
  error = EIO;
  auto failed = journal->sync(journal->published_position());
  REQUIRE(!failed.has_value());
  CHECK(failed.error().errno_value == EIO);
  // As a kernel does that has told its error.
  error = 0;
  CHECK(!journal->sync(journal->published_position()).has_value());
  CHECK(journal->sync(durable).has_value());
  CHECK(journal->synced_position() == durable);
  CHECK(journal->reserve(8) == nullptr);
  CHECK(!journal->has_room(8));
  CHECK(journal->counters().is_broken);
}

TEST_CASE("a sealed journal grants nothing new and keeps its word about what it granted") {
  TempDir dir;
  auto journal = open_journal(options_in(dir));
  CHECK(put(*journal, "before") == 1);
  char* granted = journal->reserve(100);
  REQUIRE(granted != nullptr);
  journal->seal();
  // A caller that asked for room and then asks again to write must not be let down in between.
  CHECK(journal->reserve(100) == granted);
  CHECK(journal->publish(RecordKind::start, 100, 0) == 2);
  CHECK(journal->reserve(8) == nullptr);
  CHECK(journal->reserve(8) == nullptr);
  CHECK(!journal->has_room(8));
  CHECK(journal->counters().is_full);
}

TEST_CASE("what is left of the disk is kept for the next start: the journal grows no further") {
  TempDir dir;
  JournalOptions options = options_in(dir);
  options.disk_reserve_bytes = uint64_t{1} << 60;
  auto journal = open_journal(options);
  std::string body(3000, 'b');
  int kept = 0;
  while (put(*journal, body) != 0) {
    ++kept;
    journal->keep();
  }
  CHECK(kept == 4);  // Two segments, which every start needs.
  CHECK(journal->counters().segments == 2);
  CHECK(journal->counters().is_full);
}

TEST_CASE("in drop mode records without room are counted, also the outcomes of dropped starts") {
  TempDir dir;
  JournalOptions options = options_in(dir);
  options.drop_when_full = true;
  auto journal = open_journal(options);
  std::string body(2000, 'b');
  uint64_t kept = 0;
  uint64_t dropped = 0;
  for (int i = 0; i < 100; ++i) {
    if (put(*journal, body, RecordKind::start) != 0) ++kept;
    else ++dropped;
    journal->keep();
  }
  CHECK(kept >= 9);
  CHECK(dropped > 0);
  CHECK(journal->dropped() == dropped);
  CHECK(put(*journal, "x", RecordKind::outcome, 0) == 0);
  CHECK(journal->dropped() == dropped + 1);
  JournalRecord record;
  uint64_t read = 0;
  while (journal->next(record)) CHECK(record.seq == ++read);
  CHECK(read == kept);
}

TEST_CASE("what was published is found again, from a checkpoint on") {
  TempDir dir;
  std::vector<std::string> bodies;
  uint64_t checkpoint = 0;
  uint64_t checkpoint_seq = 1;
  {
    auto journal = open_journal(options_in(dir));
    JournalRecord record;
    for (int i = 0; i < 30; ++i) {
      std::string body = std::to_string(i) + std::string(500, 'r');
      REQUIRE(put(*journal, body) != 0);
      journal->keep();
      if (i >= 10) bodies.push_back(body);
      if (i < 10) {
        REQUIRE(journal->next(record));
        checkpoint = journal->consumed_position();
        checkpoint_seq = journal->next_seq();
      }
    }
  }
  uint64_t lost = 0;
  CHECK(read_all(dir.path, checkpoint, checkpoint_seq, &lost) == bodies);
  CHECK(lost == 0);
  auto recovered = recover(dir.path, "n1");
  REQUIRE(recovered->size() == 1);
  CHECK(recovered->front().next_seq == 31);
  CHECK(!recover(dir.path, "other"));
}

TEST_CASE("two lives are read one after the other, numbers continue") {
  TempDir dir;
  JournalOptions options = options_in(dir);
  {
    auto journal = open_journal(options);
    for (int i = 1; i <= 5; ++i) put(*journal, "first " + std::to_string(i));
  }
  auto recovered = recover(dir.path, "n1");
  options.first_seq = recovered->front().next_seq;
  options.first_segment = recovered->front().segments.back().header.segment_no + 1;
  options.epoch = 2;
  CHECK(options.first_seq == 6);
  {
    auto journal = open_journal(options);
    CHECK(put(*journal, "second") == 6);
  }
  uint64_t lost = 0;
  auto all = read_all(dir.path, 0, 1, &lost);
  REQUIRE(all.size() == 6);
  CHECK(all.back() == "second");
  CHECK(lost == 0);
}

TEST_CASE("a torn or corrupted last record ends recovery before it, at whichever byte it is damaged") {
  TempDir dir;
  uint64_t last_begin = 0;
  uint64_t last_end = 0;
  {
    auto journal = open_journal(options_in(dir));
    for (int i = 0; i < 3; ++i) {
      last_begin = journal->published_position();
      put(*journal, "body " + std::to_string(i));
      last_end = journal->published_position();
    }
  }
  std::string path = dir.path + "/" + segment_file_name(0, 0);
  std::string whole = slurp(path);
  uint64_t used = last_begin + record_header_bytes + 6;
  for (uint64_t at = last_begin; at < used; ++at) {
    CAPTURE(at);
    for (int bits : {1, 0x80, 0xff}) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ bits);
      spill(path, damaged);
      CHECK(read_all(dir.path, 0, 1, nullptr).size() == 2);
    }
    std::string torn = whole;
    std::fill(torn.begin() + static_cast<std::ptrdiff_t>(at),
              torn.begin() + static_cast<std::ptrdiff_t>(last_end), '\0');
    if (torn != whole) {
      spill(path, torn);
      CHECK(read_all(dir.path, 0, 1, nullptr).size() == 2);
    }
    spill(path, whole.substr(0, at));
    CHECK(read_all(dir.path, 0, 1, nullptr).size() == 2);
  }
  spill(path, whole);
  CHECK(read_all(dir.path, 0, 1, nullptr).size() == 3);
}

TEST_CASE("records that a damaged one hides are counted as lost, and the files are kept") {
  TempDir dir;
  uint64_t second = 0;
  {
    auto journal = open_journal(options_in(dir));
    for (int i = 0; i < 20; ++i) {
      if (i == 1) second = journal->published_position();
      put(*journal, std::to_string(i) + std::string(900, 'z'));
      journal->keep();
    }
  }
  std::string path = dir.path + "/" + segment_file_name(0, 0);
  std::string damaged = slurp(path);
  damaged[second + record_header_bytes] ^= 1;
  spill(path, damaged);
  auto recovered = recover(dir.path, "n1");
  RecoveryReader reader(std::move(recovered->front()), 0, 1);
  JournalRecord record;
  int read = 0;
  while (reader.next(record)) ++read;
  CHECK(read == 1);
  CHECK(reader.take_lost() == 19);
  CHECK(reader.next_seq() == 21);
  reader.remove_files();
  CHECK(std::filesystem::exists(path + ".damaged"));
}

TEST_CASE("a segment whose header is damaged is kept beside and reported") {
  TempDir dir;
  {
    auto journal = open_journal(options_in(dir));
    put(*journal, "x");
  }
  std::string path = dir.path + "/" + segment_file_name(0, 0);
  std::string damaged = slurp(path);
  damaged[20] ^= 1;
  spill(path, damaged);
  auto recovered = recover(dir.path, "n1");
  REQUIRE(recovered);
  REQUIRE(recovered->size() == 1);
  CHECK(recovered->front().unreadable.size() == 1);
  CHECK(std::filesystem::exists(path + ".damaged"));
}

TEST_CASE("a segment that was cut short or emptied is reported, an unfinished newest one is not") {
  TempDir dir;
  {
    auto journal = open_journal(options_in(dir));
    for (int i = 0; i < 3; ++i) put(*journal, "record " + std::to_string(i));
  }
  std::string path = dir.path + "/" + segment_file_name(0, 0);
  std::string newest = dir.path + "/" + segment_file_name(0, 1);
  std::string whole = slurp(path);
  std::filesystem::resize_file(path, segment_header_bytes + record_header_bytes + 8);
  {
    auto recovered = recover(dir.path, "n1");
    REQUIRE(recovered);
    RecoveryReader reader(std::move(recovered->front()), 0, 1);
    JournalRecord record;
    REQUIRE(reader.next(record));
    CHECK(record.body == "record 0");
    CHECK(!reader.next(record));
    CHECK(reader.cut_short() == std::vector<std::string>{path});
  }
  spill(path, whole);
  spill(newest, "");
  {
    auto recovered = recover(dir.path, "n1");
    REQUIRE(recovered);
    CHECK(recovered->front().unreadable.empty());
    CHECK(!std::filesystem::exists(newest));
  }
  {
    TempDir other;
    {
      auto journal = open_journal(options_in(other));
    }
    std::string first = other.path + "/" + segment_file_name(0, 0);
    spill(first, "");
    auto recovered = recover(other.path, "n1");
    REQUIRE(recovered);
    CHECK(recovered->front().unreadable.size() == 1);
    CHECK(std::filesystem::exists(first + ".damaged"));
  }
}

TEST_CASE("a producer and a consumer on two threads agree on every record") {
  TempDir dir;
  auto journal = open_journal(options_in(dir));
  constexpr uint64_t total = 20'000;
  std::atomic<bool> done{false};
  std::thread producer([&] {
    for (uint64_t i = 1; i <= total;) {
      std::string body = std::to_string(i) + std::string(i % 300, 'p');
      if (put(*journal, body) != 0) ++i;
      else std::this_thread::yield();
    }
  });
  std::thread keeper([&] {
    while (!done) {
      journal->keep();
      std::this_thread::yield();
    }
  });
  JournalRecord record;
  uint64_t next = 1;
  bool in_order = true;
  while (next <= total) {
    if (!journal->next(record)) {
      journal->release(journal->consumed_position(), journal->next_seq());
      std::this_thread::yield();
      continue;
    }
    in_order =
        in_order && record.seq == next && record.body == std::to_string(next) + std::string(next % 300, 'p');
    ++next;
    if (next % 16 == 0) {
      journal->release(journal->consumed_position(), journal->next_seq());
      if (!journal->sync(record.end_position)) in_order = false;
    }
  }
  done = true;
  producer.join();
  keeper.join();
  CHECK(in_order);
}

TEST_CASE("a second process on one state directory is refused by the first one's number") {
  TempDir dir;
  auto first = StateLock::take(dir.path);
  REQUIRE(first);
  auto second = StateLock::take(dir.path);
  REQUIRE(!second);
  CHECK(second.error().fault == Fault::conflict);
  CHECK(second.error().message.find(std::to_string(::getpid())) != std::string::npos);
  {
    StateLock moved = std::move(*first);
  }
  CHECK(StateLock::take(dir.path));
}
