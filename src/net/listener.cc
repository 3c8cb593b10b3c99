#include "ringfence/net/listener.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "ringfence/base/log.h"

namespace ringfence::net {

namespace {
// How long accepting rests when descriptors or memory have run out.
constexpr uint64_t rest_ns = 100'000'000;

// Of a socket: connecting to a file of another kind is refused likewise, and that one is not ours to remove.
bool nobody_answers(const Address& address) {
  struct stat status{};
  if (::lstat(to_string(address).substr(5).c_str(), &status) != 0 || !S_ISSOCK(status.st_mode)) return false;
  int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  bool refused = ::connect(fd, address.get(), address.size) != 0 && errno == ECONNREFUSED;
  ::close(fd);
  return refused;
}
}  // namespace

Result<int> listen(const Address& address, const std::string& what) {
  int fd = ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return fail_errno(errno, "socket");
  int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  int rc = ::bind(fd, address.get(), address.size);
  if (rc != 0 && errno == EADDRINUSE && address.is_unix() && nobody_answers(address)) {
    ::unlink(to_string(address).substr(5).c_str());
    rc = ::bind(fd, address.get(), address.size);
  }
  if (rc != 0 || ::listen(fd, 4096) != 0) {
    int error = errno;
    ::close(fd);
    std::string where = to_string(address);
    if (error == EADDRINUSE) {
      return fail(Fault::conflict,
                  where + " is taken by another process; change " + what + " or stop that process");
    }
    if (error == EACCES) {
      return fail(Fault::io,
                  where +
                      ": permission denied; ports below 1024 need CAP_NET_BIND_SERVICE, a socket's "
                      "folder must be writable; change " +
                      what);
    }
    return fail_errno(error, where + " (" + what + ")");
  }
  return fd;
}

struct Listener::Accept final : ring::Operation, std::enable_shared_from_this<Listener::Accept> {
  Accept(ring::Shard& owner, int listening, Accepted callback)
      : shard(owner),
        fd(listening),
        accepted(std::move(callback)),
        pause(owner.timers(), [this] { arm(); }) {}

  void arm() {
    // The kernel knows this operation: it keeps itself alive until its last completion.
    self = shared_from_this();
    shard.ring().accept_multishot(fd, *this);
  }
  void complete(int result, uint32_t, bool more) override {
    // Also while stopping: whoever was accepted is served or told why not.
    if (result >= 0) accepted(result);
    if (more) return;
    auto keep = std::move(self);
    if (stopping) {
      close();
    } else if (result >= 0 || result == -ECONNABORTED || result == -EINTR) {
      arm();
    } else {
      log_warning("accepting rests for a moment", {{"errno", std::to_string(-result)}});
      pause.arm(shard.now_ns() + rest_ns);
    }
  }
  void close() {
    if (fd >= 0) ::close(fd);
    fd = -1;
  }

  ring::Shard& shard;
  int fd;
  Accepted accepted;
  ring::CallbackTimer pause;
  bool stopping = false;
  std::shared_ptr<Accept> self;
};

Listener::Listener(ring::Shard& shard, int fd, Accepted accepted)
    : accept_(std::make_shared<Accept>(shard, fd, std::move(accepted))) {
  accept_->arm();
}

Listener::~Listener() { stop(); }

void Listener::stop() {
  if (accept_->stopping) return;
  accept_->stopping = true;
  accept_->pause.cancel();
  if (accept_->self) accept_->shard.ring().cancel(*accept_);
  else accept_->close();
}

bool Listener::is_stopped() const { return accept_->fd < 0; }

}  // namespace ringfence::net
