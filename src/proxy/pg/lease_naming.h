// Whether a lease's connection has its session's name, and the naming that is under way where it has not.
#pragma once

#include <memory>
#include <string_view>

#include "server_naming.h"

namespace ringfence::proxy {

class LeaseNaming {
 public:
  // A pooled connection gets its session's name. Only where none is under way.
  void start(ServerNaming::Of of, std::string_view application_name, OwnAnswer::Kind kind) {
    naming_ = std::make_unique<ServerNaming>(std::move(of), application_name, kind);
  }
  // Null: the connection has its name.
  ServerNaming* now() const { return naming_.get(); }
  // It is neither answered nor given up, or something of it is on its way.
  bool is_under_way() const { return naming_ && !naming_->is_done(); }
  // Whether `bytes` have to wait for it.
  bool goes_before(ByteView bytes) const { return naming_ && naming_->goes_before(bytes); }
  // The server has been asked, and has not answered.
  bool is_awaited() const { return naming_ && naming_->is_awaited(); }
  // While it is awaited; see ServerNaming. False: the session ends.
  bool take(net::Chunk& chunk, size_t begun) {
    if (!naming_->take(chunk, begun)) return false;
    if (naming_->is_done()) naming_.reset();
    return true;
  }
  // Nobody waits for it any more.
  void end() {
    if (naming_) naming_->end();
  }
  // Of a session that has said goodbye: it needs no name any more.
  void end_unless_sent() {
    if (naming_ && naming_->is_due()) naming_->end();
  }

 private:
  std::unique_ptr<ServerNaming> naming_;
};

}  // namespace ringfence::proxy
