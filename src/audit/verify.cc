#include "ringfence/audit/verify.h"

#include <algorithm>
#include <map>
#include <set>

#include "ringfence/audit/chain.h"
#include "ringfence/audit/json.h"
#include "ringfence/audit/writer.h"
#include "ringfence/crypto/ed25519.h"

namespace ringfence::audit {
namespace {

constexpr uint64_t page_rows = 5'000;
constexpr int64_t pg_epoch_us = 946'684'800'000'000;
// Record numbers that wait for a smaller one to come: a start's row follows at most a join window later.
constexpr size_t ahead_max = 2'000'000;

template <typename T>
T be(ByteView bytes) {
  return bytes.size() == sizeof(T) ? detail::load_be<T>(bytes.data()) : T{};
}
std::string number(uint64_t value) { return std::to_string(value); }
uint64_t unix_us(ByteView timestamp) {
  return static_cast<uint64_t>(static_cast<int64_t>(be<uint64_t>(timestamp)) + pg_epoch_us);
}

struct Range {
  uint64_t first;
  uint64_t last;
};

struct Link {
  uint64_t chain_no;
  crypto::Digest leaf;
  crypto::Digest hash;
};

crypto::Digest digest_of(ByteView bytes) {
  crypto::Digest out{};
  if (bytes.size() == out.size()) std::memcpy(out.data(), bytes.data(), out.size());
  return out;
}

// Whether a journal's numbers are all there, over seq and outcome_seq together.
struct Numbers {
  uint64_t next = 1;
  std::set<uint64_t> ahead;
  bool is_followed = true;

  // False when the number was seen before.
  bool see(uint64_t seq) {
    if (!is_followed) return true;
    if (seq < next) return false;
    if (seq > next) {
      bool is_new = ahead.insert(seq).second;
      if (ahead.size() > ahead_max) is_followed = false;
      return is_new;
    }
    ++next;
    while (!ahead.empty() && *ahead.begin() == next) {
      ahead.erase(ahead.begin());
      ++next;
    }
    return true;
  }
};

class NodeVerifier {
 public:
  NodeVerifier(store::Connection& store, const VerifyOptions& options, std::string node)
      : store_(store), options_(options) {
    report_.node = std::move(node);
  }

