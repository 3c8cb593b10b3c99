#include "ringfence/store/budgets.h"

#include <algorithm>

namespace ringfence::store {

namespace {

constexpr const char* make_sql =
    "INSERT INTO ringfence_control.budgets (grant_id) SELECT id FROM ringfence_control.grants "
    "WHERE id = $1::uuid ON CONFLICT DO NOTHING";
constexpr const char* spent_sql =
    "SELECT queries, bytes, rows FROM ringfence_control.budgets WHERE grant_id = $1::uuid FOR UPDATE";
constexpr const char* others_sql =
    "SELECT coalesce(sum(queries), 0)::bigint, coalesce(sum(bytes), 0)::bigint, coalesce(sum(rows), "
    "0)::bigint "
    "FROM ringfence_control.budget_leases WHERE grant_id = $1::uuid AND node <> $2::uuid AND until > now()";
constexpr const char* spend_sql =
    "UPDATE ringfence_control.budgets SET queries = $2::bigint, bytes = $3::bigint, rows = $4::bigint "
    "WHERE grant_id = $1::uuid";
constexpr const char* lease_sql =
    "INSERT INTO ringfence_control.budget_leases (grant_id, node, queries, bytes, rows, until) VALUES "
    "($1::uuid, $2::uuid, $3::bigint, $4::bigint, $5::bigint, now() + $6::bigint * interval '1 second') "
    "ON CONFLICT (grant_id, node) DO UPDATE SET queries = excluded.queries, bytes = excluded.bytes, "
    "rows = excluded.rows, until = excluded.until";
constexpr const char* give_back_sql =
    "DELETE FROM ringfence_control.budget_leases WHERE grant_id = $1::uuid AND (node = $2::uuid OR until < "
    "now())";

// What a lease is of what nobody has: it shrinks as that does.
constexpr uint64_t share = 4;
// A sum of amounts stays a number of the store's.
constexpr uint64_t amount_max = uint64_t{1} << 62;

BudgetAmounts amounts_in(const Rows& rows) {
  BudgetAmounts out;
  for (int kind = 0; kind < 3; ++kind)
    out[static_cast<size_t>(kind)] = static_cast<uint64_t>(std::max<int64_t>(0, rows.integer(0, kind)));
  return out;
}

}  // namespace

Result<Budgets::Settled> Budgets::settle_within(const Settlement& settlement) {
  auto made = connection_.exec_params(make_sql, {settlement.grant});
  if (!made) return unexpected(std::move(made.error()));
  auto spent = connection_.exec_params(spent_sql, {settlement.grant});
  if (!spent) return unexpected(std::move(spent.error()));
  if (spent->size() != 1) return fail(Fault::not_found, "there is no such grant");
  auto held = connection_.exec_params(others_sql, {settlement.grant, node_});
  if (!held) return unexpected(std::move(held.error()));
  Settled out{amounts_in(*spent), {}, {}};
  const BudgetAmounts others = amounts_in(*held);
  for (size_t kind = 0; kind < out.total.size(); ++kind) {
    out.total[kind] = std::min(amount_max, out.total[kind] + settlement.spent[kind]);
    const uint64_t bound = settlement.bounds[kind];
    const uint64_t taken = out.total[kind] + others[kind];
    if (bound == 0) continue;
    if (taken < bound && settlement.term_s != 0)
      out.leased[kind] = std::max(
          {uint64_t{1}, (bound - taken) / share, kind == 0 ? std::min(settlement.needed, bound - taken) : 0});
    const bool is_too_little = kind == 0 && others[kind] == 0 && out.total[kind] + settlement.needed > bound;
    out.is_over[kind] = out.total[kind] >= bound || is_too_little;
  }
  const auto text = [](uint64_t amount) { return std::to_string(amount); };
  auto written = connection_.exec_params(
      spend_sql, {settlement.grant, text(out.total[0]), text(out.total[1]), text(out.total[2])});
  if (!written) return unexpected(std::move(written.error()));
  auto leased = settlement.term_s == 0
                    ? connection_.exec_params(give_back_sql, {settlement.grant, node_})
                    : connection_.exec_params(
                          lease_sql, {settlement.grant, node_, text(out.leased[0]), text(out.leased[1]),
                                      text(out.leased[2]), text(settlement.term_s)});
  if (!leased) return unexpected(std::move(leased.error()));
  return out;
}

Result<Budgets::Settled> Budgets::settle(const Settlement& settlement) {
  auto begun = connection_.exec("BEGIN");
  if (!begun) return unexpected(std::move(begun.error()));
  auto out = settle_within(settlement);
  auto ended = connection_.exec(out ? "COMMIT" : "ROLLBACK");
  if (out && !ended) return unexpected(std::move(ended.error()));
  return out;
}

}  // namespace ringfence::store
