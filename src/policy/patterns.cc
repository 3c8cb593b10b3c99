#include "ringfence/policy/patterns.h"

#include <hs/hs.h>

#include <atomic>

namespace ringfence::policy {
namespace {

constexpr unsigned flags = HS_FLAG_CASELESS | HS_FLAG_ALLOWEMPTY | HS_FLAG_SINGLEMATCH | HS_FLAG_UTF8;

std::string message_of(hs_compile_error_t* error) {
  std::string message = error == nullptr ? "it cannot be compiled" : error->message;
  if (error != nullptr) hs_free_compile_error(error);
  if (!message.empty() && message.back() == '.') message.pop_back();
  return message;
}

int on_match(unsigned id, unsigned long long, unsigned long long to, unsigned, void* context) {
  static_cast<std::vector<Match>*>(context)->push_back({id, static_cast<size_t>(to)});
  return 0;
}

constexpr size_t character_bytes_max = 4;  // In UTF-8.

// Whether a pattern holds anything by which it could ask about what follows an occurrence: the end of text or
// line, the end of a word, or an option, which may change what these mean. Where they stand as themselves it
// is said all the same.
bool may_look_behind(std::string_view pattern) {
  for (std::string_view what : {"$", "\\b", "\\B", "\\z", "\\Z", "\\A", "\\G", "(*"}) {
    if (pattern.find(what) != pattern.npos) return true;
  }
  for (size_t at = 0; (at = pattern.find("(?", at)) != pattern.npos; at += 2) {
    if (pattern.substr(at, 3) != "(?:") return true;
  }
  return false;
}

}  // namespace

std::string to_hyperscan(std::string_view pattern) {
  std::string out;
  bool in_class = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '\\' && i + 1 < pattern.size()) {
      if (!in_class && pattern[i + 1] == 'Q') {  // Quoted up to \E.
        const size_t end = pattern.find("\\E", i);
        const size_t stop = end == pattern.npos ? pattern.size() : end + 2;
        out.append(pattern.substr(i, stop - i));
        i = stop - 1;
        continue;
      }
      out += c;
      out += pattern[++i];
      continue;
    }
    if (in_class) {
      in_class = c != ']';
      out += c;
      continue;
    }
    if (c == '[') {
      in_class = true;
      out += c;
      // A ] at once is a member.
      if (i + 1 < pattern.size() && pattern[i + 1] == '^') out += pattern[++i];
      if (i + 1 < pattern.size() && pattern[i + 1] == ']') out += pattern[++i];
      continue;
    }
    if (c == '$') {
      out += "\\z";
      continue;
    }
    out += c;
  }
  return out;
}

Scratch::~Scratch() {
  if (scratch_ != nullptr) hs_free_scratch(static_cast<hs_scratch_t*>(scratch_));
}

std::vector<Patterns::Problem> Patterns::compile(const std::vector<std::string>& texts,
                                                 std::shared_ptr<const Patterns>& patterns) {
  static std::atomic<uint64_t> serial{0};
  std::vector<Problem> problems;
  std::shared_ptr<Patterns> made(new Patterns());
  made->size_ = texts.size();
  made->serial_ = ++serial;
  std::vector<std::string> rewritten;
  std::vector<const char*> expressions;
  std::vector<unsigned> all_flags(texts.size(), flags), ids;
  for (const std::string& text : texts) {
    made->looks_behind_.push_back(may_look_behind(text));
    ids.push_back(static_cast<unsigned>(ids.size()));
    rewritten.push_back(to_hyperscan(text));
  }
  for (const std::string& text : rewritten) expressions.push_back(text.c_str());
  // One by one first: a failing set names only one of its expressions.
  for (size_t i = 0; i < texts.size(); ++i) {
    hs_expr_info_t* info = nullptr;
    hs_compile_error_t* error = nullptr;
    if (texts[i].find('\0') != std::string::npos) {
      problems.push_back({i, "it holds a NUL character"});
    } else if (hs_expression_info(expressions[i], flags, &info, &error) != HS_SUCCESS) {
      problems.push_back({i, message_of(error)});
    }
    free(info);
  }
  if (!problems.empty()) return problems;
  if (!texts.empty()) {
    hs_database_t* database = nullptr;
    hs_compile_error_t* error = nullptr;
    if (hs_compile_multi(expressions.data(), all_flags.data(), ids.data(),
                         static_cast<unsigned>(texts.size()), HS_MODE_BLOCK, nullptr, &database,
                         &error) != HS_SUCCESS) {
      const size_t index =
          error != nullptr && error->expression >= 0 ? static_cast<size_t>(error->expression) : 0;
      problems.push_back({index, message_of(error)});
      return problems;
    }
    made->database_ = database;
  }
  patterns = std::move(made);
  return problems;
}

Patterns::~Patterns() {
  if (database_ != nullptr) hs_free_database(static_cast<hs_database_t*>(database_));
}

std::optional<size_t> Patterns::decided_within(std::string_view text, const Match& match) const {
  if (!looks_behind_[match.id]) return match.end;
  const size_t bytes = match.end + character_bytes_max;
  if (bytes >= text.size()) return std::nullopt;
  return bytes;
}

bool Patterns::scan(std::string_view text, Scratch& scratch, std::vector<Match>& matches) const {
  matches.clear();
  matches.reserve(size_);  // A pattern is told of once.
  if (size_ == 0) return true;
  const auto* database = static_cast<const hs_database_t*>(database_);
  if (scratch.fits_ != serial_) {
    auto* memory = static_cast<hs_scratch_t*>(scratch.scratch_);
    const bool fits = hs_alloc_scratch(database, &memory) == HS_SUCCESS;
    scratch.scratch_ = memory;
    if (!fits) return false;
    scratch.fits_ = serial_;
  }
  if (text.size() > UINT32_MAX) return false;
  return hs_scan(database, text.data(), static_cast<unsigned>(text.size()), 0,
                 static_cast<hs_scratch_t*>(scratch.scratch_), &on_match, &matches) == HS_SUCCESS;
}

}  // namespace ringfence::policy
