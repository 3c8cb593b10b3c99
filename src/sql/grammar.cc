#include "grammar.h"

#include <pg_query.h>

#include <algorithm>
#include <string>

#include "grammar_thread.h"
#include "ringfence/base/utf8.h"

namespace ringfence::sql {

void* Arena::allocate(size_t size) {
  size = (size + 15) & ~size_t{15};
  if (blocks_.empty() || size_ - used_ < size) {
    size_ = std::max(size, blocks_.empty() ? size_t{16384} : std::min(size_ * 2, size_t{1} << 20));
    blocks_.push_back(std::make_unique_for_overwrite<char[]>(size_));
    used_ = 0;
  }
  void* memory = blocks_.back().get() + used_;
  used_ += size;
  return memory;
}

namespace {

bool is_of_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' ||
         (c & 0x80) != 0;
}

// PostgreSQL 15's scanner stops behind the first byte that does not fit, which may be the first of a
// character: `1\xef`. As newer ones do, all of the word is told. `place`: of the token, in characters from 1.
std::string_view whole_token(std::string_view text, std::string_view token, int place) {
  if (is_valid_text(token)) return token;
  size_t begin = 0;
  for (int at = 1; begin < text.size(); ++begin) {
    if ((static_cast<unsigned char>(text[begin]) & 0xc0) != 0x80 && at++ == place) break;
  }
  if (!text.substr(std::min(begin, text.size())).starts_with(token)) begin = text.find(token);
  if (begin == text.npos) return {};
  size_t end = begin + token.size();
  while (end < text.size() && is_of_word(text[end])) ++end;
  return text.substr(begin, end - begin);
}

// The parser quotes the token that it stopped at, which may be a literal of any length, and a secret.
std::string shown(std::string_view message, std::string_view text, int place) {
  constexpr size_t token_bytes_max = 64;
  constexpr size_t bytes_max = 256;
  constexpr std::string_view near = " at or near \"";
  const size_t at = message.find(near);
  if (at == message.npos) return make_valid_text(text_prefix(message, bytes_max));
  std::string out(text_prefix(message.substr(0, at), bytes_max));
  std::string_view token = message.substr(at + near.size());
  if (token.ends_with('"')) token.remove_suffix(1);
  if (token.find_first_of("'\"$\\") != token.npos) return out + " at or near a quoted text";
  token = whole_token(text, token, place);
  if (!is_valid_text(token)) return out;
  const std::string_view kept = text_prefix(token, token_bytes_max);
  out.append(near).append(kept).append(kept.size() < token.size() ? "..." : "").append("\"");
  return out;
}

}  // namespace

Result<Tree> Tree::parse(std::string_view text) {
  if (text.find('\0') != text.npos) return fail(Fault::malformed, "the text holds a NUL byte");
  std::string terminated(text);
  prepare_grammar_thread();
  PgQueryProtobufParseResult parsed = pg_query_parse_protobuf(terminated.c_str());
  struct Free {
    PgQueryProtobufParseResult& result;
    ~Free() { pg_query_free_protobuf_parse_result(result); }
  } free_parsed{parsed};
  if (parsed.error != nullptr) {
    return fail(Fault::malformed, parsed.error->message == nullptr
                                      ? "it does not parse"
                                      : shown(parsed.error->message, text, parsed.error->cursorpos));
  }
  Tree tree;
  ProtobufCAllocator allocator{
      [](void* arena, size_t size) { return static_cast<Arena*>(arena)->allocate(size); },
      [](void*, void*) {}, tree.arena_.get()};
  tree.result_ = pg_query__parse_result__unpack(&allocator, parsed.parse_tree.len,
                                                reinterpret_cast<const uint8_t*>(parsed.parse_tree.data));
  if (tree.result_ == nullptr) return fail(Fault::internal, "the parse tree cannot be read");
  return tree;
}

const Message& Tree::statement(size_t i) const { return *unwrap(result_->stmts[i]->stmt); }

const Message* unwrap(const PgQuery__Node* node) {
  // All members of the union are pointers to messages.
  if (node == nullptr || node->node_case == PG_QUERY__NODE__NODE__NOT_SET) return nullptr;
  return reinterpret_cast<const Message*>(node->alias);
}

std::string_view text_of(const Message* message) {
  const auto* string = as<PgQuery__String>(message, pg_query__string__descriptor);
  return string == nullptr ? std::string_view() : std::string_view(string->sval);
}

Qualified qualified(PgQuery__Node* const* parts, size_t count) {
  Qualified name;
  if (count >= 1) name.name = text_of(unwrap(parts[count - 1]));
  if (count >= 2) name.schema = text_of(unwrap(parts[count - 2]));
  if (count >= 3) name.catalog = text_of(unwrap(parts[count - 3]));
  return name;
}

}  // namespace ringfence::sql
