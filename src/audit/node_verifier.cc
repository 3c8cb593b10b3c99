#include "audit/node_verifier.h"

#include <algorithm>

#include "ringfence/audit/json.h"
#include "ringfence/crypto/ed25519.h"

namespace ringfence::audit {
namespace {

constexpr uint64_t page_rows = 5'000;
constexpr int64_t pg_epoch_us = 946'684'800'000'000;

template <typename T>
T be(ByteView bytes) {
  return bytes.size() == sizeof(T) ? detail::load_be<T>(bytes.data()) : T{};
}
std::string number(uint64_t value) { return std::to_string(value); }
uint64_t unix_us(ByteView timestamp) {
  return static_cast<uint64_t>(static_cast<int64_t>(be<uint64_t>(timestamp)) + pg_epoch_us);
}

crypto::Digest digest_of(ByteView bytes) {
  crypto::Digest out{};
  if (bytes.size() == out.size()) std::memcpy(out.data(), bytes.data(), out.size());
  return out;
}

}  // namespace

Result<NodeReport> NodeVerifier::run(const std::function<void(const std::string&, uint64_t, uint64_t)>& progress) {
  if (auto done = load_keys(); !done) return unexpected(std::move(done.error()));
  if (auto done = load_retention(); !done) return unexpected(std::move(done.error()));
  if (auto done = load_bounds(); !done) return unexpected(std::move(done.error()));
  for (uint64_t at = report_.first; at <= report_.last && report_.last != 0; at += page_rows) {
    uint64_t end = std::min(report_.last, at + page_rows - 1);
    if (auto done = page(at, end); !done) return unexpected(std::move(done.error()));
    if (progress) progress(report_.node, end, report_.last);
  }
  if (auto done = check_numbers(); !done) return unexpected(std::move(done.error()));
  std::stable_sort(report_.findings.begin(), report_.findings.end(),
                   [](const Finding& a, const Finding& b) { return a.chain_no < b.chain_no; });
  return std::move(report_);
}

void NodeVerifier::found(FindingKind kind, uint64_t chain_no, std::string text) {
  ++report_.findings_count;
  if (report_.findings.size() < options_.findings_max) report_.findings.push_back({kind, chain_no, std::move(text)});
}

Result<void> NodeVerifier::load_keys() {
  auto rows = store_.exec_params("SELECT key_id, public_key FROM ringfence.audit_node", {}, true);
  if (!rows) return unexpected(std::move(rows.error()));
  for (int i = 0; i < rows->size(); ++i) {
    std::string key = rows->text(i, 1);
    if (!options_.public_key.empty() && key != options_.public_key) continue;
    if (key_id_of(key) == rows->get(i, 0)) keys_[rows->text(i, 0)] = key;
  }
  if (!options_.public_key.empty()) keys_[key_id_of(options_.public_key)] = options_.public_key;
  return {};
}

bool NodeVerifier::is_signed(const std::string& key_id, const std::string& message, ByteView signature) const {
  auto key = keys_.find(key_id);
  crypto::Ed25519PublicKey public_key{};
  crypto::Ed25519Signature raw{};
  if (key == keys_.end() || key->second.size() != public_key.size() || signature.size() != raw.size()) return false;
  std::memcpy(public_key.data(), key->second.data(), public_key.size());
  std::memcpy(raw.data(), signature.data(), raw.size());
  return crypto::ed25519_verify(public_key, message, raw);
}

Result<void> NodeVerifier::load_retention() {
  auto rows = store_.exec_params(
      "SELECT first_chain_no, last_chain_no, row_count, partition_name, dropped_at, key_id, signature "
      "FROM ringfence.audit_retention WHERE node = $1 ORDER BY first_chain_no",
      {report_.node}, true);
  if (!rows) return unexpected(std::move(rows.error()));
  for (int i = 0; i < rows->size(); ++i) {
    Range range{be<uint64_t>(rows->get(i, 0)), be<uint64_t>(rows->get(i, 1))};
    std::string message = retention_message(report_.node, range.first, range.last, be<uint64_t>(rows->get(i, 2)),
                                            rows->get(i, 3), unix_us(rows->get(i, 4)));
    if (is_signed(rows->text(i, 5), message, rows->get(i, 6))) expired_.push_back(range);
    else found(FindingKind::forged, range.first, "retention record of " + rows->text(i, 3) + " is not signed by a known key");
  }
  return {};
}

// How far the chain must reach: whatever knows the largest number.
Result<void> NodeVerifier::load_bounds() {
  auto rows = store_.exec_params(
      "SELECT coalesce((SELECT max(chain_no) FROM ringfence.audit_event WHERE node = $1), 0), "
      "coalesce((SELECT first_chain_no + length(links) / 64 - 1 FROM ringfence.audit_link_run WHERE node = $1 "
      "ORDER BY first_chain_no DESC LIMIT 1), 0), "
      "coalesce((SELECT max(chain_no) FROM ringfence.audit_anchor WHERE node = $1), 0), "
      "coalesce((SELECT position FROM ringfence.audit_checkpoint WHERE node = $1 AND shard = 65535), 0), "
      "(SELECT count(*) FROM ringfence.audit_event WHERE node = $1 AND chain_no < 1)",
      {report_.node});
  if (!rows) return unexpected(std::move(rows.error()));
  auto events = static_cast<uint64_t>(rows->integer(0, 0));
  auto links = static_cast<uint64_t>(rows->integer(0, 1));
  auto anchors = static_cast<uint64_t>(rows->integer(0, 2));
  auto head = static_cast<uint64_t>(rows->integer(0, 3));
  if (rows->integer(0, 4) != 0) found(FindingKind::foreign, 0, "rows with a chain number below 1");
  report_.first = std::max<uint64_t>(options_.from, 1);
  report_.last = std::min(options_.to, std::max(events, links));
  report_.anchored_to = anchors;
  uint64_t reach = std::max(anchors, head);
  if (options_.to >= reach && reach > links) {
    found(FindingKind::cut, links + 1,
          "the tail is cut: the chain ended at " + number(reach) + ", links end at " + number(links));
  }
  if (head < links) {
    found(FindingKind::foreign, head + 1, "the checkpoint's head is " + number(head) + ", rows go on behind it");
  }
  is_whole_ = report_.first == 1 && options_.to >= links;
  if (report_.first > 1) {
    if (auto done = load_links(report_.first - 1, report_.first - 1); !done) return done;
    if (links_.size() == 1) previous_ = links_.front().hash;
    else found(FindingKind::missing, report_.first - 1, "no link before the first row");
  }
  return {};
}

// The links of a page, whatever runs they are in.
Result<void> NodeVerifier::load_links(uint64_t begin, uint64_t end) {
  links_.clear();
  uint64_t next = begin;
  return store_.stream(
      "SELECT first_chain_no, links FROM ringfence.audit_link_run WHERE node = $1 AND first_chain_no BETWEEN "
      "$2::bigint AND $3::bigint ORDER BY first_chain_no",
      {report_.node, number(begin - std::min<uint64_t>(begin, link_run_max - 1)), number(end)},
      [&](store::Rows& row) {
        auto chain_no = be<uint64_t>(row.get(0, 0));
        ByteView links = row.get(0, 1);
        if (links.size() % link_bytes != 0 || links.size() > link_run_max * link_bytes) {
          found(FindingKind::foreign, chain_no, "a run of links that is none of the writer's");
        }
        for (; links.size() >= link_bytes; links.remove_prefix(link_bytes), ++chain_no) {
          if (chain_no < begin || chain_no > end) continue;
          if (chain_no < next) {
            found(FindingKind::doubled, chain_no, "a second link with this chain number");
            continue;
          }
          links_.push_back({chain_no, digest_of(links.substr(0, 32)), digest_of(links.substr(32, 32))});
          next = chain_no + 1;
        }
        return true;
      });
}

Result<void> NodeVerifier::page(uint64_t begin, uint64_t end) {
  std::vector<store::Param> range;
  std::string from = number(begin);
  std::string to = number(end);
  std::map<uint64_t, std::pair<std::string, crypto::Digest>> anchors;
  auto anchor_rows = store_.exec_params(
      "SELECT chain_no, hash, signed_at, key_id, signature FROM ringfence.audit_anchor "
      "WHERE node = $1 AND chain_no BETWEEN $2::bigint AND $3::bigint",
      {report_.node, from, to}, true);
  if (!anchor_rows) return unexpected(std::move(anchor_rows.error()));
  anchors_.clear();
  for (int i = 0; i < anchor_rows->size(); ++i) {
    auto chain_no = be<uint64_t>(anchor_rows->get(i, 0));
    std::string message =
        anchor_message(report_.node, chain_no, anchor_rows->get(i, 1), unix_us(anchor_rows->get(i, 2)));
    if (is_signed(anchor_rows->text(i, 3), message, anchor_rows->get(i, 4))) ++report_.anchors;
    else found(FindingKind::forged, chain_no, "the anchor is not signed by a known key");
    anchors_[chain_no] = digest_of(anchor_rows->get(i, 1));
  }
  if (auto done = load_links(begin, end); !done) return done;
  next_link_ = 0;
  next_no_ = begin;
  auto streamed = store_.stream(row_query(), {report_.node, from, to}, [&](store::Rows& row) {
    on_row(row);
    return true;
  });
  if (!streamed) return streamed;
  pass_links(end + 1);
  return {};
}

const std::string& NodeVerifier::row_query() {
  static const std::string sql = [] {
    std::string out = "SELECT ";
    for (uint16_t tag = 1; tag < tag_end; ++tag) out.append(field_info(tag)->column).append(", ");
    return out +
           "chain_no, recorded_at, hash_version, retention_class, leaf, hash FROM ringfence.audit_event "
           "WHERE node = $1 AND chain_no BETWEEN $2::bigint AND $3::bigint ORDER BY chain_no";
  }();
  return sql;
}

// Checks the link of the next chain number; gives it when it is there.
const NodeVerifier::Link* NodeVerifier::take_link() {
  if (next_link_ >= links_.size() || links_[next_link_].chain_no != next_no_) {
    found(FindingKind::missing, next_no_, "no link");
    is_broken_ = true;
    ++next_no_;
    return nullptr;
  }
  const Link& link = links_[next_link_++];
  if (!is_broken_ && chain_hash(sha_, previous_, link.leaf) != link.hash) {
    found(FindingKind::reordered, link.chain_no, "the link does not follow its predecessor");
  }
  is_broken_ = false;
  previous_ = link.hash;
  auto anchor = anchors_.find(link.chain_no);
  if (anchor != anchors_.end() && anchor->second != link.hash) {
    found(FindingKind::forged, link.chain_no, "the signed anchor has another hash");
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

void NodeVerifier::on_row(store::Rows& row) {
  constexpr int extra = tag_end - 1;
  auto chain_no = be<uint64_t>(row.get(0, extra));
  if (chain_no < next_no_) {
    found(FindingKind::doubled, chain_no, "a second row with this chain number");
    return;
  }
  pass_links(chain_no);
  const Link* link = take_link();
  ++report_.rows;
  FieldSet fields;
  std::vector<std::string> kept;
  kept.reserve(tag_end);
  for (uint16_t tag = 1; tag < tag_end; ++tag) {
    if (row.is_null(0, tag - 1)) continue;
    ByteView value = row.get(0, tag - 1);
    const FieldInfo* info = field_info(tag);
    if (info->type == FieldType::timestamp) {
      std::string raw(8, '\0');
      detail::store_be(raw.data(), unix_us(value));
      value = kept.emplace_back(std::move(raw));
    } else if (info->type == FieldType::json) {
      value = kept.emplace_back(canonicalise_json(value.substr(std::min<size_t>(1, value.size()))).value_or(""));
    }
    fields.set(info->tag, value);
  }
  ChainPlace place;
  place.chain_no = chain_no;
  place.recorded_at = unix_us(row.get(0, extra + 1));
  place.version = be<int16_t>(row.get(0, extra + 2));
  place.retention_class = be<int16_t>(row.get(0, extra + 3));
  canonical_.clear();
  append_canonical(canonical_, fields, place);
  sha_.update(canonical_);
  crypto::Digest leaf = sha_.finish();
  std::string what = "shard " + number(be<uint64_t>(fields.get(Tag::shard))) + " seq " +
                     number(be<uint64_t>(fields.get(Tag::seq))) + " action " + std::string(fields.get(Tag::action));
  if (place.version != hash_version) {
    found(FindingKind::changed, chain_no, "unknown hash version " + std::to_string(place.version) + ": " + what);
  } else if (link == nullptr) {
    found(FindingKind::foreign, chain_no, "a row that the chain does not know: " + what);
  } else if (leaf != link->leaf) {
    found(FindingKind::changed, chain_no, "the row is not what was written: " + what);
  } else if (row.get(0, extra + 4) != crypto::view_of(leaf) || row.get(0, extra + 5) != crypto::view_of(link->hash)) {
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

// Only a whole chain tells: every number is in a row, an open start, or accounted for by a gap event.
Result<void> NodeVerifier::check_numbers() {
  if (!is_whole_ || !expired_.empty()) return {};
  auto open = store_.exec_params("SELECT shard, seq FROM ringfence.audit_open WHERE node = $1 AND NOT is_written "
                                 "ORDER BY shard, seq", {report_.node});
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
    found(FindingKind::lost, report_.last + 1, number(missing - accounted_) +
                                               " record numbers are in no row and no gap event accounts for them");
  }
  return {};
}

}  // namespace ringfence::audit
