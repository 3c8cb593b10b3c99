#include "audit/retention.h"

#include <algorithm>

#include "audit/numbers.h"
#include "audit/partitions.h"
#include "audit/stored_chain.h"
#include "ringfence/audit/chain.h"
#include "ringfence/base/clock.h"
#include "ringfence/base/log.h"

namespace ringfence::audit {
namespace {

// The writer waits for this: what is left is done in its next turn.
constexpr uint64_t turn_ns = 10'000'000'000;

// One partition that is old enough.
class PartitionDrop {
 public:
  PartitionDrop(store::Connection& owner, const crypto::Ed25519KeyPair& key, const RetentionOptions& options,
                std::string partition, uint64_t day_us)
      : owner_(owner), key_(key), options_(options), partition_(std::move(partition)), day_us_(day_us) {
    tables_.rows = "ringfence." + store::quote_identifier(partition_);
    tables_.blocks.clear();
  }

  // The signed record of the node's rows and, when nobody else's are left, the partition's end: one
  // transaction.
  Result<void> run(RetentionOutcome& outcome);

 private:
  Result<void> take(RetentionOutcome& outcome, bool& is_done);
  Result<void> find_blocks();
  // The node's numbers in the day, and how many they are.
  std::string numbers() const;
  Result<void> count_rows();
  Result<void> check_rows();
  Result<void> check_page(uint64_t begin, uint64_t end);
  void check_row(const StoredRow& row, const StoredLink& link);
  Result<bool> is_signed_already();
  Result<void> sign();
  Result<std::string> others();
  void refuse(std::string why) {
    if (why_.empty()) why_ = std::move(why);
  }

