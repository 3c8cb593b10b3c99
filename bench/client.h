// A PostgreSQL client for benchmarks: logs in with SCRAM over any blocking connection and reads messages.
// Anything unexpected ends the program: a benchmark has no use for half a load.
#pragma once

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "ringfence/base/base64.h"
#include "ringfence/crypto/secret.h"
#include "ringfence/pg/messages.h"
#include "ringfence/pg/scram.h"
#include "ringfence/pg/startup.h"

namespace ringfence::bench {

struct Account {
  uint16_t port = 0;
  std::string user, password, database;
};

[[noreturn]] inline void die(const std::string& why) {
  std::fprintf(stderr, "load: %s\n", why.c_str());
  std::exit(1);
}

inline int connect_loopback(uint16_t port) {
  int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) die("connect");
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

// PBKDF2 is the client's work and none of the proxy's: once for each salt.
inline pg::ScramKeys keys_of(const std::string& password, const pg::ScramClient::Challenge& challenge) {
  static std::mutex mutex;
  static std::map<std::string, pg::ScramKeys> known;
  std::lock_guard lock(mutex);
  auto found = known.find(challenge.salt);
  if (found == known.end()) {
    found =
        known.emplace(challenge.salt, pg::derive_scram_keys(password, challenge.salt, challenge.iterations))
            .first;
  }
  return found->second;
}

class Client {
 public:
  explicit Client(const Account& account) : account_(account) {}
  virtual ~Client() = default;
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  virtual void send(const std::string& bytes) = 0;

  void log_in() {
    pg::StartupMessage startup;
    startup.version = {3, 0};
    startup.parameters = {{"user", account_.user}, {"database", account_.database}};
    std::string out;
    pg::append_startup(out, startup);
    send(out);
    std::optional<pg::ScramClient> scram;
    for (;;) {
      char type = next();
      if (type == 'Z') return;
      if (type == 'E') die("login: " + body_);
      if (type != 'R') continue;
      auto request = pg::parse_authentication(body_);
      if (!request) die("login");
      out.clear();
      if (request->kind == pg::AuthenticationKind::sasl) {
        scram.emplace(base64_encode(*crypto::random_bytes(pg::scram_nonce_size)));
        pg::append_sasl_initial_response(out, pg::scram_mechanism, scram->first());
      } else if (request->kind == pg::AuthenticationKind::sasl_continue) {
        auto challenge = scram->take_challenge(request->data);
        if (!challenge) die("login");
        pg::append_sasl_response(out, scram->final(keys_of(account_.password, *challenge)));
      }
      if (!out.empty()) send(out);
    }
  }

  // Sends the bytes and reads up to ReadyForQuery, or another message; bytes of the answers' bodies.
  uint64_t run(const std::string& request, char last = 'Z') {
    send(request);
    uint64_t total = 0;
    for (char type = 0; type != last;) {
      type = next();
      total += body_size_;
      if (type == 'E') die("an error in place of an answer: " + body_);
    }
    return total;
  }

 protected:
  // Bytes that came, at least one.
  virtual size_t receive(char* into, size_t size) = 0;

 private:
  void take(char* into, size_t size) {
    while (size > 0) {
      if (at_ == end_) {
        end_ = receive(buffer_, sizeof buffer_);
        at_ = 0;
      }
      size_t piece = std::min(size, end_ - at_);
      if (into != nullptr) std::memcpy(std::exchange(into, into + piece), buffer_ + at_, piece);
      at_ += piece;
      size -= piece;
    }
  }
  // A message's type; its body is kept while it is short.
  char next() {
    char header[5];
    take(header, sizeof header);
    body_size_ = Reader(ByteView(header + 1, 4)).u32() - 4;
    bool is_short = body_size_ < 4096 && header[0] != 'd';
    body_.resize(is_short ? body_size_ : 0);
    take(is_short ? body_.data() : nullptr, body_size_);
    return header[0];
  }

  const Account& account_;
  char buffer_[65536];
  size_t at_ = 0, end_ = 0;
  uint32_t body_size_ = 0;
  std::string body_;
};

class PlainClient final : public Client {
 public:
  explicit PlainClient(const Account& account) : Client(account), fd_(connect_loopback(account.port)) {
    log_in();
  }
  ~PlainClient() override {
    if (fd_ < 0) return;
    std::string goodbye;
    pg::append_terminate(goodbye);
    send(goodbye);
    ::close(fd_);
  }
  void send(const std::string& bytes) override {
    if (::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_WAITALL) !=
        static_cast<ssize_t>(bytes.size())) {
      die("send");
    }
  }
  // The connection, which is the caller's from now on.
  int release() { return std::exchange(fd_, -1); }

 protected:
  size_t receive(char* into, size_t size) override {
    ssize_t got = ::recv(fd_, into, size, 0);
    if (got <= 0) die("connection lost");
    return static_cast<size_t>(got);
  }

 private:
  int fd_;
};

}  // namespace ringfence::bench
