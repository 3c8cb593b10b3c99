#include "audit/start_check.h"

#include <algorithm>
#include <cstring>

#include "audit/acceptance.h"
#include "audit/anchor_chain.h"
#include "audit/block_split.h"
#include "audit/head_file.h"
#include "audit/node_state.h"
#include "audit/node_verifier.h"
#include "audit/numbers.h"
#include "audit/seal.h"
#include "audit/stored_chain.h"
#include "ringfence/base/clock.h"
#include "ringfence/base/hex.h"
#include "ringfence/base/log.h"

namespace ringfence::audit {
namespace {

std::string time_of(uint64_t unix_us) { return rfc3339(unix_us); }

class StartCheck {
 public:
  StartCheck(store::Connection& owner, const StoreClaim& claim)
      : owner_(owner),
        claim_(claim),
        sealer_(claim.node, claim.seal_key, claim.state_id),
        heads_(claim.state_directory, claim.node) {}

  Result<void> run();

 private:
  Result<void> look();
  Result<void> look_without_head();
  Result<void> look_at_tail(uint64_t from, bool is_pinned);
  Result<bool> holds_anything();
  Result<void> adopt_unsealed();
  Result<void> accept(const Acceptance& given);
  struct Found {
    uint64_t chain_no = 0;
    crypto::Digest hash{};
  };
  // Behind which link the chain goes on when the store is taken as it is.
  Result<Found> last_good_link(const AnchorPlace& anchor);
  Result<std::string> remove_behind(uint64_t chain_no);
  Result<void> reseal(const Found& found);
  Result<void> inside(Result<void> (StartCheck::*what)());
  void refuse(std::string why) {
    if (why_.empty()) why_ = std::move(why);
  }