  store::Connection& owner_;
  const crypto::Ed25519KeyPair& key_;
  const RetentionOptions& options_;
  const std::string partition_;
  const uint64_t day_us_;
  StoredTables tables_;
  uint64_t first_ = 0;
  uint64_t last_ = 0;
  uint64_t count_ = 0;
  crypto::Digest hash_{};  // Of the last link looked at.
  std::string why_;        // Why nothing is signed; empty: all is as it was written.
  crypto::Sha256 sha_;
  std::vector<StoredLink> links_;
};

Result<void> PartitionDrop::run(RetentionOutcome& outcome) {
  auto begun = owner_.exec("BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL lock_timeout = '5s'");
  if (!begun) return unexpected(std::move(begun.error()));
  bool is_done = false;
  auto taken = take(outcome, is_done);
  auto ended = owner_.exec(taken && is_done ? "COMMIT" : "ROLLBACK");
  if (!taken) return taken;
  if (!ended) return unexpected(std::move(ended.error()));
  if (!why_.empty()) outcome.refused.push_back({partition_, why_});
  return {};
}

Result<void> PartitionDrop::take(RetentionOutcome& outcome, bool& is_done) {
  if (auto done = find_blocks(); !done) return done;
  if (auto done = count_rows(); !done) return done;
  if (count_ > 0 && why_.empty()) {
    auto known = is_signed_already();
    if (!known) return unexpected(std::move(known.error()));
    if (!*known) {
      if (auto done = check_rows(); !done) return done;
      if (why_.empty()) {
        if (auto done = sign(); !done) return done;
      }
    }
  }
  if (!why_.empty()) return {};
  auto waits_for = others();
  if (!waits_for) return unexpected(std::move(waits_for.error()));
  is_done = true;
  if (!waits_for->empty()) {
    outcome.waiting.push_back({partition_, *waits_for});
    return {};
  }
  auto dropped = owner_.exec("DROP TABLE " + tables_.rows +
                             (tables_.blocks.empty() ? std::string() : ", " + tables_.blocks));
  if (!dropped) return unexpected(std::move(dropped.error()));
  ++outcome.dropped;
  return {};
}

// Days before there were blocks have no partition for them.
Result<void> PartitionDrop::find_blocks() {
  const std::string name = block_partition_of(partition_);
  auto there = owner_.exec_params(
      "SELECT 1 FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
      "WHERE i.inhparent = 'ringfence.audit_block_c1'::regclass AND c.relname = $1",
      {name});
  if (!there) return unexpected(std::move(there.error()));
  if (there->size() > 0) tables_.blocks = "ringfence." + store::quote_identifier(name);
  return {};
}

std::string PartitionDrop::numbers() const {
  std::string out = "SELECT node, chain_no AS low, chain_no AS high, 1 AS held FROM " + tables_.rows;
  if (!tables_.blocks.empty())
    out += " UNION ALL SELECT node, first_chain_no, first_chain_no + row_count - 1, row_count FROM " +
           tables_.blocks;
  return out;
}

Result<void> PartitionDrop::count_rows() {
  auto held = owner_.exec_params(
      "SELECT coalesce(min(low), 0), coalesce(max(high), 0), coalesce(sum(held), 0) FROM (" + numbers() +
          ") n WHERE node = $1",
      {options_.node});
  if (!held) return unexpected(std::move(held.error()));
  first_ = static_cast<uint64_t>(held->integer(0, 0));
  last_ = static_cast<uint64_t>(held->integer(0, 1));
  count_ = static_cast<uint64_t>(held->integer(0, 2));
  if (count_ == 0) return {};
  if (held->integer(0, 0) < 1 || last_ - first_ + 1 != count_) {
    refuse("it holds " + number(count_) + " rows between chain_no " + held->text(0, 0) + " and " +
           held->text(0, 1));
  }
  return {};
}

// Whether an earlier turn signed for these very rows, and other nodes' were waited for.
Result<bool> PartitionDrop::is_signed_already() {
  std::vector<StoredLink> link;
  if (auto done = read_links(owner_, options_.node, last_, last_, link, [](uint64_t, bool) {}); !done) {
    return unexpected(std::move(done.error()));
  }
  auto rows = owner_.exec_params(
      "SELECT dropped_at, signature FROM ringfence.audit_retention WHERE node = $1 AND partition_name = $2",
      {options_.node, partition_}, true);
  if (!rows) return unexpected(std::move(rows.error()));
  crypto::Ed25519Signature signature{};
  if (link.empty() || rows->size() == 0 || rows->get(0, 1).size() != signature.size()) return false;
  std::memcpy(signature.data(), rows->get(0, 1).data(), signature.size());
  std::string message = retention_message(options_.node, first_, last_, count_, partition_,
                                          unix_us(rows->get(0, 0)), crypto::view_of(link.front().hash));
  return crypto::ed25519_verify(key_.public_key, message, signature);
}

Result<void> PartitionDrop::check_rows() {
  for (uint64_t at = first_; at <= last_ && why_.empty(); at += page_rows) {
    if (options_.is_ended && options_.is_ended()) return fail(Fault::closed, "stopped");
    if (auto done = check_page(at, std::min(last_, at + page_rows - 1)); !done) return done;
  }
  return {};
}

Result<void> PartitionDrop::check_page(uint64_t begin, uint64_t end) {
  uint64_t from = begin == first_ && begin > 1 ? begin - 1 : begin;
  auto read = read_links(owner_, options_.node, from, end, links_, [&](uint64_t chain_no, bool) {
    refuse("its links are not as they were written: chain_no " + number(chain_no));
  });
  if (!read) return read;
  if (links_.size() != end - from + 1) {
    refuse("links are missing between chain_no " + number(from) + " and " + number(end));
    return {};
  }
  size_t next = begin - from;
  if (next == 1) hash_ = links_.front().hash;
  auto streamed = stream_rows(
      owner_, tables_, options_.node, begin, end,
      [&](const StoredBlock& block) {
        if (!block.defect().empty())
          refuse("the block at chain_no " + number(block.first_chain_no()) +
                 " is not what was written: " + block.defect());
      },
      [&](const StoredRow& row) {
        if (next >= links_.size() || row.place.chain_no != links_[next].chain_no) {
          refuse("rows are missing or doubled at chain_no " + number(row.place.chain_no));
        } else {
          check_row(row, links_[next++]);
        }
        return why_.empty();
      });
  if (!streamed) return streamed;
  if (why_.empty() && next != links_.size())
    refuse("rows are missing at chain_no " + number(links_[next].chain_no));
  return {};
}

void PartitionDrop::check_row(const StoredRow& row, const StoredLink& link) {
  std::string at = "chain_no " + number(link.chain_no);
  if (row.leaf != link.leaf || !is_known_version(row.place.version))
    refuse(at + " is not the row that was written");
  if (chain_hash(sha_, hash_, link.leaf) != link.hash)
    refuse("the link of " + at + " does not follow its predecessor");
  if (row.place.retention_class != retention_class_standard || row.place.recorded_at < day_us_ ||
      row.place.recorded_at >= day_us_ + day_us) {
    refuse(at + " was not recorded on the day of the partition");
  }
  hash_ = link.hash;
}

Result<void> PartitionDrop::sign() {
  auto signature = crypto::ed25519_sign(
      key_.private_key, retention_message(options_.node, first_, last_, count_, partition_, options_.now_us,
                                          crypto::view_of(hash_)));
  if (!signature) return unexpected(std::move(signature.error()));
  auto written = owner_.exec_params(
      "INSERT INTO ringfence.audit_retention VALUES ($1, $2::bigint, $3::bigint, $4::bigint, $5, "
      "$6::timestamptz, $7, $8, $9::bytea) ON CONFLICT (node, partition_name) DO UPDATE SET "
      "(first_chain_no, last_chain_no, row_count, dropped_at, signed_by, key_id, signature) = "
      "(EXCLUDED.first_chain_no, EXCLUDED.last_chain_no, EXCLUDED.row_count, EXCLUDED.dropped_at, "
      "EXCLUDED.signed_by, EXCLUDED.key_id, EXCLUDED.signature)",
      {options_.node, number(first_), number(last_), number(count_), partition_, rfc3339(options_.now_us),
       options_.node, key_id_of(crypto::view_of(key_.public_key)),
       store::Param::bytes(crypto::view_of(*signature))});
  if (!written) return unexpected(std::move(written.error()));
  return {};
}

// A node that has not signed for all of its rows; empty when there is none. Whether a signature of another
// node is one is for the verifier to say: a wrong one covers nothing.
Result<std::string> PartitionDrop::others() {
  auto rows = owner_.exec_params(
      "SELECT e.node FROM (SELECT node, sum(held) AS held FROM (" + numbers() +
          ") n WHERE node <> $1 GROUP BY node) e "
          "LEFT JOIN ringfence.audit_retention r ON r.node = e.node AND r.partition_name = $2 "
          "WHERE r.row_count IS DISTINCT FROM e.held ORDER BY 1 LIMIT 1",
      {options_.node, partition_});
  if (!rows) return unexpected(std::move(rows.error()));
  return rows->size() == 0 ? std::string() : rows->text(0, 0);
}

}  // namespace

Result<RetentionOutcome> drop_expired(store::Connection& owner, const crypto::Ed25519KeyPair& key,
                                      const RetentionOptions& options) {
  RetentionOutcome out;
  uint64_t keep_us = options.days * day_us;
  if (options.days == 0 || keep_us + day_us > options.now_us) return out;
  auto partitions = owner.exec(
      "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
      "WHERE i.inhparent = 'ringfence.audit_event_c1'::regclass ORDER BY 1");
  if (!partitions) return unexpected(std::move(partitions.error()));
  Result<void> result;
  uint64_t began = mono_ns();
  for (int i = 0; i < partitions->size(); ++i) {
    std::string partition = partitions->text(i, 0);
    auto day = day_of_partition(partition);
    if (!day || *day + day_us + keep_us > options.now_us) continue;
    if (mono_ns() - began > turn_ns) {
      out.is_complete = false;
      break;
    }
    auto done = PartitionDrop(owner, key, options, partition, *day).run(out);
    if (done) continue;
    bool is_over = done.error().fault == Fault::closed || !owner.is_open();
    if (result) result = unexpected(std::move(done.error()).in("retention of " + partition));
    if (is_over) break;
  }
  // What was found out is told all the same.
  if (!result) log_warning("retention", {{"error", result.error().message}});
  return out;
}

}  // namespace ringfence::audit
