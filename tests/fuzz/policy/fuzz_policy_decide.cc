// Random SQL is analysed and decided: the same twice, by the cache as without it, and nothing that writes is
// allowed at level read. What writes is said by a second opinion that shares nothing with ours: the JSON that
// libpg_query makes of its tree, searched for the names of nodes. Input as for fuzz_sql_shape.
#include <pg_query.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>

#include "../../unit/sql/same_shape.h"
#include "../../unit/sql/statement_grammar.h"
#include "proxy/pg/statement_judge.h"
#include "ringfence/base/utf8.h"
#include "ringfence/sql/analyze.h"

using namespace ringfence;

namespace {

// Statements that change nothing by themselves. Whatever else libpg_query calls a Stmt does.
const std::set<std::string, std::less<>> harmless_statements = {
    "SelectStmt",        "VariableShowStmt", "ExplainStmt",     "TransactionStmt",
    "DeclareCursorStmt", "FetchStmt",        "ClosePortalStmt", "PrepareStmt",
    "ExecuteStmt",       "DeallocateStmt",   "CopyStmt",        "DiscardStmt",
    "ListenStmt",        "UnlistenStmt",     "VariableSetStmt", "RawStmt"};
// Functions of PostgreSQL's own that change something, from its manual (chapters 9.17, 9.27, 9.28, 35.4).
const std::set<std::string, std::less<>> writing_functions = {"nextval",
                                                              "setval",
                                                              "lo_create",
                                                              "lo_creat",
                                                              "lo_import",
                                                              "lo_export",
                                                              "lo_unlink",
                                                              "lo_put",
                                                              "lo_from_bytea",
                                                              "lowrite",
                                                              "lo_open",
                                                              "lo_truncate",
                                                              "lo_truncate64",
                                                              "pg_notify",
                                                              "pg_terminate_backend",
                                                              "pg_cancel_backend",
                                                              "pg_reload_conf",
                                                              "pg_rotate_logfile",
                                                              "pg_switch_wal",
                                                              "pg_create_restore_point",
                                                              "pg_backup_start",
                                                              "pg_backup_stop",
                                                              "pg_promote",
                                                              "pg_logical_emit_message",
                                                              "pg_create_physical_replication_slot",
                                                              "pg_create_logical_replication_slot",
                                                              "pg_drop_replication_slot",
                                                              "pg_replication_slot_advance",
                                                              "pg_replication_origin_create",
                                                              "pg_replication_origin_drop",
                                                              "pg_advisory_lock",
                                                              "pg_advisory_xact_lock",
                                                              "pg_try_advisory_lock",
                                                              "pg_advisory_lock_shared",
                                                              "pg_try_advisory_xact_lock",
                                                              "pg_stat_reset",
                                                              "pg_stat_reset_shared",
                                                              "pg_stat_reset_slru",
                                                              "pg_import_system_collations",
                                                              "pg_export_snapshot",
                                                              "query_to_xml",
                                                              "query_to_xmlschema",
                                                              "query_to_xml_and_xmlschema",
                                                              "cursor_to_xml",
                                                              "ts_stat",
                                                              "ts_rewrite",
                                                              "dblink",
                                                              "dblink_exec",
                                                              "dblink_connect",
                                                              "pg_read_file",
                                                              "pg_read_binary_file",
                                                              "pg_ls_dir",
                                                              "pg_file_write",
                                                              "brin_summarize_new_values",
                                                              "gin_clean_pending_list",
                                                              "pg_wal_replay_pause",
                                                              "pg_current_xact_id",
                                                              "pg_logical_slot_get_changes",
                                                              "database_to_xml",
                                                              "schema_to_xml",
                                                              "table_to_xml"};
// Settings with which a session becomes somebody else.
const std::set<std::string, std::less<>> forbidden_settings = {"role", "session_authorization",
                                                               "session_replication_role"};

// The JSON is libpg_query's own, so it is well formed.
class SecondOpinion {
 public:
  explicit SecondOpinion(std::string_view json) : json_(json) {
    if (runs()) scan();
  }
  std::string why;  // Not empty: it writes.

