#include "ringfence/sql/secret_names.h"
#include "characters.h"

#include <algorithm>
#include <optional>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace ringfence::sql {
namespace {

// The group of the filter for forms that may hide a name; the names share the others.
constexpr uint8_t form_group = 7;

bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_letter(char c) { return lower(c) >= 'a' && lower(c) <= 'z'; }
bool is_separator(char c) { return c == '_' || c == '-' || c == '.'; }

// Behind a name these say that it is about a secret and not one: password_encryption, token_count.
constexpr std::string_view about[] = {
    "at",         "on",       "date", "time",    "count",    "length",     "expires",   "expiry",  "expired",
    "expiration", "lifetime", "ttl",  "age",     "attempts", "retries",    "required",  "enabled", "changed",
    "policy",     "policies", "type", "version", "until",    "encryption", "algorithm", "method",  "valid"};

}  // namespace

SecretNames::SecretNames(const std::vector<std::string>& more) {
  using Where = Entry::Where;
  // ---- Names.
  for (std::string_view words :
       {"passw", "passphrase", "secret_key", "secret_access", "api_key", "access_key", "private_key",
        "encryption_key", "signing_key", "master_key", "account_key", "auth_key", "access_token",
        "refresh_token", "auth_token", "api_token", "session_token", "bearer_token"})
    add(words, Where::anywhere, NameStrength::strong);
  for (std::string_view words : {"secret", "pwd"}) add(words, Where::tail, NameStrength::strong);
  for (std::string_view words : {"token", "credential"}) add(words, Where::tail, NameStrength::weak);
  add("pass", Where::part, NameStrength::weak);
  for (std::string_view words : {"crypt", "hmac"}) add(words, Where::anywhere, NameStrength::call);
  // ---- Words with which shapes begin (secret_shapes.cc): no names.
  for (std::string_view words : {"://", "bearer", "authorization", "curl", "wget", "mysql", "mariadb",
                                 "sshpass", "redis", "mongo", "sqlcmd", "ldap", "smbclient", "PRIVATE KEY"})
    add(words, Where::never, NameStrength::none);
  // ---- The configuration's.
  for (const std::string& words : more) add(words, Where::part, NameStrength::strong);
  compile();
}

const SecretNames& SecretNames::built_in() {
  static const SecretNames names;
  return names;
}

namespace {
const SecretNames* names_in_use = nullptr;
}

const SecretNames& SecretNames::in_use() { return names_in_use != nullptr ? *names_in_use : built_in(); }

void SecretNames::use(const std::vector<std::string>& more) {
  static std::optional<SecretNames> given;
  names_in_use = nullptr;
  names_in_use = more.empty() ? nullptr : &given.emplace(more);
}

bool SecretNames::is_valid_name(std::string_view name) {
  return name.size() >= 2 && name.size() <= 64 && is_letter(name[0]) &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return is_letter(c) || is_digit(c) || c == '_' || c == '-'; });
}

void SecretNames::add(std::string_view words, Entry::Where where, NameStrength strength) {
  Entry entry{.words = {}, .where = where, .strength = strength};
  for (char c : words) entry.words.push_back(c == '-' ? '_' : lower(c));
  entries_.push_back(std::move(entry));
}

void SecretNames::compile() {
  const auto admit = [&](size_t place, char c, uint8_t group) {
    for (char one : {c, is_letter(c) ? static_cast<char>(c ^ 0x20) : c}) {
      const auto byte = static_cast<uint8_t>(one);
      filter_.of[place][byte] |= static_cast<uint8_t>(1 << group);
      filter_.low[place][byte & 15] |= static_cast<uint8_t>(1 << group);
      filter_.high[place][byte >> 4] |= static_cast<uint8_t>(1 << group);
    }
  };
  const auto admit_all = [&](size_t place, uint8_t group) {
    for (int byte = 0; byte < 256; ++byte)
      filter_.of[place][static_cast<size_t>(byte)] |= static_cast<uint8_t>(1 << group);
    for (size_t half = 0; half < 16; ++half) {
      filter_.low[place][half] |= static_cast<uint8_t>(1 << group);
      filter_.high[place][half] |= static_cast<uint8_t>(1 << group);
    }
  };
  for (size_t i = 0; i < entries_.size(); ++i) {
    const std::string& words = entries_[i].words;
    // Those that begin alike share a group, so that a group admits little.
    const auto group = static_cast<uint8_t>(
        (static_cast<uint8_t>(words[0]) * 5 + static_cast<uint8_t>(words[1])) % form_group);
    groups_[group].push_back(static_cast<uint16_t>(i));
    admit(0, words[0], group);
    for (size_t place = 1; place < 3; ++place) {
      const bool is_fixed =
          words.size() > place && std::string_view(words).substr(0, place + 1).find('_') == npos;
      if (is_fixed) admit(place, words[place], group);
      else admit_all(place, group);
    }
  }
  for (char c : {'\\', '&', '\n', '\r'}) admit(0, c, form_group);
  admit_all(1, form_group);
  admit_all(2, form_group);
}

// Where the words end that begin at `at`; npos: they do not stand there.
size_t SecretNames::match(std::string_view text, size_t at, std::string_view words) {
  for (char word : words) {
    if (word == '_') {
      if (at < text.size() && is_separator(text[at])) ++at;
    } else if (at == text.size() || lower(text[at]) != word) {
      return npos;
    } else {
      ++at;
    }
  }
  return at;
}

