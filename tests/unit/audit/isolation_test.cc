// Which rows of a batch are found to be refused, and in how many tries. The store is a function here;
// writer_test.cc has a real one.
#include "audit/isolation.h"

#include <doctest/doctest.h>

#include <bit>
#include <map>
#include <random>
#include <set>

using namespace ringfence;
using namespace ringfence::audit;

namespace {

// A batch, and a store that refuses some of its rows.
struct Store {
  std::vector<PendingRow> rows;
  std::map<size_t, RowForm> refused_up_to;  // The row in this form, and in those before it.
  std::deque<std::string> bytes;
  bool is_away = false;

  explicit Store(size_t size) : rows(size) {
    for (PendingRow& row : rows) row.shape = RowShape::event;
  }
  void name(size_t row, std::string_view action, std::string_view session_id = {}) {
    append_field(bytes.emplace_back(), Tag::action, action);
    if (!session_id.empty()) append_field(bytes.back(), Tag::session_id, session_id);
    rows[row].first = bytes.back();
  }
  bool takes(size_t begin, size_t end) const {
    for (auto at = refused_up_to.lower_bound(begin); at != refused_up_to.end() && at->first < end; ++at) {
      if (rows[at->first].form <= at->second) return false;
    }
    return true;
  }
  Isolation isolation() {
    return Isolation(rows, [this](size_t begin, size_t end) {
      if (is_away) return Isolation::Verdict::unknown;
      return takes(begin, end) ? Isolation::Verdict::taken : Isolation::Verdict::refused;
    });
  }
  std::set<size_t> changed() const {
    std::set<size_t> out;
    for (size_t i = 0; i < rows.size(); ++i) {
      if (rows[i].form != RowForm::whole) out.insert(i);
    }
    return out;
  }
};

}  // namespace

TEST_CASE("few refused rows among many are found exactly, each in a logarithm of tries") {
  std::mt19937 random(7);
  for (size_t size : {1u, 2u, 3u, 100u, 10'000u}) {
    for (size_t poisoned : {1u, 2u, 7u, 20u}) {
      if (poisoned > size) continue;
      Store store(size);
      std::set<size_t> wanted;
      while (wanted.size() < poisoned) wanted.insert(random() % size);
      for (size_t row : wanted) store.refused_up_to[row] = RowForm::whole;
      Isolation isolation = store.isolation();
      CAPTURE(size);
      CAPTURE(poisoned);
      CHECK(isolation.run({}));
      CHECK(store.changed() == wanted);
      CHECK(isolation.poisoned() == poisoned);
      CHECK(isolation.tries() <= poisoned * (2 * std::bit_width(size) + 2));
      CHECK(store.takes(0, size));
    }
  }
}

TEST_CASE("the row that the store names is looked at alone") {
  Store store(10'000);
  store.refused_up_to[4711] = RowForm::whole;
  Isolation isolation = store.isolation();
  CHECK(isolation.run(4711));
  CHECK(store.changed() == std::set<size_t>{4711});
  CHECK(isolation.tries() == 2);
}

TEST_CASE("a wrong hint costs one try") {
  for (size_t hint : {17u, 20'000u}) {
    Store store(10'000);
    store.refused_up_to[4711] = RowForm::whole;
    Isolation isolation = store.isolation();
    CHECK(isolation.run(hint));
    CHECK(store.changed() == std::set<size_t>{4711});
  }
}

TEST_CASE("a row that is refused as bytes, too, goes in without its texts") {
  Store store(50);
  store.refused_up_to[9] = RowForm::as_bytes;
  store.refused_up_to[30] = RowForm::whole;
  Isolation isolation = store.isolation();
  CHECK(isolation.run({}));
  CHECK(store.rows[9].form == RowForm::bare);
  CHECK(store.rows[30].form == RowForm::as_bytes);
  CHECK(isolation.poisoned() == 2);
}

TEST_CASE("what the store refuses whatever the rows hold changes no row") {
  Store store(300);
  for (size_t row = 0; row < 300; ++row) store.refused_up_to[row] = RowForm::bare;
  for (std::optional<size_t> hint : {std::optional<size_t>(0), std::optional<size_t>()}) {
    Isolation isolation = store.isolation();
    CHECK(!isolation.run(hint));
    CHECK(store.changed().empty());
    CHECK(isolation.tries() < 30);
  }
}

TEST_CASE("a store that does not answer, and a batch that nothing is wrong with, change no row") {
  Store store(300);
  store.refused_up_to[9] = RowForm::whole;
  store.is_away = true;
  CHECK(!store.isolation().run({}));
  store.is_away = false;
  store.refused_up_to.clear();
  CHECK(!store.isolation().run({}));
  CHECK(store.changed().empty());
}

TEST_CASE("of very many refused rows the work is bounded, and what is like them is spared no more") {
  Store store(10'000);
  std::set<size_t> strangers;
  for (size_t row = 0; row < store.rows.size(); ++row) {
    const bool is_strangers = row % 4 == 0;
    store.name(row, is_strangers ? "admin_auth_failed" : "postgres_connect");
    if (!is_strangers) continue;
    strangers.insert(row);
    if (row % 8 == 0) store.refused_up_to[row] = RowForm::whole;
  }
  Isolation isolation = store.isolation();
  CHECK(isolation.run({}));
  CHECK(isolation.tries() <= Isolation::tries_max(10'000) + 4 * 16);
  CHECK(store.takes(0, 10'000));
  // Nobody else's row has lost its columns, and beyond what is refused only what is like it.
  for (size_t row : store.changed()) CHECK(strangers.contains(row));
}

TEST_CASE("where too many are refused to tell them apart, others' sessions keep their columns") {
  Store store(10'000);
  const std::string ids[2] = {std::string(16, 'a'), std::string(16, 'b')};
  for (size_t row = 0; row < store.rows.size(); ++row) {
    // Each connects, asks often and leaves; all of what one of them says is refused.
    const bool is_end = row < 2 || row + 2 >= store.rows.size();
    store.name(row,
               row < 2  ? "postgres_connect"
               : is_end ? "postgres_disconnect"
                        : "postgres_query",
               ids[row % 2]);
    if (row % 2 == 0) store.refused_up_to[row] = is_end ? RowForm::as_bytes : RowForm::whole;
  }
  Isolation isolation = store.isolation();
  CHECK(isolation.run({}));
  CHECK(store.takes(0, 10'000));
  CHECK(isolation.tries() <= Isolation::tries_max(10'000) + 4 * 16);
  for (size_t row : store.changed()) CHECK(row % 2 == 0);
}

TEST_CASE("very many refused rows that are like none before cost no more") {
  Store store(10'000);
  for (size_t row = 0; row < store.rows.size(); ++row) {
    store.name(row, "action " + std::to_string(row));
    if (row % 3 == 0) store.refused_up_to[row] = row % 2 == 0 ? RowForm::whole : RowForm::as_bytes;
  }
  Isolation isolation = store.isolation();
  CHECK(isolation.run({}));
  CHECK(isolation.tries() <= Isolation::tries_max(10'000) + 4 * 16);
  CHECK(store.takes(0, 10'000));
}
