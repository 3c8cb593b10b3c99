// The one table of names and words by which secrets are known.
//
// A name says that a value beside it is a secret: a setting, an option, a column, a named argument, a key in
// a connection string. The table is compiled in; configuration adds names to it (audit.redact.names). Names
// are compared without regard to case, and to what separates their words: api_key is api-key and apiKey too.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ringfence::sql {

// How much a name says.
enum class NameStrength : uint8_t {
  none,
  call,    // A function with it takes keys: crypt, hmac.
  weak,    // A secret where a value is assigned to it as a setting, an option or an argument; token.
  strong,  // A secret wherever a value stands beside it; password.
};

class SecretNames {
 public:
  // The built-in table, and names of the configuration's, for which is_valid_name() is true.
  explicit SecretNames(const std::vector<std::string>& more = {});

  // The table alone.
  static const SecretNames& built_in();
  // The table by which this process redacts: the built-in one until use() gives another, which is done once,
  // before other threads read it.
  static const SecretNames& in_use();
  static void use(const std::vector<std::string>& more);
  // Letters, digits, - and _, at least two and at most 64 of them, of which the first is a letter.
  static bool is_valid_name(std::string_view name);
  static constexpr size_t names_max = 256;

  // What an identifier, or a key in a text, says. Linear in its length.
  NameStrength strength_of(std::string_view identifier) const;

  // Whether a text holds anything for which redaction would look closer: a name, a word with which a shape
  // begins, or a form that may hide one (an escape, U&, a string that goes on on a later line). No
  // allocation; most texts have nothing.
  bool may_hold_secret(std::string_view text) const;
  // Where the next name or word of the table stands, from `from` on; npos when there is none.
  size_t next_word(std::string_view text, size_t from) const;

 private:
  struct Entry {
    std::string words;
    enum class Where : uint8_t { anywhere, tail, part, never } where;
    NameStrength strength;
  };
  void add(std::string_view words, Entry::Where where, NameStrength strength);
  void compile();
  static size_t match(std::string_view text, size_t at, std::string_view words);
  bool is_whole(std::string_view name, size_t begin, size_t end, Entry::Where where) const;
  bool is_word_at(std::string_view text, size_t at) const;
  bool is_suspicious_at(std::string_view text, size_t at) const;
  // Goes on from `at`, sixteen bytes at a time, as far as that is possible. True: something stands there.
  bool scan_wide(std::string_view text, size_t& at) const;

  // Which groups of entries may begin at a byte, by the byte itself and the two behind it: three tables of
  // bytes, and the same by the halves of each byte, for many bytes at once.
  struct Filter {
    std::array<std::array<uint8_t, 256>, 3> of{};
    alignas(16) std::array<std::array<uint8_t, 16>, 3> low{};
    alignas(16) std::array<std::array<uint8_t, 16>, 3> high{};
  };
  std::vector<Entry> entries_;
  std::array<std::vector<uint16_t>, 8> groups_;
  Filter filter_;
};

}  // namespace ringfence::sql
