#include "ringfence/auth/password_rules.h"

#include <algorithm>
#include <array>
#include <vector>

#include "prepared.h"
#include "ringfence/base/utf8.h"
#include "ringfence/crypto/secret.h"
#include "ringfence/model/text_rules.h"

namespace ringfence::auth {
namespace {

constexpr std::string_view common_passwords[] = {
#include "common_passwords.inc"
};
static_assert(std::is_sorted(std::begin(common_passwords), std::end(common_passwords)));
static_assert(std::all_of(std::begin(common_passwords), std::end(common_passwords),
                          [](std::string_view one) { return one.size() >= password_characters_min; }));

// What fingers run along. Each ends where it begins; no character stands twice in one.
constexpr std::string_view tracks[] = {
    "abcdefghijklmnopqrstuvwxyz",           "0123456789",
    "qwertyuiopasdfghjklzxcvbnm",           "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",           "1234567890qwertyuiop",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p", "!@#$%^&*()",
};

constexpr const char* simple_sequence =
    "is a simple sequence of characters; use one that nobody types by running along keys";

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

std::string lowered(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), lower);
  return out;
}

// The characters of a password; they are overwritten in the end.
class Characters {
 public:
  // The text is valid (is_valid_text).
  explicit Characters(ByteView text) {
    points_.reserve(text.size());
    for (char c : text) {
      const auto byte = static_cast<uint8_t>(c);
      if ((byte & 0xc0) == 0x80) points_.back() = points_.back() << 6 | (byte & 0x3f);
      else
        points_.push_back(byte < 0x80   ? byte
                          : byte < 0xe0 ? byte & 0x1f
                          : byte < 0xf0 ? byte & 0x0f
                                        : byte & 0x07);
    }
  }
  ~Characters() { crypto::secure_zero(points_.data(), points_.size() * sizeof(char32_t)); }
  Characters(const Characters&) = delete;
  Characters& operator=(const Characters&) = delete;

  size_t size() const { return points_.size(); }
  // C0, DEL and C1.
  bool have_control() const {
    return std::any_of(points_.begin(), points_.end(),
                       [](char32_t c) { return c < 0x20 || (c >= 0x7f && c < 0xa0); });
  }
  // Each is the next one of Unicode, or each the one before: other alphabets.
  bool are_neighbours() const {
    for (const uint32_t step : {1u, ~0u}) {
      bool are = true;
      for (size_t i = 1; i < points_.size() && are; ++i) are = points_[i] == points_[i - 1] + step;
      if (are) return true;
    }
    return false;
  }
  size_t distinct() {
    std::sort(points_.begin(), points_.end());
    return static_cast<size_t>(std::unique(points_.begin(), points_.end()) - points_.begin());
  }

 private:
  std::vector<char32_t> points_;
};

template <typename Iterator>
bool runs_along(Iterator begin, Iterator end, std::string_view track) {
  size_t at = track.find(*begin);
  if (at == std::string_view::npos) return false;
  return std::all_of(begin, end, [&](char c) { return c == track[at++ % track.size()]; });
}

bool is_run(std::string_view text) {
  return std::any_of(std::begin(tracks), std::end(tracks), [&](std::string_view track) {
    return runs_along(text.begin(), text.end(), track) || runs_along(text.rbegin(), text.rend(), track);
  });
}

// Of valid text.
std::string check_characters(ByteView text) {
  Characters characters(text);
  if (characters.have_control()) return "has control characters; use one without them";
  if (characters.size() < password_characters_min) {
    return "has " + std::to_string(characters.size()) + " characters; use at least " +
           std::to_string(password_characters_min);
  }
  if (characters.are_neighbours()) return simple_sequence;
  if (const size_t distinct = characters.distinct(); distinct < password_distinct_min) {
    return "has only " + std::to_string(distinct) + " different characters; use at least " +
           std::to_string(password_distinct_min);
  }
  return "";
}

// Both in lower case.
std::string check_against(std::string_view password, std::string_view user) {
  if (is_run(password)) return simple_sequence;
  if (user.size() >= name_bytes_in_password_min && password.find(user) != std::string_view::npos)
    return "contains the user's name; use one without it";
  if (user.find(password) != std::string_view::npos) return "is part of the user's name; use another one";
  if (std::binary_search(std::begin(common_passwords), std::end(common_passwords), password))
    return "is one of the passwords that everybody tries first; use another one";
  return "";
}

}  // namespace

std::string check_new_password(const model::Secret& password, std::string_view user) {
  if (std::string wrong = model::check_password(password); !wrong.empty()) return wrong;
  if (!is_valid_text(password.reveal())) return "is no valid UTF-8; use text";
  // SASLprep makes one character of two, several of one, and none of some.
  if (std::string wrong = check_characters(password.reveal()); !wrong.empty()) return wrong;
  const model::Secret text = prepared(password);
  if (std::string wrong = check_characters(text.reveal()); !wrong.empty()) return wrong;
  std::string folded = lowered(text.reveal());
  std::string wrong = check_against(folded, lowered(pg::prepare_password(user)));
  crypto::secure_zero(folded);
  return wrong;
}

}  // namespace ringfence::auth
