// By which key each session of a shard may be cancelled. A client is told the process id of the server's
// process that serves it, as without us, and a secret of ours: servers count their processes alike, so only
// both together name a session. The table is the shard's own; a request is looked up in those of all shards
// (cancel_desk.h).
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

#include "ringfence/base/bytes.h"

namespace ringfence::proxy {

class PgSession;

class CancelKeys {
 public:
  CancelKeys() = default;
  ~CancelKeys();
  CancelKeys(const CancelKeys&) = delete;
  CancelKeys& operator=(const CancelKeys&) = delete;

  void add(uint32_t process_id, std::string key, PgSession& session);
  // Does nothing where the session has no key.
  void remove(uint32_t process_id, const PgSession& session);
  // Null: nobody's. Takes the same time whichever of the keys of this process id it is, or how far it is like
  // one.
  PgSession* find(uint32_t process_id, ByteView key) const;

 private:
  struct Entry {
    std::string key;
    PgSession* session;
  };
  std::unordered_multimap<uint32_t, Entry> entries_;
};

}  // namespace ringfence::proxy
