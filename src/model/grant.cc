#include "ringfence/model/grant.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <tuple>

#include "ringfence/model/json_fields.h"
#include "ringfence/model/level.h"

namespace ringfence::model {

namespace {

uint64_t number(const Json& record, const char* field) {
  const auto found = record.find(field);
  if (found == record.end() || !found->is_number_integer()) return 0;
  return static_cast<uint64_t>(std::max<int64_t>(0, found->get<int64_t>()));
}
bool has(const Json& list, std::string_view one) {
  return std::any_of(list.begin(), list.end(), [&](const Json& item) { return item == one; });
}

std::optional<Schedule> schedule_of(const Json& record) {
  const std::string from = text_in(record, "hours_from"), until = text_in(record, "hours_until");
  const Json& days = record.at("days");
  if (from.empty() && until.empty() && days.empty()) return std::nullopt;
  Schedule out;
  for (unsigned day = 0; day < std::size(weekday_names); ++day)
    if (has(days, weekday_names[day])) out.days.push_back(day);
  out.from_minute = parse_time_of_day(from).value_or(0);
  out.until_minute = parse_time_of_day(until).value_or(0);
  out.time_zone = text_in(record, "time_zone");
  return out;
}

}  // namespace

std::string grant_subject(std::string_view kind, std::string_view id) {
  return std::string(kind) + " " + std::string(id);
}
std::string grant_object(std::string_view kind, std::string_view id_or_tag) {
  return std::string(kind) + " " + std::string(id_or_tag);
}

Grant grant_of(const Json& record) {
  Grant out;
  out.id = text_in(record, "id");
  out.number = record.at("number").get<int64_t>();
  out.version = record.at("version").get<int64_t>();
  for (const char* kind : {"user", "group"})
    if (const std::string id = text_in(record, kind); !id.empty()) out.subject = grant_subject(kind, id);
  for (const char* kind : {"target", "target_group", "tag"})
    if (const std::string id = text_in(record, kind); !id.empty()) out.object = grant_object(kind, id);
  out.declared_user = text_in(record, "declared_user");
  out.declared_target = text_in(record, "declared_target");
  out.level = value_of(text_in(record, "level"), levels).value_or(sql::Level::read);
  const Json& controls = record.at("controls");
  if (has(controls, "block_ddl")) out.level = std::min(out.level, sql::Level::write);
  if (has(controls, "read_only")) out.level = sql::Level::read;
  out.blocks_copy = has(controls, "block_copy");
  out.priority = record.value("priority", int64_t{0});
  out.starts_us = time_in(record, "starts_at");
  out.expires_us = time_in(record, "expires_at");
  out.schedule = schedule_of(record);
  out.budget = {number(record, "max_queries"), number(record, "max_bytes"), number(record, "max_rows")};
  out.caps = {number(record, "statement_rows"), number(record, "statement_bytes"),
              number(record, "statement_ms")};
  return out;
}

bool Grant::is_open(uint64_t now_us) const {
  if (now_us < starts_us || (expires_us != 0 && now_us >= expires_us)) return false;
  return !schedule || schedule->is_open(now_us);
}

uint64_t Grant::next_change_us(uint64_t now_us) const {
  if (expires_us != 0 && now_us >= expires_us) return 0;
  uint64_t next = expires_us;
  const auto take = [&](uint64_t at) {
    if (at > now_us && (next == 0 || at < next)) next = at;
  };
  take(starts_us);
  if (!schedule) return next;
  if (const auto change = schedule->next_change_us(std::max(now_us, starts_us))) take(*change);
  return next;
}

bool decides_before(const Grant& one, const Grant& other) {
  return std::tuple(-one.priority, -static_cast<int>(one.level), one.number) <
         std::tuple(-other.priority, -static_cast<int>(other.level), other.number);
}

}  // namespace ringfence::model
