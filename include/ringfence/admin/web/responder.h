// How a handler answers: whole, by a stream, or by another protocol. Once for each request.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ringfence/admin/web/answer_stream.h"
#include "ringfence/http/request.h"
#include "ringfence/http/response.h"
#include "ringfence/net/stream.h"
#include "ringfence/ring/task.h"

namespace ringfence::admin {

// A connection that speaks another protocol from here on.
struct Upgraded {
  // The handler's own. It lives until the handler's task has ended: the server shuts it down at its deadline.
  std::unique_ptr<net::Stream> stream;
  std::string ahead;  // What has come behind the request: it goes before all that is received.
  std::string client_addr;
  // Called when the server begins to stop, at most once, and never after the task has ended. The handler sets
  // it; the task ends in time, or the stream is shut down.
  std::function<void()>& on_stop;
};
using UpgradeHandler = std::function<ring::Task<void>(Upgraded)>;

class Responder {
 public:
  // Sent when the handler has returned.
  virtual void answer(http::Response response) = 0;
  // The head, without its body, goes out at once; the body follows as it is written. The stream lives until
  // the handler has returned.
  virtual AnswerStream& stream(http::Response head) = 0;
  // When the handler has returned, 101 is sent and `handler` gets the connection. 426 is the answer to a
  // request that does not ask for this protocol.
  virtual void upgrade(std::string protocol, std::vector<http::Header> headers, UpgradeHandler handler) = 0;

 protected:
  ~Responder() = default;
};

}  // namespace ringfence::admin
