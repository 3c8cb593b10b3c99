// What any client's connection to a target is to its shard, whatever its protocol.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "ringfence/base/uuid.h"
#include "ringfence/model/session_info.h"

namespace ringfence::net {
class Stream;
}

namespace ringfence::proxy {

// A listening address, as its connections know it. Used by all shards.
struct ListenerFacts {
  std::string name;
  std::string transport;  // "tcp" or "unix".
  uint32_t connections_max = 0;
  std::atomic<uint32_t> connections{0};

  // More are open than connections_max allows.
  bool has_too_many() const {
    return connections_max > 0 && connections.load(std::memory_order_relaxed) > connections_max;
  }
};

// Who ends a session from outside it.
enum class EndCause : uint8_t { administrator, shutdown };

// The order to end a session, and what its client is told where its protocol has words for that.
struct EndOrder {
  EndCause cause = EndCause::administrator;
  std::string message;
  std::string hint;
};

// Of its shard's thread. A call may end the session, and the session removes itself from its shard when it
// has ended.
class Session {
 public:
  Session() = default;
  virtual ~Session() = default;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  virtual const Uuid& id() const = 0;
  // Its client is known, and may use its target. Only such a session is shown and found.
  virtual bool is_logged_in() const = 0;
  // Only of a session that is logged in.
  virtual model::SessionInfo info() const = 0;
  virtual void end_by(const EndOrder& order) = 0;
  // Ends it as soon as it has nothing to finish.
  virtual void drain() = 0;
  // The shard has another snapshot.
  virtual void reconsider() = 0;
};

// One protocol's part of a shard. Of the shard's thread.
class ProtocolShard {
 public:
  // Makes the session of a connection, puts it into the shard's registry and starts it.
  virtual void adopt(std::unique_ptr<net::Stream> client, std::shared_ptr<ListenerFacts> listener) = 0;
  // Once, when the shard's thread runs.
  virtual void begin() {}
  // The shard has another snapshot; its sessions have looked at it.
  virtual void reconsider() {}
  // No session starts from here on.
  virtual void drain() {}
  // From any thread: server connections that belong to no session.
  virtual uint32_t pooled() const { return 0; }

 protected:
  ~ProtocolShard() = default;
};

}  // namespace ringfence::proxy