 private:
  // EXPLAIN runs nothing unless it says ANALYZE, and not that it shall not.
  bool runs() const {
    if (json_.find("\"stmt\":{\"ExplainStmt\"") == json_.npos) return true;
    constexpr std::string_view option = "\"defname\":\"analyze\"";
    for (size_t at = json_.find(option); at != json_.npos; at = json_.find(option, at + 1)) {
      const std::string_view rest = json_.substr(at + option.size());
      bool is_off = false;
      for (const char* arg :
           {R"(,"arg":{"Integer":{}})", R"(,"arg":{"Integer":{"ival":0}})",
            R"(,"arg":{"String":{"sval":"false"}})", R"(,"arg":{"String":{"sval":"off"}})"}) {
        is_off = is_off || rest.starts_with(arg);
      }
      if (!is_off) return true;
    }
    return false;
  }
  std::string string_at(size_t& at) const {
    std::string out;
    for (++at; at < json_.size() && json_[at] != '"'; ++at) {
      if (json_[at] == '\\') ++at;
      out += json_[at];
    }
    ++at;
    return out;
  }
  void scan() {
    std::string key, last_name;
    bool in_function_name = false, is_set = false;
    int depth = 0, name_depth = 0;
    for (size_t at = 0; at < json_.size();) {
      const char c = json_[at];
      if (c == '"') {
        const std::string text = string_at(at);
        if (at < json_.size() && json_[at] == ':') {
          key = text;
          note_key(key);
          if (key == "VariableSetStmt") is_set = true;
          if (key == "funcname") in_function_name = true, name_depth = depth;
          ++at;
        } else {
          if (key == "sval" && in_function_name) last_name = text;
          if (key == "name" && is_set) {
            is_set = false;
            if (forbidden_settings.contains(text)) why = "SET " + text;
          }
          if (key == "kind" && text.starts_with("TRANS_STMT_") && text.ends_with("PREPARED")) why = text;
          if (key == "kind" && text == "TRANS_STMT_PREPARE") why = text;
          // Back to what the session began with.
          if (key == "kind" && (text == "VAR_RESET" || text == "VAR_SET_DEFAULT")) is_set = false;
        }
        continue;
      }
      if (c == '{' || c == '[') ++depth;
      if (c == '}' || c == ']') {
        --depth;
        if (in_function_name && depth <= name_depth) {
          in_function_name = false;
          if (writing_functions.contains(last_name)) why = last_name + "()";
        }
      }
      if (json_.substr(at, 4) == "true" && (key == "is_from" || key == "is_program")) why = "COPY " + key;
      ++at;
    }
  }
  void note_key(const std::string& key) {
    // Fields begin with a small letter, nodes with a capital one.
    if (key.ends_with("Stmt") && key[0] >= 'A' && key[0] <= 'Z' && !harmless_statements.contains(key))
      why = key;
    // SELECT INTO, row locks; a COPY to a file has a name.
    if (key == "intoClause" || key == "IntoClause" || key == "LockingClause" || key == "filename") why = key;
  }
  std::string_view json_;
};

std::shared_ptr<const policy::PolicySet> readers() {
  policy::Policy policy;
  policy.name = "readers";
  policy.roles = {{"*", ""}};
  std::vector<policy::Problem> problems;
  return policy::PolicySet::compile({policy}, problems);
}

bool same(const policy::Decision& a, const policy::Decision& b) {
  return a.is_allowed == b.is_allowed && a.rule == b.rule && a.message == b.message && a.hint == b.hint &&
         a.at == b.at && a.calls_named_functions == b.calls_named_functions;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  if (size > 0 && data[0] == 0) {
    size_t at = 1;
    sql::StatementGrammar grammar([&](size_t n) { return at < size ? data[at++] % n : 0; });
    text = grammar.statement();
  }
  if (text.find('\0') != std::string::npos || sql::effort(text) != sql::Effort::small) return 0;
  const auto must = [&](bool holds, const char* what, const std::string& more) {
    if (holds) return;
    std::fprintf(stderr, "broken: %s: %s\n%s\n", what, more.c_str(), text.c_str());
    std::abort();
  };
  static const auto set = readers();
  static proxy::JudgeSpace space{HashKey{4, 2}};
  // This one goes on remembering from input to input, as a session does.
  static proxy::StatementJudge remembering(set->access({}, {}), {}, space);
  proxy::StatementJudge fresh(set->access({}, {}), {}, space);
  const policy::Decision first = *fresh.judge(text);
  must(same(first, *fresh.judge(text)), "the second time it is decided otherwise", first.message);
  const policy::Decision remembered = *remembering.judge(text);
  must(same(first, remembered), "by the cache it is decided otherwise",
       first.message + " / " + remembered.message);
  if (!is_valid_text(text)) must(!first.is_allowed, "what is no text is allowed", "");
  if (!first.is_allowed) return 0;
  PgQueryParseResult parsed = pg_query_parse(text.c_str());
  must(parsed.error == nullptr, "what does not parse is allowed",
       parsed.error != nullptr ? parsed.error->message : "");
  const SecondOpinion opinion(parsed.parse_tree);
  must(opinion.why.empty(), "what writes is allowed at level read", opinion.why);
  pg_query_free_parse_result(parsed);
  return 0;
}
