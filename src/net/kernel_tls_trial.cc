// Whether the kernel's TLS can be trusted: handshakes over loopback between two engines, after which one
// side's sending is the kernel's. What arrives is compared to the last byte, and its cost with that of
// sending from this process.
#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "ringfence/net/kernel_tls.h"
#include "ringfence/net/tls.h"

namespace ringfence::net {

namespace {

constexpr time_t patience_s = 2;  // For each single wait; a loopback answers in microseconds.
constexpr size_t block_bytes = 64 * 1024;
constexpr int measured_blocks = 48;  // Some milliseconds.

// Rings of this thread that were just taken down interrupt its waits.
template <typename Call>
auto uninterrupted(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

// One end: a blocking socket, whose waits are bounded, under an engine.
class End final : public TlsSink {
 public:
  End() = default;
  ~End() {
    if (fd >= 0) ::close(fd);
  }
  End(const End&) = delete;
  End& operator=(const End&) = delete;

  void use(std::shared_ptr<const TlsContext> context) {
    engine = std::make_unique<TlsEngine>(std::move(context), *this);
  }
  void take(ByteView ciphertext, bool more) override { send(ciphertext, more); }
  void take_alert(ByteView alert) override { send_kernel_alert(fd, alert); }
  bool send(ByteView bytes, bool more = false) {
    int flags = MSG_NOSIGNAL | (more ? MSG_MORE : 0);
    while (!bytes.empty()) {
      ssize_t one = uninterrupted([&] { return ::send(fd, bytes.data(), bytes.size(), flags); });
      if (one <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(one));
      sent += static_cast<uint64_t>(one);
    }
    return true;
  }
  // One receive into the engine.
  bool receive() {
    ssize_t got = uninterrupted([&] { return ::recv(fd, buffer_, sizeof buffer_, 0); });
    if (got <= 0) return false;
    engine->give(ByteView(buffer_, static_cast<size_t>(got)));
    return true;
  }
  // Decrypted bytes until there are `size` of them, or nothing more comes.
  std::string read(size_t size) {
    std::string out;
    char plain[4096];
    while (out.size() < size) {
      size_t got = 0;
      TlsEngine::Step step = engine->read(plain, std::min(sizeof plain, size - out.size()), got);
      if (step == TlsEngine::Step::done) out.append(plain, got);
      else if (step != TlsEngine::Step::wants_input || !receive()) break;
    }
    return out;
  }
  // Reads on to the peer's close_notify.
  bool reads_end() {
    char plain[16];
    for (;;) {
      size_t got = 0;
      TlsEngine::Step step = engine->read(plain, sizeof plain, got);
      if (step == TlsEngine::Step::ended) return true;
      if (step != TlsEngine::Step::wants_input || !receive()) return false;
    }
  }
  int leave_sending() {
    TlsSendingKeys keys;
    if (!engine->sending_keys(keys)) return ENOTSUP;
    int error = start_kernel_sending(fd, keys);
    if (error == 0) engine->leave_sending();
    return error;
  }

  int fd = -1;
  uint64_t sent = 0;  // Bytes.
  std::unique_ptr<TlsEngine> engine;

 private:
  char buffer_[16384];
};

Result<void> connect(End& client, End& server) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  int listening = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  client.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  bool is_connected =
      ::bind(listening, generic, size) == 0 && ::listen(listening, 1) == 0 &&
      ::getsockname(listening, generic, &size) == 0 &&
      (uninterrupted([&] { return ::connect(client.fd, generic, size); }) == 0 || errno == EISCONN);
  if (is_connected)
    server.fd = uninterrupted([&] { return ::accept4(listening, nullptr, nullptr, SOCK_CLOEXEC); });
  int error = errno;
  ::close(listening);
  if (server.fd < 0) return fail_errno(error, "a connection over loopback");
  timeval patience{patience_s, 0};
  for (int fd : {client.fd, server.fd}) {
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  }
  return {};
}

struct Contexts {
  std::shared_ptr<const TlsContext> client;
  std::shared_ptr<const TlsContext> server;
  std::shared_ptr<const TlsTicketKeys> ticket_keys;
};

Result<Contexts> make_contexts(const TlsKeyPair& pair, const char* suite) {
  TlsServerOptions server;
  server.certificate_pem = pair.certificate_pem;
  server.key_pem = pair.key_pem;
  server.kernel.suites = 7;
  TlsClientOptions client;
  client.ca_pem = pair.certificate_pem;
  client.kernel.suites = 7;
  auto for_server = TlsContext::server(std::move(server));
  if (!for_server) return unexpected(std::move(for_server).error());
  auto for_client = TlsContext::client(std::move(client));
  if (!for_client) return unexpected(std::move(for_client).error());
  auto keys = TlsTicketKeys::rotate(nullptr);
  if (!keys) return unexpected(std::move(keys).error());
  if (SSL_CTX_set_ciphersuites((*for_client)->native(), suite) != 1)
    return fail(Fault::internal, "no such suite");
  return Contexts{std::move(*for_client), std::move(*for_server), std::move(*keys)};
}

// To the end of the handshake or until it is the other end's turn.
bool advance(End& end, bool reads_first) {
  for (bool reads = reads_first;; reads = true) {
    if (reads && !end.receive()) return false;
    uint64_t before = end.sent;
    TlsEngine::Step step = end.engine->handshake();
    if (step == TlsEngine::Step::done) return true;
    if (step != TlsEngine::Step::wants_input) return false;
    if (end.sent > before) return true;
  }
}

Result<void> shake_hands(End& client, End& server, const Contexts& contexts) {
  if (auto connected = connect(client, server); !connected) return connected;
  client.use(contexts.client);
  server.use(contexts.server);
  server.engine->use_ticket_keys(contexts.ticket_keys);
  // Hello, the server's flight, the client's Finished, and the server reads that.
  bool done =
      advance(client, false) && advance(server, true) && advance(client, true) && advance(server, true);
  if (!done || !client.engine->is_established() || !server.engine->is_established()) {
    return fail(Fault::internal,
                "no handshake over loopback: " + client.engine->reason() + server.engine->reason());
  }
  return {};
}

std::string pattern(size_t size) {
  std::string out(size, '\0');
  for (size_t i = 0; i < size; ++i) out[i] = static_cast<char>(i * 131 + (i >> 8));
  return out;
}

// Both ways, small and large, before and after; alerts at the end.
Result<void> try_suite(const Contexts& contexts) {
  End client, server;
  if (auto shaken = shake_hands(client, server, contexts); !shaken) return shaken;
  const std::string before = "said by this process";
  const std::string large = pattern(3 * 16'384 + 77);
  for (auto [from, to] : {std::pair{&server, &client}, std::pair{&client, &server}}) {
    from->engine->write(before);
    if (to->read(before.size()) != before) return fail(Fault::internal, "TLS over loopback does not work");
    if (int error = from->leave_sending(); error != 0) {
      return fail(Fault::unavailable,
                  error == ENOENT ? "the kernel has no module tls: modprobe tls" : std::strerror(error));
    }
    for (const std::string& text : {std::string("x"), large}) {
      if (!from->send(text)) return fail(Fault::unavailable, "sending by the kernel fails");
      if (to->read(text.size()) != text)
        return fail(Fault::unavailable, "what the kernel encrypts cannot be read");
    }
    // The other direction is as it was.
    if (from == &server) {
      to->engine->write(large);
      if (from->read(large.size()) != large)
        return fail(Fault::unavailable, "what comes in after that cannot be read");
    }
  }
  for (auto [from, to] : {std::pair{&server, &client}, std::pair{&client, &server}}) {
    from->engine->close();
    if (!to->reads_end()) return fail(Fault::unavailable, "an alert by the kernel does not arrive");
  }
  return {};
}

uint64_t cpu_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

// The least of several: what disturbs only adds.
uint64_t least_cost(End& from, End& to, const std::string& block, bool by_kernel) {
  uint64_t least = ~uint64_t{0};
  for (int i = 0; i < measured_blocks; ++i) {
    uint64_t began = cpu_ns();
    if (by_kernel) from.send(block);
    else from.engine->write(block);
    least = std::min(least, cpu_ns() - began);
    // Thrown away by the kernel (tcp(7), MSG_TRUNC), records and all: only sending is looked at.
    for (ssize_t rest = block_bytes; rest > 0;) {
      ssize_t got = uninterrupted([&] { return ::recv(to.fd, nullptr, block_bytes * 2, MSG_TRUNC); });
      if (got <= 0) return least;
      rest -= got;
    }
    while (::recv(to.fd, nullptr, block_bytes, MSG_TRUNC | MSG_DONTWAIT) > 0) {
    }
  }
  return least;
}

double compare_cost(const Contexts& contexts) {
  End client, server;
  if (!shake_hands(client, server, contexts)) return 0;
  const std::string block = pattern(block_bytes);
  uint64_t here = least_cost(server, client, block, false);
  if (server.leave_sending() != 0) return 0;
  uint64_t there = least_cost(server, client, block, true);
  return static_cast<double>(there) / static_cast<double>(std::max<uint64_t>(here, 1));
}

}  // namespace

KernelTls try_kernel_tls() {
  KernelTls out;
  auto pair = make_development_certificate("", 1);
  if (!pair) {
    out.reason = pair.error().message;
    return out;
  }
  constexpr const char* suites[] = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
                                    "TLS_CHACHA20_POLY1305_SHA256"};
  for (unsigned i = 0; i < 3; ++i) {
    auto contexts = make_contexts(*pair, suites[i]);
    Result<void> tried = contexts ? try_suite(*contexts) : unexpected(contexts.error());
    if (tried) out.suites = static_cast<uint8_t>(out.suites | 1U << i);
    else if (out.reason.empty()) out.reason = tried.error().message;
    // Hardly any kernel that cannot do one would do another, and each try may take a wait to its end.
    if (!tried && i == 0) return out;
    if (i == 0) out.cost = compare_cost(*contexts);
  }
  return out;
}

}  // namespace ringfence::net
