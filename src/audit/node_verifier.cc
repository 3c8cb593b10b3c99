#include "audit/node_verifier.h"

#include <algorithm>

#include "audit/numbers.h"
#include "audit/partitions.h"

namespace ringfence::audit {
namespace {

// Rows that were written within this time, or within three intervals of signing, may wait for their
// signature.
constexpr uint64_t coverage_lag_min_us = 60'000'000;
// A clock may be set back between an anchor and the next row.
constexpr uint64_t clock_tolerance_us = day_us;

}  // namespace

Result<NodeReport> NodeVerifier::run(
    const std::function<void(const std::string&, uint64_t, uint64_t)>& progress) {
  if (auto done = keys_.load(store_, options_, report_.node); !done)
    return unexpected(std::move(done.error()));
  report_.is_pinned = keys_.is_pinned();
  if (auto done = load_retention(); !done) return unexpected(std::move(done.error()));
  if (auto done = load_bounds(); !done) return unexpected(std::move(done.error()));
  for (uint64_t at = report_.first; at <= report_.last && report_.last != 0;) {
    uint64_t end = std::min(report_.last, at + page_rows - 1);
    if (auto done = page(at, end); !done) return unexpected(std::move(done.error()));
    if (progress) progress(report_.node, end, report_.last);
    at = end + 1;
    if (rows_on_page_ > 0 || !links_.empty() || at > report_.last) continue;
    // A single number far away costs no walk to it.
    auto next = next_present(at);
    if (!next) return unexpected(std::move(next.error()));
    if (*next > at) found(FindingKind::missing, at, "no row and no link up to " + number(*next - 1));
    at = *next;
  }
  if (auto done = check_coverage(); !done) return unexpected(std::move(done.error()));
  if (auto done = check_numbers(); !done) return unexpected(std::move(done.error()));
  if (auto done = check_own_state(); !done) return unexpected(std::move(done.error()));
  std::stable_sort(report_.findings.begin(), report_.findings.end(),
                   [](const Finding& a, const Finding& b) { return a.chain_no < b.chain_no; });
  return std::move(report_);
}

void NodeVerifier::found(FindingKind kind, uint64_t chain_no, std::string text) {
  ++report_.findings_count;
  if (report_.findings.size() < options_.findings_max)
    report_.findings.push_back({kind, chain_no, std::move(text)});
}

// Records that are signed and that a node could have written: what they say covers rows that are gone.
Result<void> NodeVerifier::load_retention() {
  auto rows = store_.exec_params(
      "SELECT first_chain_no, last_chain_no, row_count, partition_name, dropped_at, key_id, signature, "
      "(SELECT substring(l.links FROM (r.last_chain_no - l.first_chain_no)::int * 64 + 33 FOR 32) "
      "FROM ringfence.audit_link_run l WHERE l.node = r.node AND l.first_chain_no BETWEEN r.last_chain_no - "
      "23 AND "
      "r.last_chain_no ORDER BY l.first_chain_no DESC LIMIT 1) "
      "FROM ringfence.audit_retention r WHERE node = $1 ORDER BY first_chain_no",
      {report_.node}, true);
  if (!rows) return unexpected(std::move(rows.error()));
  for (int i = 0; i < rows->size(); ++i) {
    Range range{be<uint64_t>(rows->get(i, 0)), be<uint64_t>(rows->get(i, 1)), 0, rows->text(i, 3)};
    auto count = be<uint64_t>(rows->get(i, 2));
    uint64_t dropped_at = unix_us(rows->get(i, 4));
    auto is_signed_with = [&](ByteView last_hash) {
      return keys_.trust(rows->text(i, 5),
                         retention_message(report_.node, range.first, range.last, count, range.partition,
                                           dropped_at, last_hash),
                         rows->get(i, 6)) == Trust::believed;
    };
    std::string what = "retention record of " + range.partition + " ";
    auto day = day_of_partition(range.partition);
    bool has_hash = rows->get(i, 7).size() == sizeof(crypto::Digest) && is_signed_with(rows->get(i, 7));
    if (!has_hash && !is_signed_with({})) {
      found(FindingKind::forged, range.first,
            what + "is not signed for these links by a known key" +
                (report_.is_pinned ? "; --public-key tells of more keys than one" : ""));
    } else if (range.first < 1 || range.last < range.first || range.last - range.first + 1 != count) {
      found(FindingKind::forged, range.first,
            what + "counts " + number(count) + " rows for chain_no " + number(range.first) + " to " +
                number(range.last));
    } else if (!day || *day + day_us > dropped_at) {
      found(FindingKind::forged, range.first, what + "is older than the rows of that day can be");
    } else if (!expired_.empty() && range.first <= expired_.back().last) {
      found(FindingKind::forged, range.first, what + "overlaps that of " + expired_.back().partition);
    } else {
      // The hash stands for the rows, whose time was looked at when it was signed.
      if (!has_hash) range.written_before = *day + day_us + clock_tolerance_us;
      expired_.push_back(std::move(range));
    }
  }
  return {};
}

// An anchor tells when the rows behind it cannot have been written yet.
void NodeVerifier::check_age(uint64_t chain_no, uint64_t signed_at) {
  for (Range& range : expired_) {
    if (range.written_before == 0 || chain_no >= range.last || signed_at < range.written_before) continue;
    found(FindingKind::forged, range.first,
          "retention record of " + range.partition +
              " covers rows that were written after the anchor at chain_no " + number(chain_no));
    range.written_before = 0;
  }
}

// How far the chain must reach: whatever knows the largest number.
Result<void> NodeVerifier::load_bounds() {
  auto rows = store_.exec_params(
      "SELECT greatest(coalesce((SELECT max(chain_no) FROM ringfence.audit_row WHERE node = $1), 0), "
      "coalesce((SELECT least(first_chain_no, 9000000000000000000) + greatest(row_count, 1) - 1 FROM "
      "ringfence.audit_block WHERE node = $1 ORDER BY first_chain_no DESC LIMIT 1), 0)), "
      "coalesce((SELECT least(first_chain_no, 9000000000000000000) + length(links) / 64 - 1 FROM "
      "ringfence.audit_link_run "
      "WHERE node = $1 ORDER BY first_chain_no DESC LIMIT 1), 0), "
      "coalesce((SELECT position FROM ringfence.audit_checkpoint WHERE node = $1 AND shard = 65535), 0), "
      "(SELECT count(*) FROM ringfence.audit_row WHERE node = $1 AND chain_no < 1) + "
      "(SELECT count(*) FROM ringfence.audit_block WHERE node = $1 AND first_chain_no < 1), "
      "(SELECT count(*) FROM ringfence.audit_link_run WHERE node = $1 AND first_chain_no < 1)",
      {report_.node});
  if (!rows) return unexpected(std::move(rows.error()));
  auto count = [&](int column) {
    return static_cast<uint64_t>(std::max<int64_t>(rows->integer(0, column), 0));
  };
  const uint64_t events = std::min<uint64_t>(count(0), INT64_MAX - 1);
  const uint64_t links = count(1);
  const uint64_t head = count(2);
  if (rows->integer(0, 3) != 0) found(FindingKind::foreign, 0, "rows with a chain number below 1");
  if (rows->integer(0, 4) != 0) found(FindingKind::foreign, 0, "links with a chain number below 1");
  auto anchors = anchors_behind(links);
  if (!anchors) return unexpected(std::move(anchors.error()));
  report_.first = std::max<uint64_t>(options_.from, 1);
  report_.last = std::min(options_.to, std::max(events, links));
  head_ = links;
  uint64_t reach = std::max(*anchors, head);
  if (options_.to >= reach && reach > links) {
    is_cut_ = true;
    found(FindingKind::cut, links + 1,
          "the tail is cut: the chain ended at " + number(reach) + ", links end at " + number(links));
  }
  if (head < links) {
    found(FindingKind::foreign, head + 1,
          "the checkpoint's head is " + number(head) + ", rows go on behind it");
  }
  is_whole_ = report_.first == 1 && options_.to >= links;
  if (report_.first > 1) {
    if (auto done = load_links(report_.first - 1, report_.first - 1); !done) return done;
    if (links_.size() == 1) previous_ = links_.front().hash;
    else found(FindingKind::missing, report_.first - 1, "no link before the first row");
  }
  return {};
}

Result<void> NodeVerifier::load_links(uint64_t begin, uint64_t end) {
  return read_links(store_, report_.node, begin, end, links_, [&](uint64_t chain_no, bool is_second) {
    if (is_second) found(FindingKind::doubled, chain_no, "a second link with this chain number");
    else found(FindingKind::foreign, chain_no, "a run of links that is none of the writer's");
  });
}

Result<void> NodeVerifier::load_anchors(const std::string& from, const std::string& to) {
  auto rows = store_.exec_params(std::string("SELECT ") + StoredAnchor::columns() +
                                     " FROM ringfence.audit_anchor WHERE node = $1 AND chain_no BETWEEN "
                                     "$2::bigint AND $3::bigint ORDER BY chain_no",
                                 {report_.node, from, to}, true);
  if (!rows) return unexpected(std::move(rows.error()));
  anchors_.clear();
  for (int i = 0; i < rows->size(); ++i) {
    const StoredAnchor anchor = StoredAnchor::of(*rows, i);
    const uint64_t chain_no = anchor.chain_no;
    Trust trusted = keys_.trust(anchor.key_id, anchor.message(report_.node), anchor.signature);
    if (trusted != Trust::none) check_anchor_order(anchor);
    if (trusted == Trust::believed) {
      ++report_.anchors;
      check_age(chain_no, anchor.signed_at);
    } else if (trusted == Trust::known) {
      strangers_.push_back(chain_no);
    } else {
      found(FindingKind::forged, chain_no, "the anchor is not signed by a known key");
    }
    anchors_[chain_no] = {digest_of(anchor.hash), trusted == Trust::believed};
  }
  return {};
}

Result<uint64_t> NodeVerifier::next_present(uint64_t chain_no) {
  auto rows = store_.exec_params(
      "SELECT coalesce(least((SELECT chain_no FROM ringfence.audit_row WHERE node = $1 AND chain_no >= "
      "$2::bigint ORDER BY "
      "chain_no LIMIT 1), (SELECT first_chain_no FROM ringfence.audit_block WHERE node = $1 AND "
      "first_chain_no >= $2::bigint ORDER BY first_chain_no LIMIT 1), (SELECT first_chain_no FROM "
      "ringfence.audit_link_run WHERE node = $1 AND "
      "first_chain_no >= $2::bigint "
      "ORDER BY first_chain_no LIMIT 1)), 0)",
      {report_.node, number(chain_no)});
  if (!rows) return unexpected(std::move(rows.error()));
  const auto next = static_cast<uint64_t>(rows->integer(0, 0));
  return next == 0 ? report_.last + 1 : next;
}

Result<void> NodeVerifier::page(uint64_t begin, uint64_t end) {
  std::string from = number(begin);
  std::string to = number(end);
  if (auto done = load_anchors(from, to); !done) return done;
  if (auto done = load_links(begin, end); !done) return done;
  next_link_ = 0;
  next_no_ = begin;
  rows_on_page_ = 0;
  auto streamed = stream_rows(
      store_, {}, report_.node, begin, end, [&](const StoredBlock& block) { on_block(block); },
      [&](StoredRow& row) {
        on_row(row);
        return true;
      });
  if (!streamed) return streamed;
  pass_links(end + 1);
  return {};
}

// Checks the link of the next chain number; gives it when it is there.
const StoredLink* NodeVerifier::take_link() {
  if (next_link_ >= links_.size() || links_[next_link_].chain_no != next_no_) {
    found(FindingKind::missing, next_no_, "no link");
    is_broken_ = true;
    ++next_no_;
    return nullptr;
  }
  const StoredLink& link = links_[next_link_++];
  if (!is_broken_ && chain_hash(sha_, previous_, link.leaf) != link.hash) {
    found(FindingKind::reordered, link.chain_no, "the link does not follow its predecessor");
  }
  is_broken_ = false;
  previous_ = link.hash;
  auto anchor = anchors_.find(link.chain_no);
  if (anchor != anchors_.end() && anchor->second.hash != link.hash) {
    found(FindingKind::forged, link.chain_no, "the signed anchor has another hash");
  } else if (anchor != anchors_.end() && anchor->second.is_believed) {
    report_.anchored_to = link.chain_no;
  }
  ++next_no_;
  return &link;
}

// Links up to (not including) `end` that have no row.
void NodeVerifier::pass_links(uint64_t end) {
  while (next_no_ < end) {
    uint64_t chain_no = next_no_;
    bool is_expired = std::any_of(expired_.begin(), expired_.end(), [&](const Range& range) {
      return range.first <= chain_no && chain_no <= range.last;
    });
    if (take_link() == nullptr) continue;
    if (is_expired) ++report_.expired;
    else found(FindingKind::missing, chain_no, "no row, and no signed retention record covers it");
  }
}

// What is wrong with a block as a whole; its rows are looked at one by one.
void NodeVerifier::on_block(const StoredBlock& block) {
  // Of a block on two pages the second one has nothing new to say.
  if (block.defect().empty() || (block.first_chain_no() < next_no_ && report_.rows > 0)) return;
  found(FindingKind::changed, block.first_chain_no(),
        "the block of " + number(block.size()) + " rows is not what was written: " + block.defect());
}

void NodeVerifier::on_row(const StoredRow& row) {
  const uint64_t chain_no = row.place.chain_no;
  ++rows_on_page_;
  if (chain_no < next_no_) {
    found(FindingKind::doubled, chain_no, "a second row with this chain number");
    return;
  }
  pass_links(chain_no);
  const StoredLink* link = take_link();
  ++report_.rows;
  const FieldSet& fields = row.fields;
  const ChainPlace& place = row.place;
  std::string what = "shard " + number(be<uint64_t>(fields.get(Tag::shard))) + " seq " +
                     number(be<uint64_t>(fields.get(Tag::seq))) + " action " +
                     std::string(fields.get(Tag::action));
  const bool is_in_block = row.own_leaf.empty() && row.own_hash.empty();
  // What the row, or the block of which it is the last one, says of itself.
  auto is_itself = [&] {
    const ByteView hash = crypto::view_of(link->hash);
    if (is_in_block) return row.block_hash.empty() || row.block_hash == hash;
    return row.own_leaf == crypto::view_of(row.leaf) && row.own_hash == hash;
  };
  if (!is_known_version(place.version) || (is_in_block && place.version != hash_version)) {
    found(FindingKind::changed, chain_no,
          "unknown hash version " + std::to_string(place.version) + ": " + what);
  } else if (link == nullptr) {
    found(FindingKind::foreign, chain_no, "a row that the chain does not know: " + what);
  } else if (row.leaf != link->leaf) {
    found(FindingKind::changed, chain_no, "the row is not what was written: " + what);
  } else if (!is_itself()) {
    found(FindingKind::changed, chain_no, "the row's own leaf or hash was changed: " + what);
  } else if (place.recorded_at < recorded_at_) {
    found(FindingKind::reordered, chain_no, "recorded before its predecessor: " + what);
  }
  recorded_at_ = std::max(recorded_at_, place.recorded_at);
  RecordNumbers& numbers = numbers_[be<uint64_t>(fields.get(Tag::shard))];
  for (Tag tag : {Tag::seq, Tag::outcome_seq}) {
    if (fields.has(tag) && !numbers.see(be<uint64_t>(fields.get(tag))) && is_whole_ && expired_.empty()) {
      found(FindingKind::doubled, chain_no, "a record that another row holds already: " + what);
    }
  }
  if (fields.get(Tag::action) == "trail_gap") accounted_ += be<uint64_t>(fields.get(Tag::rows));
}

// The last believed anchor before the part that is looked at, if its hash is the link's.
Result<void> NodeVerifier::find_anchor_before(uint64_t chain_no) {
  uint64_t found_at = 0;
  crypto::Digest hash{};
  auto streamed = store_.stream(
      std::string("SELECT ") + StoredAnchor::columns() +
          " FROM ringfence.audit_anchor WHERE node = $1 AND chain_no < $2::bigint ORDER BY chain_no DESC",
      {report_.node, number(chain_no)}, [&](store::Rows& row) {
        StoredAnchor anchor = StoredAnchor::of(row, 0);
        if (keys_.trust(anchor.key_id, anchor.message(report_.node), anchor.signature) != Trust::believed)
          return true;
        found_at = anchor.chain_no;
        hash = digest_of(anchor.hash);
        return false;
      });
  if (!streamed || found_at == 0) return streamed;
  if (auto done = load_links(found_at, found_at); !done) return done;
  if (links_.size() == 1 && links_.front().hash == hash) report_.anchored_to = found_at;
  return {};
}

Result<void> NodeVerifier::check_coverage() {
  if (head_ == 0 || options_.to < head_ || is_cut_) return {};
  if (report_.anchored_to == 0 && report_.first > 1) {
    if (auto done = find_anchor_before(report_.first); !done) return done;
  }
  uint64_t anchored_to = report_.anchored_to;
  report_.unsigned_rows = head_ - std::min(head_, anchored_to);
  // A former state directory's anchors stand before those of the one that continues it; they prove nothing
  // here.
  for (uint64_t chain_no : strangers_) {
    if (chain_no <= anchored_to) continue;
    found(FindingKind::forged, chain_no, "the anchor is signed by a key that is not the one to be believed");
  }
  if (anchored_to == 0) {
    found(FindingKind::uncovered, head_, "no believed signature reaches any of the rows");
    return {};
  }
  if (report_.unsigned_rows == 0) return {};
  // By the rows' own times: an appliance that is idle, stopped or gone has nothing to sign.
  auto times = store_.exec_params(
      "SELECT (extract(epoch FROM max(recorded_at) - min(recorded_at)) * 1000000)::bigint FROM ("
      "(SELECT recorded_at FROM ringfence.audit_row WHERE node = $1 AND chain_no > $2::bigint ORDER BY "
      "chain_no LIMIT 1) "
      "UNION ALL (SELECT recorded_at FROM ringfence.audit_row WHERE node = $1 AND chain_no > $2::bigint "
      "ORDER BY chain_no DESC LIMIT 1) "
      "UNION ALL (SELECT recorded_at FROM ringfence.audit_block WHERE node = $1 AND first_chain_no > "
      "$2::bigint - " +
          number(block_rows_max) +
          " AND first_chain_no::numeric + row_count > $2::bigint + 1 ORDER BY first_chain_no LIMIT 1) "
          "UNION ALL (SELECT recorded_at FROM ringfence.audit_block WHERE node = $1 "
          "AND first_chain_no::numeric + row_count > $2::bigint + 1 ORDER BY first_chain_no DESC LIMIT 1)) t",
      {report_.node, number(anchored_to)});
  if (!times) return unexpected(std::move(times.error()));
  uint64_t bound_us = std::max(coverage_lag_min_us, 3'000 * options_.anchor_ms);
  if (times->is_null(0, 0) || static_cast<uint64_t>(times->integer(0, 0)) > bound_us) {
    found(FindingKind::uncovered, anchored_to + 1,
          "anchors are missing: the last signature is that of row " + number(anchored_to) +
              ", and the rows behind it were written over a longer time than an appliance lets pass");
  }
  return {};
}

// Only a whole chain tells: every number is in a row, an open start, or accounted for by a gap event.
Result<void> NodeVerifier::check_numbers() {
  if (!is_whole_ || !expired_.empty()) return {};
  auto open = store_.exec_params(
      "SELECT shard, seq FROM ringfence.audit_open WHERE node = $1 AND NOT is_written "
      "ORDER BY shard, seq",
      {report_.node});
  if (!open) return unexpected(std::move(open.error()));
  for (int i = 0; i < open->size(); ++i) {
    numbers_[static_cast<uint64_t>(open->integer(i, 0))].see(static_cast<uint64_t>(open->integer(i, 1)));
  }
  auto checkpoints = store_.exec_params(
      "SELECT shard, next_seq FROM ringfence.audit_checkpoint WHERE node = $1", {report_.node});
  if (!checkpoints) return unexpected(std::move(checkpoints.error()));
  uint64_t missing = 0;
  for (int i = 0; i < checkpoints->size(); ++i) {
    RecordNumbers& numbers = numbers_[static_cast<uint64_t>(checkpoints->integer(i, 0))];
    auto next_seq = static_cast<uint64_t>(checkpoints->integer(i, 1));
    missing += numbers.missing(next_seq);
  }
  if (missing > accounted_) {
    found(FindingKind::lost, report_.last + 1,
          number(missing - accounted_) + " record numbers are in no row and no gap event accounts for them");
  }
  return {};
}

}  // namespace ringfence::audit