// Whether what was found is a whole word of the name, as far as its entry asks for that.
bool SecretNames::is_whole(std::string_view name, size_t begin, size_t end, Entry::Where where) const {
  if (where == Entry::Where::never) return false;
  const bool is_plural = end < name.size() && lower(name[end]) == 's';
  for (size_t last : {end, is_plural ? end + 1 : end}) {
    const bool ends_word =
        last == name.size() || !is_letter(name[last]) || (is_upper(name[last]) && !is_upper(name[last - 1]));
    const bool is_free = where == Entry::Where::anywhere || ends_word;
    const bool begins_word = where != Entry::Where::part || begin == 0 || !is_letter(name[begin - 1]) ||
                             (is_upper(name[begin]) && !is_upper(name[begin - 1]));
    if (is_free && begins_word) return true;
  }
  return false;
}

NameStrength SecretNames::strength_of(std::string_view name) const {
  NameStrength found = NameStrength::none;
  for (size_t at = next_word(name, 0); at != npos; at = next_word(name, at + 1)) {
    for (const Entry& entry : entries_) {
      if (entry.strength <= found) continue;
      const size_t end = match(name, at, entry.words);
      if (end != npos && is_whole(name, at, end, entry.where)) found = entry.strength;
    }
  }
  if (found != NameStrength::strong && found != NameStrength::weak) return found;
  // What the last word says: password_changed_at is no password.
  size_t last = name.size();
  while (last > 0 && is_letter(name[last - 1]) &&
         !(is_upper(name[last - 1]) && last > 1 && !is_upper(name[last - 2])))
    --last;
  if (last > 1 && !is_separator(name[last - 1]) && is_upper(name[last - 1])) --last;
  if (last == 0) return found;
  const std::string_view word = name.substr(last);
  const bool is_about = std::any_of(std::begin(about), std::end(about), [&](std::string_view one) {
    return one.size() == word.size() && match(word, 0, one) == word.size();
  });
  return is_about ? NameStrength::none : found;
}

bool SecretNames::is_word_at(std::string_view text, size_t at) const {
  auto groups = static_cast<uint8_t>(filter_.of[0][static_cast<uint8_t>(text[at])] & ~(1u << form_group));
  for (size_t place = 1; place < 3 && groups != 0; ++place) {
    if (at + place < text.size()) groups &= filter_.of[place][static_cast<uint8_t>(text[at + place])];
  }
  for (; groups != 0; groups &= static_cast<uint8_t>(groups - 1)) {
    for (uint16_t i : groups_[static_cast<size_t>(__builtin_ctz(groups))]) {
      if (match(text, at, entries_[i].words) != npos) return true;
    }
  }
  return false;
}

size_t SecretNames::next_word(std::string_view text, size_t from) const {
  for (; from < text.size(); ++from) {
    if (is_word_at(text, from)) return from;
  }
  return npos;
}

bool SecretNames::is_suspicious_at(std::string_view text, size_t at) const {
  const std::string_view rest = text.substr(at);
  switch (rest[0]) {
    case '\\': return true;
    case '&': return rest.size() > 1 && (rest[1] == '\'' || rest[1] == '"');
    case '\n':
    case '\r': {
      // Of several the last one counts: each byte is looked at once.
      const size_t next = rest.find_first_not_of(" \t\f\v", 1);
      return next != npos && rest[next] == '\'';
    }
    default: return is_word_at(text, at);
  }
}

namespace {

#if defined(__x86_64__)
const bool is_wide = __builtin_cpu_supports("ssse3");
// For sixteen bytes from `at` on: which groups each may begin.
__attribute__((target("ssse3"))) inline __m128i groups_at(const uint8_t* at,
                                                          const std::array<uint8_t, 16>& low,
                                                          const std::array<uint8_t, 16>& high) {
  const __m128i half = _mm_set1_epi8(15);
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
  const __m128i by_low = _mm_shuffle_epi8(_mm_load_si128(reinterpret_cast<const __m128i*>(low.data())),
                                          _mm_and_si128(bytes, half));
  const __m128i by_high = _mm_shuffle_epi8(_mm_load_si128(reinterpret_cast<const __m128i*>(high.data())),
                                           _mm_and_si128(_mm_srli_epi16(bytes, 4), half));
  return _mm_and_si128(by_low, by_high);
}

// Of the sixteen bytes from `at` on, behind which two more stand: a bit for each that may begin something.
template <typename Filter>
__attribute__((target("ssse3"))) inline unsigned candidates_at(const uint8_t* at, const Filter& filter) {
  __m128i groups = groups_at(at, filter.low[0], filter.high[0]);
  groups = _mm_and_si128(groups, groups_at(at + 1, filter.low[1], filter.high[1]));
  groups = _mm_and_si128(groups, groups_at(at + 2, filter.low[2], filter.high[2]));
  const __m128i none = _mm_cmpeq_epi8(groups, _mm_setzero_si128());
  return static_cast<unsigned>(_mm_movemask_epi8(none)) ^ 0xffffu;
}
#else
constexpr bool is_wide = false;
#endif

}  // namespace

#if defined(__x86_64__)
__attribute__((target("ssse3"))) bool SecretNames::scan_wide(std::string_view text, size_t& at) const {
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  for (; at + 18 <= text.size(); at += 16) {
    for (unsigned mask = candidates_at(bytes + at, filter_); mask != 0; mask &= mask - 1) {
      if (is_suspicious_at(text, at + static_cast<size_t>(__builtin_ctz(mask)))) return true;
    }
  }
  return false;
}
#else
bool SecretNames::scan_wide(std::string_view, size_t&) const { return false; }
#endif

bool SecretNames::may_hold_secret(std::string_view text) const {
  size_t at = 0;
  if (is_wide && scan_wide(text, at)) return true;
  for (; at < text.size(); ++at) {
    if (filter_.of[0][static_cast<uint8_t>(text[at])] != 0 && is_suspicious_at(text, at)) return true;
  }
  return false;
}

}  // namespace ringfence::sql
