// PostgreSQL's parse tree as libpg_query gives it: owned, and walkable without knowing a node's type.
//
// The only header that knows libpg_query. A tree lives in one arena and dies at once, without recursion.
#pragma once

#include <pg_query/pg_query.pb-c.h>

#include <memory>
#include <string_view>
#include <vector>

#include "ringfence/base/result.h"

namespace ringfence::sql {

using Message = ProtobufCMessage;
using MessageType = const ProtobufCMessageDescriptor*;

class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  void* allocate(size_t size);

 private:
  std::vector<std::unique_ptr<char[]>> blocks_;
  size_t used_ = 0;
  size_t size_ = 0;
};

class Tree {
 public:
  // Fault::malformed with the grammar's message.
  static Result<Tree> parse(std::string_view text);

  size_t statements() const { return result_->n_stmts; }
  const Message& statement(size_t i) const;

 private:
  Tree() : arena_(std::make_unique<Arena>()) {}
  std::unique_ptr<Arena> arena_;
  PgQuery__ParseResult* result_ = nullptr;
};

// The message inside a Node; nullptr for an absent or empty one.
const Message* unwrap(const PgQuery__Node* node);
inline const Message* unwrap(const Message* message) {
  if (message == nullptr || message->descriptor != &pg_query__node__descriptor) return message;
  return unwrap(reinterpret_cast<const PgQuery__Node*>(message));
}

// The message as a T when it is one, nullptr otherwise.
template <typename T>
const T* as(const Message* message, const ProtobufCMessageDescriptor& type) {
  return message != nullptr && message->descriptor == &type ? reinterpret_cast<const T*>(message) : nullptr;
}
template <typename T>
const Message* up(const T* message) {
  return message == nullptr ? nullptr : &message->base;
}

// Calls visit(const Message&) for every message directly below this one, in the order of the fields, Nodes
// unwrapped.
template <typename Visit>
void for_each_child(const Message& message, Visit&& visit) {
  const auto* bytes = reinterpret_cast<const char*>(&message);
  for (unsigned i = 0; i < message.descriptor->n_fields; ++i) {
    const ProtobufCFieldDescriptor& field = message.descriptor->fields[i];
    if (field.type != PROTOBUF_C_TYPE_MESSAGE) continue;
    if (field.label == PROTOBUF_C_LABEL_REPEATED) {
      size_t count = *reinterpret_cast<const size_t*>(bytes + field.quantifier_offset);
      auto* const* children = *reinterpret_cast<Message* const* const*>(bytes + field.offset);
      for (size_t k = 0; k < count; ++k) {
        if (const Message* child = unwrap(children[k])) visit(*child);
      }
      continue;
    }
    if ((field.flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 &&
        *reinterpret_cast<const int*>(bytes + field.quantifier_offset) != static_cast<int>(field.id)) {
      continue;
    }
    if (const Message* child = unwrap(*reinterpret_cast<Message* const*>(bytes + field.offset)))
      visit(*child);
  }
}

// A String node's text; "" for anything else.
std::string_view text_of(const Message* message);
// The last part of a qualified name, and the one before it.
struct Qualified {
  std::string_view catalog, schema, name;
};
Qualified qualified(PgQuery__Node* const* parts, size_t count);

}  // namespace ringfence::sql
