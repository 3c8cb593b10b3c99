#include "ringfence/model/timestamp.h"

#include <chrono>

namespace ringfence::model {

namespace {

// Reads digits and marks in their order; a wrong one makes all that follow wrong.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  int number(size_t digits) {
    if (text_.size() < digits) return wrong();
    int out = 0;
    for (size_t i = 0; i < digits; ++i) {
      if (text_[i] < '0' || text_[i] > '9') return wrong();
      out = out * 10 + (text_[i] - '0');
    }
    text_.remove_prefix(digits);
    return out;
  }
  // One of these characters; gives it.
  char mark(std::string_view of) {
    if (text_.empty() || of.find(text_[0]) == std::string_view::npos) return static_cast<char>(wrong());
    const char out = text_[0];
    text_.remove_prefix(1);
    return out;
  }
  bool next_is(char c) const { return !text_.empty() && text_[0] == c; }
  // Of a fraction of a second, in microseconds.
  int micros() {
    int out = 0;
    size_t digits = 0;
    for (; digits < 6 && !text_.empty() && text_[0] >= '0' && text_[0] <= '9'; ++digits)
      out = out * 10 + number(1);
    if (digits == 0) return wrong();
    for (; digits < 6; ++digits) out *= 10;
    return out;
  }
  bool is_whole() const { return is_right_ && text_.empty(); }

 private:
  int wrong() {
    is_right_ = false;
    text_ = {};
    return 0;
  }
  std::string_view text_;
  bool is_right_ = true;
};

}  // namespace

Result<uint64_t> parse_rfc3339(std::string_view text) {
  namespace ch = std::chrono;
  Reader in(text);
  const int year = in.number(4);
  in.mark("-");
  const int month = in.number(2);
  in.mark("-");
  const int day = in.number(2);
  in.mark("Tt ");
  const int hour = in.number(2);
  in.mark(":");
  const int minute = in.number(2);
  in.mark(":");
  const int second = in.number(2);
  int micros = 0;
  if (in.next_is('.')) {
    in.mark(".");
    micros = in.micros();
  }
  int zone_minutes = 0;
  if (const char zone = in.mark("Zz+-"); zone == '+' || zone == '-') {
    const int hours = in.number(2);
    in.mark(":");
    const int minutes = in.number(2);
    if (hours > 23 || minutes > 59) return fail(Fault::malformed, "is in no time zone that there is");
    zone_minutes = (zone == '-' ? -1 : 1) * (hours * 60 + minutes);
  }
  const ch::year_month_day date{ch::year(year), ch::month(static_cast<unsigned>(month)),
                                ch::day(static_cast<unsigned>(day))};
  if (!in.is_whole() || !date.ok() || hour > 23 || minute > 59 || second > 59)
    return fail(Fault::malformed, "is no time; write it as 2026-01-02T03:04:05Z");
  const ch::sys_seconds at =
      ch::sys_days(date) + ch::hours(hour) + ch::minutes(minute - zone_minutes) + ch::seconds(second);
  if (at.time_since_epoch().count() < 0) return fail(Fault::malformed, "is a time before 1970");
  return static_cast<uint64_t>(at.time_since_epoch().count()) * 1'000'000 + static_cast<uint64_t>(micros);
}

}  // namespace ringfence::model
