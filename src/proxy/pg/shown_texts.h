// The texts that the server may show as a session's query (pg_stat_activity), newest last, and whether one
// that it shows is among them. Pure; of sessions whose target has `attribution_watch: on`.
//
// The server shows the text of the last Query, Parse, Bind or Execute that it read: of a Bind and an Execute
// that of the prepared statement, whatever name it has (PostgreSQL: "The Cumulative Statistics System",
// pg_stat_activity). Of what it skips behind an error it shows nothing.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "ringfence/proxy/core/bounds.h"

namespace ringfence::proxy {

class ShownTexts {
 public:
  // A session that has sent more texts than this since its last answer cannot be compared.
  static constexpr size_t texts_max = 16;

  enum class Verdict : uint8_t {
    fits,
    unknown,  // One of the texts that it may show is not known, or too many were sent.
    contradicts,
  };

  ShownTexts() { note_unknown(); }

  // A text goes to the server; it may be only the beginning of one that has `full_bytes`.
  void note(std::string_view text, uint64_t full_bytes);
  // A text goes of which we do not know how the server shows it.
  void note_unknown();
  // The server answered with an error: it may have skipped texts.
  void note_error() { had_error_ = true; }
  // All that was sent is answered.
  void note_rest();

  // Since when the server may show a text that it is asked for from now on.
  uint64_t mark() const { return rest_; }
  // What the server showed when it was asked, after `mark` was taken. `is_cut`: it may show less than all.
  Verdict compare(std::string_view shown, bool is_cut, uint64_t mark) const;
  // The newest one, for people; empty: not known.
  std::string_view newest() const;

 private:
  struct Text {
    std::string bytes;
    bool is_whole = true;
    bool is_known = true;
    bool operator==(const Text&) const = default;
  };
  void add(Text text);
  static bool fits(const Text& sent, std::string_view shown, bool is_cut);

  std::deque<Text> texts_;
  uint64_t first_ = 0;  // Number of the first of texts_.
  uint64_t rest_ = 0;   // Number of the oldest that the server may show.
  bool had_error_ = false;
};

}  // namespace ringfence::proxy
