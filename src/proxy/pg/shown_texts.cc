#include "shown_texts.h"

#include <algorithm>
#include <utility>

namespace ringfence::proxy {

namespace {

// How many bytes at its beginning mean the same in every encoding that a server or a client may have.
size_t ascii_bytes(std::string_view text) {
  const auto is_wide = [](char c) { return static_cast<unsigned char>(c) >= 0x80; };
  return static_cast<size_t>(std::find_if(text.begin(), text.end(), is_wide) - text.begin());
}

}  // namespace

void ShownTexts::note(std::string_view text, uint64_t full_bytes) {
  const std::string_view kept = text.substr(0, shown_bytes_max);
  add({std::string(kept), kept.size() == full_bytes, true});
}

void ShownTexts::note_unknown() { add({{}, false, false}); }

void ShownTexts::add(Text text) {
  if (!texts_.empty() && texts_.back() == text) return;
  if (texts_.size() == texts_max) {
    texts_.pop_front();
    ++first_;
  }
  texts_.push_back(std::move(text));
}

void ShownTexts::note_rest() {
  if (!std::exchange(had_error_, false)) rest_ = first_ + texts_.size() - 1;
}

bool ShownTexts::fits(const Text& sent, std::string_view shown, bool is_cut) {
  const size_t sent_ascii = ascii_bytes(sent.bytes);
  const size_t shown_ascii = ascii_bytes(shown);
  const size_t both = std::min(sent_ascii, shown_ascii);
  if (sent.bytes.compare(0, both, shown, 0, both) != 0) return false;
  // Behind a character of more than one byte the two may be in different encodings.
  if (sent_ascii < sent.bytes.size() || shown_ascii < shown.size()) return true;
  if (shown.size() > sent.bytes.size()) return !sent.is_whole;
  return shown.size() == sent.bytes.size() || is_cut;
}

ShownTexts::Verdict ShownTexts::compare(std::string_view shown, bool is_cut, uint64_t mark) const {
  if (mark < first_) return Verdict::unknown;
  bool is_known = true;
  for (size_t i = mark - first_; i < texts_.size(); ++i) {
    if (!texts_[i].is_known) is_known = false;
    else if (fits(texts_[i], shown, is_cut)) return Verdict::fits;
  }
  return is_known ? Verdict::contradicts : Verdict::unknown;
}

std::string_view ShownTexts::newest() const { return texts_.back().bytes; }

}  // namespace ringfence::proxy
