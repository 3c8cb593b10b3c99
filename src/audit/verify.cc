#include "ringfence/audit/verify.h"

#include <algorithm>
#include <set>

#include "audit/node_verifier.h"
#include "audit/numbers.h"
#include "audit/schema_check.h"
#include "ringfence/audit/json.h"

namespace ringfence::audit {
namespace {

// Every node that has rows, whether the store's own lists name it or not, also the one of the empty name; one
// index probe each.
Result<std::vector<std::string>> nodes_in(store::Connection& store) {
  std::set<std::string> found;
  auto named = store.exec(
      "SELECT node FROM ringfence.audit_checkpoint UNION SELECT node FROM ringfence.audit_anchor "
      "UNION SELECT node FROM ringfence.audit_node UNION SELECT node FROM ringfence.audit_retention "
      "UNION SELECT node FROM ringfence.audit_open");
  if (!named) return unexpected(std::move(named.error()));
  for (int i = 0; i < named->size(); ++i) found.insert(named->text(i, 0));
  for (const char* table : {"audit_row", "audit_block", "audit_link_run"}) {
    const std::string select = std::string("SELECT node FROM ringfence.") + table;
    auto next = store.exec(select + " ORDER BY node LIMIT 1");
    for (;;) {
      if (!next) return unexpected(std::move(next.error()));
      if (next->size() == 0) break;
      std::string last = next->text(0, 0);
      next = store.exec_params(select + " WHERE node > $1 ORDER BY node LIMIT 1", {last});
      found.insert(std::move(last));
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
    case FindingKind::uncovered: return "uncovered";
    case FindingKind::stray: return "stray";
  }
  return "unknown";
}

bool VerifyReport::is_good() const {
  return schema.empty() && std::all_of(nodes.begin(), nodes.end(),
                                       [](const NodeReport& node) { return node.findings_count == 0; });
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
    if (node.unsigned_rows > 0) {
      out += "  not signed: the last signature reaches row " + number(node.anchored_to) + ", the " +
             number(node.unsigned_rows) +
             " rows behind it are chained only, and whoever owns the store could have written them\n";
    }
    for (const Finding& finding : node.findings) {
      out += "  chain_no " + number(finding.chain_no) + " ";
      out.append(name(finding.kind)).append(": ").append(finding.text).append("\n");
    }
    if (node.findings_count > node.findings.size()) {
      out += "  and " + number(node.findings_count - node.findings.size()) + " more\n";
    }
  }
  if (nodes.empty()) out = "the trail is empty\n";
  if (!schema.empty()) {
    out += "schema: BAD, " + number(schema.size()) + " findings\n";
    for (const Finding& finding : schema)
      out.append("  ").append(name(finding.kind)).append(": ").append(finding.text).append("\n");
  }
  if (!note.empty()) out += "note: " + note + "\n";
  return out;
}

std::string VerifyReport::json() const {
  std::string out = "{\"good\":" + std::string(is_good() ? "true" : "false") + ",\"nodes\":[";
  for (const NodeReport& node : nodes) {
    if (out.back() == '}') out += ",";
    out += "{\"node\":";
    append_json_string(out, node.node);
    out += ",\"first\":" + number(node.first) + ",\"last\":" + number(node.last) +
           ",\"rows\":" + number(node.rows) + ",\"expired\":" + number(node.expired) +
           ",\"anchors\":" + number(node.anchors) + ",\"signed_to\":" + number(node.anchored_to) +
           ",\"unsigned_rows\":" + number(node.unsigned_rows) + ",\"keys\":\"" +
           (node.is_pinned ? "pinned" : "store") + "\",\"findings_count\":" + number(node.findings_count) +
           ",\"findings\":[";
    for (const Finding& finding : node.findings) {
      if (out.back() == '}') out += ",";
      out += "{\"chain_no\":" + number(finding.chain_no) + ",\"kind\":\"" + std::string(name(finding.kind)) +
             "\",\"text\":";
      append_json_string(out, finding.text);
      out += "}";
    }
    out += "]}";
  }
  out += "],\"schema\":[";
  for (const Finding& finding : schema) {
    if (out.back() == '}') out += ",";
    out += "{\"kind\":\"" + std::string(name(finding.kind)) + "\",\"text\":";
    append_json_string(out, finding.text);
    out += "}";
  }
  out += "],\"note\":";
  append_json_string(out, note);
  return out + "}\n";
}

Result<VerifyReport> verify_chain(
    store::Connection& store, const VerifyOptions& options,
    const std::function<void(const std::string&, uint64_t, uint64_t)>& progress) {
  // Before the snapshot: the store is never behind what the state directory kept.
  std::optional<OwnState> own;
  if (!options.state_directory.empty()) {
    auto known = read_own_state(options.state_directory, options.pinned_node);
    if (!known && known.error().fault != Fault::not_found) return unexpected(std::move(known.error()));
    if (known) own = std::move(*known);
  }
  if (auto done = check_schema_number(store); !done) return unexpected(std::move(done.error()));
  VerifyReport report;
  auto views = check_views(store, report.note);
  if (!views) return unexpected(std::move(views.error()));
  auto begun = store.exec("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  if (!begun) return unexpected(std::move(begun.error()));
  auto run = [&]() -> Result<void> {
    auto schema = check_schema(store);
    if (!schema) return unexpected(std::move(schema.error()));
    report.schema = std::move(*schema);
    report.schema.insert(report.schema.end(), views->begin(), views->end());
    std::vector<std::string> nodes = {options.node};
    if (options.node.empty()) {
      auto all = nodes_in(store);
      if (!all) return unexpected(std::move(all.error()));
      nodes = std::move(*all);
      // Also where the store has nothing left of it.
      if (own && std::find(nodes.begin(), nodes.end(), options.pinned_node) == nodes.end())
        nodes.push_back(options.pinned_node);
    }
    for (const std::string& node : nodes) {
      auto checked = NodeVerifier(store, options, node, own && node == options.pinned_node ? &*own : nullptr)
                         .run(progress);
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
