// The shapes that secrets have inside a literal, and in a server's message: beside a name (password=…,
// "token": "…"), in a URI, in a header, on a command line, between the lines of a PEM key.
#pragma once

#include <string_view>
#include <vector>

#include "literal.h"
#include "ringfence/sql/secret_names.h"

namespace ringfence::sql {

// What the end of a text says of what is put behind it, or in it.
enum class Announcement : uint8_t {
  none,
  name,  // The whole text is a name: json_build_object('password', …).
  weak_name,
  tail,  // It ends where a secret would go, or has a place for one: '… password=' || …, '… PASSWORD %L'.
};

class SecretShapes {
 public:
  // `is_whole`: the text was not cut off.
  // `is_said`: the text is a message, whose words may tell a secret: 'the password is x'.
  SecretShapes(std::string_view text, const SecretNames& names, bool is_whole, bool is_said)
      : text_(text), names_(names), is_whole_(is_whole), is_said_(is_said) {}

  // Appends where secrets stand, in any order. Linear time.
  void find(std::vector<Range>& secrets);
  // After find().
  Announcement announcement() const { return announcement_; }

 private:
  struct Key {
    size_t begin;
    size_t end;
    NameStrength strength;
  };
  void take_word(size_t at);
  Key key_at(size_t at) const;
  size_t take_pair(const Key& key);
  size_t value_end(size_t value, char around, bool is_quoted_key, bool is_query) const;
  size_t take_uri(size_t at);
  size_t take_header(size_t at);
  size_t take_bearer(size_t at);
  void take_pem(size_t at);
  size_t take_commands(size_t at);
  char take_option(size_t name, size_t begin, size_t end);
  size_t shell_word_end(size_t at, size_t end) const;
  void take_argument(size_t begin, size_t end, char form);
  bool has_word_at(size_t at, std::string_view word) const;
  void add(size_t begin, size_t end) {
    if (begin < end) secrets_->push_back({begin, end});
  }

  std::string_view text_;
  const SecretNames& names_;
  bool is_whole_;
  bool is_said_;
  std::vector<Range>* secrets_ = nullptr;
  Announcement announcement_ = Announcement::none;
  size_t done_ = 0;       // Pairs before it are taken.
  size_t uris_done_ = 0;  // URIs before it are taken.
  size_t headers_done_ = 0;
  size_t commands_done_ = 0;
  size_t next_blank_ = 0;  // Behind the URI last looked at.
  size_t next_sign_ = 0;   // The @ behind the quote last looked at.
};

}  // namespace ringfence::sql
