// How the server reads the next text.
//
// The settings by which it reads are reported with ReadyForQuery at the earliest, and what changes them may
// be out of sight: a view, a trigger, a function. So nothing is concluded from what was sent before. A text
// that means the same under all settings (sql/plain.h) passes; any other one goes out only when the server's
// settings are known. Inside a sync group, where no ReadyForQuery comes, a restricted session asks for them
// (probe.h); an unrestricted one, of which nothing is decided, has its text recorded uncut.
#pragma once

#include <memory>
#include <string_view>

#include "own_answer.h"
#include "probe.h"
#include "ringfence/base/bytes.h"
#include "ringfence/pg/encoding.h"
#include "ringfence/pg/frame.h"

namespace ringfence::proxy {

struct Exchange;

class TextReading {
 public:
  // Whether statements can be told apart under the settings that the session has.
  bool can_cut() const { return strings_are_standard_ && encoding_is_safe_; }
  // The client's, as the server has told it last.
  pg::Encoding client_encoding() const { return client_encoding_; }
  // The text of the message at hand cannot be cut into statements.
  bool is_text_doubtful() const { return is_text_doubtful_; }

  // Settings that the server reports are noted there too, for as long as this lives.
  void report_to(ReportedSettings& settings) { settings_ = &settings; }
  void report(std::string_view name, std::string_view value) {
    if (settings_ != nullptr) settings_->note(name, value);
  }
  // A setting that the server reported.
  void note_parameter(Exchange& x, std::string_view name, std::string_view value);

  // False: the message waits for the server's answers, to what stands before it or to what is asked.
  bool settle(Exchange& x, const pg::FrameSegment& segment, ByteView body);
  // Whether a message that waits for them can be taken now.
  bool is_clear(const Exchange& x) const { return state_ != State::awaited || is_known(x); }
  // The message is over.
  void finish() { state_ = State::open; }

  // Behind what stands before the message that waits: what asks for the settings, if it has to go out.
  ByteView with_probe(Exchange& x, ByteView before);
  // The server may answer it.
  bool is_asking() const { return probe_ != nullptr; }
  // A message of the server's that is none of the client's business.
  bool is_own_answer(Exchange& x, char type) const;
  // False: it does not fit.
  bool take_own_answer(Exchange& x, char type, ByteView body);

 private:
  bool is_known(const Exchange& x) const;
  bool settle_by_answers(Exchange& x);
  bool settle_anew(Exchange& x, const pg::FrameSegment& segment, ByteView body);

  // Of the text at hand: not looked at yet, told when answers have come, told.
  enum class State : uint8_t { open, awaited, settled };
  State state_ = State::open;
  // False while the session's settings make text mean what our lexer does not read.
  bool strings_are_standard_ = true;
  bool encoding_is_safe_ = true;
  bool is_text_doubtful_ = false;
  bool is_probe_due_ = false;  // The question has not gone out.
  pg::Encoding client_encoding_ = pg::Encoding::named("UTF8");
  std::unique_ptr<Probe> probe_;  // What the server is asked before the message that waits.
  ReportedSettings* settings_ = nullptr;
};

}  // namespace ringfence::proxy
