#include "ringfence/audit/json.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "ringfence/base/utf8.h"

namespace ringfence::audit {
namespace {

// RFC 8785 orders keys by UTF-16 code units: as UTF-8 bytes do, but for supplementary characters (lead byte
// f0 and up, surrogates d800-dfff) against U+E000-U+FFFF (lead bytes ee, ef), which come after them.
bool key_less(std::string_view a, std::string_view b) {
  size_t n = std::min(a.size(), b.size());
  for (size_t i = 0; i < n; ++i) {
    auto x = static_cast<uint8_t>(a[i]);
    auto y = static_cast<uint8_t>(b[i]);
    if (x == y) continue;
    bool x_supplementary = x >= 0xf0;
    bool y_supplementary = y >= 0xf0;
    if (x_supplementary != y_supplementary) return x_supplementary ? y >= 0xee : x < 0xee;
    return x < y;
  }
  return a.size() < b.size();
}

// One pass over canonical JSON, without recursion: the state is a stack of open containers.
class Checker {
 public:
  explicit Checker(ByteView in) : at_(in.data()), end_(in.data() + in.size()) {}

  bool run() {
    for (;;) {
      if (!value()) return false;
      // `opened_`: a container was begun and its first value is next.
      while (!opened_) {
        if (depth_ == 0) return at_ == end_;
        if (at_ == end_) return false;
        char c = *at_++;
        bool is_object = is_object_[depth_ - 1];
        if (c == (is_object ? '}' : ']')) {
          --depth_;
          continue;
        }
        if (c != ',' || (is_object && !key())) return false;
        break;
      }
      opened_ = false;
    }
  }

 private:
  bool value() {
    if (at_ == end_) return false;
    switch (*at_) {
      case '"': {
        std::string_view ignored;
        return string(ignored);
      }
      case '{': return open(true);
      case '[': return open(false);
      case 't': return word("true");
      case 'f': return word("false");
      case 'n': return word("null");
      default: return number();
    }
  }
  bool open(bool is_object) {
    ++at_;
    if (at_ != end_ && *at_ == (is_object ? '}' : ']')) {
      ++at_;
      return true;
    }
    if (depth_ == json_depth_max) return false;
    is_object_[depth_] = is_object;
    last_key_[depth_] = {};
    has_key_[depth_] = false;
    ++depth_;
    opened_ = true;
    return !is_object || key();
  }
  bool key() {
    std::string_view text;
    if (!string(text) || at_ == end_ || *at_++ != ':') return false;
    // A key with an escape would have to be compared decoded: left to the slow path.
    if (text.find('\\') != std::string_view::npos) return false;
    int level = depth_ - 1;
    if (has_key_[level] && !key_less(last_key_[level], text)) return false;
    has_key_[level] = true;
    last_key_[level] = text;
    return true;
  }
  bool string(std::string_view& inner) {
    if (at_ == end_ || *at_ != '"') return false;
    const char* begin = ++at_;
    bool is_ascii = true;
    for (;; ++at_) {
      if (at_ == end_) return false;
      auto c = static_cast<uint8_t>(*at_);
      if (c == '"') break;
      if (c < 0x20) return false;
      if (c >= 0x80) is_ascii = false;
      if (c == '\\' && !escape()) return false;
    }
    inner = std::string_view(begin, static_cast<size_t>(at_ - begin));
    ++at_;
    return is_ascii || is_valid_text(inner);
  }
  // On the backslash; leaves on the escape's last character. Only the shortest form of each is canonical, and
  // U+0000 is none that the store could hold.
  bool escape() {
    if (end_ - at_ < 2) return false;
    char c = *++at_;
    if (c == '"' || c == '\\' || c == 'b' || c == 'f' || c == 'n' || c == 'r' || c == 't') return true;
    if (c != 'u' || end_ - at_ < 5 || at_[1] != '0' || at_[2] != '0' || (at_[3] != '0' && at_[3] != '1')) {
      return false;
    }
    char d = at_[4];
    if (!((d >= '0' && d <= '9') || (d >= 'a' && d <= 'f'))) return false;
    if (at_[3] == '0' && (d == '0' || d == '8' || d == '9' || d == 'a' || d == 'c' || d == 'd')) return false;
    at_ += 4;
    return true;
  }
  bool word(std::string_view text) {
    if (static_cast<size_t>(end_ - at_) < text.size() || std::string_view(at_, text.size()) != text)
      return false;
    at_ += text.size();
    return true;
  }
  bool number() {
    bool is_negative = at_ != end_ && *at_ == '-';
    if (is_negative) ++at_;
    const char* begin = at_;
    int64_t value = 0;
    while (at_ != end_ && *at_ >= '0' && *at_ <= '9') {
      value = value * 10 + (*at_++ - '0');
      if (value > json_integer_max) return false;
    }
    if (at_ == begin) return false;
    if (*begin == '0') return at_ - begin == 1 && !is_negative;
    return true;
  }

