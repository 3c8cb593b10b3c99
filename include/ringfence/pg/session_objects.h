// What a session's names stand for: prepared statements and portals, as the trail needs them. Pooled per
// shard, so that a steady stream of Parse and Bind allocates nothing.
//
// Counted by hand, for one thread. An object that nobody holds goes back to its pool, which outlives all
// sessions.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ringfence/base/bytes.h"
#include "ringfence/base/keyed_hash.h"
#include "ringfence/crypto/secret.h"
#include "ringfence/pg/encoding.h"
#include "ringfence/pg/name_doubt.h"

namespace ringfence::pg {

// A pool keeps this many idle objects, and clears buffers that grew beyond this size.
inline constexpr size_t pool_idle_max = 1024;
inline constexpr size_t pooled_buffer_max = 4096;

template <typename T>
class Pool;

template <typename T>
class Ref {
 public:
  Ref() = default;
  explicit Ref(T* object) : object_(object) { retain(); }
  Ref(const Ref& other) : object_(other.object_) { retain(); }
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Ref() {
    if (object_ != nullptr && --object_->references == 0) object_->pool->give_back(object_);
  }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  T* get() const { return object_; }
  explicit operator bool() const { return object_ != nullptr; }
  bool operator==(const Ref&) const = default;

 private:
  void retain() {
    if (object_ != nullptr) ++object_->references;
  }
  T* object_ = nullptr;
};

template <typename T>
class Pool {
 public:
  Pool() = default;
  Pool(const Pool&) = delete;
  ~Pool() {
    for (T* object : idle_) delete object;
  }
  Ref<T> make() {
    T* object;
    if (idle_.empty()) {
      object = new T();
      object->pool = this;
    } else {
      object = idle_.back();
      idle_.pop_back();
    }
    return Ref<T>(object);
  }
  void give_back(T* object) {
    object->clear();
    if (idle_.size() < pool_idle_max) idle_.push_back(object);
    else delete object;
  }

 private:
  std::vector<T*> idle_;
};

inline void clear_buffer(std::string& buffer) {
  buffer.clear();
  if (buffer.capacity() > pooled_buffer_max) buffer.shrink_to_fit();
}

// A statement's text in the form in which the trail takes it.
class StatementText {
 public:
  // Of texts that `text` does not show whole, or not as they were sent.
  struct Rare {
    ~Rare() { crypto::secure_zero(unredacted); }
    std::string raw;     // The bytes as sent (redacted), where they were not valid text; else empty.
    std::string sha256;  // Of the text as sent, 32 bytes, where `text` does not have all of it; else empty.
    // Where something was redacted: the SHA-256 of the text as sent, 32 bytes, then its beginning, at most
    // the bound.
    std::string unredacted;
  };
  ByteView raw() const { return rare_ ? ByteView(rare_->raw) : ByteView(); }
  ByteView sha256() const { return rare_ ? ByteView(rare_->sha256) : ByteView(); }
  ByteView unredacted() const { return rare_ ? ByteView(rare_->unredacted) : ByteView(); }
  Rare& rare() {
    if (!rare_) rare_ = std::make_unique<Rare>();
    return *rare_;
  }

  std::string text;            // Valid text, redacted, at most the bound.
  uint64_t full_bytes = 0;     // Of the text as sent.
  uint64_t begin = 0;          // Where `text` begins in it.
  uint64_t secret_places = 0;  // Bit n: $n+1 stands where a secret does.
  bool is_truncated = false;
  bool is_redacted = false;
  bool is_unknown = false;  // Not what was sent: it says which names the server ran.

  bool holds_secret() const { return is_redacted || secret_places != 0; }
  void clear() {
    clear_buffer(text);
    if (rare_) {
      clear_buffer(rare_->raw);
      clear_buffer(rare_->sha256);
      crypto::secure_zero(rare_->unredacted);
      clear_buffer(rare_->unredacted);
    }
    full_bytes = begin = secret_places = 0;
    is_truncated = is_redacted = is_unknown = false;
  }

