#include "audit/partitions.h"

#include "ringfence/audit/chain.h"
#include "ringfence/base/clock.h"

namespace ringfence::audit {
namespace {
std::string number(uint64_t value) { return std::to_string(value); }
}  // namespace

namespace {
constexpr uint64_t day_us = 86'400'000'000;

std::string day_text(uint64_t us, bool compact) {
  std::string day = rfc3339(us).substr(0, 10);
  if (compact) day = day.substr(0, 4) + day.substr(5, 2) + day.substr(8, 2);
  return day;
}
}  // namespace

Result<uint64_t> make_partitions(store::Connection& owner, uint64_t from_us, int days) {
  uint64_t first = from_us / day_us * day_us;
  uint64_t end = first;
  for (int i = 0; i < days; ++i) {
    uint64_t day = first + static_cast<uint64_t>(i) * day_us;
    std::string name = "audit_event_c1_" + day_text(day, true);
    auto exists = owner.exec("SELECT to_regclass('ringfence." + name + "') IS NOT NULL");
    if (!exists) return unexpected(std::move(exists.error()));
    if (exists->get(0, 0) != "t") {
      // Waiting for the lock must not stop other nodes' writers for long.
      auto made = owner.exec("BEGIN; SET LOCAL lock_timeout = '5s'; CREATE TABLE IF NOT EXISTS ringfence." + name +
                             " PARTITION OF ringfence.audit_event_c1 FOR VALUES FROM ('" + day_text(day, false) +
                             " 00:00:00+00') TO ('" + day_text(day + day_us, false) + " 00:00:00+00'); COMMIT");
      if (!made) {
        Error error = std::move(made.error());
        (void)owner.exec("ROLLBACK");
        // Another node may have been faster.
        auto again = owner.exec("SELECT to_regclass('ringfence." + name + "') IS NOT NULL");
        if (!again || again->get(0, 0) != "t") return unexpected(std::move(error).in("partition " + name));
      }
    }
    end = day + day_us;
  }
  return end;
}

Result<void> set_retention_days(store::Connection& owner, uint32_t days) {
  auto done = owner.exec("UPDATE ringfence.audit_retention_class SET days = " +
                         (days == 0 ? std::string("NULL") : number(days)) + " WHERE retention_class = 1 AND days " +
                         "IS DISTINCT FROM " + (days == 0 ? std::string("NULL") : number(days)));
  if (!done) return unexpected(std::move(done.error()));
  return {};
}

namespace {
// One partition: the signed records of what it holds and its end are one transaction.
Result<void> drop_partition(store::Connection& owner, const std::string& node, const crypto::Ed25519KeyPair& key,
                            const std::string& partition, uint64_t now_us) {
  auto begun = owner.exec("BEGIN; SET LOCAL lock_timeout = '5s'");
  if (!begun) return unexpected(std::move(begun.error()));
  auto held = owner.exec("SELECT node, min(chain_no), max(chain_no), count(*) FROM ringfence." +
                         store::quote_identifier(partition) + " GROUP BY node");
  if (!held) return unexpected(std::move(held.error()));
  for (int i = 0; i < held->size(); ++i) {
    auto first = static_cast<uint64_t>(held->integer(i, 1));
    auto last = static_cast<uint64_t>(held->integer(i, 2));
    auto count = static_cast<uint64_t>(held->integer(i, 3));
    std::string rows_node = held->text(i, 0);
    auto signature = crypto::ed25519_sign(
        key.private_key, retention_message(rows_node, first, last, count, partition, now_us));
    if (!signature) return unexpected(std::move(signature.error()));
    auto written = owner.exec_params(
        "INSERT INTO ringfence.audit_retention VALUES ($1, $2::bigint, $3::bigint, $4::bigint, $5, "
        "$6::timestamptz, $7, $8, $9::bytea)",
        {rows_node, number(first), number(last), number(count), partition, rfc3339(now_us), node,
         key_id_of(crypto::view_of(key.public_key)), store::Param::bytes(crypto::view_of(*signature))});
    if (!written) return unexpected(std::move(written.error()));
  }
  auto dropped = owner.exec("DROP TABLE ringfence." + store::quote_identifier(partition) + "; COMMIT");
  if (!dropped) return unexpected(std::move(dropped.error()));
  return {};
}
}  // namespace

Result<int> drop_expired(store::Connection& owner, const std::string& node, const crypto::Ed25519KeyPair& key,
                         uint64_t now_us) {
  auto classes = owner.exec("SELECT retention_class, days FROM ringfence.audit_retention_class WHERE days IS NOT NULL");
  if (!classes) return unexpected(std::move(classes.error()));
  int count = 0;
  for (int i = 0; i < classes->size(); ++i) {
    std::string prefix = "audit_event_c" + classes->text(i, 0) + "_";
    uint64_t keep_us = static_cast<uint64_t>(classes->integer(i, 1)) * day_us;
    if (keep_us + day_us > now_us) continue;
    // A partition is named after its day: it ends one day later, and goes when that is older than the class keeps.
    std::string last = prefix + day_text(now_us - keep_us - day_us, true);
    auto expired = owner.exec_params(
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
        "WHERE i.inhparent = to_regclass($1) AND c.relname < $2 AND c.relname LIKE $3 ORDER BY 1",
        {"ringfence.audit_event_c" + classes->text(i, 0), last, prefix + "%"});
    if (!expired) return unexpected(std::move(expired.error()));
    for (int k = 0; k < expired->size(); ++k) {
      if (auto done = drop_partition(owner, node, key, expired->text(k, 0), now_us); !done) {
        (void)owner.exec("ROLLBACK");
        return unexpected(std::move(done.error()).in("retention of " + expired->text(k, 0)));
      }
      ++count;
    }
  }
  return count;
}

}  // namespace ringfence::audit