  const char* at_;
  const char* end_;
  int depth_ = 0;
  bool opened_ = false;
  bool is_object_[json_depth_max] = {};
  bool has_key_[json_depth_max] = {};
  std::string_view last_key_[json_depth_max];
};

using nlohmann::json;

bool append_value(std::string& out, const json& value, int depth) {
  if (depth > json_depth_max) return false;
  switch (value.type()) {
    case json::value_t::null: out += "null"; return true;
    case json::value_t::boolean: out += value.get<bool>() ? "true" : "false"; return true;
    case json::value_t::string: append_json_string(out, value.get_ref<const std::string&>()); return true;
    case json::value_t::number_integer: {
      auto number = value.get<int64_t>();
      if (number > json_integer_max || number < -json_integer_max)
        append_json_string(out, std::to_string(number));
      else out += std::to_string(number);
      return true;
    }
    case json::value_t::number_unsigned: {
      auto number = value.get<uint64_t>();
      if (number > static_cast<uint64_t>(json_integer_max)) append_json_string(out, std::to_string(number));
      else out += std::to_string(number);
      return true;
    }
    case json::value_t::number_float: append_json_string(out, value.dump()); return true;
    case json::value_t::array: {
      out.push_back('[');
      bool is_first = true;
      for (const json& item : value) {
        if (!is_first) out.push_back(',');
        is_first = false;
        if (!append_value(out, item, depth + 1)) return false;
      }
      out.push_back(']');
      return true;
    }
    case json::value_t::object: {
      std::vector<std::string_view> keys;
      for (const auto& item : value.items()) keys.push_back(item.key());
      std::sort(keys.begin(), keys.end(), key_less);
      out.push_back('{');
      bool is_first = true;
      for (std::string_view key : keys) {
        if (!is_first) out.push_back(',');
        is_first = false;
        append_json_string(out, key);
        out.push_back(':');
        if (!append_value(out, value[std::string(key)], depth + 1)) return false;
      }
      out.push_back('}');
      return true;
    }
    default: return false;
  }
}

// nlohmann's parser does not recurse, its values do when they are destroyed: bounded before parsing.
bool is_shallow(ByteView text) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      else if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > json_depth_max) return false;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return true;
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  static constexpr char digits[] = "0123456789abcdef";
  out.push_back('"');
  for (char c : text) {
    auto byte = static_cast<uint8_t>(c);
    if (byte >= 0x20 && c != '"' && c != '\\') {
      out.push_back(c);
      continue;
    }
    out.push_back('\\');
    switch (c) {
      case '"': out.push_back('"'); break;
      case '\\': out.push_back('\\'); break;
      case '\b': out.push_back('b'); break;
      case '\f': out.push_back('f'); break;
      case '\n': out.push_back('n'); break;
      case '\r': out.push_back('r'); break;
      case '\t': out.push_back('t'); break;
      default:
        // A NUL cannot be stored; as text it is what make_valid_text makes of it.
        if (byte == 0) {
          out.pop_back();
          out += "\xef\xbf\xbd";
        } else {
          out += "u00";
          out.push_back(digits[byte >> 4]);
          out.push_back(digits[byte & 15]);
        }
    }
  }
  out.push_back('"');
}

bool is_canonical_json(ByteView bytes) { return Checker(bytes).run(); }

Result<std::string> canonicalise_json(ByteView bytes) {
  if (!is_shallow(bytes)) return fail(Fault::limit, "json: nested too deep");
  json value = json::parse(bytes.begin(), bytes.end(), nullptr, false);
  if (value.is_discarded()) return fail(Fault::malformed, "json: does not parse");
  std::string out;
  if (!append_value(out, value, 0))
    return fail(Fault::malformed, "json: value of a kind that is not allowed");
  return out;
}

}  // namespace ringfence::audit