 private:
  std::unique_ptr<Rare> rare_;
};

// What bears on a session that is to stay read-only.
struct CallTraits {
  bool calls_named = false;  // It may call a function that is admitted by name alone.
  bool ends_transaction = false;
  // What it may run out of sight; not looked at: not known yet.
  Unseen unseen = Unseen::none;
  bool is_unseen_known = false;
  bool runs_by_name = false;  // EXECUTE, FETCH: what it runs is looked up each time.
};

struct Prepared;

// What a SQL statement does to the names, once the server has said that it is done.
struct NameChange {
  enum class Kind : uint8_t {
    none,
    prepare,
    deallocate,
    deallocate_all,
    declare,
    close,
    close_all,
    discard_all
  };
  Kind kind = Kind::none;
  Ref<Prepared> prepared;  // prepare, declare: what it makes. deallocate, close: only the name.
};

// A prepared statement: by Parse, or by SQL's PREPARE.
struct Prepared {
  Pool<Prepared>* pool = nullptr;
  uint32_t references = 0;
  uint32_t keepers = 0;  // Its own name, and portals with names: see SessionNames.
  std::string name;
  StatementText statement;
  std::vector<uint32_t> types;   // OIDs of its parameters as far as known; 0 where not.
  NameChange change;             // What running it does to the names.
  uint16_t expected = 0;         // With what it may be answered, as its recorder reads it (see Completion).
  bool is_parsed = false;        // By a Parse, which can be sent again.
  Encoding sent_in;              // The encoding of that Parse's text, where it is known.
  uint32_t gate_generation = 0;  // Of the policies by which it was let through.
  CallTraits traits;
  bool executes_by_name = false;  // EXECUTE: what it runs is looked up each time.
  std::string rule;               // What let it pass.
  uint64_t made_at = 0;  // Stamp of the message that made it; 0: not known to be what the server has.
  uint64_t refusal = 0;  // Not 0: its number. The server never gets it; what executes it has no record.
  // Each run of it waits so long for a word, and by which rule.
  struct Hold {
    uint64_t ms;
    std::string rule;
  };
  // The beginning of the text that the server shows as running when it runs, in the clear.
  struct Sent {
    Sent(ByteView text, uint64_t bytes) : begin(text), full_bytes(bytes) {}
    Sent(const Sent&) = delete;
    Sent& operator=(const Sent&) = delete;
    ~Sent() { crypto::secure_zero(begin); }
    std::string begin;
    uint64_t full_bytes;
  };
  // What certain policies, and a watched target, make of it.
  struct Rare {
    std::string instead;       // What went to the server in place of the text; empty: the text.
    std::optional<Hold> hold;  // Nothing: no run of it waits.
    std::optional<Sent> sent;  // Nothing: not known, or of no interest.
  };
  std::unique_ptr<Rare> rare;
  Rare& make_rare() {
    if (!rare) rare = std::make_unique<Rare>();
    return *rare;
  }
  std::string_view instead() const { return rare ? std::string_view(rare->instead) : std::string_view(); }
  const Hold* hold() const { return rare && rare->hold ? &*rare->hold : nullptr; }
  const Sent* sent() const { return rare && rare->sent ? &*rare->sent : nullptr; }

  void clear() {
    keepers = 0;
    clear_buffer(name);
    statement.clear();
    refusal = made_at = 0;
    is_parsed = false;
    sent_in = {};
    gate_generation = 0;
    traits = {};
    clear_buffer(rule);
    rare.reset();
    executes_by_name = false;
    types.clear();
    change = {};
    expected = 0;
  }
};

// A portal: by Bind, or by SQL's DECLARE CURSOR.
struct Portal {
  Pool<Portal>* pool = nullptr;
  uint32_t references = 0;
  uint32_t gate_generation = 0;  // Of the policies by which its Bind was let through.
  std::string name;
  std::string statement_name;
  Ref<Prepared> statement;        // Empty: a name that we have not seen being made.
  std::string parameters;         // JSON array; empty: none.
  std::string secret_parameters;  // Those that are secrets, in the clear: JSON array, null for the others.
  bool parameters_truncated = false;
  bool bind_is_known = false;  // Made by a Bind that was seen.
  // What came of that Bind; ended: it failed, or the server never came to it.
  enum class Bind : uint8_t { sent, done, ended };
  Bind bind = Bind::sent;
  bool is_unexecuted = false;  // No Execute of it was sent since.
  bool is_paid = false;        // A grant's budget has counted it.
  bool is_presumed = false;    // What its statement's name stood for may have been changed out of sight.
  uint64_t bind_number = 0;    // Of the Bind's own record, until it has ended; 0: it has none.
  uint64_t bind_since_ns = 0;
  uint64_t bind_bytes = 0;  // Of the Bind message, until its first Execute was counted.
  uint64_t made_at = 0;     // Stamp of the message that made it.

  void clear() {
    clear_buffer(name);
    clear_buffer(statement_name);
    statement = {};
    clear_buffer(parameters);
    crypto::secure_zero(secret_parameters);
    clear_buffer(secret_parameters);
    parameters_truncated = bind_is_known = is_presumed = is_unexecuted = is_paid = false;
    bind = Bind::sent;
    bind_bytes = bind_number = bind_since_ns = made_at = 0;
    gate_generation = 0;
  }
};

// Idle sessions keep them: a byte more takes the next size that the allocator has.
static_assert(sizeof(Prepared) <= 256 && sizeof(Portal) <= 192);

struct ObjectPools {
  explicit ObjectPools(const HashKey& key) : name_key(key) {}
  HashKey name_key;  // Of the tables of names, which clients choose.
  // Portals hold statements, so their pool goes first.
  Pool<Prepared> prepared;
  Pool<Portal> portals;
};

}  // namespace ringfence::pg