  store::Connection& owner_;
  const StoreClaim& claim_;
  Sealer sealer_;
  HeadFile heads_;
  NodeState state_;
  std::optional<SignedHead> head_;
  bool adopts_ = false;
  std::string why_;
};

Result<void> StartCheck::inside(Result<void> (StartCheck::*what)()) {
  auto begun = owner_.exec("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  if (!begun) return unexpected(std::move(begun.error()));
  auto done = (this->*what)();
  auto ended = owner_.exec("ROLLBACK");
  if (done && !ended) return unexpected(std::move(ended.error()));
  return done;
}

Result<void> StartCheck::run() {
  auto head = heads_.read(sealer_);
  if (!head) return unexpected(std::move(head.error()));
  head_ = *head;
  if (auto done = inside(&StartCheck::look); !done) return done;
  if (why_.empty()) {
    if (adopts_) {
      if (auto done = adopt_unsealed(); !done) return done;
    }
    if (head_) return {};
    SignedHead now;
    now.chain_no = state_.sealed.head.chain_no;
    now.hash = state_.sealed.head.hash;
    return heads_.write(sealer_, now);
  }
  auto code = store_code(owner_, claim_.node);
  if (!code) return unexpected(std::move(code.error()));
  auto acceptance = read_acceptance(claim_.state_directory);
  if (!acceptance) return unexpected(std::move(acceptance.error()));
  if (*acceptance && (*acceptance)->code == *code) return accept(**acceptance);
  return fail(Fault::denied, "the store does not hold the trail of node '" + claim_.node +
                                 "' as this state directory left it: " + why_ +
                                 ". Nothing is written into it. See what `ringfence audit verify` finds, and "
                                 "keep a copy of the store; to go "
                                 "on with it exactly as it is, which the trail will say: ringfence audit "
                                 "adopt --config FILE --accept-store " +
                                 *code);
}

Result<bool> StartCheck::holds_anything() {
  auto rows = owner_.exec_params(
      "SELECT EXISTS (SELECT FROM ringfence.audit_row WHERE node = $1) OR "
      "EXISTS (SELECT FROM ringfence.audit_block WHERE node = $1) OR "
      "EXISTS (SELECT FROM ringfence.audit_link_run WHERE node = $1) OR "
      "EXISTS (SELECT FROM ringfence.audit_anchor WHERE node = $1)",
      {claim_.node});
  if (!rows) return unexpected(std::move(rows.error()));
  return rows->get(0, 0) == "t";
}

Result<void> StartCheck::look() {
  auto state = read_node_state(owner_, claim_.node, sealer_);
  if (!state) return unexpected(std::move(state.error()));
  state_ = std::move(*state);
  auto anything = holds_anything();
  if (!anything) return unexpected(std::move(anything.error()));
  const bool is_initial = state_.seal.empty() && state_.sealed.is_initial();
  if (is_initial && !*anything && (!head_ || head_->chain_no == 0)) return {};
  if (!head_ && state_.seal.empty()) return look_without_head();
  const uint64_t last = state_.sealed.head.chain_no;
  if (head_ && last < head_->chain_no) {
    refuse("it ends at row " + number(last) + ", and row " + number(head_->chain_no) + " was signed");
  } else if (state_.seal != crypto::view_of(sealer_.state(state_.sealed))) {
    refuse(state_.seal.empty() ? "the node's checkpoint has no seal"
                               : "the node's checkpoint is not the one that was sealed, or starts were taken "
                                 "away that it left open");
  }
  if (!why_.empty()) return {};
  const uint64_t signed_to = head_ ? head_->chain_no : 0;
  if (head_ && signed_to > 0) {
    std::vector<StoredLink> link;
    if (auto done = read_links(owner_, claim_.node, signed_to, signed_to, link, [](uint64_t, bool) {}); !done)
      return done;
    if (link.size() != 1 || link.front().hash != head_->hash)
      refuse("row " + number(signed_to) + " is not the one that was signed");
  }
  if (!why_.empty()) return {};
  const uint64_t before = head_ ? signed_to : last;
  return look_at_tail(std::max(before - std::min(before, checked_rows), head_ ? head_->accepted_to : 0) + 1,
                      false);
}

// Of a version that did not seal: believed once, when the chain leads to anchors of the node's own key.
Result<void> StartCheck::look_without_head() {
  if (state_.open_sealed > 0 || state_.has_numbered_anchors) {
    refuse("the node's checkpoint has no seal, and other rows of the node have");
    return {};
  }
  log_info("the trail was written before there were seals: it is verified, and sealed from now on",
           {{"node", claim_.node}});
  adopts_ = true;
  const uint64_t last = state_.sealed.head.chain_no;
  return look_at_tail(last - std::min(last, adopted_rows) + 1, true);
}

Result<void> StartCheck::look_at_tail(uint64_t from, bool is_pinned) {
  VerifyOptions options;
  options.node = claim_.node;
  options.from = from;
  options.anchor_ms = UINT64_MAX / 1'000'000;  // Rows that nobody signed yet are signed next.
  if (is_pinned) options.public_keys = {claim_.public_key};
  options.findings_max = 1'000;
  NodeVerifier verifier(owner_, options, claim_.node);
  auto report = verifier.run({});
  if (!report) return unexpected(std::move(report.error()));
  // Others' anchors sign nothing; what is in no chain is said by verify.
  auto counts = [&](const Finding& finding) {
    return finding.chain_no >= from || finding.kind == FindingKind::cut ||
           finding.kind == FindingKind::foreign;
  };
  for (const Finding& finding : report->findings) {
    if (finding.kind == FindingKind::uncovered || finding.kind == FindingKind::lost ||
        finding.kind == FindingKind::stray)
      continue;
    if (finding.kind == FindingKind::forged && !is_pinned) continue;
    if (!counts(finding)) continue;
    refuse("row " + number(finding.chain_no) + ": " + finding.text);
    return {};
  }
  // Whoever made it up before the node's first start has no signature of its.
  if (is_pinned && report->anchored_to == 0) refuse("it has no seals, and no signature of the node's key");
  if (report->findings_count > report->findings.size()) refuse("verify finds more than it can name");
  return {};
}

Result<void> StartCheck::adopt_unsealed() {
  auto begun = owner_.exec("BEGIN");
  if (!begun) return unexpected(std::move(begun.error()));
  auto sealed = [&]() -> Result<void> {
    auto state = seal_open_starts(owner_, claim_.node, sealer_);
    if (!state) return state;
    return reseal({state_.sealed.head.chain_no, state_.sealed.head.hash});
  }();
  auto ended = owner_.exec(sealed ? "COMMIT" : "ROLLBACK");
  if (!sealed) return sealed;
  if (!ended) return unexpected(std::move(ended.error()));
  return {};
}

// Inside of a transaction: the checkpoint as it is, but for the chain's head.
Result<void> StartCheck::reseal(const Found& found) {
  auto state = read_node_state(owner_, claim_.node, sealer_);
  if (!state) return unexpected(std::move(state.error()));
  SealedState& sealed = state->sealed;
  if (sealed.head.chain_no != found.chain_no) {
    auto latest = owner_.exec_params(
        "SELECT coalesce(max((extract(epoch FROM recorded_at) * 1000000)::bigint), 0) FROM (SELECT "
        "recorded_at "
        "FROM ringfence.audit_row WHERE node = $1 AND chain_no BETWEEN $2::bigint - 100 AND $2::bigint UNION "
        "ALL "
        "SELECT recorded_at FROM ringfence.audit_block WHERE node = $1 AND first_chain_no BETWEEN $2::bigint "
        "- " +
            number(block_rows_max) + " AND $2::bigint) r",
        {claim_.node, number(found.chain_no)});
    if (!latest) return unexpected(std::move(latest.error()));
    sealed.head.recorded_at = static_cast<uint64_t>(latest->integer(0, 0));
  }
  sealed.head.recorded_at = std::min(sealed.head.recorded_at, wall_us());
  sealed.head.chain_no = found.chain_no;
  sealed.head.hash = found.hash;
  auto written = owner_.exec_params(
      "INSERT INTO ringfence.audit_checkpoint (node, shard, position, next_seq, hash, recorded_at, seal) "
      "VALUES ($1, $2::int, $3::bigint, $4::bigint, $5::bytea, $6::timestamptz, $7::bytea) "
      "ON CONFLICT (node, shard) DO UPDATE SET position = EXCLUDED.position, next_seq = EXCLUDED.next_seq, "
      "hash = EXCLUDED.hash, recorded_at = EXCLUDED.recorded_at, told = 0, seal = EXCLUDED.seal",
      {claim_.node, number(writer_shard), number(found.chain_no), number(sealed.writer_next_seq),
       store::Param::bytes(crypto::view_of(found.hash)), time_of(sealed.head.recorded_at),
       store::Param::bytes(crypto::view_of(sealer_.state(sealed)))});
  if (!written) return unexpected(std::move(written.error()));
  return {};
}

Result<StartCheck::Found> StartCheck::last_good_link(const AnchorPlace& anchor) {
  std::vector<StoredLink> links;
  auto link_at = [&](uint64_t chain_no) -> Result<bool> {
    if (chain_no == 0) return false;
    auto done = read_links(owner_, claim_.node, chain_no, chain_no, links, [](uint64_t, bool) {});
    if (!done) return unexpected(std::move(done.error()));
    return links.size() == 1;
  };
  Found out;
  if (head_) {
    auto is_there = link_at(head_->chain_no);
    if (!is_there) return unexpected(std::move(is_there.error()));
    if (*is_there && links.front().hash == head_->hash) out = {head_->chain_no, head_->hash};
  }
  if (out.chain_no == 0) {
    auto is_there = link_at(anchor.chain_no);
    if (!is_there) return unexpected(std::move(is_there.error()));
    if (*is_there) out = {anchor.chain_no, links.front().hash};
  }
  crypto::Sha256 sha;
  for (bool goes_on = true; goes_on;) {
    const uint64_t from = out.chain_no + 1;
    if (auto done = read_links(owner_, claim_.node, from, from + page_rows - 1, links, [](uint64_t, bool) {});
        !done) {
      return unexpected(std::move(done.error()));
    }
    goes_on = links.size() == page_rows;
    for (const StoredLink& link : links) {
      if (link.chain_no != out.chain_no + 1 || chain_hash(sha, out.hash, link.leaf) != link.hash) {
        goes_on = false;
        break;
      }
      out = {link.chain_no, link.hash};
    }
  }
  return out;
}

// What stands behind the row, or cannot have a number. As JSON, how many of each.
Result<std::string> StartCheck::remove_behind(uint64_t chain_no) {
  auto rows = remove_rows_behind(owner_, claim_.node, chain_no);
  if (!rows) return unexpected(std::move(rows.error()));
  std::string out = "{\"rows\":" + std::to_string(*rows);
  auto remove = [&](const char* name, const std::string& sql) -> Result<void> {
    auto gone = owner_.exec_params(sql, {claim_.node, number(chain_no)});
    if (!gone) return unexpected(std::move(gone.error()));
    out += ",\"" + std::string(name) + "\":" + std::to_string(gone->affected());
    return {};
  };
  auto done = remove("links",
                     "DELETE FROM ringfence.audit_link_run WHERE node = $1 AND (first_chain_no > $2::bigint "
                     "OR first_chain_no < 1)");
  if (done) {
    done = remove("links_cut",
                  "UPDATE ringfence.audit_link_run SET links = substring(links FROM 1 FOR ($2::bigint - "
                  "first_chain_no + 1)::int * 64) "
                  "WHERE node = $1 AND first_chain_no + length(links) / 64 - 1 > $2::bigint");
  }
  if (done)
    done = remove(
        "anchors",
        "DELETE FROM ringfence.audit_anchor WHERE node = $1 AND (chain_no > $2::bigint OR chain_no < 1)");
  if (!done) return unexpected(std::move(done.error()));
  return out + "}";
}

// In this order: whatever is killed when, the next start refuses again or goes on with the same acceptance.
Result<void> StartCheck::accept(const Acceptance& given) {
  crypto::Ed25519PublicKey own{};
  std::memcpy(own.data(), claim_.public_key.data(), std::min(own.size(), claim_.public_key.size()));
  auto anchor = last_anchor(owner_, claim_.node, SignedHead{}, own);
  if (!anchor) return unexpected(std::move(anchor.error()));
  auto found = last_good_link(*anchor);
  if (!found) return unexpected(std::move(found.error()));
  Acceptance taken = given;
  if (!given.is_taken()) {
    taken.why = why_;
    taken.was = head_ ? head_->chain_no : 0;
    taken.was_hash = head_ ? hex_of(crypto::view_of(head_->hash)) : "";
  }
  taken.found = found->chain_no;
  taken.found_hash = hex_of(crypto::view_of(found->hash));
  auto begun = owner_.exec("BEGIN; LOCK TABLE ringfence.audit_checkpoint IN SHARE ROW EXCLUSIVE MODE");
  if (!begun) return unexpected(std::move(begun.error()));
  auto change = [&]() -> Result<void> {
    auto removed = remove_behind(found->chain_no);
    if (!removed) return unexpected(std::move(removed.error()));
    taken.removed = *removed;
    if (auto done = reseal(*found); !done) return done;
    if (auto done = keep_acceptance(claim_.state_directory, taken); !done) return done;
    SignedHead head;
    head.chain_no = head.accepted_to = found->chain_no;
    head.hash = found->hash;
    return heads_.write(sealer_, head);
  };
  auto changed = change();
  auto ended = owner_.exec(changed ? "COMMIT" : "ROLLBACK");
  if (!changed) return changed;
  if (!ended) return unexpected(std::move(ended.error()));
  log_error("a store that is not as it was left was accepted by hand",
            {{"node", claim_.node}, {"code", taken.code}, {"why", taken.why}});
  return {};
}

}  // namespace

Result<void> check_store(store::Connection& owner, const StoreClaim& claim) {
  return StartCheck(owner, claim).run();
}

Result<std::string> store_code(store::Connection& store, const std::string& node) {
  auto begun = store.exec(
      "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = "
      "'ISO'");
  if (!begun) return unexpected(std::move(begun.error()));
  crypto::Sha256 sha;
  sha.update("ringfence store 1");
  auto take = [&](const char* sql) -> Result<void> {
    return store.stream(sql, {node}, [&](store::Rows& row) {
      std::string bytes;
      for (int i = 0; i < row.columns(); ++i) {
        ringfence::Writer(bytes)
            .u8(row.is_null(0, i) ? 0 : 1)
            .u32(static_cast<uint32_t>(row.get(0, i).size()))
            .bytes(row.get(0, i));
      }
      sha.update(bytes);
      return true;
    });
  };
  Result<void> done = take(
      "SELECT shard, position, next_seq, told, hash, recorded_at, seal FROM ringfence.audit_checkpoint "
      "WHERE node = $1 ORDER BY shard");
  if (done)
    done = take(
        "SELECT shard, seq, is_written, fields, seal FROM ringfence.audit_open WHERE node = $1 ORDER BY "
        "shard, seq");
  if (done) {
    done = take(
        "SELECT first_chain_no, links FROM ringfence.audit_link_run WHERE node = $1 ORDER BY first_chain_no "
        "DESC LIMIT 2");
  }
  if (done) {
    done = take(
        "SELECT chain_no, hash, signed_at, key_id, signature, anchor_no, previous FROM "
        "ringfence.audit_anchor "
        "WHERE node = $1 ORDER BY chain_no DESC LIMIT 2");
  }
  if (done) {
    done = take(
        "SELECT chain_no, leaf, hash, recorded_at, statement, user_name FROM ringfence.audit_row WHERE "
        "node = $1 "
        "ORDER BY chain_no DESC LIMIT 1000");
  }
  if (done) {
    done = take(
        "SELECT b.first_chain_no, b::text FROM ringfence.audit_block b WHERE node = $1 ORDER BY "
        "first_chain_no DESC "
        "LIMIT 8");
  }
  (void)store.exec("ROLLBACK");
  if (!done) return unexpected(std::move(done.error()));
  return hex_of(crypto::view_of(sha.finish())).substr(0, 12);
}

}  // namespace ringfence::audit
