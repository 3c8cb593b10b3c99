// When keys were last used.
#include "control_sql.h"
#include "ringfence/store/control_records.h"

namespace ringfence::store {

Result<void> ControlRecords::note_key_uses(const std::vector<KeyUse>& uses) {
  std::string ids, times;
  for (const KeyUse& use : uses) {
    ids += (ids.empty() ? "" : ",") + use.id;
    times += (times.empty() ? "" : ",") + use.used_at;
  }
  // A key that is gone by now has no use to keep.
  auto done = connection_.exec_params(
      "INSERT INTO ringfence_control.key_uses AS known (key_id, last_used_at) "
      "SELECT k.id, u.at FROM unnest($1::uuid[], $2::timestamptz[]) AS u (id, at) "
      "JOIN ringfence_control.keys k ON k.id = u.id "
      "ON CONFLICT (key_id) DO UPDATE SET last_used_at = excluded.last_used_at "
      "WHERE excluded.last_used_at >= known.last_used_at + interval '1 minute'",
      {"{" + ids + "}", "{" + times + "}"});
  if (!done) return unexpected(std::move(done.error()));
  return {};
}

Result<std::vector<ControlRecords::KeyUse>> ControlRecords::key_uses(const std::vector<std::string>& ids) {
  std::string list;
  for (const std::string& id : ids) list += (list.empty() ? "" : ",") + id;
  auto rows = connection_.exec_params("SELECT key_id::text, " + time_text("last_used_at") +
                                          " FROM ringfence_control.key_uses WHERE key_id = ANY($1::uuid[])",
                                      {"{" + list + "}"});
  if (!rows) return unexpected(std::move(rows.error()));
  std::vector<KeyUse> out;
  for (int i = 0; i < rows->size(); ++i) out.push_back({rows->text(i, 0), rows->text(i, 1)});
  return out;
}

}  // namespace ringfence::store