  Result<NodeReport> run(const std::function<void(const std::string&, uint64_t, uint64_t)>& progress) {
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

 private:
  void found(FindingKind kind, uint64_t chain_no, std::string text) {
    ++report_.findings_count;
    if (report_.findings.size() < options_.findings_max) report_.findings.push_back({kind, chain_no, std::move(text)});
  }

  Result<void> load_keys() {
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

  bool is_signed(const std::string& key_id, const std::string& message, ByteView signature) const {
    auto key = keys_.find(key_id);
    crypto::Ed25519PublicKey public_key{};
    crypto::Ed25519Signature raw{};
    if (key == keys_.end() || key->second.size() != public_key.size() || signature.size() != raw.size()) return false;
    std::memcpy(public_key.data(), key->second.data(), public_key.size());
    std::memcpy(raw.data(), signature.data(), raw.size());
    return crypto::ed25519_verify(public_key, message, raw);
  }

  Result<void> load_retention() {
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
  Result<void> load_bounds() {
    auto rows = store_.exec_params(
        "SELECT coalesce((SELECT max(chain_no) FROM ringfence.audit_event WHERE node = $1), 0), "
        "coalesce((SELECT max(chain_no) FROM ringfence.audit_link WHERE node = $1), 0), "
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
      auto before = store_.exec_params(
          "SELECT hash FROM ringfence.audit_link WHERE node = $1 AND chain_no = $2::bigint",
          {report_.node, number(report_.first - 1)}, true);
      if (!before) return unexpected(std::move(before.error()));
      if (before->size() == 1) previous_ = digest_of(before->get(0, 0));
      else found(FindingKind::missing, report_.first - 1, "no link before the first row");
    }
    return {};
  }

  Result<void> page(uint64_t begin, uint64_t end) {
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
    links_.clear();
    auto linked = store_.stream(
        "SELECT chain_no, leaf, hash FROM ringfence.audit_link WHERE node = $1 AND chain_no BETWEEN $2::bigint AND "
        "$3::bigint ORDER BY chain_no",
        {report_.node, from, to}, [&](store::Rows& row) {
          links_.push_back({be<uint64_t>(row.get(0, 0)), digest_of(row.get(0, 1)), digest_of(row.get(0, 2))});
          return true;
        });
    if (!linked) return linked;
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

  static const std::string& row_query() {
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
  const Link* take_link() {
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
  void pass_links(uint64_t end) {
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

  void on_row(store::Rows& row) {
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
    Numbers& numbers = numbers_[be<uint64_t>(fields.get(Tag::shard))];
    for (Tag tag : {Tag::seq, Tag::outcome_seq}) {
      if (fields.has(tag) && !numbers.see(be<uint64_t>(fields.get(tag))) && is_whole_ && expired_.empty()) {
        found(FindingKind::doubled, chain_no, "a record that another row holds already: " + what);
      }
    }
    if (fields.get(Tag::action) == "trail_gap") accounted_ += be<uint64_t>(fields.get(Tag::rows));
  }

  // Only a whole chain tells: every number is in a row, an open start, or accounted for by a gap event.
  Result<void> check_numbers() {
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
      Numbers& numbers = numbers_[static_cast<uint64_t>(checkpoints->integer(i, 0))];
      auto next_seq = static_cast<uint64_t>(checkpoints->integer(i, 1));
      if (!numbers.is_followed || next_seq <= numbers.next) continue;
      missing += next_seq - numbers.next - numbers.ahead.size();
    }
    if (missing > accounted_) {
      found(FindingKind::lost, report_.last + 1, number(missing - accounted_) +
                                                 " record numbers are in no row and no gap event accounts for them");
    }
    return {};
  }

  store::Connection& store_;
  const VerifyOptions& options_;
  NodeReport report_;
  std::map<std::string, std::string> keys_;
  std::vector<Range> expired_;
  std::map<uint64_t, crypto::Digest> anchors_;
  std::map<uint64_t, Numbers> numbers_;
  uint64_t accounted_ = 0;
  std::vector<Link> links_;
  size_t next_link_ = 0;
  uint64_t next_no_ = 1;
  uint64_t recorded_at_ = 0;
  bool is_whole_ = false;
  bool is_broken_ = false;  // The predecessor's hash is not known.
  crypto::Digest previous_{};
  crypto::Sha256 sha_;
  std::string canonical_;
};

// Every node that has rows, whether the store's own lists name it or not; one index probe each.
Result<std::vector<std::string>> nodes_in(store::Connection& store) {
  std::set<std::string> found;
  auto named = store.exec("SELECT node FROM ringfence.audit_checkpoint UNION SELECT node FROM ringfence.audit_anchor "
                          "UNION SELECT node FROM ringfence.audit_node");
  if (!named) return unexpected(std::move(named.error()));
  for (int i = 0; i < named->size(); ++i) found.insert(named->text(i, 0));
  for (const char* table : {"audit_event", "audit_link"}) {
    std::string last;
    for (;;) {
      auto next = store.exec_params(std::string("SELECT node FROM ringfence.") + table +
                                        " WHERE node > $1 ORDER BY node LIMIT 1", {last});
      if (!next) return unexpected(std::move(next.error()));
      if (next->size() == 0) break;
      last = next->text(0, 0);
      found.insert(last);
    }
  }
  return std::vector<std::string>(found.begin(), found.end());
}

}  // namespace

std::string_view name(FindingKind kind) {
  switch (kind) {
    case FindingKind::changed: return "changed";
    case FindingKind::missing: return "missing";
    case FindingKind::foreign: return "foreign";
    case FindingKind::doubled: return "doubled";
    case FindingKind::reordered: return "reordered";
    case FindingKind::cut: return "cut";
    case FindingKind::forged: return "forged";
    case FindingKind::lost: return "lost";
  }
  return "unknown";
}

bool VerifyReport::is_good() const {
  return std::all_of(nodes.begin(), nodes.end(), [](const NodeReport& node) { return node.findings_count == 0; });
}

std::string VerifyReport::text() const {
  std::string out;
  for (const NodeReport& node : nodes) {
    out += "node " + node.node + ": ";
    if (node.findings_count == 0) {
      out += "good, " + number(node.rows) + " rows";
    } else {
      out += "BAD, " + number(node.findings_count) + " findings in " + number(node.rows) + " rows";
    }
    out += ", chain " + number(node.first) + " to " + number(node.last) + ", " + number(node.anchors) +
           " anchors verified (to " + number(node.anchored_to) + "), " + number(node.expired) + " expired\n";
    for (const Finding& finding : node.findings) {
      out += "  chain_no " + number(finding.chain_no) + " ";
      out.append(name(finding.kind)).append(": ").append(finding.text).append("\n");
    }
    if (node.findings_count > node.findings.size()) {
      out += "  and " + number(node.findings_count - node.findings.size()) + " more\n";
    }
  }
  if (nodes.empty()) out = "the trail is empty\n";
  return out;
}

Result<VerifyReport> verify_chain(
    store::Connection& store, const VerifyOptions& options,
    const std::function<void(const std::string&, uint64_t, uint64_t)>& progress) {
  auto begun = store.exec("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  if (!begun) return unexpected(std::move(begun.error()));
  VerifyReport report;
  auto run = [&]() -> Result<void> {
    std::vector<std::string> nodes = {options.node};
    if (options.node.empty()) {
      auto all = nodes_in(store);
      if (!all) return unexpected(std::move(all.error()));
      nodes = std::move(*all);
    }
    for (const std::string& node : nodes) {
      auto checked = NodeVerifier(store, options, node).run(progress);
      if (!checked) return unexpected(std::move(checked.error()));
      report.nodes.push_back(std::move(*checked));
    }
    return {};
  };
  auto done = run();
  (void)store.exec("ROLLBACK");
  if (!done) return unexpected(std::move(done.error()));
  return report;
}

}  // namespace ringfence::audit
