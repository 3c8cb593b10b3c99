#include "own_answer.h"

#include <algorithm>
#include <array>

#include "message_text.h"
#include "ringfence/pg/messages.h"
#include "ringfence/proxy/core/bounds.h"

namespace ringfence::proxy {

namespace from_server = pg::from_server;

// ---------------------------------------------------------------- settings

namespace {
void set(ReportedSettings::List& list, const std::string& name, const std::string& value) {
  auto at = std::find_if(list.begin(), list.end(), [&](const auto& each) { return each.first == name; });
  if (at == list.end()) list.emplace_back(name, value);
  else at->second = value;
}
}  // namespace

ReportedSettings::ReportedSettings(const List& at_login) {
  for (const auto& [name, value] : at_login) set(at_login_, name, value);
}

void ReportedSettings::note(std::string_view name, std::string_view value) {
  auto is_it = [&](const auto& each) { return each.first == name; };
  auto before = std::find_if(at_login_.begin(), at_login_.end(), is_it);
  auto now = std::find_if(differing_.begin(), differing_.end(), is_it);
  if (before != at_login_.end() && before->second == value) {
    if (now != differing_.end()) differing_.erase(now);
  } else if (now != differing_.end()) {
    now->second = value;
  } else if (differing_.size() < reported_settings_max) {
    differing_.emplace_back(name, value);
  } else {
    is_overfull_ = true;
  }
}

ReportedSettings::List ReportedSettings::now() const {
  List out = at_login_;
  for (const auto& [name, value] : differing_) set(out, name, value);
  return out;
}

// ---------------------------------------------------------------- what is asked

namespace {

// An empty tag stands for ReadyForQuery.
constexpr std::array<std::string_view, 5> answer_to_reset = {"DISCARD ALL", "", "RESET", "SET", ""};
constexpr std::array<std::string_view, 2> answer_to_naming = {"SET", ""};

}  // namespace

// DISCARD ALL stands alone, for it refuses to be one statement of several. It leaves `role` at NONE, where a
// login begins with what ALTER ROLE … SET role says, and the state of random() (discard.c, guc.c:
// GUC_NO_RESET_ALL). SET seed is what SELECT setseed() is (SQL commands, "SET"), without a query to plan and
// without a right to call a function.
std::string reset_messages(uint64_t seed) {
  std::string digits = std::to_string(seed % 1'000'000'000'000'000);
  std::string out;
  pg::append_query(out, "DISCARD ALL");
  pg::append_query(out, "RESET ROLE; SET seed = 0." + std::string(15 - digits.size(), '0') + digits);
  return out;
}

// As an E'' constant, which means the same whatever standard_conforming_strings says.
std::string naming_message(std::string_view application_name) {
  static constexpr std::string_view digits = "0123456789abcdef";
  std::string text = "SET application_name = E'";
  for (char c : application_name) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                          c == ' ' || c == '/' || c == ':' || c == '.' || c == '_' || c == '-';
    const auto byte = static_cast<unsigned char>(c);
    if (is_plain) text += c;
    else text.append("\\x").append(1, digits[byte >> 4]).append(1, digits[byte & 15]);
  }
  std::string out;
  pg::append_query(out, text + "'");
  return out;
}

// ---------------------------------------------------------------- what is answered

OwnAnswer::OwnAnswer(Kind kind, ReportedSettings& settings)
    : expected_(kind == Kind::to_reset ? std::span<const std::string_view>(answer_to_reset)
                                       : std::span<const std::string_view>(answer_to_naming)),
      settings_(settings),
      cursor_(own_answer_bytes_max),
      passes_notices_(kind == Kind::to_naming_again) {}

OwnAnswer::State OwnAnswer::take(ByteView bytes) {
  const size_t own = take_own(bytes);
  if (state_ == State::done && own < bytes.size()) fail("the server said more than it was asked");
  return state_;
}

size_t OwnAnswer::take_own(ByteView bytes) {
  pg::FrameSegment segment;
  size_t at = 0;
  while (state_ == State::open) {
    auto step = cursor_.next(bytes, at, segment);
    if (step == pg::FrameCursor::Step::broken) fail("the server broke the protocol");
    if (step != pg::FrameCursor::Step::segment) break;
    const bool is_whole = segment.is_first && segment.is_last;
    if (segment.is_first) held_.clear();
    if (!is_whole) held_.append(segment.piece);
    if (segment.is_last) message(segment.type, is_whole ? segment.piece : ByteView(held_));
  }
  return at;
}

void OwnAnswer::message(char type, ByteView body) {
  if (++messages_ > own_answer_messages_max) return fail("the server's answer has too many messages");
  const std::string_view wanted = expected_.front();
  switch (type) {
    case from_server::command_complete:
      if (wanted.empty() || text_of(body) != wanted) return fail("the server ran something else");
      break;
    case from_server::ready_for_query:
      if (!wanted.empty() || body != "I") return fail("the server is not at rest");
      break;
    case from_server::parameter_status:
      if (auto status = pg::parse_parameter_status(body)) {
        settings_.note(status->name, status->value);
        if (status->name != "application_name")
          pg::append_parameter_status(for_the_session_, status->name, status->value);
      }
      if (for_the_session_.size() > own_answer_bytes_max) return fail("the server reports too many settings");
      return;
    // At first it is what was under way for the session before; nobody is to see it.
    case from_server::notice_response:
    case from_server::notification_response: {
      if (!passes_notices_) return;
      const auto header = pg::frame_header(type, static_cast<uint32_t>(body.size()));
      for_the_session_.append(header.data(), header.size()).append(body);
      if (for_the_session_.size() > own_answer_bytes_max) fail("the server says too much");
      return;
    }
    case from_server::error_response: {
      auto fields = pg::parse_error_fields(body);
      // Its text may quote what the session left behind, or a setting's value: it is for the server's own
      // log.
      return fail("the server answered with an error" +
                  (fields ? ", SQLSTATE " + std::string(fields->sqlstate.substr(0, 5)) : ""));
    }
    default: return fail(std::string("a message of type '") + type + "'");
  }
  expected_ = expected_.subspan(1);
  if (expected_.empty()) state_ = State::done;
}

void OwnAnswer::fail(std::string reason) {
  state_ = State::failed;
  reason_ = std::move(reason);
}

}  // namespace ringfence::proxy
